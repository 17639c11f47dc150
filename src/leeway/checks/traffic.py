"""Check of the delivery itself: are the predictions there, and are they what they should be?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator

from leeway.checks.registry import CHECKS, Evidence, Place, Then
from leeway.domain.records import CheckResult, Status
from leeway.paramsfile import ParamsModel, Share, setting

USUAL_NIGHTS = 28


@dataclass(frozen=True, slots=True)
class TrafficDetails:
    """The delivery in numbers of predictions."""

    usual: float | None = None  # median of the last 28 nights that had any
    foreign: int = 0  # of a class outside the model's list
    without_confidence: int = 0
    ahead: int = 0  # whose time has not come yet
    late: int = 0  # that came after their night was closed
    slices: Mapping[str, int] = field(default_factory=dict)


@CHECKS.add
class Traffic(ParamsModel):
    """Facts, not statistics: no traffic, too little of it, foreign classes, missing confidences, times in the future.

    A night without predictions is a finding of its own: what is missing cannot drift.
    """

    name: ClassVar[str] = "traffic"
    order: ClassVar[int] = 10
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.ROW
    details: ClassVar[type[Any]] = TrafficDetails

    min_share: Annotated[
        Share,
        setting("share of the usual predictions under which a night is told", "lower where weekends are nearly empty"),
    ] = 0.5
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Effect: tonight's predictions over the median of the last 28 nights that had any; n: predictions."""
        window = evidence.window
        received = window.total + window.foreign
        before = [one.total + one.foreign for one in evidence.earlier[-USUAL_NIGHTS:]]
        usual = float(np.median([one for one in before if one])) if any(before) else None
        findings = []
        if not received:
            findings.append("no prediction came in: nothing is known about this night")
        elif usual and received < self.min_share * usual:
            findings.append(f"{received:,} predictions, under {self.min_share:.0%} of the usual {usual:,.0f}")
        if window.foreign:
            findings.append(f"{window.foreign:,} predictions name a class outside the model's list and are not counted")
        if window.without_confidence and evidence.model_reference.with_confidence:
            findings.append(f"{window.without_confidence:,} predictions have no confidence, or NaN")
        if evidence.ahead:
            findings.append(f"{evidence.ahead:,} predictions carry a time in the future")
        details = TrafficDetails(
            usual=usual,
            foreign=window.foreign,
            without_confidence=window.without_confidence,
            ahead=evidence.ahead,
            late=sum(one.late for one in evidence.earlier),
            slices=dict(window.slices),
        )
        usual_told = "" if usual is None else f", usually {usual:,.0f}"
        return CheckResult(
            self.name,
            Status.FIRED if findings else Status.QUIET,
            "; ".join(findings) or f"{received:,} predictions{usual_told}; all name a known class",
            effect=received / usual if usual else None,
            n=received,
            details=asdict(details),
        )
