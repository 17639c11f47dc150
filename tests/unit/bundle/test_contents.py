from dataclasses import replace

import numpy as np
import pytest

from leeway.bundle.reference import count_reference
from leeway.domain.records import ReferenceCounts

CLASSES = ("cat", "dog")


def answers(n: int) -> np.ndarray:
    """(n, 2) probabilities, all confidences different."""
    confidence = np.random.default_rng(0).permutation(np.linspace(0.51, 0.99, n))
    cat = np.random.default_rng(1).random(n) < 0.5
    return np.where(cat[:, None], np.stack([confidence, 1 - confidence], 1), np.stack([1 - confidence, confidence], 1))


def test_each_confidence_band_holds_a_third_of_the_reference():
    probabilities = answers(300)
    reference = count_reference(CLASSES, probabilities, np.zeros(300, int))
    assert np.sum(reference.counts, axis=0).tolist() == [100, 100, 100]
    assert reference.total == 300


def test_bands_are_cut_as_production_cuts_them():
    probabilities = answers(97)
    reference = count_reference(CLASSES, probabilities, np.zeros(97, int))
    low, high = reference.band_edges
    expected = np.zeros((2, 3), int)
    for row in probabilities:
        confidence = float(row.max())
        expected[row.argmax(), 0 if confidence < low else 1 if confidence < high else 2] += 1
    assert reference.counts == tuple(map(tuple, expected.tolist()))


def test_counts_the_right_answers():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert count_reference(CLASSES, probabilities, np.array([0, 1, 1])).correct == 2


def test_a_model_that_is_always_certain_has_all_in_the_highest_band():
    reference = count_reference(CLASSES, np.array([[1.0, 0.0]] * 4), np.zeros(4, int))
    expected = ReferenceCounts(CLASSES, (1.0, 1.0), ((0, 0, 4), (0, 0, 0)), correct=4, total=4)
    assert replace(reference, edges=(), guesses=(), cells=()) == expected
    assert reference.edges[-1] == 1.0
    assert reference.cells == ((0, 0, len(reference.edges), 4),)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_edges_are_plain_numbers_for_json(dtype):
    reference = count_reference(CLASSES, answers(9).astype(dtype), np.zeros(9, int))
    assert [type(edge) for edge in reference.band_edges] == [float, float]
    assert {type(count) for row in reference.counts for count in row} == {int}
