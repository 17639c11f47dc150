"""Check of each class, both ways, and of each slice: which part of production suffers?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from leeway.checks.bets import too_few_answers
from leeway.checks.class_bets import ClassLimits, class_wealth, deaf
from leeway.checks.estimates import (
    ClassEstimates,
    class_estimates,
    interval,
    labels_outside,
    slice_estimates,
)
from leeway.checks.registry import CHECKS, Evidence, Place, Then, details_of, no_verdict
from leeway.checks.yardstick import class_truth
from leeway.domain.records import CheckResult, ReferenceCounts, Status
from leeway.domain.text import counted, cut, range_text, share_text
from leeway.errors import first_few
from leeway.paramsfile import ParamsModel, Share, setting
from leeway.stats import edetector
from leeway.stats.estimation import FEWEST, Estimate, wilson_interval, wilson_lower

Floats = NDArray[np.float64]
LOWEST_FLOOR, HIGHEST_FLOOR = 0.05, 0.98
USUAL_PRECISION = 0.9  # where no truth is known
USUAL_DETECTORS = 20
SUSPECTS = 10  # detectors with the most evidence: the label plan leans to them


@dataclass(frozen=True, slots=True)
class ClassAccuracyDetails:
    """Every class and slice, and which of them the evidence is against."""

    per_class: Mapping[str, ClassEstimates] = field(default_factory=dict)
    per_slice: Mapping[str, Estimate | None] = field(default_factory=dict)
    labels_outside_classes: int = 0
    leading: str = ""  # the detector with the most evidence
    suspects: Mapping[str, float] = field(default_factory=dict)  # share of the evidence of the leading detectors
    floors: Mapping[str, float] = field(default_factory=dict)  # of each detector: `recall cat`, `slice door`
    strength: float | None = None  # how far the leading detector has come, 0 to 1; None: in results of releases before
    no_verdict: Sequence[str] = ()  # detectors that wrong labels alone could drown: nothing is said of them


@CHECKS.add
class ClassAccuracy(ParamsModel):
    """Has a class, as answered (precision) or as it is (recall), or a slice fallen under its floor? (Check 4.)

    One betting e-detector each. Their mean is one, too, under any dependence: half for the classes, half for the
    slices, of which new ones may appear (weights only shrink, so the mean still grows by at most 1 a night). It fires
    when the mean reaches 365/alpha, and names the largest.

    What it takes for granted: each precision, recall and slice has a mean over the nights of at least its floor, and
    differs from night to night by at most .3 of its limit (recall .15), roughly normally and without long waves; draws
    are answered in each stratum whatever they show; a label is wrong with probability at most `labels.error_rate`.
    """

    name: ClassVar[str] = "class_accuracy"
    assumes: ClassVar[str] = (
        "the nights' error rates of each class and slice have a mean of at most its limit and differ roughly normally "
        "and without long waves; labels are given and may be wrong as `accuracy` assumes"
    )
    order: ClassVar[int] = 50
    needs_labels: ClassVar[bool] = True
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = ClassAccuracyDetails

    floor: Annotated[
        float, setting("lowest precision, recall and slice accuracy, 0 to 1", "to what the use can bear", gt=0, lt=1)
    ] = 0.80
    allowed_drop: Annotated[
        Share, setting("drop under a class's own reference, 0 to 1, that is an alarm even above the floor")
    ] = 0.05
    floors: Annotated[
        Mapping[str, Annotated[float, Field(gt=0, lt=1)]],
        setting("floors of single classes, by name", "some classes' errors cost more than others'"),
    ] = {}
    then: Annotated[Then, setting("what an alarm leads to: `alert`, `labels` or `retrain`")] = "retrain"
    budget_share: Annotated[
        Share, setting("part of the yearly false-alarm probability", "higher where rare classes matter")
    ] = 0.2

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: mean M against 365/alpha; effect: the lowest recall; n: labels of the recent nights.

        State: log M of the four bets of each detector, nights so far, and the floors they bet on. It starts anew after
        365 nights, and when a floor is changed: `anew` says so.
        """
        classes = evidence.window.classes
        labels = sum(one.labels for one in evidence.recent)
        slices = sorted({name[6:] for night in evidence.closed for name in night.parts if name.startswith("slice ")})
        limits, night = self._limits(evidence.model_reference), evidence.window.night
        state = _resumed(previous, limits, slices, self.slice_limit(evidence.model_reference), night=night)
        anew = f"; {state['anew']}" if state["anew"] else ""
        held = ClassLimits(classes, state["limits"], _precisions(evidence.model_reference), evidence.label_error)
        try:
            wealth, added = class_wealth(state, evidence.closed, held, today=night)
            per_class = class_estimates(evidence.recent, classes)
            per_slice = slice_estimates(evidence.recent)
            unheard = deaf([*evidence.closed, *evidence.recent][-1], held) if evidence.recent else []
        except ValueError as unusable:
            kept = dict(previous.state) if previous else {}
            return no_verdict(self.name, f"labels cannot be used: {unusable}", n=labels, state=kept)
        if not state["labels"] and not any(one.draws for one in evidence.closed):
            kept = {**state, "log_wealth": {}} if anew else {}  # every detector stands at its start
            return no_verdict(
                self.name, f"{counted(labels, 'label')} since this check started{anew}", n=labels, state=kept
            )
        log_m = mean_evidence(wealth)
        threshold = edetector.threshold(alpha) if alpha > 0 else math.inf
        fired = log_m >= math.log(threshold)
        evident = {name: float(edetector.log_mixture(np.array(one))) for name, one in wealth.items()}
        leading = max(sorted(evident), key=lambda name: evident[name]) if evident else ""
        suspects = _suspects(evident)
        known = {name: one.recall.value for name, one in per_class.items() if one.recall}
        details = ClassAccuracyDetails(
            per_class=per_class,
            per_slice=per_slice,
            labels_outside_classes=labels_outside(evidence.recent, classes).total(),
            leading=leading,
            suspects=suspects,
            floors={name: 1 - limit for name, limit in state["limits"].items()},
            strength=float(suspicion_strength(evident[leading], detectors=len(evident), line=math.log(threshold))),
            no_verdict=unheard,
        )
        unanswered = too_few_answers(evidence.recent)
        told = _sentence(details, evident, log_m=log_m, threshold=threshold)
        return CheckResult(
            self.name,
            Status.FIRED if fired else Status.NO_VERDICT if unanswered else Status.QUIET,
            told + (f"; {unanswered}" if unanswered else "") + anew,
            statistic=math.exp(min(log_m, 700.0)),
            threshold=threshold if alpha > 0 else None,
            effect=min(known.values()) if known else None,
            n=labels,
            details=asdict(details),
            state={
                "log_wealth": {name: [float(x) for x in one] for name, one in wealth.items() if np.isfinite(one).all()},
                "limits": state["limits"],
                "nights": state["nights"] + 1,
                "labels": state["labels"] + sum(one.labels for one in evidence.closed),
                **({"added": added} if added else {}),
                **({"anew": state["anew"]} if anew else {}),
            },
        )

    def meaning(self, result: CheckResult) -> str:
        """`of what is cat, 55% is recognised (40% to 70%); the floor is 80%`, of the class or slice that leads."""
        details = details_of(result, ClassAccuracyDetails)
        way, _, name = details.leading.partition(" ") if details else ("", "", "")
        if details is None or not name:
            return ""
        estimate = details.per_slice.get(name) if way == "slice" else getattr(details.per_class.get(name), way, None)
        floor = details.floors.get(details.leading)
        if estimate is None or floor is None:
            return ""
        shown = cut(name, 40)
        what = {
            "recall": f"of what is {shown}, {share_text(estimate.value)} is recognised",
            "precision": f"of what it calls {shown}, {share_text(estimate.value)} is {shown}",
            "slice": f"of {shown}, {share_text(estimate.value)} is answered rightly",
        }[way]
        return f"{what} ({range_text(estimate.low, estimate.high)}); the floor is {share_text(floor)}"

    def _limits(self, reference: ReferenceCounts) -> dict[str, float]:
        """Error limit of each detector of a class."""
        right, true, said = class_truth(reference)
        found = {}
        for place, name in enumerate(reference.classes):
            for way, among in (("precision", said), ("recall", true)):
                found[f"{way} {name}"] = 1 - self.effective_floor(name, int(right[place]), int(among[place]))
        return found

    def precision_limits(self, reference: ReferenceCounts) -> dict[str, float]:
        """Error limit of the answers that name each class."""
        limits = self._limits(reference).items()
        return {name.removeprefix("precision "): limit for name, limit in limits if name.startswith("precision ")}

    def slice_limit(self, reference: ReferenceCounts) -> float:
        """Error limit of each slice."""
        return 1 - self.effective_floor("", reference.correct, reference.total)

    def effective_floor(self, name: str, right: int, total: int) -> float:
        """The class's own floor; else `floor`, or `allowed_drop` under its reference (lower 95 % limit) if higher.

        A class that did not reach `floor` on the reference is held to `allowed_drop` under what it did reach.
        """
        if name in self.floors:
            return float(self.floors[name])
        low, high = wilson_lower(right, total), wilson_interval(right, total)[1]
        floor = low - self.allowed_drop if high < self.floor else max(self.floor, low - self.allowed_drop)
        return min(max(floor, LOWEST_FLOOR), HIGHEST_FLOOR)


