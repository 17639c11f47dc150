"""Check of what a shift of the answers is about: the class mix, or the images?"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator

from leeway.checks.alikeness import FEWEST, deflation, is_known
from leeway.checks.registry import CHECKS, Evidence, Place, Then, no_verdict
from leeway.checks.yardstick import band_counts, class_truth, joint_bands
from leeway.domain.records import CheckResult, Status
from leeway.domain.text import counted
from leeway.paramsfile import ParamsModel, setting
from leeway.stats.shift import attribute, prior_corrected_accuracy

MIX_MOVED, MIX_SIGMAS = 0.05, 3.0  # a class mix has moved from here on, or beyond what so few answers vary by
MOST_CLASSES = 100  # of an attribution: its memory grows with their square


@dataclass(frozen=True, slots=True)
class MixShare:
    """Share of the items that are of a class, 0 to 1."""

    reference: float
    fitted: float  # tonight's


@dataclass(frozen=True, slots=True)
class AttributionDetails:
    """What explains the answers."""

    p: float
    verdict: Literal["images look different", "class mix", "neither"]
    class_mix: Mapping[str, MixShare] = field(default_factory=dict)
    prior_corrected_accuracy: float | None = None
    df: int | None = None
    design_effect: float = 1.0  # the answers count as so many times fewer
    finding: bool = False  # shown only


@CHECKS.add
class AttributionOfShift(ParamsModel):
    """Has only the mix of classes changed, or do images look different? (STATISTICS.md, check 7.) It never fires.

    Answers count as n / deff: nights differ by more than independent answers would (`checks.alikeness`). Its sentence
    about images is false on the nights that docs/years.md gives; `benchmarks/nulls_first.py` counts them.
    """

    name: ClassVar[str] = "attribution"
    assumes: ClassVar[str] = (
        "a night's predictions behave like n / deff(n) independent draws, with the reference's chances within each "
        'true class; "images look different" is then said on 0 to 3 nights a year'
    )
    order: ClassVar[int] = 30
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.NEVER_FIRES
    details: ClassVar[type[Any]] = AttributionDetails

    min_predictions: Annotated[
        int, setting("predictions that it needs; earlier nights are added until there are so many", ge=1)
    ] = 300
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: X2; effect: total variation of the fitted class mix; n: predictions; details: mix, p, accuracy."""
        window, reference = evidence.window, evidence.model_reference
        why = self._why_not(evidence)
        if why:
            return no_verdict(self.name, why, n=window.total)
        nights = [window]
        for one in reversed(evidence.earlier):
            if sum(night.total for night in nights) >= self.min_predictions:
                break
            nights.append(one)
        counts = np.sum([band_counts(one, reference.classes) for one in nights], axis=0)
        effect = deflation(evidence, size=counts.sum() / len(nights))
        found = attribute(np.rint(counts / effect).astype(np.int64), joint_bands(reference), rng=rng)
        right, true, _ = class_truth(reference)
        before, accuracy = true / true.sum(), prior_corrected_accuracy(found.shares, right, true)
        moved = float(0.5 * np.abs(found.shares - before).sum())
        noise = MIX_SIGMAS * math.sqrt(len(before) * effect / (2 * math.pi * int(counts.sum())))  # of it, about
        mix_moved = not found.images_differ and moved >= max(MIX_MOVED, noise)
        verdict = "images look different" if found.images_differ else _mix_sentence(moved, accuracy, shown=mix_moved)
        mix = {
            name: MixShare(float(was), float(now))
            for name, was, now in zip(reference.classes, before, found.shares, strict=True)
        }
        details = AttributionDetails(
            p=found.p,
            verdict="images look different" if found.images_differ else "class mix" if mix_moved else "neither",
            class_mix=mix,
            prior_corrected_accuracy=accuracy,
            df=found.df,
            design_effect=effect,
            finding=found.images_differ or mix_moved,
        )
        return CheckResult(
            self.name,
            Status.QUIET,
            f"{verdict} (p {found.p:.2g} that a changed class mix explains {counted(int(counts.sum()), 'answer')}); "
            "errors made with confidence leave no trace here",
            statistic=found.statistic,
            effect=moved,
            n=int(counts.sum()),
            details=asdict(details),
        )

    def _why_not(self, evidence: Evidence) -> str:
        window, reference = evidence.window, evidence.model_reference
        if not window.total:
            return "0 predictions tonight"
        if not reference.cells or not reference.total:
            known = counted(reference.total, "reference answer")
            return f"the truth of {known} is known by class; none of them can be compared"
        if not reference.with_confidence or window.without_confidence:
            missing = window.without_confidence or "all"
            return f"{missing} predictions have no confidence: a changed mix and changed images look alike"
        if len(reference.classes) > MOST_CLASSES:
            return f"{len(reference.classes)} classes; {MOST_CLASSES} can be told apart in reasonable time"
        if len(reference.classes) < 2 or set(window.classes) != set(reference.classes):
            known = counted(len(reference.classes), "class")
            return f"{known} in the reference, {len(window.classes)} tonight: not the same"
        if not is_known(evidence):
            return f"{FEWEST} quiet nights before this one have to tell how much nights differ"
        return ""


def _mix_sentence(moved: float, accuracy: float, *, shown: bool) -> str:
    if not shown:
        return f"neither a changed class mix ({moved:.1%} moved) nor different images are seen"
    return (
        f"explained by a changed class mix ({moved:.1%} moved): with it the accuracy would be {accuracy:.1%}; "
        "correct the priors first"
    )
