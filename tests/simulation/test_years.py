"""Simulated years: what the policy promises about false alarms and delays, held against the detectors that keep it.

The full size (2,000 years) is `make test-slow` and `benchmarks/years.py`; 100 years run with every test.
"""

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import beta

from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.records import ReferenceCounts, WindowCounts
from leeway.simulate.production import classifier as production
from leeway.simulate.production import weekly_pattern
from leeway.simulate.years import Limits, Night, YearsOutcome, simulate_years
from leeway.stats.edetector import threshold
from made_nights import FIRST

POLICY = Policy()
BUDGET = POLICY.false_alarm_probability_per_year
LINE = np.log(threshold(POLICY.alpha(POLICY.checks["prediction_drift"])))


def lower_limit(alarmed: np.ndarray) -> float:
    """Exact one-sided 99.9 % lower limit of the share of years with an alarm (Clopper and Pearson 1934)."""
    hits, years = int(alarmed.sum()), len(alarmed)
    return float(beta.ppf(0.001, hits, years - hits + 1)) if hits else 0.0


def stays_within_budget(outcome: YearsOutcome) -> bool:
    return lower_limit(outcome.any_alarm) <= BUDGET


HARDEST = production(predictions=2000, accuracy=0.90)  # all year exactly at the floor
years = pytest.mark.parametrize("years", [100, pytest.param(2_000, marks=pytest.mark.slow)])


@years
@pytest.mark.parametrize("predictions", [200, 2_000])
def test_years_without_change_stay_within_the_false_alarm_budget(years: int, predictions: int) -> None:
    """Drift, accuracy and classes together; accuracy stands exactly at its floor."""
    null = production(predictions=predictions, accuracy=0.90)
    limits = Limits(accuracy=null.error_rate, classes=0.20)
    outcome = simulate_years(null, POLICY, years=years, rng=np.random.default_rng(1), limits=limits)
    assert len(outcome.any_alarm) == years
    assert stays_within_budget(outcome)


@years
def test_weekends_and_days_that_differ_are_no_news(years: int) -> None:
    outcome = simulate_years(
        production(predictions=2000, accuracy=0.95),
        POLICY,
        years=years,
        rng=np.random.default_rng(2),
        watch=("prediction_drift",),
        day_shares=weekly_pattern,
    )
    assert stays_within_budget(outcome)


@years
def test_all_classes_at_their_floors_stay_within_the_budget(years: int) -> None:
    null = production(predictions=2000, accuracy=0.80)
    limits = Limits(accuracy=null.error_rate, classes=null.error_rate)
    outcome = simulate_years(
        null, POLICY, years=years, rng=np.random.default_rng(3), limits=limits, watch=("accuracy", "class_accuracy")
    )
    assert stays_within_budget(outcome)


def test_a_budget_that_is_not_kept_is_noticed() -> None:
    """Error rates over the limits that the detectors are given: every year alarms."""
    outcome = simulate_years(
        HARDEST, POLICY, years=20, rng=np.random.default_rng(1), limits=Limits(accuracy=0.05), watch=("accuracy",)
    )
    assert not stays_within_budget(outcome)


@pytest.mark.parametrize(("confident", "median"), [(False, 15), (True, 36)], ids=["unsure errors", "confident errors"])
def test_a_fall_from_92_to_80_percent_is_seen_with_20_labels_a_night(confident: bool, median: int) -> None:
    outcome = simulate_years(
        production(predictions=2000, accuracy=0.92),
        POLICY,
        years=100,
        nights=100,
        rng=np.random.default_rng(3),
        after=production(predictions=2000, accuracy=0.80, before=0.92 if confident else None),
        change=20,
        watch=("accuracy",),
    )
    delays = outcome.delays("accuracy", change=20)
    assert len(delays) == 100
    assert np.median(delays) <= median
    assert np.quantile(delays, 0.9, method="higher") <= 2 * median