def suspicion_strength(leading: float | Floats, *, detectors: int, line: float) -> Floats:
    """(...) how far the leading detector has come towards the alarm, 0 to 1: so many of the labels follow it.

    leading (...): its log M; of more than twenty detectors chance alone brings one further.
    """
    by_chance = max(math.log(detectors / USUAL_DETECTORS), 0.0)
    over = np.maximum(np.asarray(leading) - by_chance, 0.0)
    strength: Floats = np.clip(over / line, 0.0, 1.0) if np.isfinite(line) else np.zeros_like(over)
    return strength


def mean_evidence(wealth: Mapping[str, Floats]) -> float:
    """log of the mean M: half for classes, half for slices where there are any; -inf without evidence."""
    logs = {name: float(edetector.log_mixture(one)) for name, one in wealth.items()}
    groups = [[log for name, log in logs.items() if name.startswith("slice ") is sliced] for sliced in (False, True)]
    present = [group for group in groups if group]
    means = [float(np.logaddexp.reduce(group)) - math.log(len(group)) for group in present]
    return float(np.logaddexp.reduce(means)) - math.log(len(means)) if means else -math.inf


def _resumed(
    previous: CheckResult | None, limits: dict[str, float], slices: Sequence[str], slice_limit: float, *, night: date
) -> dict[str, Any]:
    """State before tonight, with a detector for every class and every slice that has been seen."""
    state = previous.state if previous and previous.state else {}
    kept: Mapping[str, float] = state.get("limits", {})
    moved = [name for name, limit in limits.items() if not math.isclose(kept.get(name, -1.0), limit)]
    if not state or moved or state["nights"] >= edetector.NIGHTS_PER_YEAR:
        is_new = not state or state["nights"] >= edetector.NIGHTS_PER_YEAR
        anew = "" if is_new else _moved_text(moved, kept, limits, night=night, labels=state["labels"])
        state, kept = {"log_wealth": {}, "nights": 0, "labels": 0, "anew": anew}, {}
    all_limits = limits | {name: limit for name, limit in kept.items() if name.startswith("slice ")}
    all_limits |= {f"slice {name}": kept.get(f"slice {name}", slice_limit) for name in slices}
    wealth = {name: np.array(state["log_wealth"].get(name, edetector.START)) for name in all_limits}
    counts = {name: state[name] for name in ("nights", "labels")}
    more = {"anew": state.get("anew", ""), "added": state.get("added", {})}
    return {"log_wealth": wealth, "limits": all_limits, **counts, **more}


