"""Page: gathers what the page of a night shows, from what is stored."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta

import numpy as np

from leeway.checks.accuracy import Accuracy, AccuracyDetails
from leeway.checks.class_accuracy import ClassAccuracy, ClassAccuracyDetails
from leeway.checks.drift import DriftDetails, PredictionDrift
from leeway.checks.image_drift import ImageDrift
from leeway.checks.registry import Place, details_of
from leeway.checks.windows import drift_reference
from leeway.checks.yardstick import histogram
from leeway.domain.image_night import ImageNight
from leeway.domain.night_view import (
    AccuracyPoint,
    ClassMix,
    ClassRow,
    ClassShare,
    ConfidenceBins,
    Confusion,
    EvidencePath,
    EvidencePoint,
    NightPage,
    Picture,
    ServedLatency,
    ShareInterval,
)
from leeway.domain.records import (
    Action,
    CheckResult,
    Decision,
    LabelPlan,
    Mark,
    NightLabels,
    Prediction,
    ReferenceCounts,
    Status,
    WindowCounts,
)
from leeway.epoch import Epoch
from leeway.history import last_nights
from leeway.labels.queue import find_queue, queue_text
from leeway.monitor.first_nights import first_nights_text
from leeway.monitor.night import RECENT_NIGHTS
from leeway.monitor.pictures import PictureCandidates, labelled_of, pictures_of
from leeway.monitor.repeats import sample_of
from leeway.monitor.words import headline
from leeway.stats.estimation import Estimate

MOST_CONFUSED, MOST_MOVED = 20, 30  # classes shown


def night_page(epoch: Epoch, window: WindowCounts) -> NightPage:
    """Gather what is known of this night, as it was known when it was decided: nothing of later nights.

    What waits for people is what of this night and those before waits now.
    Counts are those that the database made. Of single predictions at most 2,000 of the night are read, and as many
    labelled ones of the last 7 nights.
    """
    history, checks = epoch.history, epoch.policy.checks.items()
    marks = [one for one in history.marks() if one.night <= window.night]
    tonight = {one.check: one for _, one in history.results([window.night])}
    decisions = [one for one in history.decisions if one.version == window.version and one.night <= window.night]
    decision = next((one for one in decisions if one.nightly and one.night == window.night), None)
    closed = closed_plans(epoch, decision)
    labels = history.labels(_recent(closed, epoch, window.night))
    sample = sample_of(epoch, window)
    errors, unsure, unlike = _pictures(epoch, closed, sample, night=window.night)
    return NightPage(
        model=window.model,
        version=window.version,
        night=window.night,
        as_of=epoch.as_of,
        epoch=epoch.first_night,
        classes=len(window.classes),
        predictions=window.total + window.foreign,
        decision=decision,
        results=tuple(tonight.values()),
        actions={one.night: one.action for one in decisions if one.action is not Action.NOTHING},
        never_fire=frozenset(name for name, check in checks if check.on_page is Place.NEVER_FIRES),
        evidence=tuple(evidence_path(name, marks) for name, check in checks if check.on_page is Place.EVIDENCE),
        accuracies=tuple(
            accuracy_point(*pair) for pair in history.results_of(Accuracy.name) if pair[0] <= window.night
        ),
        labelled_nights=tuple(sorted({one.night for one in labels if one.draws})),
        plain_mean=plain_mean(labels),
        class_rows=class_rows(details_of(tonight.get(ClassAccuracy.name), ClassAccuracyDetails)),
        confusion=confusion(labels, window.classes),
        mix=class_mix(epoch, window, details_of(tonight.get(PredictionDrift.name), DriftDetails)),
        confidence=confidence_bins(window, epoch.version.reference),
        latency=latency(sample),
        errors=errors,
        unsure=unsure,
        unlike=unlike,
        moved=_moved(epoch, tonight.get(ImageDrift.name)),
        headline=headline(decision, tuple(tonight.values()), epoch.policy) if decision else "",
        first_nights=first_nights_text(epoch, window.night),
        labels_asked=queue_text(find_queue(epoch, upto=window.night)),
        assumptions={name: check.assumes for name, check in checks},
    )


def _pictures(
    epoch: Epoch, closed: Sequence[LabelPlan], sample: Sequence[Prediction], *, night: date
) -> list[tuple[Picture, ...]]:
    """Confident errors, the least sure and the least usual, of tonight's sample and the last 7 nights' labels."""
    week = [one for one in closed if night - timedelta(days=RECENT_NIGHTS) < one.night <= night]
    found = PictureCandidates(sample, *labelled_of(epoch, week, sample))
    return [pictures_of(epoch, chosen, found.labels) for chosen in (found.errors(), found.unsure(), found.unlike())]


def _moved(epoch: Epoch, result: CheckResult | None) -> tuple[Picture, ...]:
    """Return the images that lie furthest out where images have drifted, most first; none where they have not."""
    found = details_of(result, ImageNight)
    if found is None or result is None or result.status is not Status.FIRED:
        return ()
    ids = [one.prediction_id for one in found.moved]
    known = {one.id: one for one in epoch.log.by_ids(epoch.model, ids)}
    return pictures_of(epoch, [known[one] for one in ids if one in known], {})


# Labels


def closed_plans(epoch: Epoch, decision: Decision | None) -> list[LabelPlan]:
    """Return the label plans that were closed when the night was decided."""
    until = decision.made_at if decision else epoch.as_of
    return [one for one in epoch.history.plans if one.closed_at is not None and one.closed_at <= until]


def _recent(closed: Sequence[LabelPlan], epoch: Epoch, night: date) -> list[LabelPlan]:
    """Return those behind the night's estimates: of the last 7 nights with labels, none from before an open alarm."""
    alarm = epoch.alarm(night - timedelta(days=1))
    return [one for one in last_nights(closed, RECENT_NIGHTS) if alarm is None or one.night >= alarm.night]


