"""Attempts: which challenger of an epoch a version is, how often it was looked at, and which labels it is judged on."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from leeway.domain.records import Cause, LabelledDraw, Release, Verdict
from leeway.epoch import Epoch
from leeway.labels.answers import gate_labels, labels_since
from leeway.release.rules import PASSED, Attempt

ATTEMPT_TAG, AGAINST_TAG, OUTCOME_TAG = "gate_attempt", "gate_against", "gate"  # as `release` writes a verdict
JUDGED = ("promoted", "refused", "left for review")  # outcomes of a release that a verdict led to


@dataclass(frozen=True, slots=True)
class Look:
    """What was noted of the last look at a version."""

    attempt: Attempt
    labels: int  # recent images that it was judged on
    since: date | None  # first night whose gate labels count; None: they all do
    passed: bool


def last_look(champion: Epoch, tags: Mapping[str, str]) -> Look | None:
    """Return the last look at the version with these tags against the champion, in any epoch; None if none is noted."""
    if tags.get(AGAINST_TAG) != str(champion.version.version):
        return None
    with suppress(ValueError, KeyError, TypeError):
        kept = json.loads(tags.get(ATTEMPT_TAG, ""))
        since = date.fromisoformat(kept["since"]) if kept["since"] else None
        attempt = Attempt(int(kept["number"]), int(kept["look"]))
        return Look(attempt, int(kept["labels"]), since, tags.get(OUTCOME_TAG) == PASSED)
    return None


def judged_against(champion: Epoch) -> list[Release]:
    """Return what came of each judgement against the champion in its epoch, in order."""
    return [one for one in _ever_judged(champion) if champion.began_at is None or one.at >= champion.began_at]


def number_of(champion: Epoch, version: int) -> int:
    """Return which challenger of the champion this is, by the order in which they were first judged.

    Counted in the ledger over all its epochs: a rollback to the champion gives nobody a fresh start, since the test
    split and the labels are the same.
    """
    known = list(dict.fromkeys(one.version for one in _ever_judged(champion)))
    return known.index(version) + 1 if version in known else len(known) + 1


def attempt_at(champion: Epoch, version: int, last: Look | None, *, labels: int) -> Attempt:
    """Return what a look on so many recent images is: a further one only if there are more of them than at the last.

    A version that passed keeps its look: whoever approves it days later asks whether it still holds, which can only
    make fewer pass. A look at so few that nothing could have been shown was none. Where the version's tags are gone,
    each judgement in the ledger counts as a look.
    """
    if last is None:
        before = sum(one.version == version for one in _ever_judged(champion))
        return Attempt(number_of(champion, version), before + 1)
    return last.attempt.next(last.labels) if labels > last.labels and not last.passed else last.attempt


def labels_for(champion: Epoch, cause: str, last: Look | None) -> tuple[Sequence[LabelledDraw], date | None]:
    """Return the gate labels that a version of this cause is judged on, and from which night on they count.

    Where accuracy fell, those of the nights whose labels train, too: older ones show the world in which the champion
    was right, hence few disagreements, and dilute the gain. Otherwise those of the champion's whole epoch. A version
    that is judged again keeps its first night: a later alarm takes no label away.
    """
    if last is not None:
        since = last.since
    elif cause == Cause.ACCURACY:
        since = labels_since(champion.alarm_ever(), champion.policy)
    else:
        since = champion.first_night
    return gate_labels(champion, since=since), since


def noted(verdict: Verdict, *, since: date | None) -> dict[str, Any]:
    """Return what the next judgement of the version has to know."""
    recent = verdict.numbers["recent"]
    return dict(verdict.numbers["attempt"]) | {
        "labels": recent["images"] if recent else 0,
        "since": since.isoformat() if since else None,
    }


def _ever_judged(champion: Epoch) -> list[Release]:
    found = champion.ledger.releases(champion.model)
    return [one for one in found if one.previous == champion.version.version and one.outcome in JUDGED]