def test_a_class_that_gains_a_tenth_of_the_predictions_is_seen_within_days() -> None:
    outcome = simulate_years(
        production(predictions=2000, accuracy=0.95),
        POLICY,
        years=50,
        nights=30,
        rng=np.random.default_rng(4),
        after=production(predictions=2000, accuracy=0.95, gain=0.10),
        change=15,
        watch=("prediction_drift",),
    )
    delays = outcome.delays("prediction_drift", change=15)
    assert np.median(delays) <= 2
    assert delays.max() <= 5


def test_labels_lean_towards_the_class_that_fails() -> None:
    """With suspicion one class of ten from 92 to 60 % is seen sooner than without."""

    def delay(lean: float) -> float:
        policy = Policy.model_validate({"labels": {"lean": lean}})
        outcome = simulate_years(
            production(predictions=2000, accuracy=0.92),
            policy,
            years=60,
            nights=140,
            rng=np.random.default_rng(5),
            after=production(predictions=2000, accuracy=0.92, weak_class=0.60),
            change=10,
            watch=("class_accuracy",),
        )
        return float(np.median(outcome.delays("class_accuracy", change=10)))

    assert delay(POLICY.labels.lean) < 0.8 * delay(0.0)


def test_the_same_seed_lives_the_same_years() -> None:
    one, other = (
        simulate_years(
            production(predictions=300, accuracy=0.92),
            POLICY,
            years=3,
            nights=20,
            rng=np.random.default_rng(9),
            after=production(predictions=300, accuracy=0.6),
            change=5,
        )
        for _ in range(2)
    )
    assert {name: nights.tolist() for name, nights in one.first_alarm.items()} == {
        name: nights.tolist() for name, nights in other.first_alarm.items()
    }


def test_the_years_are_watched_by_the_checks_themselves() -> None:
    """What the engine computes for two years at once is, night by night, what the checks compute for one.

    Where it might alarm; elsewhere it is a limit that leaves no doubt. Drift, that is: test_accuracy_years.py and
    test_class_years.py hold the others to theirs.
    """
    seen: list[Night] = []
    simulate_years(
        production(predictions=400, accuracy=0.95, slices=3),
        POLICY,
        years=2,
        nights=36,
        rng=np.random.default_rng(6),
        after=production(predictions=400, accuracy=0.80, gain=0.20, slices=3),
        change=31,
        watch=("prediction_drift",),
        observe=lambda _, night: seen.append(night),
    )
    for year in range(2):
        for name, found in _log_m_of_the_checks(seen, year).items():
            engine, check = np.array([float(night.log_m[name][year]) for night in seen][7:]), np.array(found)
            assert (engine >= check - 1e-6).all(), name
            assert ((engine >= LINE) == (check >= LINE)).all(), name
            assert engine[check >= LINE] == pytest.approx(check[check >= LINE], abs=1e-6), name
            assert check[-1] >= LINE, name


def _log_m_of_the_checks(seen: list[Night], year: int) -> dict[str, list[float]]:
    """By check, from night 7 on: the reference is complete then."""
    classes = tuple(f"class {k}" for k in range(10))
    reference = ReferenceCounts(classes, (0.5, 0.9), ((20, 20, 60),) * 10, correct=900, total=1000)
    earlier: list[WindowCounts] = []
    previous: dict[str, object] = {}
    found: dict[str, list[float]] = {name: [] for name in seen[0].log_m}
    for number, night in enumerate(seen):
        counts = tuple(tuple(map(int, row)) for row in night.cells[year].reshape(-1, 3))
        window = WindowCounts("m", 1, FIRST + timedelta(days=number), classes, counts)
        evidence = Evidence(window, reference, earlier=tuple(earlier), closed=[], recent=[])
        for name in found:
            check = POLICY.checks[name]
            result = check.run(evidence, previous.get(name), alpha=0.02, rng=np.random.default_rng(0))
            previous[name] = result
            if number >= 7:
                found[name].append(float(np.log(result.statistic)))
        earlier.append(window)
    return found
