"""Waiting: a challenger that was refused since too few gate labels were in, and how many are still missing."""

import math
from dataclasses import replace
from datetime import date

from leeway.domain.records import GATE, Release, Verdict
from leeway.epoch import Epoch
from leeway.labels.answers import gate_labels
from leeway.release.attempts import judged_against


def waiting(champion: Epoch) -> Release | None:
    """Return the refusal of the newest challenger of this epoch, if it waits for gate labels."""
    judged = judged_against(champion)
    return judged[-1] if judged and judged[-1].wanted else None


def is_due(champion: Epoch) -> Release | None:
    """Return the same once as many gate labels are in as it waits for; None before."""
    waits = waiting(champion)
    if waits is None or len(gate_labels(champion, since=waits.wanted_since)) < waits.wanted:
        return None
    return waits


def draws_missing(champion: Epoch) -> int:
    """Return how many gate draws a night's plan should ask for, so that the waiting challenger can be judged again.

    Draws that wait for their answers count as labels. At most as many as an alarm's burst asks for in one night.
    """
    waits = waiting(champion)
    if waits is None:
        return 0
    model, answered = champion.model, {one.group for one in gate_labels(champion, since=waits.wanted_since)}
    drawn = champion.ledger.groups_drawn(model, champion.version.version, purpose=GATE)
    asked = {prediction.group for _, prediction in champion.ledger.label_queue(model)} & drawn - answered
    return min(max(waits.wanted - len(answered | asked), 0), most_a_night(champion))


def told(champion: Epoch) -> str:
    """Return what a waiting challenger waits for, and what would end it, as a sentence; "" without one."""
    waits = waiting(champion)
    if waits is None:
        return ""
    answered = len(gate_labels(champion, since=waits.wanted_since))
    if answered >= waits.wanted:
        return f"version {waits.version}: the gate labels that it waited for are in; the next night judges it again"
    return (
        f"version {waits.version} waits for gate labels, {answered} of {waits.wanted} are in: answer what is asked "
        "(`leeway labels export`), and the nightly job judges it again"
    )


def most_a_night(champion: Epoch) -> int:
    """Return how many gate draws a night's plan asks for at most, for one that waits."""
    labels = champion.policy.labels
    return labels.burst_on_alarm // labels.burst_nights


def supply(champion: Epoch) -> float:
    """Return how many predictions of the gate's groups a night of the last ones had; infinite where none is known."""
    last = [one.total for one in champion.history.windows[-7:]]
    return champion.policy.promotion.gate_share * sum(last) / len(last) if last else math.inf


def how_soon(champion: Epoch, verdict: Verdict, *, labels: int, since: date | None) -> Verdict:
    """Return the verdict with how many gate labels it waits for, in how many nights they come, and by which keys.

    `labels`: gate labels that are in since then; those that it was not judged on have to be made up for, too.
    """
    recent = verdict.numbers["recent"]
    missing = max(verdict.wanted - (recent["images"] if recent else 0), 1)
    there = supply(champion)
    a_night = min(most_a_night(champion), max(there, 1.0))
    nights = math.ceil(missing / a_night)
    told = (
        f"with about {verdict.wanted} recent labels the gate could tell: {missing} more, which the next "
        f"{nights} night{'s' * (nights > 1)} ask for, and then it is judged again by itself (without being waited for "
        f"{champion.policy.promotion.gate_per_night} a night come, promotion.gate_per_night"
    )
    few = f"; about {there:.0f} predictions a night are of the gate's groups, promotion.gate_share"
    told += f"{few if there < missing else ''})"
    reasons = (verdict.reasons[0], told, *verdict.reasons[1:])
    return replace(verdict, reasons=reasons, wanted=labels + missing, wanted_since=since)
