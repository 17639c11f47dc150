from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from leeway.training.augmentation import augment, draw_variants, normalise
from leeway.training.geometry import SMALL_PIXELS
from leeway.training.profiles import PROFILES, Augmentation

NOTHING = Augmentation()
SIZES = {"small": (16, 16), "large": (64, 64), "small and wide": (16, 24), "large and wide": (64, 80)}
CHANGES = {
    "crop": Augmentation(crop_scale=0.4, crop_aspect=4 / 3),
    "shift": Augmentation(shift_share=0.2),
    "mirrored": Augmentation(horizontal_flip=0.5),
    "upside down": Augmentation(vertical_flip=0.5),
    "quarter turns": Augmentation(quarter_turns=True),
    "rotation": Augmentation(rotation_degrees=20),
    "perspective": Augmentation(perspective=0.3),
    "brightness": Augmentation(brightness=0.3),
    "contrast": Augmentation(contrast=0.3),
    "saturation": Augmentation(saturation=0.9),
    "noise": Augmentation(noise=0.1),
    "erased": Augmentation(erase_share=0.4),
}


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(copies: int, height: int = 16, width: int = 16) -> torch.Tensor:
    """(copies, H, W, 3) uint8: the same real digit each time, reddish on bluish."""
    grey = torch.from_numpy(load_digits().images[2]).float()[None, None] * 15
    large = torch.nn.functional.interpolate(grey, size=(height, width), mode="bilinear")[0, 0]
    colours = torch.stack([large, large / 2, 255 - large], dim=-1).byte()
    return colours.repeat(copies, 1, 1, 1)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_each_image_of_a_batch_gets_its_own_draw(change, size):
    changed = augment(digits(24, *size), change, generator=draws())
    assert changed.shape == (24, *size, 3)
    different = len({tuple(image.flatten().tolist()) for image in changed})
    limits = {"mirrored": 2, "upside down": 2, "quarter turns": 4 if size[0] == size[1] else 2}
    wanted = next((number for name, number in limits.items() if CHANGES[name] is change), None)
    assert different == wanted or (wanted is None and different > 12)


def test_no_augmentation_gives_the_very_same_pixels():
    images = digits(6)
    assert augment(images, NOTHING, generator=draws()) is images
    assert PROFILES["none"] == NOTHING


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
@pytest.mark.parametrize("size", [(16, 16), (64, 80)])
def test_a_profile_keeps_shape_range_and_input_and_follows_its_generator(profile, size):
    images = digits(12, *size)
    before = images.clone()
    first = augment(images, profile, generator=draws(3))
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert 0 <= first.min() <= first.max() <= 255
    assert torch.equal(first, augment(images, profile, generator=draws(3)))
    assert profile == NOTHING or not torch.equal(first, augment(images, profile, generator=draws(4)))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_grey_images_go_through_every_profile(profile):
    assert augment(digits(4)[..., :1], profile, generator=draws()).shape == (4, 16, 16, 1)


@pytest.mark.parametrize("side", [16, 64])
def test_what_only_changes_its_place_stays_uint8(side):
    change = Augmentation(shift_share=0.1, horizontal_flip=0.5, vertical_flip=0.5, quarter_turns=True)
    assert augment(digits(4, side, side), change, generator=draws()).dtype == torch.uint8


@pytest.mark.parametrize("name", ["medical", "document", "digits"])
def test_what_has_a_right_way_round_is_never_mirrored(name):
    half = torch.zeros(64, 40, 40, 3, dtype=torch.uint8)
    half[:, :, :20] = 200  # bright on the left
    changed = augment(half, PROFILES[name], generator=draws()).float()
    assert (changed[:, :, :15].mean(dim=(1, 2, 3)) > changed[:, :, 25:].mean(dim=(1, 2, 3)) + 50).all()


