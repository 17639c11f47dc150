"""Check of whether a night looks like what the model was measured on: from the first night on, without a label."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.alikeness import TELLING, deflation
from leeway.checks.registry import CHECKS, Evidence, Place, Then, no_verdict
from leeway.checks.yardstick import band_counts
from leeway.domain.records import CheckResult, ReferenceCounts, Status, WindowCounts
from leeway.domain.text import counted
from leeway.paramsfile import ParamsModel

MOVED = 0.20  # of all answers: under it production may be harder, or easier, than what the model was measured on
SIGMAS = 4.0  # and by more than chance, which as one of 28 nights happens in a year of a thousand
FEWEST = 100  # predictions
FORMING = 28  # nights that the drift references are made of
SMOOTHED = 3  # answers of the overall bands that are added to those of each class

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Apart:
    """How far a night lies from another set of answers of the same model."""

    unsure: float  # share of the night's answers in the lowest band of confidence, 0 to 1
    expected: float  # what it is there, for the classes that the night's answers name
    classes: float | None  # total variation of the classes' shares; None where these are not compared
    moved: float  # the larger of both differences, 0 to 1
    sigmas: float  # and what it is in standard errors

    @property
    def unlike(self) -> bool:
        return self.moved >= MOVED and self.sigmas >= SIGMAS


@dataclass(frozen=True, slots=True)
class LikenessDetails:
    """How far tonight is from the reference, and whether that is a finding."""

    unsure: float
    expected: float
    classes: float | None
    moved: float
    sigmas: float
    finding: bool = False  # unlike, and no drift reference is being formed any more: shown only
    asks: bool = False  # unlike, while it would have become a part of the drift reference


@CHECKS.add
class Likeness(ParamsModel):
    """Does the night look like what the model was measured on? By the confidences, within each class of answer.

    The share of answers in the lowest third of the reference's confidences, against what the reference has for such
    answers; where it has production's mix, the classes' shares, too. While the drift references are being formed a
    night that is unlike by a fifth of its answers, and by 4 standard errors, is told, is no part of them, and asks
    people: once a night is accepted, nights like it are like production. Later it is shown only.
    """

    name: ClassVar[str] = "likeness"
    assumes: ClassVar[str] = (
        "production is harder or easier than what the model was measured on by less than a fifth of its predictions, "
        "and a night's predictions behave like n / deff(n) independent draws; it then fired in none of 300 "
        "simulated years"
    )
    order: ClassVar[int] = 75
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.ROW
    details: ClassVar[type[Any]] = LikenessDetails

    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def meaning(self, result: CheckResult) -> str:
        """Its reason: shares, and the command to type."""
        return result.reason

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Effect: how far the night has moved, a share of its answers; n: predictions."""
        window, reference = evidence.window, evidence.model_reference
        if why := _why_not(window, reference):
            return no_verdict(self.name, why, n=window.total)
        effect = deflation(evidence, size=window.total)
        found = apart(window, reference, effect=effect)
        accepted = [one for one in evidence.earlier if one.night in evidence.accepted]
        unlike = found.unlike and not _is_like(window, accepted, reference)
        asks = unlike and _is_forming(evidence)
        details = LikenessDetails(**asdict(found), finding=unlike and not asks, asks=asks)
        return CheckResult(
            self.name,
            Status.FIRED if asks else Status.QUIET,
            _sentence(found, window, unlike=unlike, asks=asks),
            effect=found.moved,
            n=window.total,
            details=asdict(details),
        )


def apart(window: WindowCounts, reference: ReferenceCounts, *, effect: float = 1.0) -> Apart:
    """Return how far the night is from the reference; `effect`: its design effect."""
    counts = np.array(reference.counts, dtype=np.int64)
    return _apart(window, reference.classes, counts, effect=effect, mix=reference.production)


def left_out(
    asked: Collection[date], accepted: Collection[date], windows: Sequence[WindowCounts], reference: ReferenceCounts
) -> frozenset[date]:
    """Return the nights that asked and that nobody has accepted, nor a night like them: no part of a drift reference.

    asked: nights on which this check fired, as it is stored.
    """
    known = [one for one in windows if one.night in accepted]
    open_nights = [one for one in windows if one.night in asked and one.night not in accepted]
    return frozenset(one.night for one in open_nights if not _is_like(one, known, reference))


def _is_like(window: WindowCounts, accepted: Sequence[WindowCounts], reference: ReferenceCounts) -> bool:
    """Whether the night is not further from one that was accepted than nights may be from the reference."""
    for one in accepted:
        counts = np.array(one.counts, dtype=np.int64)
        if _apart(window, one.classes, counts, effect=1.0, mix=reference.production).moved < MOVED:
            return True
    return False


def _apart(window: WindowCounts, classes: tuple[str, ...], known: Counts, *, effect: float, mix: bool) -> Apart:
    """known (K, 3) answers by class and band, in the order of `classes`."""
    tonight = band_counts(window, classes).reshape(-1, 3)
    n, n_ref = float(tonight.sum()), float(known.sum())
    overall = known.sum(axis=0) / n_ref
    rates = (known + SMOOTHED * overall) / (known.sum(axis=1, keepdims=True) + SMOOTHED)
    unsure, expected = float(tonight[:, 0].sum() / n), float(tonight.sum(axis=1) @ rates[:, 0] / n)
    spread = math.sqrt(max(expected * (1 - expected), 1 / n_ref) * (effect / n + 1 / n_ref))
    pairs, variation = [(abs(unsure - expected), abs(unsure - expected) / spread)], None
    if mix:
        before, now = known.sum(axis=1) / n_ref, tonight.sum(axis=1) / n
        variation = float(0.5 * np.abs(now - before).sum())
        chance = float(0.5 * np.sqrt(before * (1 - before) * (effect / n + 1 / n_ref)).sum())
        pairs.append((variation, variation / max(chance, 1e-12)))
    moved, sigmas = max(pairs, key=lambda pair: (pair[1] >= SIGMAS, pair[0]))
    return Apart(unsure, expected, variation, moved, sigmas)


def _is_forming(evidence: Evidence) -> bool:
    """Whether tonight would become a part of what drift is held against, or of what tells how nights differ."""
    needed = TELLING if evidence.model_reference.production else FORMING
    return sum(one.total >= FEWEST and one.night not in evidence.fired for one in evidence.earlier) < needed


def _why_not(window: WindowCounts, reference: ReferenceCounts) -> str:
    if window.total < FEWEST:
        return f"{counted(window.total, 'prediction')}, {FEWEST} needed"
    if not sum(map(sum, reference.counts)):
        return "the reference has 0 answers"
    if not reference.with_confidence or window.without_confidence:
        return f"{window.without_confidence or 'all'} of {window.total} predictions have no confidence"
    if len(reference.classes) < 2 or set(window.classes) != set(reference.classes):
        return (
            f"{counted(len(reference.classes), 'class')} in the reference, {len(window.classes)} tonight: not the same"
        )
    return ""


def _sentence(found: Apart, window: WindowCounts, *, unlike: bool, asks: bool) -> str:
    told = f"{found.unsure:.0%} of {window.total:,} answers are unsure, {found.expected:.0%} of such on the reference"
    if found.classes is not None:
        told += f", and the classes' shares moved by {found.classes:.0%}"
    if asks:
        return (
            f"{told}: this night looks unlike what the model was measured on, and is no part of what drift is held "
            f"against. Is it what production looks like? Then `leeway accept {window.night} --model {window.model}`; "
            "else look at its images"
        )
    return f"{told}: unlike what the model was measured on" if unlike else told
