"""Simulated drift: every year is watched as the check watches one, whatever the reference and the size of nights."""

import math
from datetime import timedelta

import numpy as np
import pytest

from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.records import ReferenceCounts, Status, WindowCounts
from leeway.simulate.drift import SimulatedDrift
from leeway.simulate.production import classifier
from leeway.simulate.years import Limits
from made_nights import CLASSES, FIRST

YEARS, NIGHTS = 2, 50
BEFORE = np.array([1, 2, 3, 2, 2, 4, 1, 1, 4]) / 20
AFTER = np.array([3, 2, 1, 2, 2, 4, 1, 1, 4]) / 20
SIZES = [400, 90, 400, 1500, 30, 400, 700]  # in turn; under 100 a night has no verdict


def lived(*, changed: int, seed: int = 5) -> np.ndarray:
    """(T, Y, 9) counts of nights that differ by more than chance."""
    rng = np.random.default_rng(seed)
    shares = [rng.dirichlet(800 * (AFTER if night >= changed else BEFORE), size=YEARS) for night in range(NIGHTS)]
    return np.stack([rng.multinomial(SIZES[night % 7], one) for night, one in enumerate(shares)])


def log_m_of_the_check(check: PredictionDrift, nights: np.ndarray, reference: ReferenceCounts) -> list[float]:
    """Of one year; -inf without a verdict."""
    windows = [
        WindowCounts("m", 1, FIRST + timedelta(days=number), CLASSES, tuple(map(tuple, cells.reshape(-1, 3).tolist())))
        for number, cells in enumerate(nights)
    ]
    results = [
        check.run(Evidence(one, reference, windows[:number]), None, alpha=0.02, rng=np.random.default_rng(0))
        for number, one in enumerate(windows)
    ]
    return [-math.inf if one.status is Status.NO_VERDICT else math.log(one.statistic) for one in results]


def says(found: np.ndarray, expected: list[float], *, line: float) -> bool:
    """Exactly what the check says where it might alarm; elsewhere the same, or a limit over it that is no alarm."""
    known = np.isfinite(found)
    over = found[known] - np.array(expected)[known]
    near = bool(np.median(over) < 0.2) and bool((over > -1e-9).all())
    return near and np.isneginf(expected)[~known].all() and bool(((over < 1e-9) | (found[known] < line)).all())


@pytest.mark.parametrize("reference_nights", [1, 3, 7, 30])
def test_every_night_of_every_year_is_what_the_check_says(reference_nights):
    policy = Policy.model_validate({"prediction_drift": {"reference_nights": reference_nights}})
    nights = lived(changed=43)
    watcher = SimulatedDrift(YEARS, classifier(predictions=400, accuracy=0.9, classes=3), policy, Limits())
    found = np.stack([watcher.see_cells(cells) for cells in nights])
    check = policy.check(PredictionDrift)
    for year in range(YEARS):
        expected = log_m_of_the_check(
            check, nights[:, year], ReferenceCounts(CLASSES, (0.5, 0.9), ((9, 9, 9),) * 3, 1, 1)
        )
        assert says(found[:, year], expected, line=watcher.line)
    assert (found[-5:] > watcher.line).any() or reference_nights == 30
    assert np.isfinite(found).sum() > (5 if reference_nights == 30 else 20)


def test_so_is_every_night_that_is_held_against_a_file():
    nights = lived(changed=20)
    watcher = SimulatedDrift(YEARS, classifier(predictions=400, accuracy=0.9, classes=3), Policy(), Limits(file=5000))
    file = tuple(map(tuple, watcher.watched[0].days[0].reshape(3, 3).tolist()))
    found = np.stack([watcher.see_cells(cells) for cells in nights])
    for year in range(YEARS):
        reference = ReferenceCounts(CLASSES, (0.5, 0.9), file, 1, 1, production=True)
        expected = log_m_of_the_check(PredictionDrift(), nights[:, year], reference)
        assert says(found[:, year], expected, line=watcher.line)
    assert (found[-5:] > watcher.line).any()
    assert not np.isfinite(found[:9]).any(), "seven quiet nights of at least 100 have to tell how much nights differ"
