import pytest
import torch

from leeway.training.augmentation import augment

QUIET = {"rotation_degrees": 0.0, "shift_share": 0.0, "noise": 0.0}


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def copies() -> torch.Tensor:
    """(6, 3, 16, 16): the same image six times, a bright bar off the centre."""
    images = torch.zeros(6, 3, 16, 16)
    images[:, :, 3, 2:14] = 1
    return images


@pytest.mark.parametrize("change", [{"rotation_degrees": 20.0}, {"shift_share": 0.2}, {"noise": 0.1}])
def test_each_image_of_a_batch_gets_its_own_draw(copies, change):
    changed = augment(copies, **(QUIET | change), generator=draws())
    assert len({tuple(image.flatten().tolist()) for image in changed}) == 6


def test_all_settings_at_zero_change_nothing(copies):
    assert torch.equal(augment(copies, **QUIET, generator=draws()), copies)


def test_the_same_generator_state_gives_the_same_images(copies):
    settings = {"rotation_degrees": 10.0, "shift_share": 0.1, "noise": 0.1}
    assert torch.equal(augment(copies, **settings, generator=draws(3)), augment(copies, **settings, generator=draws(3)))
    assert not torch.equal(
        augment(copies, **settings, generator=draws(3)), augment(copies, **settings, generator=draws(4))
    )


def test_a_shift_stays_within_its_share_of_the_side():
    images = torch.zeros(64, 1, 40, 40)
    images[:, :, :, 20] = 1
    moved = augment(images, **(QUIET | {"shift_share": 0.1}), generator=draws())
    columns = torch.arange(40.0)
    centres = (moved.mean(dim=(1, 2)) * columns).sum(dim=1) / moved.mean(dim=(1, 2)).sum(dim=1)
    assert (centres - 20).abs().max() <= 4.01
    assert (centres - 20).abs().max() > 2.5


def test_a_rotation_keeps_lengths_when_the_sides_differ():
    images = torch.zeros(32, 1, 30, 60)
    images[:, :, 15, 20:41] = 1
    turned = augment(images, **(QUIET | {"rotation_degrees": 30.0}), generator=draws())
    rows, columns = torch.meshgrid(torch.arange(30.0), torch.arange(60.0), indexing="ij")
    for image in turned[:, 0]:
        mass = image / image.sum()
        spread = ((rows - (mass * rows).sum()) ** 2 + (columns - (mass * columns).sum()) ** 2) * mass
        assert spread.sum().sqrt() == pytest.approx(6.06, abs=0.5)  # of a bar 21 pixels long


def test_the_border_is_continued_and_the_range_kept():
    images = torch.ones(8, 3, 16, 16)
    moved = augment(images, rotation_degrees=30.0, shift_share=0.3, noise=0.0, generator=draws())
    assert torch.allclose(moved, images, atol=1e-5)
    noisy = augment(images, rotation_degrees=0.0, shift_share=0.0, noise=0.5, generator=draws())
    assert noisy.min() >= 0
    assert noisy.max() <= 1
