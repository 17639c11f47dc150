"""Scenario: what happens to a production, and how many nights pass until a check of the policy sees it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.random import Generator

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.checks.references import LONG, TELLING
from leeway.domain.text import counted
from leeway.simulate.production import Floats, Production, classifier
from leeway.simulate.prospects import usual_nights
from leeway.simulate.situation import Situation, class_limits
from leeway.simulate.years import WATCHED, Limits, simulate_years
from leeway.stats.multinomial import NEWS, share_box
from leeway.stats.reference import design_effect, effect_by_chance

SHORTEST = 0.01  # accuracy that is left at least


MOST_CLASSES = 100  # of which each is watched by two detectors: of more, single classes are not lived through


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated."""

    runs: int = 200
    quiet_years: int = 30
    quiet_nights: int = 365
    longest: int = 180  # nights waited for an alarm
    before: int = 15  # nights before the change, at least: the first are drift's reference
    only_large: bool = False  # drops and drifts: the largest alone
    classes: bool = True
    trials: int = 10  # runs in which a setting that is proposed has to show that it sees more; 0: none is proposed

    def of_many(self, classes: int) -> "Effort":
        """Return the same, or where there are over 100 classes fewer runs, without single ones: each takes minutes."""
        if classes <= MOST_CLASSES:
            return self
        return replace(self, runs=min(self.runs, 40), quiet_years=min(self.quiet_years, 10), classes=False, trials=0)

    @property
    def nights(self) -> int:
        return self.before + self.longest

    def chosen(self, sizes: Sequence[float]) -> Sequence[float]:
        """Return those of the sizes, in rising order, that are simulated."""
        return sizes[-1:] if self.only_large else sizes


FULL = Effort()
QUICK = Effort(runs=200, quiet_years=0, longest=60, only_large=True, classes=False, trials=0)


@dataclass(frozen=True, slots=True)
class Delay:
    """How long it takes until an alarm. Nights, the first changed one as 1; None where not even half saw it."""

    what: str
    check: str
    size: float  # of the change, 0 to 1
    median: float | None
    most: float | None  # 90 % are seen by then
    seen: float  # share seen within the nights that were waited
    note: str = ""


