"""Labels that come when people have time: once a week, three weeks late, in parts, or as a correction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from leeway.domain.columns import PredictionColumns
from leeway.domain.records import Action, CheckResult, Label, LabelPlan, Prediction
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.labels.answers import gate_labels, take_given_answers
from leeway.stores.opening import Stores
from production import CLASSES, begun, draws_of, epoch_of, known, label_all, live_morning, morning, night, send

WEEK = 7
PER_NIGHT = 10


def plans(stores: Stores) -> list[LabelPlan]:
    return stores.ledger.plans("colours", 1)


def accuracy(stores: Stores) -> dict[date, CheckResult]:
    return {when: one for when, one in stores.ledger.results("colours", 1) if one.check == "accuracy"}


def measured(stores: Stores) -> list[int]:
    """Labels that each night's accuracy check was given as news."""
    return [int(one.details.get("labels_tonight", 0)) for one in accuracy(stores).values()]


def live(stores: Stores, numbers: range, **sent: Any) -> None:
    for number in numbers:
        send(stores, number, **sent)
        live_morning(stores, number)


def label(
    stores: Stores, asked: Sequence[Prediction], number: int, *, wrong: bool = False, labeler: str = "ann"
) -> None:
    """At noon after night `number`."""
    when, other = morning(number) + timedelta(hours=10), dict(zip(CLASSES, CLASSES[1:] + CLASSES[:1], strict=True))
    stores.ledger.record_labels(
        [
            Label("colours", one.id, other[one.predicted_class] if wrong else one.predicted_class, labeler, when)
            for one in asked
        ]
    )


def asked_of(stores: Stores, number: int) -> list[Prediction]:
    """What the plan of night `number` drew."""
    [plan] = [one for one in plans(stores) if one.night == night(number) and one.is_nightly]
    return stores.ledger.pinned("colours", [one.prediction_id for one in draws_of(stores, plan.id)])


# Once a week


def test_who_labels_on_fridays_loses_nothing_and_each_night_counts_once(stores: Stores) -> None:
    for number in range(1, 6 * WEEK + 1):
        live(stores, range(number, number + 1))
        if number % WEEK == 5:
            label_all(stores, number)
    fridays = [number for number in range(1, 6 * WEEK + 1) if number % WEEK == 5]
    own = plans(stores)
    assert {one.late_of for one in own} == {None}
    answered = [one for one in own if one.night <= night(fridays[-1])]
    assert [one.night for one in answered] == [night(number) for number in range(1, fridays[-1] + 1)]
    assert all(len(stores.ledger.labelled_draws(one.id, as_closed=True)) == PER_NIGHT for one in answered)
    by_decision = {one.night: one.applied_by for one in answered}
    assert by_decision[night(1)] == by_decision[night(5)] == f"colours/1/{night(6)}"
    counted = {night(at): count for at, count in enumerate(measured(stores), 1) if count}
    assert counted == {night(number + 1): PER_NIGHT * (5 if number == 5 else WEEK) for number in fridays}


def test_who_answers_a_part_of_the_queue_completes_the_newest_nights(stores: Stores) -> None:
    live(stores, range(1, WEEK + 1))
    queue = [one for _, one in stores.ledger.label_queue("colours")]
    label(stores, queue[: 3 * PER_NIGHT], WEEK)
    live(stores, range(WEEK + 1, WEEK + 2))
    closed = [one.night for one in plans(stores) if one.closed_at is not None]
    assert closed == [night(number) for number in (WEEK - 2, WEEK - 1, WEEK)]


def test_what_nobody_answers_closes_after_its_answer_days_and_is_asked_no_more(stores: Stores) -> None:
    live(stores, range(1, 12))
    assert [one.night for one in plans(stores) if one.closed_at is not None] == [night(1)]
    live(stores, range(12, 13))
    assert {plan_id for plan_id, _ in stores.ledger.label_queue("colours")} == {
        one.id for one in plans(stores) if one.night > night(2)
    }


# Late


