"""Simulated years: the false-alarm budget holds, and what should be seen is seen in time."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import beta

from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.records import CheckResult, ReferenceCounts, Status
from leeway.simulate.years import Production, Scenario, YearsOutcome, constant_production, simulate_years

CLASSES = ("cat", "dog", "owl", "ship")
REFERENCE = ReferenceCounts(CLASSES, (0.5, 0.9), tuple((100, 25, 10) for _ in CLASSES), 510, 540)
POLICY = Policy()
LIMIT = 1 - POLICY.accuracy.effective_floor(REFERENCE)


@dataclass(frozen=True)
class AlwaysFires:
    """What a check must not be."""

    budget_share: float = 0.5

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: np.random.Generator):
        return CheckResult("always_fires", Status.FIRED, "always")


def lower_limit(alarmed: np.ndarray) -> float:
    """Exact one-sided 99.9 % lower limit of the share of years with an alarm (Clopper and Pearson 1934)."""
    hits, years = int(alarmed.sum()), len(alarmed)
    return float(beta.ppf(0.001, hits, years - hits + 1)) if hits else 0.0


def stays_within_budget(outcome: YearsOutcome) -> bool:
    return lower_limit(outcome.any_alarm) <= POLICY.false_alarm_probability_per_year


def production(error_rate: float, *, predictions: int = 200, confident: bool = False) -> Production:
    return constant_production(
        classes=4, predictions=predictions, error_rate=error_rate, confident=confident, rng=np.random.default_rng(2)
    )


@pytest.mark.parametrize("years", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_years_without_change_stay_within_the_false_alarm_budget(years: int):
    """At the hardest null: the error rate stands exactly at its limit all year."""
    scenario = Scenario(production(LIMIT), REFERENCE)
    outcome = simulate_years(scenario, POLICY, years=years, rng=np.random.default_rng(1))
    assert len(outcome.any_alarm) == years
    assert stays_within_budget(outcome)


def test_a_check_that_always_fires_breaks_the_budget():
    scenario = Scenario(production(LIMIT), REFERENCE)
    outcome = simulate_years(
        scenario, POLICY, years=20, rng=np.random.default_rng(1), checks={"always_fires": AlwaysFires()}
    )
    assert not stays_within_budget(outcome)


@pytest.mark.parametrize(("confident", "median"), [(False, 8), (True, 15)], ids=["unsure errors", "confident errors"])
def test_a_fall_from_92_to_80_percent_is_seen_with_20_labels_a_night(confident, median):
    scenario = Scenario(production(0.08), REFERENCE, after=production(0.20, confident=confident), change=20)
    outcome = simulate_years(
        scenario, POLICY, years=40, nights=100, rng=np.random.default_rng(3), checks={"accuracy": POLICY.accuracy}
    )
    delays = outcome.delays("accuracy", scenario)
    assert (outcome.first_alarm["accuracy"] >= 20).all()
    assert np.median(delays) <= median
    assert np.quantile(delays, 0.9, method="higher") <= 2 * median


def test_a_fifth_of_the_predictions_moving_is_seen_within_days():
    before = production(0.03)
    moved = Production(np.array([0.45, 0.25, 0.15, 0.15]), before.guesses, before.error_rates)  # one gains from two
    scenario = Scenario(before, REFERENCE, after=moved, change=10)
    outcome = simulate_years(
        scenario,
        POLICY,
        years=20,
        nights=20,
        rng=np.random.default_rng(4),
        checks={"prediction_drift": POLICY.prediction_drift},
    )
    delays = outcome.delays("prediction_drift", scenario)
    assert np.median(delays) <= 2
    assert delays.max() <= 5


def test_the_same_seed_lives_the_same_years():
    scenario = Scenario(production(LIMIT), REFERENCE, after=production(0.4), change=5)
    one, other = (simulate_years(scenario, POLICY, years=3, nights=20, rng=np.random.default_rng(9)) for _ in range(2))
    assert {name: nights.tolist() for name, nights in one.first_alarm.items()} == {
        name: nights.tolist() for name, nights in other.first_alarm.items()
    }
