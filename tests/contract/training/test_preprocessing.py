import pytest
import torchvision

from leeway.bundle.contents import read_contents
from leeway.errors import ParamsError
from leeway.training.params import TrainParams
from leeway.training.preprocessing import preprocessing
from tiny_bundle import write_tiny_bundle


@pytest.fixture
def params(quick_params: TrainParams) -> TrainParams:
    return quick_params.model_copy(update={"image_size": None})


def using(params: TrainParams, **changes: object) -> TrainParams:
    return params.model_copy(update=changes)


@pytest.mark.parametrize(
    ("backbone", "weights"),
    [
        ("efficientnet_b0", "IMAGENET1K_V1"),
        ("efficientnet_b1", "IMAGENET1K_V2"),
        ("efficientnet_v2_s", "DEFAULT"),
        ("resnet50", "IMAGENET1K_V1"),
        ("resnet50", "IMAGENET1K_V2"),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"),
        ("inception_v3", "DEFAULT"),
    ],
)
def test_preprocessing_is_what_the_weights_were_trained_with(params, backbone, weights):
    recipe = preprocessing(using(params, backbone=backbone, weights=weights))
    preset = torchvision.models.get_model_weights(backbone)[weights].transforms()
    rule = recipe.rule
    assert (rule.height, rule.width, rule.shorter_side) == (*preset.crop_size * 2, *preset.resize_size)
    assert (rule.fit, rule.interpolation) == ("crop", preset.interpolation.value)
    assert (recipe.mean, recipe.std) == (tuple(preset.mean), tuple(preset.std))
    assert recipe.warnings == ()


@pytest.mark.parametrize(
    ("backbone", "side"), [("small_cnn", 32), ("resnet18", 224), ("efficientnet_v2_s", 384), ("inception_v3", 299)]
)
def test_from_scratch_an_image_is_stretched_to_the_backbone_s_usual_size(params, backbone, side):
    recipe = preprocessing(using(params, backbone=backbone))
    assert (recipe.rule.height, recipe.rule.width, recipe.rule.fit) == (side, side, "stretch")
    assert (recipe.mean, recipe.std) == ((0.5,) * 3, (0.25,) * 3)


def test_what_overrules_the_weights_is_told_with_both_values(params):
    chosen = using(params, backbone="resnet18", weights="DEFAULT", image_size=(96, 128), fit="pad", mean=(0.5,))
    recipe = preprocessing(chosen)
    assert (recipe.rule.height, recipe.rule.width, recipe.rule.fit) == (96, 128, "pad")
    assert recipe.mean == (0.5, 0.5, 0.5)
    assert recipe.warnings == tuple(
        f"params.yaml: train.{ours}, but DEFAULT of resnet18 was trained with {theirs}; null takes that"
        for ours, theirs in {
            "image_size is 96 x 128": "224 x 224",
            "fit is pad": "crop",
            "mean is 0.5, 0.5, 0.5": "0.485, 0.456, 0.406",
        }.items()
    )


def test_what_says_the_same_as_the_weights_is_no_warning(params):
    chosen = using(params, backbone="resnet18", weights="DEFAULT", image_size=224, fit="crop", interpolation="bilinear")
    assert preprocessing(chosen).warnings == ()


def test_from_scratch_nothing_can_disagree(params):
    recipe = preprocessing(
        using(params, backbone="resnet18", image_size=64, std=(0.1, 0.2, 0.3), interpolation="bicubic")
    )
    assert recipe.warnings == ()
    assert (recipe.rule.interpolation, recipe.std) == ("bicubic", (0.1, 0.2, 0.3))


def test_another_size_keeps_the_margin_that_the_weights_cut_off(params):
    chosen = using(params, backbone="resnet18", weights="DEFAULT", image_size=112)
    assert preprocessing(chosen).rule.shorter_side == 128
    assert preprocessing(using(chosen, image_size=(112, 160))).rule.shorter_side is None


def test_grey_images_have_one_mean_and_one_std(params):
    recipe = preprocessing(using(params, backbone="resnet18", weights="DEFAULT", channels=1))
    assert recipe.rule.channels == 1
    assert recipe.mean == pytest.approx((0.449,))
    assert recipe.std == pytest.approx((0.226,))
    assert recipe.warnings == ()


def test_one_number_for_each_channel_is_wanted(params):
    with pytest.raises(ParamsError, match=r"train\.mean: got 2 numbers, train\.channels is 3; one for each, or one"):
        preprocessing(using(params, mean=(0.1, 0.2)))
    with pytest.raises(ParamsError, match=r"train\.std: got 3 numbers, train\.channels is 1"):
        preprocessing(using(params, channels=1, std=(0.1, 0.2, 0.3)))


def test_a_local_file_is_read_as_the_weights_that_it_is_named_after(params):
    older = preprocessing(using(params, backbone="resnet50", weights="files/resnet50-0676ba61.pth"))
    assert older.rule.shorter_side == 256
    assert preprocessing(using(params, backbone="resnet50", weights="files/mine.pth")).rule.shorter_side == 232
    assert preprocessing(using(params, weights="files/mine.safetensors")).rule.height == 32


def test_from_a_champion_its_own_preprocessing_is_taken_over(params, tmp_path):
    write_tiny_bundle(tmp_path / "bundle")
    champion = read_contents(tmp_path / "bundle")
    recipe = preprocessing(using(params, backbone="resnet18", weights="champion"), champion=champion)
    assert (recipe.rule, recipe.mean, recipe.std) == (champion.resize, champion.mean, champion.std)
    assert recipe.warnings == ()
    changed = preprocessing(using(params, image_size=64), champion=champion)
    assert changed.warnings[0].startswith(
        "params.yaml: train.image_size is 64 x 64, but the champion was trained with "
    )
