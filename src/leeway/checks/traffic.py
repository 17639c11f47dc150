"""Check of the delivery itself: are the predictions there, and are they what they should be?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator

from leeway.checks.registry import CHECKS, Evidence, Place, Then
from leeway.domain.records import CheckResult, Status
from leeway.domain.text import by_number, counted, name_text
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
    beside: Mapping[str, int] = field(default_factory=dict)  # of the model's other versions, by version
    champion: int | None = None  # version that should answer, where that is known
    hours: str = ""  # how the night was cut after a change of the time zone
    kinds: Sequence[str] = ()  # of the findings: each kind is told when it begins


@CHECKS.add
class Traffic(ParamsModel):
    """Facts, not statistics: no traffic, too little of it, another version's answers, a version that nobody recorded,
    foreign classes, missing confidences, times in the future.

    A night without predictions is a finding of its own: what is missing cannot drift.
    """

    name: ClassVar[str] = "traffic"
    assumes: ClassVar[str] = (
        "nothing: it counts, and reports a night with few predictions whether or not chance explains it"
    )
    order: ClassVar[int] = 10
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.ROW
    details: ClassVar[type[Any]] = TrafficDetails

    min_share: Annotated[
        Share,
        setting(
            "a night with less than this share of the usual predictions is reported",
            "lower where weekends are nearly empty",
        ),
    ] = 0.5
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def meaning(self, result: CheckResult) -> str:
        """Its reason: facts, without a statistic."""
        return result.reason

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Effect: tonight's predictions over the median of the last 28 nights that had any; n: predictions."""
        window = evidence.window
        received = window.total + window.foreign
        before = [one.total + one.foreign for one in evidence.earlier[-USUAL_NIGHTS:]]
        usual = float(np.median([one for one in before if one])) if any(before) else None
        findings = {"silent": _silence(evidence), "few": _shortage(evidence, usual, min_share=self.min_share)}
        findings |= {"version": _others(evidence), "name": _name(evidence)}
        if window.foreign:
            rows, name = counted(window.foreign, "prediction"), by_number(window.foreign, "names", "name")
            are = by_number(window.foreign, "is", "are")
            told = f"{rows} {name} a class outside the model's list and {are} not counted"
            findings["foreign"] = told
        if window.without_confidence and evidence.model_reference.with_confidence:
            have = by_number(window.without_confidence, "has", "have")
            findings["confidence"] = f"{counted(window.without_confidence, 'prediction')} {have} no confidence, or NaN"
        if evidence.ahead:
            carry = by_number(evidence.ahead, "carries", "carry")
            findings["ahead"] = f"{counted(evidence.ahead, 'prediction')} {carry} a time in the future"
        findings = {kind: told for kind, told in findings.items() if told}
        details = TrafficDetails(
            usual=usual,
            foreign=window.foreign,
            without_confidence=window.without_confidence,
            ahead=evidence.ahead,
            late=sum(one.late for one in evidence.earlier),
            slices=dict(window.slices),
            beside={str(version): rows for version, rows in sorted(evidence.beside.items())},
            champion=evidence.champion,
            hours=evidence.hours,
            kinds=list(findings),
        )
        usual_told = "" if usual is None else f", usually {usual:,.0f}"
        quiet = f"{counted(received, 'prediction')}{usual_told}; all name a known class"
        remarks = [_beside_the_champion(evidence), _late(details.late), evidence.hours]
        return CheckResult(
            self.name,
            Status.FIRED if findings else Status.QUIET,
            "; ".join(filter(None, [*(findings.values() or [quiet]), *remarks])),
            effect=received / usual if usual else None,
            n=received,
            details=asdict(details),
        )


def _received(evidence: Evidence) -> int:
    return evidence.window.total + evidence.window.foreign


def _serves(evidence: Evidence) -> bool:
    return evidence.champion == evidence.window.version


def _silence(evidence: Evidence) -> str:
    window = evidence.window
    if _received(evidence):
        return ""
    if _serves(evidence) and not any(one.total + one.foreign for one in evidence.earlier):
        first = (*evidence.earlier, window)[0].night
        return (
            f"no prediction has come in since version {window.version} began to serve, from {first} on: nothing is "
            "known about it; was the service switched over to it?"
        )
    return "no prediction came in: nothing is known about this night"


def _shortage(evidence: Evidence, usual: float | None, *, min_share: float) -> str:
    """Too little traffic of the model: where another version took over the rest, nothing is missing."""
    received, beside = _received(evidence), sum(evidence.beside.values())
    if not received or not usual or received + beside >= min_share * usual:
        return ""
    return f"{counted(received, 'prediction')}, under {min_share:.0%} of the usual {usual:,.0f}"


def _others(evidence: Evidence) -> str:
    """Answers of versions that are not the champion, told of it; not of its first night, on which it took over."""
    if not (_serves(evidence) and evidence.earlier and evidence.beside):
        return ""
    listed = " and ".join(f"{rows:,} of version {version}" for version, rows in sorted(evidence.beside.items()))
    return f"answers of another version than the champion, {evidence.window.version}: {listed}; does a service keep it?"


def _name(evidence: Evidence) -> str:
    if not evidence.unknown_name or evidence.earlier:
        return ""
    name = name_text(evidence.unknown_name)
    return (
        f"the log names a version that was never recorded, {name}: from now on it is watched as "
        f"version {evidence.window.version}, against the reference of the version before"
    )


def _late(rows: int) -> str:
    told = f"{counted(rows, 'prediction')} of the nights before came after these were decided: no check sees them"
    return told if rows else ""


def _beside_the_champion(evidence: Evidence) -> str:
    return "" if evidence.champion is None or _serves(evidence) else f"version {evidence.champion} is the champion"