def test_labels_three_weeks_late_are_measured_once(stores: Stores) -> None:
    live(stores, range(1, 25))
    assert accuracy(stores)[night(24)].state == {}
    asked = [one for number in (1, 2, 3) for one in asked_of(stores, number)]
    label(stores, asked, 24)
    live(stores, range(25, 27))
    late = [one for one in plans(stores) if one.late_of]
    assert [(one.night, one.asked) for one in late] == [(night(number), PER_NIGHT) for number in (1, 2, 3)]
    assert {one.applied_by for one in late} == {f"colours/1/{night(25)}"}
    assert measured(stores)[-2:] == [3 * PER_NIGHT, 0]
    assert accuracy(stores)[night(26)].state["labels"] == 3 * PER_NIGHT


def test_a_late_plan_holds_the_draws_that_were_missing_with_their_own_probabilities(stores: Stores) -> None:
    live(stores, range(1, 2))
    asked = asked_of(stores, 1)
    label(stores, asked[:4], 1)
    live(stores, range(2, 13))
    label(stores, asked[2:7], 12)
    live(stores, range(13, 14))
    label(stores, asked[6:], 13)
    live(stores, range(14, 15))
    original, *late = [one for one in plans(stores) if one.night == night(1)]
    assert [one.id for one in late] == [f"{original.id}/late/1", f"{original.id}/late/2"]
    assert {one.late_of for one in late} == {original.id}
    drawn = [one for plan in late for one in draws_of(stores, plan.id)]
    early = {one.draw.id for one in stores.ledger.labelled_draws(original.id, as_closed=True)}
    missing = [one for one in draws_of(stores, original.id) if one.id not in early]
    assert sorted((one.prediction_id, one.stratum, one.probability, one.guess) for one in drawn) == sorted(
        (one.prediction_id, one.stratum, one.probability, one.guess) for one in missing
    )
    assert len({one.id for one in drawn}) == len(drawn) == len(asked) - 4
    designs = [stores.ledger.design(one.id) for one in (original, *late)]
    assert designs[0] == designs[1] == designs[2]
    assert sum(measured(stores)) == len(asked)


def test_early_and_late_labels_are_shown_once_each(stores: Stores) -> None:
    live(stores, range(1, 2))
    asked = asked_of(stores, 1)
    label(stores, asked[:4], 1)
    live(stores, range(2, 13))
    label(stores, asked[4:], 12)
    for number in range(2, 13):
        label(stores, asked_of(stores, number), 12)
    live(stores, range(13, 14))
    history = epoch_of(stores, 13).history
    shown = history.labels([one for one in history.closed_plans() if one.night == night(1)])
    assert sum(one.labels for one in shown) == len(draws_of(stores, plans(stores)[0].id))


def test_a_correction_after_the_closing_changes_nothing_that_was_measured(stores: Stores) -> None:
    live(stores, range(1, 3))
    asked = asked_of(stores, 1)
    label(stores, asked, 2)
    live(stores, range(3, 4))
    before = accuracy(stores)[night(3)]
    label(stores, asked, 3, wrong=True)
    live(stores, range(4, 5))
    after = accuracy(stores)[night(4)]
    assert (before.effect, after.effect) == (1.0, 1.0)
    assert after.state["labels"] == PER_NIGHT
    closed = [one for one in plans(stores) if one.night == night(1)]
    [labels] = epoch_of(stores, 4).history.labels(closed)
    assert not any(one.wrong for one in labels.draws)
    assert all(one.wrong for one in stores.ledger.labelled_draws(closed[0].id))  # what trains is the correction


def test_late_answers_to_gate_draws_count_for_the_gate(stores: Stores) -> None:
    send(stores, 1)
    live_morning(stores, 1)
    alarmed = replace(stores.ledger.decisions("colours")[-1], key="alarm", action=Action.MORE_LABELS, night=night(2))
    stores.ledger.record_decision(alarmed)
    live(stores, range(2, 14))
    asked = asked_of(stores, 2)
    gate = [one for one in draws_of(stores, f"colours/1/{night(2)}") if one.purpose == "gate"]
    label(stores, asked, 13)
    assert {one.draw.prediction_id for one in gate_labels(epoch_of(stores, 13), since=None)} == {
        one.prediction_id for one in gate
    }
    live(stores, range(14, 15))
    assert len(gate_labels(epoch_of(stores, 14), since=None)) == len(gate) > 0


