"""Summary: what became of labels that were handed in, by night and version, and about what people differ."""

from collections.abc import Collection, Iterable

from leeway.domain.records import NAMED, NONE_OF_THESE, UNSURE, Label, LabelledDraw, LabelPlan, UnansweredDraw
from leeway.domain.stores import Ledger
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.labels.answers import closes_at, is_complete, second_wanted
from leeway.labels.queue import contradict_text

COUNTED = "counted with the next night that `leeway monitor` decides"
ONLY_KEPT = "what comes now is kept, and measures nothing"
IF_FAIR = "which is fair if a label comes late whatever it says, not because the model was wrong"


def nights_text(epoch: Epoch, ids: Collection[str]) -> list[str]:
    """Return a line for each night that asked for a label of these predictions, and what happens with it next."""
    plans = epoch.ledger.plans_with(epoch.model, ids)
    lines = [f"night of {plan.night}, version {plan.version}: {_line(epoch, plan)}" for plan in plans]
    unasked = len(set(ids)) - len(epoch.ledger.drawn(epoch.model, ids))
    if unasked:
        lines.append(f"{counted(unasked, 'label')} that nobody asked for: kept, and measuring nothing")
    return lines


def _line(epoch: Epoch, plan: LabelPlan) -> str:
    draws, zone = epoch.ledger.labelled_draws(plan.id), epoch.policy.zone
    answered = _predictions(draws)
    asked = answered | _predictions(epoch.ledger.unanswered_draws(plan.id))
    text = f"{len(answered)} of {len(asked)} answered{_unnamed(draws)}"
    beside = [one for one in epoch.ledger.plans(epoch.model, plan.version) if one.night == plan.night]
    measured_by_log = [one for one in beside if one.given]
    if plan.closed_at is None:
        if any(measured_by_log):
            return f"{text}: labels that came with the log measure this night; {ONLY_KEPT}"
        if not _is_looked_at(epoch, plan):
            return f"{text}: version {plan.version} serves no longer; {ONLY_KEPT}"
        waiting = len(_predictions(second_wanted(plan, draws)))
        text += f", {contradict_text(waiting)}" if waiting else ""
        until = closes_at(plan, epoch.policy).astimezone(zone)
        return f"{text}: {COUNTED}" if is_complete(plan, draws) else f"{text}: open until {until:%Y-%m-%d}"
    in_time = _predictions(epoch.ledger.labelled_draws(plan.id, as_closed=True))
    late_plans = [epoch.ledger.labelled_draws(one.id) for one in beside if one.late_of == plan.id]
    counted_late = set[str]().union(*map(_predictions, late_plans))
    late = len(answered - in_time - counted_late)
    closed = f"{text}, closed on {plan.closed_at.astimezone(zone):%Y-%m-%d}"
    if not late and counted_late:
        return f"{closed}, {len(counted_late)} late: all counted"
    if not late:
        return f"{closed}: counted as it was then"
    if any(measured_by_log):
        return f"{closed}, {late} late: labels that came with the log measure this night; {ONLY_KEPT}"
    if not _is_looked_at(epoch, plan):
        return f"{closed}, {late} late: version {plan.version} serves no longer; {ONLY_KEPT}"
    return f"{closed}, {late} late: {COUNTED}, {IF_FAIR}"


def _predictions(draws: Iterable[LabelledDraw | UnansweredDraw]) -> set[str]:
    """What was drawn; a prediction that was drawn twice is asked about once."""
    return {one.draw.prediction_id for one in draws}


def _is_looked_at(epoch: Epoch, plan: LabelPlan) -> bool:
    """Whether a night that is still to come takes the plan into account."""
    own = plan.version == epoch.version.version
    return own and (epoch.began_at is None or plan.night >= epoch.first_night)


def _unnamed(draws: Iterable[LabelledDraw]) -> str:
    """How many of the answers name nothing."""
    labels = {one.draw.prediction_id: one.label for one in draws}
    counts = [(sum(label == word for label in labels.values()), word) for word in (UNSURE, NONE_OF_THESE)]
    told = ", ".join(f"{count} `{word}`" for count, word in counts if count)
    return f" ({told})" if told else ""


def conflicts_text(ledger: Ledger, model: str) -> list[str]:
    """Return a line for each prediction that people call different things: who said what, and when."""
    return [f"{said[0].prediction_id}: {', '.join(map(_said, said))}" for said in ledger.conflicts(model)]


def conflicts_title(model: str, conflicts: Collection[str]) -> str:
    """Return the line above them."""
    return (
        f"{model}: people disagree about {len(conflicts)} of its predictions; until they agree each counts as an error "
        "(with `second_opinion: errors` as right, if one of the two agrees with the model); the first label trains"
    )


def corrections_text(corrected: int, measured: int) -> str:
    """Return what corrections change; empty without any."""
    if not corrected:
        return ""
    text = f"{corrected} corrected (the earlier label stays on record)"
    if not measured:
        return text
    by = "was measured with its" if measured == 1 else "were measured with their"
    return f"{text}; {measured} of them {by} earlier label: what was concluded stays"


def by_model(labels: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return (model, prediction id) pairs as ids by model, in order of name."""
    found: dict[str, set[str]] = {}
    for model, one in sorted(labels):
        found.setdefault(model, set()).add(one)
    return found


def _said(label: Label) -> str:
    said = repr(label.label) if label.answer == NAMED else label.answer
    return f"{label.labeler} says {said} ({label.labelled_at:%Y-%m-%d %H:%M} UTC)"
