"""First nights of an epoch: what is watched already, what is not yet, and nights that a person is asked to accept."""

from datetime import date, timedelta

from leeway.checks.accuracy import Accuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.likeness import FORMING, Likeness
from leeway.checks.policy import policy_digest
from leeway.checks.windows import drift_reference
from leeway.domain.records import Action, Decision, Status, accepted_key
from leeway.domain.text import counted, day_text
from leeway.epoch import Epoch
from leeway.errors import ParamsError


def accept(epoch: Epoch, night: date) -> bool:
    """Record that the night looks as production does; False if that was said before.

    It and nights like it are then what drift may be held against, from the next decided night on: no result changes.
    Raises ParamsError for a night that does not ask.
    """
    asked = nights_that_asked(epoch)
    name = f"{epoch.model} version {epoch.version.version}"
    if night not in asked:
        listed = ", ".join(map(str, asked)) or "none"
        raise ParamsError(f"{name}: the night of {night} does not ask to be accepted; those that asked: {listed}")
    return epoch.ledger.record_decision(
        Decision(
            key=accepted_key(epoch.model, epoch.version.version, night),
            model=epoch.model,
            version=epoch.version.version,
            night=night,
            action=Action.NOTHING,
            reason="a person says that this night looks as production does",
            made_at=epoch.as_of,
            policy_digest=policy_digest(epoch.policy),
        )
    )


def nights_that_asked(epoch: Epoch) -> list[date]:
    """Return the nights of the epoch that looked unlike what the model was measured on, in order."""
    return sorted(mark.night for mark in epoch.history.fired if mark.check == Likeness.name)


def asks_text(epoch: Epoch) -> str:
    """Say which nights wait to be accepted, and how; empty where none does, or nothing depends on it any more."""
    waiting = sorted(epoch.unlike_nights())
    if not waiting or _reference(epoch, waiting[-1], nights=FORMING) == FORMING:
        return ""
    last, drift = waiting[-1], epoch.policy.check(PredictionDrift)
    nights = f"the night of {day_text(last)} looks" if len(waiting) == 1 else f"{len(waiting)} nights look"
    today = max((one.night for one in epoch.history.windows), default=last)
    known = _reference(epoch, today, nights=drift.reference_nights)
    without = "drift is held against the others"
    if known < drift.reference_nights:
        without = f"drift has {known} of its {drift.reference_nights} reference nights, and says nothing until then"
    return (
        f"{nights} unlike what the model was measured on, since {day_text(waiting[0])}: {without}. Is it what "
        f"production looks like? Then `leeway accept {last} --model {epoch.model}`, which covers nights like it; else "
        "look at its images"
    )


def first_nights_text(epoch: Epoch, night: date) -> str:
    """Say what is watched from the first night on, and what only later; empty once all of it is."""
    told = [one for _, one in epoch.history.results([night]) if one.check == PredictionDrift.name]
    if not told or told[0].status is not Status.NO_VERDICT:
        return ""
    drift, version = epoch.policy.check(PredictionDrift), epoch.version
    missing = drift.reference_nights - _reference(epoch, night, nights=drift.reference_nights)
    if missing <= 0:
        return ""
    accuracy, measured, already = epoch.policy.check(Accuracy), version.reference, list[str]()
    source = "its labelled reference file" if version.watched_only else "its test split"
    if measured.total and not accuracy.impossible_floor(measured):
        floor, items = accuracy.effective_floor(measured), counted(measured.total, "item")
        already.append(f"accuracy on people's labels, against {floor:.1%} (from {items} of {source})")
    if measured.with_confidence and measured.total:
        already.append(f"confidences against those of {source}, which tells and asks and alarms for nothing")
    listed = "; ".join(already) or "nothing but the delivery: no reference is known"
    until = day_text(night + timedelta(days=missing))
    sizes = [one.total for one in epoch.history.windows if one.night <= night]
    small, fewest = sum(size < drift.min_predictions for size in sizes), drift.min_predictions
    if 2 * small > len(sizes):  # then no day can be named
        until = f"of at least {fewest} predictions, which {small} of {len(sizes)} so far had not (`min_predictions`)"
    return f"watched already: {listed}. Not yet: shifts of the answers, for {counted(missing, 'night')} more, {until}"


def accepted_by_then(epoch: Epoch) -> dict[date, frozenset[date]]:
    """Return which nights a person had accepted when each night was decided, by decided night."""
    own = [one for one in epoch.history.decisions if one.version == epoch.version.version]
    said, decided = [one for one in own if one.accepts], [one for one in own if one.nightly]
    return {one.night: frozenset(yes.night for yes in said if yes.made_at <= one.made_at) for one in decided}


def _reference(epoch: Epoch, night: date, *, nights: int) -> int:
    """Count the nights up to this one that may be reference."""
    out = epoch.alarmed_nights() | epoch.unlike_nights()
    windows = [one for one in epoch.history.windows if one.night <= night]
    fewest = epoch.policy.check(PredictionDrift).min_predictions
    return len(drift_reference(windows, out, nights=nights, min_predictions=fewest))
