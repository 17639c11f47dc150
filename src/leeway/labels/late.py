"""Late labels: what is answered, or comes with the log, after a night was measured, as plans of their own.

A *late plan* is of the night of another plan, and has its design. It holds those draws alone that were unanswered when
that one, and every late plan of it, was closed, and that are answered now, each with the weight that it has where all
answer; it is closed at once. The night that is decided next takes it into account, once, as any plan.

What is promised: each draw counts once, with its own probability, so that its bet is as fair as it would have been in
time. That needs that *whether an answer comes late does not depend on whether the model was right*: where people put
off what looks wrong, neither the early labels of a night nor its late ones are a sample of it (both together are), and
the late ones can alarm by themselves. Measured in 1,000 years exactly at the limit: with half of the labels up to four
weeks late, whatever they say, 1.9 % alarm at 20 labels a night and .3 % at 70 (2 % are promised); with 60 % of the
wrong answers late and 10 % of the right ones, 4 % and 70 % (tests/simulation/test_late_years.py).
"""

from dataclasses import replace
from datetime import timedelta
from itertools import groupby

from leeway.checks.windows import night_of
from leeway.domain.records import LabelPlan
from leeway.epoch import Epoch
from leeway.labels.coverage import completes, rows_of
from leeway.labels.groups import given_labels, grouped
from leeway.labels.plan import given_plan

LATE_TRUTH_NIGHTS = 31  # nights before now whose truth may come with the log in several parts, each of which measures


def take_late_answers(epoch: Epoch) -> list[LabelPlan]:
    """Make late plans of draws that were answered after their plan had closed.

    Not of a night that labels which came with the log measure: these answers train, and measure nothing.
    """
    history, taken = epoch.history, []
    originals = {one.id: one for one in history.plans}
    given = {one.night for one in history.plans if one.given}
    found = epoch.ledger.late_draws(epoch.model, epoch.version.version, since=epoch.first_night)
    for plan_id, draws in groupby(found, key=lambda one: one.plan_id):
        if (plan := originals[plan_id]).night in given:
            continue
        late, name = list(draws), late_id(epoch, plan)
        made = replace(
            plan, id=name, made_at=epoch.as_of, asked=len(late), closed_at=epoch.as_of, applied_by=None, late_of=plan_id
        )
        own = [replace(one, id=f"{name}{one.id.removeprefix(plan_id)}", plan_id=name) for one in late]
        # It holds answered draws alone, each of which stands for itself; and no second person was asked in time.
        design = replace(epoch.ledger.design(plan_id), answer_rates={}, seconded=0.0)
        if history.record_plan(made, design, own):
            taken.append(made)
    return taken


def take_late_truth(epoch: Epoch) -> list[LabelPlan]:
    """Make late plans of labels that came with the log after others of their night had been measured.

    Of the last 31 nights, and of predictions that were there when the night was counted: late rows measure nothing.
    """
    history, taken = epoch.history, []
    since = night_of(epoch.as_of, epoch.policy.zone) - timedelta(days=LATE_TRUTH_NIGHTS)
    counted = {one.night: one.position for one in history.windows}
    for plan in [one for one in history.plans if one.given and one.late_of is None and one.night >= since]:
        if plan.night not in counted:
            continue
        last = [one for one in history.plans if plan.id in (one.id, one.late_of)][-1]
        after, position = epoch.ledger.design(last.id).position, epoch.log.position(epoch.model)
        if after is None:  # of the release before, which kept no positions: what came later cannot be told apart
            continue
        rows = counted[plan.night] or position
        given = given_labels(epoch, plan.night, between=(after, position), rows_upto=rows)
        if not given.tallies:
            continue
        whole = given_labels(epoch, plan.night, between=(None, position), rows_upto=rows)
        if completes(given.tallies, whole.tallies, rows_of(epoch, plan.night, upto=rows)):
            before = given_labels(epoch, plan.night, between=(None, after), rows_upto=rows)
            made, design = given_plan(epoch, plan.night, history.cells(plan.night, upto=rows), given.tallies)
            made = replace(made, id=late_id(epoch, plan), late_of=plan.id)
            parts = grouped(design.parts, given, before=before, whole=whole)
            if history.record_plan(made, replace(design, position=position, parts=parts)):
                taken.append(made)
    return taken


def late_id(epoch: Epoch, plan: LabelPlan) -> str:
    """Return the id of the plan's next late plan."""
    return f"{plan.id}/late/{sum(one.late_of == plan.id for one in epoch.history.plans) + 1}"