class Scenario:
    """A production that is asked about, and the policy that watches it."""

    def __init__(
        self, situation: Situation, policy: Policy, effort: Effort, rng: Generator, progress: Callable[[], None]
    ) -> None:
        self.situation, self.policy, self.effort, self.rng, self.progress = situation, policy, effort, rng, progress

    def under(self, policy: Policy) -> "Scenario":
        """Return the same production under another policy, in the few runs of a trial."""
        effort = replace(self.effort, runs=self.effort.trials, quiet_years=0, trials=0)
        return Scenario(self.situation, policy, effort, np.random.default_rng(0), lambda: None)

    @cached_property
    def floor(self) -> float:
        """The accuracy under which the accuracy check is to alarm."""
        return self.policy.check(Accuracy).effective_floor(self.situation.reference)

    @cached_property
    def answered_labels(self) -> int:
        """Labels a night that people answer."""
        return round(self.policy.labels.wanted(self.situation.predictions) * self.situation.answered)

    @cached_property
    def limits(self) -> Limits:
        reference = self.situation.reference
        return Limits(
            accuracy=1 - self.floor,
            single=class_limits(self.policy, reference),
            file=sum(map(sum, reference.counts)) if reference.production else 0,
        )

    @property
    def reference_nights(self) -> int:
        """Nights until drift is looked at; where a file came with the model those that tell how much nights differ."""
        check = self.policy.check(PredictionDrift)
        if self.situation.reference.production:
            return 0 if check.trigger == "chi_square" else TELLING
        return check.reference_nights

    @property
    def _settled(self) -> int:
        """Nights after which both references of drift are there."""
        e_detector = self.policy.check(PredictionDrift).trigger == "e_detector"
        return self.reference_nights if self.limits.file or not e_detector else max(self.reference_nights, LONG)

    @property
    def hidden_share(self) -> float:
        """What a class may gain for ever, 0 to 1: the box of the e-detector, or the floor of the chi-square trigger.

        The box about the longer reference, which is the narrower one; nights are taken to differ by chance alone.
        """
        check, classes, nightly = self.policy.check(PredictionDrift), self._classes, self.situation.predictions
        if check.trigger == "chi_square":
            return check.tv_floor
        nights = max(check.reference_nights, LONG)
        items, effect = nights * nightly, effect_by_chance(nights, classes)
        if self.limits.file:
            items, rho = self.limits.file, (effect_by_chance(TELLING, classes) - 1) / max(nightly - 1, 1)
            effect = float(design_effect(items, rho))
        tolerance = min(check.tolerance, NEWS / classes)
        _, high = share_box(np.full(classes, items / effect / classes), tolerance=tolerance)
        return float(high[0]) - 1 / classes

    @property
    def _classes(self) -> int:
        return max(len(self.situation.classes), 2)

    @property
    def _impossible(self) -> bool:
        return bool(self.policy.check(Accuracy).impossible_floor(self.situation.reference))

    @property
    def _watched(self) -> list[str]:
        left_out = {Accuracy.name: self._impossible, ClassAccuracy.name: len(self.situation.classes) > MOST_CLASSES}
        return [name for name in WATCHED if not left_out.get(name)]

    def quiet(self, labels: int) -> int:
        """Years with an alarm among those in which nothing happens."""
        if not self.effort.quiet_years:
            return 0
        outcome = simulate_years(
            usual_nights(self.situation),
            self.policy,
            years=self.effort.quiet_years,
            nights=self.effort.quiet_nights,
            rng=self.rng,
            labels=labels,
            limits=self.limits,
            watch=self._watched,
            progress=self.progress,
        )
        return int(outcome.any_alarm.sum())

    def drop(self, points: float, *, labels: int) -> Delay:
        """All answers alike become wrong more often."""
        usual = self.situation.accuracy
        left = max(usual - points, SHORTEST)
        what = f"accuracy {usual:.0%} to {left:.0%}"
        if left >= self.floor - 1e-9:
            note = f"stays over the floor of {self.floor:.1%}: no alarm is meant"
            return self._skipped(Delay(what, Accuracy.name, points, None, None, 0.0, note))
        return self._delay(Delay(what, Accuracy.name, points, None, None, 0.0), self._made(left), labels=labels)

    def class_drop(self, points: float, *, labels: int) -> Delay:
        """The answers that name the first class become wrong more often."""
        usual = self.situation.accuracy
        left, name = max(usual - points, SHORTEST), ClassAccuracy.name
        what = f"one class as answered {usual:.0%} to {left:.0%}"
        if left >= 1 - self.limits.single["precision 0"] - 1e-9:
            note = f"stays over its floor of {1 - self.limits.single['precision 0']:.1%}: no alarm is meant"
            return self._skipped(Delay(what, name, points, None, None, 0.0, note))
        return self._delay(
            Delay(what, name, points, None, None, 0.0), self._made(usual, weak_class=left), labels=labels
        )

    def drift(self, moved: float) -> Delay:
        """The first class gains answers from all others alike."""
        what = f"one class gains {moved:.0%} of the predictions"
        return self._delay(Delay(what, PredictionDrift.name, moved, None, None, 0.0), None, labels=1)

    def again(self, delay: Delay) -> Delay:
        """Simulate the same change here."""
        if delay.check == PredictionDrift.name:
            return self.drift(delay.size)
        change = self.drop if delay.check == Accuracy.name else self.class_drop
        return change(delay.size, labels=self.answered_labels)

    def _made(self, accuracy: float, *, weak_class: float | None = None) -> Production:
        return classifier(
            predictions=self.situation.predictions, accuracy=accuracy, classes=self._classes, weak_class=weak_class
        )

    def _delay(self, asked: Delay, after: Production | None, *, labels: int) -> Delay:
        """Live through it; a check that needs labels and has none sees nothing."""
        drifts = asked.check == PredictionDrift.name
        if blind := self._blind(asked.check, labels):
            return self._skipped(replace(asked, note=blind))
        before = max(self.effort.before, self._settled + 1) if drifts else self.effort.before
        outcome = simulate_years(
            usual_nights(self.situation),
            self.policy,
            years=max(self.effort.runs // 10, 3) if drifts else self.effort.runs,
            rng=self.rng,
            after=after,
            change=before,
            nights=before + self.effort.longest,
            limits=self.limits,
            watch=(asked.check,),
            labels=labels,
            day_shares=partial(_gaining, asked.size, before) if drifts else None,
            progress=self._progress(before + self.effort.longest),
            stop_when_all_fired=True,
        )
        delays = outcome.delays(asked.check, change=before)
        if not len(delays):
            return replace(asked, note="alarms before anything changes")
        median, most = (_finite(np.quantile(delays, share, method="higher")) for share in (0.5, 0.9))
        return replace(asked, median=median, most=most, seen=float(np.isfinite(delays).mean()))

    def _blind(self, check: str, labels: int) -> str:
        """Why the check sees nothing whatever happens; empty if it may."""
        fewest = self.policy.check(PredictionDrift).min_predictions
        if check == Accuracy.name and self._impossible:
            return "its floor is over what the reference reached: it has no verdict"
        if not self.policy.checks[check].budget_share:
            return f"{check}.budget_share is 0: it never alarms"
        if not labels:
            return "no label comes in"
        if check == PredictionDrift.name and self.situation.predictions < fewest:
            return f"no night has {counted(fewest, 'prediction')}"
        return "one class cannot move" if len(self.situation.classes) < 2 else ""

    def _progress(self, nights: int) -> Callable[[], None]:
        """Tell of as many nights as `effort` says, however many are lived: of more the first ones are not told."""
        left = iter(range(nights - self.effort.nights))
        return lambda: None if next(left, None) is not None else self.progress()

    def _skipped(self, delay: Delay) -> Delay:
        for _ in range(self.effort.nights):
            self.progress()
        return delay


def _gaining(moved: float, change: int, night: int, shares: Floats, years: int, _: Generator) -> Floats:
    """(Y, 3K) shares of a night, of which the first class gains `moved` from night `change` on, at most all.

    A class that no such night answers gains with the confidences of all classes.
    """
    first = float(shares[:3].sum())
    gained = min(first + moved, 1.0) if night >= change else first
    within = shares[:3] / first if first else shares.reshape(-1, 3).sum(axis=0)
    others = shares[3:] * ((1 - gained) / (1 - first)) if first < 1 else shares[3:]
    return np.broadcast_to(np.concatenate([gained * within, others]), (years, len(shares)))


def _finite(nights: float) -> float | None:
    return float(nights) if np.isfinite(nights) else None
