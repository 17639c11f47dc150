"""Strangers: the threshold of the energy keeps its promise, and made-up images are what they are said to be."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from leeway.errors import DataError
from leeway.evaluation.strangeness import energy_threshold
from leeway.evaluation.strangers import auroc, make_up, meet_strangers

PIXELS = np.random.default_rng(0).integers(0, 200, (6, 10, 13, 3), dtype=np.uint8)


def test_the_threshold_flags_no_more_than_its_share_of_new_images():
    """Mean over 2,000 validation sets of 50; 1,000 new images each."""
    rng = np.random.default_rng(1)
    flagged = [np.mean(rng.normal(size=1000) > energy_threshold(rng.normal(size=50), share=0.1)) for _ in range(2000)]
    assert 0.09 < np.mean(flagged) <= 0.101


def test_too_few_images_for_the_share_give_the_largest_energy():
    assert energy_threshold(np.array([-3.0, -1.0, -2.0]), share=0.01) == -1.0
    assert energy_threshold(np.arange(100.0), share=0.05) == 95.0


def test_energies_that_are_no_numbers_are_left_out_unless_all_are():
    assert energy_threshold(np.array([np.nan, -2.0, np.inf]), share=0.5) == -2.0
    with pytest.raises(DataError, match="none of 2 energies"):
        energy_threshold(np.array([np.nan, np.nan]), share=0.01)


def test_auroc_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    inside, outside = rng.normal(0, 1, 40).round(1), rng.normal(1, 1, 30).round(1)
    expected = roc_auc_score([0] * 40 + [1] * 30, np.concatenate([inside, outside]))
    assert auroc(inside, outside) == pytest.approx(expected)


def test_shuffled_patches_keep_every_pixel_and_move_them():
    made = make_up(PIXELS, np.random.default_rng(3))["test images with shuffled patches"]
    assert made.shape == PIXELS.shape
    assert (np.sort(made.reshape(6, -1), axis=1) == np.sort(PIXELS.reshape(6, -1), axis=1)).all()
    assert (made != PIXELS).any(axis=(1, 2, 3)).all()
    assert (made[:, 8:] == PIXELS[:, 8:]).all(), "rows that make no whole patch stay"
    patches = {one[:2, :3].tobytes() for one in (PIXELS[0, 2 * r :, 3 * c :] for r in range(4) for c in range(4))}
    assert made[0, :2, :3].tobytes() in patches


def test_inverting_twice_gives_the_image_back():
    made = make_up(PIXELS, np.random.default_rng(3))["inverted test images"]
    assert (255 - made == PIXELS).all()


def test_a_stranger_that_is_brighter_is_found_by_an_energy_that_is_brightness():
    def energy_of(pixels):
        return pixels.mean(axis=(1, 2, 3))

    dark = PIXELS // 4
    met = meet_strangers(energy_of(dark), dark, energy_of=energy_of, threshold=60.0, rng=np.random.default_rng(0))
    told = {kind.name: kind for kind in met.kinds}
    assert met.flagged.value == 0
    assert (told["inverted test images"].auroc, told["inverted test images"].flagged.value) == (1.0, 1.0)
    assert told["test images with shuffled patches"].auroc == 0.5, "shuffling does not change the brightness"


def test_without_a_threshold_nothing_is_called_strange():
    met = meet_strangers(
        np.zeros(6), PIXELS, energy_of=lambda p: np.zeros(len(p)), threshold=None, rng=np.random.default_rng(0)
    )
    assert met.flagged is None
    assert {kind.flagged for kind in met.kinds} == {None}