def plain_mean(nights: Sequence[NightLabels]) -> float | None:
    """Share of right answers among the labels as they lie there: what the accuracy is not. None without labels."""
    total = sum(night.labels for night in nights)
    right = sum(one.count for night in nights for one in night.draws if not one.wrong)
    return right / total if total else None


def confusion(nights: Sequence[NightLabels], classes: Sequence[str]) -> Confusion | None:
    """Labelled items, each once however often it was drawn; of many classes the most confused ones."""
    counts: Counter[tuple[str, str]] = Counter()
    known = set()
    for one in (draw for night in nights for draw in night.draws):
        if one.draw.prediction_id not in known:
            counts[one.label, one.predicted_class] += one.count
        if one.draw.prediction_id:
            known.add(one.draw.prediction_id)
    if not counts:
        return None
    wrong: Counter[str] = Counter()
    for (truth, said), count in counts.items():
        wrong[truth] += count * (truth != said)
        wrong[said] += count * (truth != said)
    place = {name: at for at, name in enumerate(classes)}
    ordered = sorted(wrong, key=lambda name: (place.get(name, len(place)), name))
    chosen = set(sorted(ordered, key=lambda name: -wrong[name])[:MOST_CONFUSED])
    shown = tuple(name for name in ordered if name in chosen)
    table = tuple(tuple(counts[truth, said] for said in shown) for truth in shown)
    return Confusion(shown, table, items=counts.total(), hidden=len(ordered) - len(shown))


# Checks


def evidence_path(check: str, marks: Sequence[Mark]) -> EvidencePath:
    """Return M of each night against its threshold."""
    own = [one for one in marks if one.check == check]
    return EvidencePath(
        check, tuple(EvidencePoint(one.night, one.status, _finite(one.statistic), one.threshold) for one in own)
    )