def _moved_text(
    moved: Sequence[str], kept: Mapping[str, float], limits: Mapping[str, float], *, night: date, labels: int
) -> str:
    floors = [
        f"{name} {1 - limits[name]:.0%}" + (f" (was {1 - kept[name]:.0%})" if name in kept else "") for name in moved
    ]
    listed = first_few(floors, 3)
    return f"the evidence of {counted(labels, 'label')} began anew on {night}, when these floors were changed: {listed}"


def _suspects(evident: Mapping[str, float]) -> dict[str, float]:
    """Share of the evidence of the detectors that lead: a posterior over what has changed."""
    finite = {name: log for name, log in evident.items() if math.isfinite(log)}
    if not finite:
        return {}
    total = float(np.logaddexp.reduce(list(finite.values())))
    ranked = sorted(finite, key=lambda name: (-finite[name], name))[:SUSPECTS]
    return {name: math.exp(finite[name] - total) for name in ranked}


def _precisions(reference: ReferenceCounts) -> Floats:
    """(K,) share of the answers naming each class that are right, on the reference."""
    right, _, said = class_truth(reference)
    usual = reference.accuracy if reference.total else USUAL_PRECISION
    shares: Floats = np.clip((right + usual) / (said + 1.0), 0.05, 0.995)
    return shares


def _sentence(details: ClassAccuracyDetails, evident: Mapping[str, float], *, log_m: float, threshold: float) -> str:
    way, _, name = details.leading.partition(" ")
    per_class = details.per_class
    estimate = details.per_slice.get(name) if way == "slice" else getattr(per_class.get(name), way, None)
    now = f", now {interval(estimate)} from {counted(estimate.labels, 'label')}" if estimate else ""
    known = sum(one.recall is not None for one in per_class.values())
    verdict = "over" if log_m >= math.log(threshold) else "under"
    unheard = (
        f"; no verdict on {first_few(list(details.no_verdict), 3)}, which wrong labels alone could make seem missed: "
        "ask for second opinions"
        if details.no_verdict
        else ""
    )
    return (
        f"most evidence against {details.leading} (floor {details.floors[details.leading]:.0%}{now}): mean e-value of "
        f"{len(evident)} detectors {math.exp(min(log_m, 700.0)):,.3g} {verdict} threshold {threshold:,.0f}; "
        f"{known} of {len(per_class)} classes have {FEWEST} labels{unheard}"
    )
