"""Second opinions over nights: who answers alone hangs nothing, who answers second settles it, and nobody twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from leeway.checks.policy import Policy
from leeway.domain.records import GATE, Label, LabelledDraw, LabelPlan, Prediction
from leeway.labels.answering import seconded_share
from leeway.labels.answers import burst_of, gate_labels, training_labels
from leeway.labels.queue import find_queue, queue_text
from leeway.labels.summary import conflicts_text, nights_text
from leeway.stores.opening import Stores
from production import CLASSES, POLICY, draws_of, epoch_of, live_morning, morning, night, send

WEEK = 7
OTHER = dict(zip(CLASSES, CLASSES[1:] + CLASSES[:1], strict=True))
THIRD = dict(zip(CLASSES, CLASSES[2:] + CLASSES[:2], strict=True))
SECONDS = Policy.model_validate(
    POLICY.model_dump() | {"labels": POLICY.labels.model_dump() | {"second_opinion": "errors"}}
)


def live(stores: Stores, numbers: range, *, policy: Policy = SECONDS) -> None:
    for number in numbers:
        send(stores, number)
        live_morning(stores, number, policy=policy)


def plan_of(stores: Stores, number: int) -> LabelPlan:
    [found] = [one for one in stores.ledger.plans("colours", 1) if one.night == night(number) and one.is_nightly]
    return found


def queue(stores: Stores, labeler: str = "") -> list[Prediction]:
    return [one for _, one in stores.ledger.label_queue("colours", labeler=labeler)]


def say(
    stores: Stores,
    asked: Sequence[Prediction],
    number: int,
    *,
    wrong: int = 0,
    labeler: str = "ann",
    other: dict[str, str] = OTHER,
) -> list[str]:
    """At noon after night `number`; the first `wrong` contradict the model. Return their ids."""
    when = morning(number) + timedelta(hours=10)
    said = [other[one.predicted_class] if at < wrong else one.predicted_class for at, one in enumerate(asked)]
    labels = [Label("colours", one.id, name, labeler, when) for one, name in zip(asked, said, strict=True)]
    stores.ledger.record_labels(labels)
    return [one.id for one in asked[:wrong]]


def measured(stores: Stores, number: int) -> list[LabelledDraw]:
    """The answers that the closed plan of a night measures."""
    epoch = epoch_of(stores, number, policy=SECONDS)
    assert plan_of(stores, number).closed_at is not None
    return list(epoch.history.labels([plan_of(stores, number)])[0].draws)


def test_one_labeler_on_fridays_hangs_nothing_and_every_contradiction_is_an_error(stores: Stores) -> None:
    """Nobody else is there: the nights with a contradiction close after their answer days."""
    contradicted: list[str] = []
    for number in range(1, 3 * WEEK + 2):
        live(stores, range(number, number + 1))
        if number % WEEK == 5:
            asked = queue(stores, "ann")
            assert not set(contradicted) & {one.id for one in asked}
            contradicted += say(stores, asked, number, wrong=2)
    nights = range(1, 2 * WEEK - 2 + 1)
    for number in nights:
        plan = plan_of(stores, number)
        draws = measured(stores, number)
        wrong = [one for one in draws if one.wrong]
        assert {one.draw.prediction_id for one in wrong} == {one.draw.prediction_id for one in draws} & {*contradicted}
        assert not any(one.seconded for one in draws)
        waited = plan.closed_at is not None and (plan.closed_at - plan.made_at).days == SECONDS.labels.answer_days
        assert waited == bool(wrong)
    assert sum(one.wrong for number in nights for one in measured(stores, number)) >= 4
    epoch = epoch_of(stores, 3 * WEEK + 1, policy=SECONDS)
    assert seconded_share(epoch, night(3 * WEEK + 1)) == 0.0


def test_a_second_person_settles_a_night_and_those_who_differ_are_listed(stores: Stores) -> None:
    live(stores, range(1, 2))
    asked = queue(stores, "ann")
    contradicted = say(stores, asked, 1, wrong=4)
    epoch = epoch_of(stores, 1, policy=SECONDS)
    assert queue(stores, "ann") == queue(stores) == []
    second = queue(stores, "bob")
    assert sorted(one.id for one in second) == sorted(contradicted)
    assert ", 4 contradict the model and wait for a second person: open until" in nights_text(epoch, contradicted)[0]
    assert queue_text(find_queue(epoch)).startswith(
        "4 contradict the model and wait for a second person: `leeway labels export"
    )
    say(stores, second[:1], 1, labeler="bob")  # sides with the model
    say(stores, second[1:2], 1, wrong=1, labeler="bob", other=THIRD)
    say(stores, second[2:3], 1, wrong=1, labeler="bob")
    live(stores, range(2, 3))
    assert plan_of(stores, 1).closed_at is None  # one still waits
    say(stores, second[3:], 2, wrong=1, labeler="bob")
    live(stores, range(3, 4))
    assert plan_of(stores, 1).closed_at == morning(3)
    found = {one.draw.prediction_id: one for one in measured(stores, 1)}
    seen = [(found[one.id].wrong, found[one.id].seconded, found[one.id].same_truth) for one in second]
    assert seen == [(False, True, True), (True, True, False), (True, True, True), (True, True, True)]
    assert len(conflicts_text(stores.ledger, "colours")) == 2
    assert find_queue(epoch_of(stores, 3, policy=SECONDS)).second_opinions == 0
    share = seconded_share(epoch_of(stores, 3, policy=SECONDS), night(3))
    draws = [one for one in measured(stores, 1) if one.draw.prediction_id in contradicted]
    assert share == len(draws) / (len(draws) + 2)


def test_the_same_person_twice_is_a_correction_and_no_second_opinion(stores: Stores) -> None:
    live(stores, range(1, 2))
    asked = queue(stores, "ann")
    say(stores, asked, 1, wrong=2)
    say(stores, asked[:1], 1, wrong=1, labeler="Ann ")
    say(stores, asked[1:2], 1, labeler="ANN")
    live(stores, range(2, 3))
    assert plan_of(stores, 1).closed_at is None
    assert {one.id for one in queue(stores, "bob")} - {one.id for one in queue(stores)} == {asked[0].id}
    assert conflicts_text(stores.ledger, "colours") == []
    live(stores, range(3, 13))
    draws = {one.draw.prediction_id: one for one in measured(stores, 1)}
    assert draws[asked[0].id].wrong
    assert not any(one.seconded for one in draws.values())
    assert not draws[asked[1].id].wrong  # the correction


def test_who_gives_no_name_waits_and_is_told_to_say_it(stores: Stores) -> None:
    live(stores, range(1, 2))
    say(stores, queue(stores), 1, wrong=1, labeler="somebody")
    assert queue(stores, "bob") == []
    said = queue_text(find_queue(epoch_of(stores, 1, policy=SECONDS)))
    assert said.endswith("1 of them came without a name: import them again with --labeler NAME")
    live(stores, range(2, 13))
    assert [one.wrong for one in measured(stores, 1)].count(True) >= 1


def test_a_plan_keeps_its_rule_when_the_policy_changes(stores: Stores) -> None:
    live(stores, range(1, 2), policy=POLICY)
    assert say(stores, queue(stores), 1, wrong=2)
    live(stores, range(2, 3))
    assert plan_of(stores, 1).closed_at == morning(2)
    assert (plan_of(stores, 1).second_opinion, plan_of(stores, 2).second_opinion) == ("none", "errors")


def test_what_waits_for_a_second_person_is_not_in_yet_for_a_burst(stores: Stores) -> None:
    live(stores, range(1, 2))
    say(stores, queue(stores), 1, wrong=3)
    epoch = epoch_of(stores, 1, policy=SECONDS)
    [alarm] = epoch.history.decisions
    burst = burst_of(epoch, alarm)
    draws = stores.ledger.labelled_draws(plan_of(stores, 1).id)
    assert burst.answered == burst.asked - sum(one.wrong for one in draws) < burst.asked


def test_what_nobody_could_name_is_no_label_for_training_or_the_gate(stores: Stores) -> None:
    policy = SECONDS.model_copy(update={"promotion": SECONDS.promotion.model_copy(update={"gate_per_night": 3})})
    live(stores, range(1, 2), policy=policy)
    gate = [one.prediction_id for one in draws_of(stores, plan_of(stores, 1).id) if one.purpose == GATE]
    when = morning(1) + timedelta(hours=9)
    answers = {gate[0]: "unsure", gate[1]: "none of these classes"}
    stores.ledger.record_labels([Label("colours", one, "", "ann", when, answer=word) for one, word in answers.items()])
    say(stores, queue(stores), 1)
    epoch = epoch_of(stores, 1, policy=policy)
    assert {one.draw.prediction_id for one in gate_labels(epoch, since=None)} == {*gate} - answers.keys()
    assert not answers.keys() & {one.id for _, one in training_labels(epoch, since=None)}
    [line] = nights_text(epoch, gate)
    assert "answered (1 `unsure`, 1 `none of these classes`)" in line


def test_a_late_plan_is_charged_as_one_that_no_second_person_checked(stores: Stores) -> None:
    live(stores, range(1, 2))
    asked = queue(stores, "ann")
    say(stores, asked, 1, wrong=2)
    say(stores, queue(stores, "bob"), 1, wrong=9, labeler="bob")
    live(stores, range(2, 13))
    say(
        stores,
        stores.ledger.pinned("colours", [one.prediction_id for one in draws_of(stores, plan_of(stores, 2).id)]),
        12,
    )
    live(stores, range(13, 14))
    [late] = [one for one in stores.ledger.plans("colours", 1) if one.late_of]
    designs = stores.ledger.design(plan_of(stores, 2).id), stores.ledger.design(late.id)
    assert replace(designs[0], seconded=0.0, answer_rates={}) == designs[1]
    assert stores.ledger.design(plan_of(stores, 12).id).seconded > 0
