"""Label errors, planted in real digits: found by regression on their pixels, which embed well enough for that."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from leeway.curation.label_errors import FOLDS, find_suspects
from leeway.errors import DataError

Digits = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def digits() -> Digits:
    """600 digits as (N, 64) and their labels."""
    found = load_digits()
    return found.data[:600], found.target[:600].astype(np.int64)


def alone(number: int) -> list[str]:
    return [str(one) for one in range(number)]


def planted(labels: np.ndarray, share: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share is set to another class at random, and which."""
    rng = np.random.default_rng(1)
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    noisy = labels.copy()
    noisy[wrong] = (noisy[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return noisy, wrong


def test_finds_planted_errors_and_suggests_what_the_image_shows(digits: Digits) -> None:
    images, truth = digits
    noisy, wrong = planted(truth)
    found = find_suspects(images, noisy, alone(len(images)))
    hit = [one for one in found if one.row in wrong]
    assert len(hit) / len(wrong) > 0.8
    assert np.mean([one.suggested == truth[one.row] for one in hit]) > 0.7
    likely = [one for one in found if one.likely]
    assert np.mean([one.row in wrong for one in likely]) > 0.5  # raw pixels embed worse than a network


def test_the_likely_ones_stand_first(digits: Digits) -> None:
    found = find_suspects(digits[0], planted(digits[1])[0], alone(len(digits[0])))
    order = [one.likely for one in found]
    assert True in order
    assert False in order
    assert order == sorted(order, reverse=True)


def test_says_the_same_of_the_same_images(digits: Digits) -> None:
    noisy = planted(digits[1])[0]
    assert find_suspects(digits[0], noisy, alone(600)) == find_suspects(digits[0], noisy, alone(600))


def test_copies_of_an_image_do_not_vouch_for_its_wrong_label(digits: Digits) -> None:
    images, truth = digits
    copied, noisy = np.concatenate([images, np.repeat(images[:1], 30, axis=0)]), np.append(truth, np.full(30, 9))
    noisy[0] = 9  # it is a 0
    one_group = ["copies", *alone(599), *["copies"] * 30]
    assert truth[0] == 0
    assert {0, *range(600, 630)} <= {one.row for one in find_suspects(copied, noisy, one_group)}
    each_alone = find_suspects(copied, noisy, alone(630))
    assert not {0, *range(600, 630)} & {one.row for one in each_alone}


def test_a_class_with_too_few_groups_is_not_judged(digits: Digits) -> None:
    images, labels = digits
    few = np.flatnonzero(labels == 9)[: FOLDS - 1]
    kept = np.concatenate([np.flatnonzero(labels < 9), few])
    found = find_suspects(images[kept], labels[kept], alone(len(kept)))
    assert {labels[kept][one.row] for one in found} <= set(range(9))
    assert 9 not in {one.suggested for one in found}


def test_one_class_alone_is_refused(digits: Digits) -> None:
    ones = digits[1] == 1
    with pytest.raises(DataError, match="two classes"):
        find_suspects(digits[0][ones], digits[1][ones], alone(int(ones.sum())))
