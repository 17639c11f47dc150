"""Test-time augmentation: the views are what they are called, and gain and cost are told as they are."""

import time

import numpy as np
import pytest

from leeway.evaluation.tta import compare, mean_answer, times_slower, views_of

PIXELS = np.arange(2 * 16 * 32 * 3, dtype=np.uint32).reshape(2, 16, 32, 3).astype(np.uint8)


def left_or_right(pixels):
    """Is the left half brighter than the right one?"""
    left = pixels[:, :, :16].mean(axis=(1, 2, 3)) > pixels[:, :, 16:].mean(axis=(1, 2, 3))
    return np.stack([left, ~left], axis=1).astype(float)


def test_no_views_are_the_image_alone():
    (only,) = views_of(PIXELS, "none")
    assert only is PIXELS


def test_a_mirrored_image_lies_left_to_right():
    _, mirrored = views_of(PIXELS, "mirror")
    assert (mirrored[:, :, 0] == PIXELS[:, :, -1]).all()
    assert (mirrored[:, 0, ::-1] == PIXELS[:, 0]).all()


def test_shifts_move_a_sixteenth_of_each_side_and_repeat_the_edge():
    _, down, up, right, left = views_of(PIXELS, "shifts")
    assert (down[:, 1:] == PIXELS[:, :-1]).all()
    assert (down[:, 0] == PIXELS[:, 0]).all()
    assert (up[:, :-1] == PIXELS[:, 1:]).all()
    assert (right[:, :, 2:] == PIXELS[:, :, :-2]).all()
    assert (left[:, :, -1] == PIXELS[:, :, -1]).all()


def test_mirroring_costs_a_model_that_tells_left_from_right_its_answer():
    image = np.zeros((1, 16, 32, 3), np.uint8)
    image[:, :, :16] = 200
    assert left_or_right(image).tolist() == [[1.0, 0.0]]
    assert mean_answer(image, "mirror", answer=left_or_right).tolist() == [[0.5, 0.5]]


def test_five_views_take_several_times_as_long():
    def slow(pixels):
        time.sleep(0.003)
        return left_or_right(pixels)

    assert times_slower(PIXELS, "shifts", answer=slow) > 2  # five, but for what the machine does besides


def test_gain_is_counted_pair_by_pair():
    truth = np.zeros(20, dtype=np.int64)
    plain, averaged = np.tile([0.2, 0.8], (20, 1)), np.tile([0.7, 0.3], (20, 1))
    plain[:10] = averaged[:10] = [0.9, 0.1]
    averaged[10:12] = [0.1, 0.9]
    gain = compare(truth, plain, averaged, views="shifts", slower=5.0)
    assert (gain.pairs.gained, gain.pairs.lost, gain.pairs.total) == (8, 0, 20)
    assert gain.p == pytest.approx(1 / 2**8)