def test_a_burst_is_waited_for_until_its_own_nights_are_answered(stores: Stores) -> None:
    live(stores, range(1, 5))
    for number in range(1, 5):
        label(stores, asked_of(stores, number), 4)
    live(stores, range(5, 7), mix=(0.7, 0.15, 0.15))
    alarm = next(one for one in stores.ledger.decisions("colours") if one.action is Action.MORE_LABELS)
    burst = [alarm.night, alarm.night + timedelta(days=1)]
    live(stores, range(7, 11), mix=(0.7, 0.15, 0.15))
    newest = [one for number in (9, 10) for one in asked_of(stores, number) if night(number) not in burst]
    label(stores, newest, 10)
    live(stores, range(11, 12), mix=(0.7, 0.15, 0.15))
    assert stores.ledger.decisions("colours")[-1].action is Action.NOTHING
    for when in burst:
        label(stores, asked_of(stores, (when - night(1)).days + 1), 11)
    live(stores, range(12, 13), mix=(0.7, 0.15, 0.15))
    assert stores.ledger.decisions("colours")[-1].action is not Action.NOTHING


# Truth that comes with the log


def give(stores: Stores, rows: Sequence[Prediction], *, chance: float | None = 1.0, number: int = 1) -> None:
    """The truth of these predictions, with the log, on morning `number`: all were right."""
    labels = [one.predicted_class for one in rows]
    columns = replace(PredictionColumns.of(rows), labels=labels, draw_probabilities=[chance] * len(rows))
    stores.log.record("colours", [(1, columns)], received_at=morning(number))
    take_given_answers(stores.log, stores.ledger, "colours")


def given(stores: Stores) -> list[tuple[str, int]]:
    found = [one for one in plans(stores) if one.given]
    return [(one.id, sum(tally.count for tally in stores.ledger.design(one.id).given)) for one in found]


def test_truth_of_a_night_three_weeks_late_measures_once_and_without_its_late_rows(stores: Stores) -> None:
    rows = send(stores, 1)
    live_morning(stores, 1)
    late_rows = send(stores, 1, count=50, name="late")
    live(stores, range(2, 23))
    give(stores, [*rows, *late_rows], number=22)
    live(stores, range(23, 25))
    assert given(stores) == [(f"colours/1/{night(1)}/given", len(rows))]
    assert stores.ledger.design(f"colours/1/{night(1)}/given").predictions == len(rows)
    assert measured(stores)[-2:] == [len(rows), 0]
    assert not [one for one in plans(stores) if one.late_of]  # people's draws are answered by it, and measure nothing


def test_truth_of_all_that_comes_in_parts_is_measured_once_it_is_complete(stores: Stores) -> None:
    rows = send(stores, 1)
    live_morning(stores, 1)
    for number, part in ((1, 50), (2, 120)):
        give(stores, rows[:part], number=number)
        live(stores, range(number + 1, number + 2))
        assert given(stores) == []
    give(stores, rows, number=3)
    live(stores, range(4, 6))
    assert given(stores) == [(f"colours/1/{night(1)}/given", len(rows))]
    assert sum(measured(stores)) == len(rows)


def test_the_rest_of_a_night_after_a_sample_of_it_measures_when_it_is_complete(stores: Stores) -> None:
    rows = send(stores, 1)
    live_morning(stores, 1)
    give(stores, rows[:50], chance=0.25, number=1)
    live(stores, range(2, 3))
    give(stores, rows[50:120], number=2)
    live(stores, range(3, 4))
    name = f"colours/1/{night(1)}/given"
    assert given(stores) == [(name, 50)]
    give(stores, rows[120:], number=3)
    live(stores, range(4, 6))
    assert given(stores) == [(name, 50), (f"{name}/late/1", 150)]


