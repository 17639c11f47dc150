"""Image drift: what moves is found in the direction in which it moved, what differs from night to night is no news."""

import math

import numpy as np
import pytest

from leeway.simulate.image_drift import Change, alike, directed, first_alarm, shifted, wavy
from leeway.stats import image_drift as images

RNG = np.random.default_rng


def nights(number: int, *, dims: int = 6, sd: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    rng = RNG(seed)
    return [rng.normal(size=(300, dims)) + rng.normal(scale=sd, size=dims) for _ in range(number)]


def test_even_nights_give_the_direction_and_odd_ones_the_level() -> None:
    made = nights(14)
    reference = images.reference_of(made)
    assert (len(reference.a), len(reference.b), reference.sizes.tolist()) == (7 * 300, 7 * 300, [300] * 7)
    assert np.allclose(reference.origin, np.mean([one.mean(axis=0) for one in made[::2]], axis=0), atol=1e-5)


def test_a_coordinate_that_never_varies_says_nothing_and_breaks_nothing() -> None:
    made = [np.column_stack([one, np.full(300, 7.0)]) for one in nights(15)]
    tonight = made[14] + np.eye(7)[6] * 1e6
    found = images.bet(images.reference_of(made[:14]), tonight, recent_mean=made[13].mean(axis=0))
    assert found is not None
    assert abs(found.shift) < 0.5


def test_nothing_is_said_of_embeddings_that_are_all_alike() -> None:
    made = [np.ones((300, 4))] * 14
    assert images.bet(images.reference_of(made), made[0], recent_mean=np.ones(4)) is None


def test_no_night_multiplies_the_evidence_by_more_than_twelve() -> None:
    made = nights(14)
    moved = made[0] + 5.0
    found = images.bet(images.reference_of(made), moved, recent_mean=moved.mean(axis=0))
    assert found is not None
    assert found.log_factors.max() == pytest.approx(math.log(12))


def test_the_images_that_moved_have_the_largest_scores() -> None:
    made = nights(15)
    tonight = made[14].copy()
    tonight[[3, 77]] += 6 * np.eye(6)[0]
    found = images.bet(images.reference_of(made[:14]), tonight, recent_mean=made[0].mean(axis=0) + np.eye(6)[0])
    assert found is not None
    assert set(np.argsort(-found.scores)[:2].tolist()) == {3, 77}


def test_nights_that_differ_among_each_other_make_a_night_count_less() -> None:
    def gained(sd: float) -> float:
        made = nights(28, sd=sd)
        tonight = made[0] + np.eye(6)[0] * 0.4
        found = images.bet(images.reference_of(made), tonight, recent_mean=tonight.mean(axis=0))
        assert found is not None
        return float(found.log_factors.max())

    assert gained(0.2) < gained(0.0) / 2


def test_an_alarm_ends_some_nights_after_the_images_are_back() -> None:
    wealth = images.START
    for _ in range(100):
        wealth = images.update(wealth, np.full(4, images.CAP))
    assert images.e_value(wealth) == pytest.approx(images.threshold() * 144)


def test_the_evidence_of_two_references_is_their_mean() -> None:
    one, two = np.full(4, math.log(10.0)), np.full(4, math.log(30.0))
    assert images.e_value(one, two) == pytest.approx(20)


@pytest.mark.parametrize(
    "means",
    [
        alike,
        lambda *given: shifted(*given, sd=0.1),
        lambda *given: directed(*given, sd=0.3),
        lambda *given: wavy(*given, sd=0.02),
    ],
    ids=["alike", "nights of .1", "three directions", "waves of .02"],
)
def test_what_the_null_allows_is_no_alarm(means) -> None:
    assert [first_alarm(means, RNG(seed), nights=90, coordinates=16) for seed in range(2)] == [-1, -1]


def test_half_an_sd_is_seen_within_nine_nights_and_not_before_the_reference() -> None:
    found = [first_alarm(alike, RNG(seed), nights=52, change=Change(40, 0.5)) for seed in range(3)]
    assert sorted(found)[1] - 40 + 1 <= 9
    assert min(found) >= 40
    assert first_alarm(alike, RNG(0), nights=14, change=Change(4, 2.0)) == -1