def accuracy_point(night: date, result: CheckResult) -> AccuracyPoint:
    details = details_of(result, AccuracyDetails)
    return AccuracyPoint(night, _interval(details.accuracy), details.floor) if details else AccuracyPoint(night)


def class_rows(details: ClassAccuracyDetails | None) -> tuple[ClassRow, ...]:
    """Worst first: by how far recall or precision lies under its floor; classes without an estimate come last."""
    if details is None:
        return ()
    rows = [
        ClassRow(
            name=name,
            labels=one.labels,
            recall=_interval(one.recall),
            precision=_interval(one.precision),
            false_positive_rate=_interval(one.false_positive_rate),
            recall_floor=details.floors.get(f"recall {name}"),
            precision_floor=details.floors.get(f"precision {name}"),
        )
        for name, one in details.per_class.items()
    ]
    return tuple(sorted(rows, key=lambda row: (_margin(row), -row.labels)))


def _margin(row: ClassRow) -> float:
    pairs = ((row.recall, row.recall_floor), (row.precision, row.precision_floor))
    return min((one.value - (floor or 0.0) for one, floor in pairs if one), default=math.inf)


def _interval(estimate: Estimate | None) -> ShareInterval | None:
    return ShareInterval(**asdict(estimate)) if estimate else None


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


# Predictions


def class_mix(epoch: Epoch, window: WindowCounts, details: DriftDetails | None) -> ClassMix | None:
    """As the drift check saw it; before it has its reference, against the nights so far, or what the model came with.

    None for a night without predictions.
    """
    if not window.total:
        return None
    if details and details.shares:
        production = epoch.version.reference.production
        against = "the reference file" if production else "the nights that drift is held against"
        before = {name: one.reference for name, one in details.shares.items()}
    else:
        against, before = _earlier_shares(epoch, window)
    shares = [
        ClassShare(name, before.get(name, 0.0), count / window.total)
        for name, count in zip(window.classes, window.per_class(), strict=True)
    ]
    moved = sorted(shares, key=lambda one: -abs(one.current - one.reference))[:MOST_MOVED]
    kept = {one.name for one in moved}
    return ClassMix(against, tuple(one for one in shares if one.name in kept), hidden=len(shares) - len(kept))


def _earlier_shares(epoch: Epoch, window: WindowCounts) -> tuple[str, dict[str, float]]:
    drift = epoch.policy.check(PredictionDrift)
    earlier = [one for one in epoch.history.windows if one.night < window.night]
    nights = drift_reference(earlier, (), nights=drift.reference_nights, min_predictions=1)
    name = f"the first {len(nights)} nights of this epoch" if len(nights) > 1 else "the first night of this epoch"
    sides = [(one.classes, one.per_class()) for one in nights]
    if not sides:
        reference = epoch.version.reference
        name, sides = "the model's reference", [(reference.classes, tuple(map(sum, reference.counts)))]
    total = max(sum(sum(counts) for _, counts in sides), 1)
    found: Counter[str] = Counter()
    for classes, counts in sides:
        found.update(dict(zip(classes, counts, strict=True)))
    return name, {one: count / total for one, count in found.items()}


def confidence_bins(window: WindowCounts, reference: ReferenceCounts) -> ConfidenceBins | None:
    """None where no confidence was given, or the night was counted in other bins than the reference now has."""
    known = histogram(reference)
    if not sum(window.histogram) or len(window.histogram) != len(known) or not reference.with_confidence:
        return None
    return ConfidenceBins(reference.bin_edges, window.histogram, tuple(map(int, known)) if known.sum() else ())


def latency(sample: Sequence[Prediction]) -> ServedLatency | None:
    told = [one.latency_ms for one in sample if one.latency_ms is not None and math.isfinite(one.latency_ms)]
    if not told:
        return None
    p50, p99 = np.percentile(told, [50, 99])
    return ServedLatency(float(p50), float(p99), len(told))
