"""Power: what a policy will see, how soon, and at what price in labels and false alarms, from simulated years."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.simulate.production import Production, classifier
from leeway.simulate.years import Limits, simulate_years

DROPS = (0.02, 0.05, 0.10)
DRIFTS = (0.05, 0.10, 0.20)
RUNS, QUIET_YEARS = 200, 60
BEFORE, LONGEST = 15, 180  # nights before the change, of which the first are drift's reference; nights waited after it
MONTH = 365 / 12


@dataclass(frozen=True, slots=True)
class Delay:
    """How long it takes until an alarm. Nights, the first changed one as 1; None where not even half saw it."""

    what: str
    median: float | None
    most: float | None  # 90 % are seen by then
    seen: float  # share seen within 180 nights
    note: str = ""


@dataclass(frozen=True, slots=True)
class Power:
    """What a policy will see."""

    accuracy: float
    floor: float
    labels_per_night: int
    labels_per_month: float
    promised: float  # probability of any false alarm in a year
    quiet_years: int
    years_with_false_alarm: int
    drops: tuple[Delay, ...]
    drops_with_twice_the_labels: tuple[Delay, ...]
    drifts: tuple[Delay, ...]


def foresee(
    policy: Policy,
    *,
    predictions: int,
    classes: int,
    labels: int | None = None,
    accuracy: float | None = None,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Power:
    """Simulates production with this many predictions a night under the policy; `STEPS` calls of `progress`.

    accuracy: of the model while nothing is wrong; default: `allowed_drop` over the floor. Its guesses are those of a
    good classifier, and what it loses it loses in proportion to them: confident errors take about twice as long.
    """
    rng = np.random.default_rng(seed)
    wanted = policy.labels.wanted(predictions) if labels is None else labels
    check = policy.check(Accuracy)
    usual = accuracy or min(check.floor + check.allowed_drop, 0.999)
    floor = max(check.floor, usual - check.allowed_drop)
    night = _Scenario(policy, predictions, classes, usual, floor, rng, progress)
    quiet = night.quiet(wanted)
    return Power(
        accuracy=usual,
        floor=floor,
        labels_per_night=wanted,
        labels_per_month=wanted * MONTH,
        promised=policy.false_alarm_probability_per_year,
        quiet_years=QUIET_YEARS,
        years_with_false_alarm=quiet,
        drops=tuple(night.drop(one, labels=wanted) for one in DROPS),
        drops_with_twice_the_labels=tuple(night.drop(one, labels=2 * wanted) for one in DROPS),
        drifts=tuple(night.drift(one) for one in DRIFTS),
    )


STEPS = 365 + 2 * len(DROPS) * (BEFORE + LONGEST) + len(DRIFTS) * (BEFORE + LONGEST)


@dataclass(frozen=True, slots=True)
class _Scenario:
    """The production that is asked about."""

    policy: Policy
    predictions: int
    classes: int
    accuracy: float
    floor: float
    rng: Generator
    progress: Callable[[], None]

    def quiet(self, labels: int) -> int:
        """Years with an alarm among those in which nothing happens."""
        classes = 1 - self.policy.check(ClassAccuracy).floor
        outcome = simulate_years(
            classifier(predictions=self.predictions, accuracy=self.accuracy, classes=self.classes),
            self.policy,
            years=QUIET_YEARS,
            rng=self.rng,
            labels=labels,
            limits=Limits(accuracy=1 - self.floor, classes=classes),
            progress=self.progress,
        )
        return int(outcome.any_alarm.sum())

    def drop(self, points: float, *, labels: int) -> Delay:
        what = f"accuracy {self.accuracy:.0%} to {self.accuracy - points:.0%}"
        if self.accuracy - points >= self.floor - 1e-9:
            for _ in range(BEFORE + LONGEST):
                self.progress()
            return Delay(what, None, None, 0.0, f"stays over the floor of {self.floor:.0%}: no alarm is meant")
        return self._delay(
            what,
            Accuracy.name,
            classifier(predictions=self.predictions, accuracy=self.accuracy - points, classes=self.classes),
            labels=labels,
        )

    def drift(self, moved: float) -> Delay:
        after = classifier(predictions=self.predictions, accuracy=self.accuracy, classes=self.classes, gain=moved)
        return self._delay(f"one class gains {moved:.0%} of the predictions", PredictionDrift.name, after, labels=1)

    def _delay(self, what: str, check: str, after: Production, *, labels: int) -> Delay:
        outcome = simulate_years(
            classifier(predictions=self.predictions, accuracy=self.accuracy, classes=self.classes),
            self.policy,
            years=RUNS if check == Accuracy.name else RUNS // 4,
            rng=self.rng,
            after=after,
            change=BEFORE,
            nights=BEFORE + LONGEST,
            limits=Limits(accuracy=1 - self.floor),
            watch=(check,),
            labels=labels,
            progress=self.progress,
            stop_when_all_fired=True,
        )
        delays = outcome.delays(check, change=BEFORE)
        median, most = (_finite(np.quantile(delays, share, method="higher")) for share in (0.5, 0.9))
        return Delay(what, median, most, float(np.isfinite(delays).mean()))


def _finite(nights: float) -> float | None:
    return float(nights) if np.isfinite(nights) else None