def test_a_drawn_sample_that_comes_in_parts_is_measured_part_by_part(stores: Stores) -> None:
    rows = send(stores, 1)
    live_morning(stores, 1)
    give(stores, rows[:50], chance=0.5, number=1)
    live(stores, range(2, 3))
    give(stores, rows[:120], chance=0.5, number=2)
    live(stores, range(3, 5))
    give(stores, rows, chance=0.5, number=4)
    live(stores, range(5, 7))
    name = f"colours/1/{night(1)}/given"
    assert given(stores) == [(name, 50), (f"{name}/late/1", 70), (f"{name}/late/2", 80)]
    assert sum(measured(stores)) == len(rows)


def chances(stores: Stores) -> list[tuple[str, tuple[float, ...], float]]:
    """(plan, what it keeps of chances, the weight of its last draw) of each plan of labels that came with the log."""
    found = [(one.id, stores.ledger.design(one.id)) for one in plans(stores) if one.given]
    return [
        (name.partition("/1/")[2], tuple(one.parts["given"]), 1 / (one.predictions * one.given[-1].probability))
        for name, one in found
    ]


def test_a_night_on_which_no_row_of_the_rarest_chance_comes_is_no_uniform_sample(stores: Stores) -> None:
    """Of its predictions, or late: the smallest chance of the nights before stands, and each row has its own."""
    rows = {number: send(stores, number) for number in (1, 2, 3)}
    give(stores, rows[1][:10], chance=0.2, number=1)
    give(stores, rows[1][10:50], chance=0.8, number=1)
    live_morning(stores, 1)
    give(stores, rows[2][:40], chance=0.8, number=2)
    live_morning(stores, 2)
    give(stores, rows[1][50:90], chance=0.8, number=2)
    give(stores, rows[3][:30], chance=0.1, number=3)
    live_morning(stores, 3)
    first, second, third = (f"{night(number)}/given" for number in (1, 2, 3))
    assert {name: kept for name, kept, _ in chances(stores)} == {
        first: (50, 0.2, 0.0, 1.0),
        f"{first}/late/1": (40, 0.2, 0.0, 1.0),
        second: (40, 0.2, 0.0, 1.0),
        third: (30, 0.1, 0.0, 1.0),
    }
    weights = {name: weight for name, _, weight in chances(stores)}
    assert weights[second] == pytest.approx(40 / (len(rows[2]) * 0.8))


def test_labels_with_one_chance_on_all_nights_are_a_uniform_sample(stores: Stores) -> None:
    for number in (1, 2):
        give(stores, send(stores, number)[:40], chance=0.5, number=number)
        live_morning(stores, number)
    assert [(kept, weight) for _, kept, weight in chances(stores)] == [((40, 0.5, 0.5, 1.0), pytest.approx(1.0))] * 2


def test_truth_without_a_draw_probability_answers_late_what_nobody_answered(stores: Stores) -> None:
    rows = send(stores, 1)
    live_morning(stores, 1)
    live(stores, range(2, 23))
    give(stores, rows, chance=None, number=22)
    live(stores, range(23, 25))
    late = [one for one in plans(stores) if one.late_of]
    assert [(one.night, one.asked) for one in late] == [(night(1), PER_NIGHT)]
    assert measured(stores)[-2:] == [PER_NIGHT, 0]


def test_what_was_asked_of_a_version_that_serves_no_longer_does_not_wait_for_ever(stores: Stores) -> None:
    live(stores, range(1, 3))
    second = known(epoch_of(stores, 2).version, 2)
    begun(stores, second, at=morning(2))
    assert len({plan_id for plan_id, _ in stores.ledger.label_queue("colours")}) == 2
    look(epoch_of(stores, 30, version=second), Failures(), confirmed=True)
    assert {one.closed_at for one in plans(stores)} == {morning(30)}
    assert stores.ledger.label_queue("colours") == []