def test_seen_from_above_every_direction_is_as_likely():
    half = torch.zeros(400, 24, 24, 3, dtype=torch.uint8)
    half[:, :, :12] = 200
    changed = augment(half, replace(PROFILES["aerial"], crop_scale=1.0), generator=draws()).mean(dim=3)
    place = torch.arange(24.0) - 11.5
    angles = torch.atan2((changed.mean(dim=2) * place).sum(dim=1), (changed.mean(dim=1) * place).sum(dim=1))
    eighths = torch.histc(angles, bins=8, min=-torch.pi, max=torch.pi)
    assert eighths.min() > 25  # of 50 expected
    assert eighths.max() < 80


@pytest.mark.parametrize("side", [40, 64, 71])
def test_a_shift_stays_within_its_share_of_the_side_and_mirrors_what_comes_in(side):
    ramp = torch.arange(side).repeat(64, side, 1).byte()[..., None]
    moved = augment(ramp, Augmentation(shift_share=0.1), generator=draws()).long()[:, side // 2, :, 0]
    by = side // 2 - moved[:, side // 2]
    assert by.abs().max() == int(0.1 * side)
    assert len(by.unique()) > 5
    assert abs(by.float().mean()) < 0.05 * side
    for row, shift in zip(moved, by.tolist(), strict=True):
        extended = np.pad(np.arange(side), side // 2, mode="symmetric")
        assert np.array_equal(row, extended[side // 2 - shift :][:side])


@pytest.mark.parametrize("side", [19, 71])
def test_half_of_an_uneven_side_can_be_shifted(side):
    images = digits(40, side, side)
    assert augment(images, Augmentation(shift_share=0.5), generator=draws()).shape == images.shape


def test_every_shift_is_as_likely():
    ramp = torch.arange(32).repeat(2000, 32, 1).byte()[..., None]
    moved = augment(ramp, Augmentation(shift_share=2 / 32), generator=draws())
    counts = torch.bincount(moved[:, 16, 16, 0].long() - 14, minlength=5)
    assert len(counts) == 5
    assert counts.min() > 330  # of 400 expected
    assert counts.max() < 470


@pytest.mark.parametrize("side", [40, 64])
def test_a_crop_keeps_its_share_of_the_area_and_lies_anywhere(side):
    """Ramps that grow to the right and downwards tell where the crop lay."""
    assert (side * side <= SMALL_PIXELS) == (side == 40)  # both ways of cropping are seen
    across = torch.linspace(0, 255, side).repeat(200, side, 1)
    images = torch.stack([across, across.transpose(1, 2)], dim=-1).byte()
    cut = augment(images, Augmentation(crop_scale=0.3, crop_aspect=1.5), generator=draws()).float()
    edge = 255 * (side - 1) / side  # from border to border of the ramp, of which a crop of all shows so much
    wide = (cut[:, side // 2, -1, 0] - cut[:, side // 2, 0, 0]) / edge
    tall = (cut[:, -1, side // 2, 1] - cut[:, 0, side // 2, 1]) / edge
    area, aspect = wide * tall, wide / tall
    assert 0.22 < area.min() < 0.4
    assert area.max() > 0.85
    assert aspect.min() > 1 / 1.75
    assert aspect.max() < 1.75
    assert aspect.max() > 1.25
    assert cut[:, side // 2, 0, 0].std() > 20


def test_large_crops_on_the_cpu_agree_with_resampling():
    """Scaled image by image, they are the images that the other way gives (which a tiny rotation asks for)."""
    images = digits(16, 96, 96)
    change = Augmentation(crop_scale=0.3, horizontal_flip=0.5)
    one_by_one = augment(images, change, generator=draws()).float()
    resampled = augment(images, replace(change, rotation_degrees=1e-6), generator=draws()).float()
    assert (one_by_one - resampled).abs().mean() < 2
    assert (one_by_one - images.float()).abs().mean() > 10


def test_small_and_large_images_are_flipped_alike():
    change = Augmentation(horizontal_flip=0.5, vertical_flip=0.5, quarter_turns=True)
    small, large = digits(32, 16, 16), digits(32, 16, 16).repeat_interleave(4, 1).repeat_interleave(4, 2)
    moved = augment(small, change, generator=draws(5))
    assert torch.equal(
        augment(large, change, generator=draws(5)), moved.repeat_interleave(4, 1).repeat_interleave(4, 2)
    )


def test_a_flip_that_is_resampled_is_the_flip_that_is_copied():
    images = digits(32)
    change = Augmentation(horizontal_flip=0.5, vertical_flip=0.5, quarter_turns=True)
    copied = augment(images, change, generator=draws(5)).float()
    resampled = augment(images, replace(change, rotation_degrees=1e-6), generator=draws(5))
    assert (copied - resampled).abs().max() < 0.1


def test_a_rotation_keeps_lengths_when_the_sides_differ():
    images = torch.zeros(32, 30, 60, 1, dtype=torch.uint8)
    images[:, 15, 20:41] = 255
    turned = augment(images, Augmentation(rotation_degrees=30.0), generator=draws())[..., 0]
    rows, columns = torch.meshgrid(torch.arange(30.0), torch.arange(60.0), indexing="ij")
    for image in turned:
        mass = image / image.sum()
        spread = ((rows - (mass * rows).sum()) ** 2 + (columns - (mass * columns).sum()) ** 2) * mass
        assert spread.sum().sqrt() == pytest.approx(6.06, abs=0.5)  # of a bar 21 pixels long


def test_a_perspective_shows_one_side_larger_than_the_other():
    images = torch.zeros(64, 40, 40, 1, dtype=torch.uint8)
    images[:, 10:30, 10:30] = 255
    changed = augment(images, Augmentation(perspective=0.4), generator=draws())[..., 0] / 255
    upper, lower = changed[:, :20].sum(dim=(1, 2)), changed[:, 20:].sum(dim=(1, 2))
    ratio = upper / lower
    assert ratio.min() < 0.8
    assert ratio.max() > 1.25


def test_light_changes_by_its_own_factor_about_what_it_should():
    images = digits(200)
    shades = augment(images, Augmentation(brightness=0.2), generator=draws()).mean(dim=(1, 2, 3))
    plain = images.float().mean()
    assert 0.79 < (shades / plain).min() < 0.85
    assert 1.1 < (shades / plain).max() < 1.21
    contrasts = augment(images, Augmentation(contrast=0.2), generator=draws()).std(dim=(1, 2, 3)) / images.float().std()
    assert contrasts.max() - contrasts.min() > 0.2
    greyer = augment(images, Augmentation(saturation=0.9), generator=draws())
    spread = (greyer.amax(dim=3) - greyer.amin(dim=3)).mean(dim=(1, 2))
    assert spread.min() < 0.3 * spread.max()


def test_an_erased_square_takes_the_mean_colour():
    images = torch.zeros(50, 32, 32, 3, dtype=torch.uint8)
    images[:, ::2] = 200
    erased = augment(images, Augmentation(erase_share=0.5), generator=draws())
    changed = (erased != images).any(dim=3).sum(dim=(1, 2))
    assert changed.max() == 256  # all of 16 x 16, none of which is of the mean colour
    assert changed.min() < 128  # where it hangs over the border
    assert set(erased.unique().tolist()) == {0, 100, 200}


def test_normalising_is_what_the_served_graph_does():
    pixels = torch.randint(0, 256, (3, 5, 7, 3), dtype=torch.uint8, generator=draws())
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    expected = (pixels.float() / 255 - mean) / std
    for given in (pixels, pixels.float()):
        images = normalise(given, mean, std)
        assert images.shape == (3, 3, 5, 7)
        assert torch.allclose(images.permute(0, 2, 3, 1), expected, atol=1e-5)
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_people_can_look_at_draws_of_each_image():
    pixels = digits(3, 20, 16).numpy()
    drawn = draw_variants(pixels, PROFILES["natural"], draws=4, seed=1)
    assert (drawn.shape, drawn.dtype) == ((3, 4, 20, 16, 3), np.uint8)
    assert len({one.tobytes() for one in drawn.reshape(12, -1)}) == 12
    plain = draw_variants(pixels, NOTHING, draws=2, seed=1)
    assert np.array_equal(plain[:, 0], pixels)
    assert np.array_equal(plain[:, 1], pixels)
