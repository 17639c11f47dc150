import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from leeway.bundle.contents import bundle_digest
from leeway.bundle.predictor import Predictor
from leeway.data.manifest import read_manifest
from leeway.data.pixels import encoded_images
from leeway.stages import gather, prepare, train
from leeway.training.imbalance import write_class_weights
from tiny_bundle import write_tiny_bundle

PARAMS = Path(__file__).parents[3] / "params.yaml"
QUICK = {"image_size": 16, "epochs": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a dataset of 180 digits."""
    folder = tmp_path_factory.mktemp("prepared")
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    params["data"] |= {"source": {"kind": "digits", "share": 0.1}, "split": {"val": 0.2, "test": 0.3}}
    params["train"] |= QUICK
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "data" / "feedback").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["gather"])
        assert gather.main() == 0
        assert prepare.main() == 0
    return folder


@pytest.fixture(autouse=True)
def workspace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(prepared, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path / "workspace")
    monkeypatch.setenv("LEEWAY_MLFLOW_URI", "none")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # the stage would leave it set behind
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path / "workspace"
    torch.set_num_threads(before)


def change(edit: Callable[[dict], object]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    edit(params["train"])
    Path("params.yaml").write_text(yaml.safe_dump(params))


def test_makes_a_bundle_that_answers_better_than_chance(capsys):
    assert train.main() == 0
    predictor, manifest = Predictor.load(Path("models/bundle")), read_manifest(Path("data/dataset"))
    contents, test = predictor.contents, manifest.rows("test", "original")
    right = predictor.predict(encoded_images(manifest, Path("data"), test)).indices == manifest.labels[test]
    assert right.mean() > 0.3
    assert contents.dataset_digest == manifest.digest
    assert (contents.reference.total, contents.reference.correct) == (len(test), int(right.sum()))
    told = contents.training
    assert [epoch["epoch"] for epoch in told["history"]] == list(range(len(told["history"])))
    assert told["first_epoch_accuracy"] == told["history"][0]["val_accuracy"]
    assert (told["precision"], told["device"], told["start"]) == ("32", "cpu", "scratch")
    assert contents.energy_threshold is not None
    assert not list(Path(".leeway/cache/checkpoints").glob("last.ckpt"))
    answers = json.loads(Path("models/bundle/golden.json").read_text())["images"]
    assert len(answers) == 5
    assert len({(Path("models/bundle") / one["file"]).read_bytes() for one in answers}) == 5


def test_the_same_data_and_params_give_the_same_bundle():
    assert train.main() == 0
    first = bundle_digest(Path("models/bundle"))
    assert train.main() == 0
    assert bundle_digest(Path("models/bundle")) == first


def test_begins_from_the_champion_once_it_is_there(caplog):
    assert train.main() == 0
    champion = bundle_digest(Path("models/bundle"))
    shutil.copytree("models/bundle", "models/start/champion")
    change(lambda params: params["retraining"].update(epochs=1, learning_rate=1e-6))
    write_class_weights(Path("models/start"), {"3": 2.0})
    with caplog.at_level("INFO", "leeway"):
        assert train.main() == 0
    assert f"from champion {champion[:12]}" in caplog.text
    assert "classes weigh 3 2.00 in the loss" in caplog.text
    assert "after 1 epochs" in caplog.text
    reference = Predictor.load(Path("models/bundle")).contents.reference
    assert reference.correct / reference.total > 0.3  # one such small step from scratch would stay at chance


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (
            {"backbone": "resnet19"},
            "train: params.yaml: train.backbone: no torchvision classifier is called",
        ),
        ({"epochs": 0}, "train: params.yaml: train.epochs:"),
        (
            {"weights": "champion"},
            "train: params.yaml: train.weights is champion, but models/start/champion holds none",
        ),
        ({"learning_rte": 1}, "train: params.yaml: train.learning_rte: unknown key. Did you mean learning_rate?"),
        ({"learning_rate": 0.99, "weight_decay": 1e30}, "train: the loss became"),
    ],
)
def test_a_mistake_is_one_line_with_exit_code_2_and_leaves_no_bundle(edit, told, capsys):
    change(lambda params: params.update(edit))
    assert train.main() == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(told)
    assert not Path("models").exists()


def test_from_scratch_a_champion_is_left_alone(caplog):
    write_tiny_bundle(Path("models/start/champion"))  # of three colours: nothing to begin from
    change(lambda params: (params.update(epochs=1), params["retraining"].update(start="scratch")))
    with caplog.at_level("INFO", "leeway"):
        assert train.main() == 0
    assert "small_cnn from scratch on" in caplog.text


def test_a_failed_training_leaves_the_bundle_before():
    assert train.main() == 0
    before = bundle_digest(Path("models/bundle"))
    change(lambda params: params.update(learning_rate=0.99, weight_decay=1e30))
    assert train.main() == 2
    assert bundle_digest(Path("models/bundle")) == before
