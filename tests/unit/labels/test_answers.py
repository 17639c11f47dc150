"""Label plans: what is drawn, when it closes, what may train."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from broken_images import write_broken
from leeway.checks.policy import Policy
from leeway.data.feedback import read_feedback
from leeway.data.parquet import read_table
from leeway.domain.records import Action, Decision, Label, LabelPlan, ModelVersion
from leeway.epoch import Epoch
from leeway.labels import answers, feedback
from leeway.labels.leaning import Suspicion
from leeway.labels.plan import is_gate_group, plan_labels
from leeway.stores.opening import Stores
from production import (
    POLICY,
    VERSION,
    begun,
    draws_of,
    epoch_of,
    folder_of_images,
    held,
    label_all,
    morning,
    night,
    send,
)
from tiny_bundle import square

GATED = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"gate_per_night": 3})})


def planned(
    stores: Stores,
    number: int,
    *,
    alarm: int | None = None,
    version: ModelVersion = VERSION,
    policy: Policy = POLICY,
) -> LabelPlan:
    """The night's plan; with `alarm` as if an alarm had been raised on that night."""
    if alarm is not None:
        decided = Decision(
            f"colours/1/{night(alarm)}", "colours", 1, night(alarm), Action.MORE_LABELS, "drift", morning(alarm), ""
        )
        stores.ledger.record_decision(decided)
    epoch = held(epoch_of(stores, number, version=version, policy=policy), number)
    return plan_labels(epoch, night(number), suspicion=Suspicion())


def at(stores: Stores, number: int, hours: int) -> Epoch:
    """Hours after morning `number`."""
    return replace(epoch_of(stores, number), as_of=morning(number) + timedelta(hours=hours))


def purposes(stores: Stores, plan: LabelPlan) -> dict[str, int]:
    return Counter(draw.purpose for draw in draws_of(stores, plan.id))


def test_every_night_asks_for_a_few_gate_labels_beside_the_nightly_ones(stores: Stores) -> None:
    for number in (1, 2):
        send(stores, number)
        assert purposes(stores, planned(stores, number, policy=GATED)) == {"measure": 10, "gate": 3}
    label_all(stores, 2)
    assert len(answers.gate_labels(epoch_of(stores, 2), since=None)) == 6, "they accumulate, one of each group"


def test_a_challenger_that_waits_for_gate_labels_gets_them(stores: Stores) -> None:
    send(stores, 1)
    epoch = held(epoch_of(stores, 1, policy=GATED), 1)
    assert purposes(stores, plan_labels(epoch, night(1), suspicion=Suspicion(), waited_for=12))["gate"] == 12


def test_an_alarm_spreads_its_burst_over_two_nights_half_of_it_for_the_gate(stores: Stores) -> None:
    for number in (1, 2, 3):
        send(stores, number)
    asked = [purposes(stores, planned(stores, number, alarm=1)) for number in (1, 2, 3)]
    assert asked == [{"measure": 20, "gate": 10}, {"measure": 20, "gate": 10}, {"measure": 10}]
    send(stores, 4)
    assert purposes(stores, planned(stores, 4, alarm=4, policy=GATED)) == {"measure": 20, "gate": 13}


def test_the_draw_probabilities_of_a_plan_are_those_of_its_design(stores: Stores) -> None:
    said = send(stores, 1)
    plan = planned(stores, 1)
    unsure = {one.id for one in said if one.confidence < 0.9}
    drawn = [one for one in draws_of(stores, plan.id) if one.purpose == "measure"]
    likely = {draw.prediction_id in unsure: draw.probability for draw in drawn}
    assert likely[True] > likely.get(False, 0)  # it leans towards what the model is unsure of
    design = stores.ledger.design(plan.id)
    assert sum(design.stratum_shares.values()) == pytest.approx(1)
    assert design.predictions == len(said)


def test_planning_again_changes_nothing(stores: Stores) -> None:
    send(stores, 1)
    first = planned(stores, 1)
    send(stores, 1, version=1)
    assert planned(stores, 1) == first


def test_gate_draws_are_of_gate_groups_and_each_group_is_drawn_once_over_the_burst(stores: Stores) -> None:
    said = {one.id: one for number in (1, 2) for one in send(stores, number)}
    groups = [
        said[draw.prediction_id].group
        for number in (1, 2)
        for draw in draws_of(stores, planned(stores, number, alarm=1).id)
        if draw.purpose == "gate"
    ]
    assert len(groups) == len(set(groups)) > 5
    assert all(is_gate_group(group, gate_share=POLICY.promotion.gate_share) for group in groups)


def test_a_plan_closes_when_it_is_answered_and_at_the_latest_after_its_answer_days(stores: Stores) -> None:
    for number in (1, 2):
        send(stores, number)
        planned(stores, number)
    label_all(stores, 2)
    first, second = stores.ledger.plans("colours", 1)
    assert answers.close_labels(at(stores, 2, 11)) == [first, second]
    send(stores, 3)
    third = planned(stores, 3)
    assert answers.close_labels(at(stores, 3, 10 * 24 - 1)) == []
    assert answers.close_labels(at(stores, 3, 10 * 24)) == [third]


def test_labels_of_gate_groups_measure_but_never_train(stores: Stores) -> None:
    send(stores, 1)
    plan = planned(stores, 1, alarm=1)
    label_all(stores, 1)
    training = answers.training_labels(epoch_of(stores, 12), since=None)
    assert training
    assert not any(is_gate_group(said.group, gate_share=0.3) for _, said in training)
    assert len(epoch_of(stores, 1).history.labels([plan])[0].draws) == sum(
        draw.purpose == "measure" for draw in draws_of(stores, plan.id)
    )
    assert {one.draw.purpose for one in answers.gate_labels(epoch_of(stores, 1), since=None)} == {"gate"}


def test_a_label_that_names_no_class_of_the_model_does_not_train(stores: Stores) -> None:
    said = [one for one in send(stores, 1) if not is_gate_group(one.group, gate_share=0.3)][:2]
    stores.ledger.pin(said)
    stores.ledger.record_labels(
        [
            Label("colours", one.id, answer, "tester", morning(1))
            for one, answer in zip(said, ("purple", "red"), strict=True)
        ]
    )
    assert [label.label for label, _ in answers.training_labels(epoch_of(stores, 12), since=None)] == ["red"]


def test_an_alarm_trains_on_the_labels_of_its_last_nights_only(stores: Stores) -> None:
    for number in range(1, 12):
        send(stores, number)
        planned(stores, number)
        label_all(stores, number)
    recent = answers.training_labels(epoch_of(stores, 12), since=night(8))
    nights = {said.occurred_at.date() for _, said in recent}
    assert nights == {night(number) for number in (8, 9, 10, 11)}


def test_a_shard_holds_each_labelled_image_once_and_later_shards_only_what_is_new(
    stores: Stores, tmp_path: Path
) -> None:
    images, folder = folder_of_images(tmp_path), tmp_path / "feedback"
    for number in (1, 2):
        send(stores, number, images=images)
        planned(stores, number)
        label_all(stores, number)
        labels = answers.training_labels(epoch_of(stores, 12), since=None)
        assert feedback.add_feedback(labels, images, folder=folder, name=f"batch-{number}").shard
    origins = [row["origin"] for row in read_feedback(folder)]
    assert len(origins) == len(set(origins)) == len(labels)
    assert feedback.add_feedback(labels, images, folder=folder, name="batch-3") == feedback.Feedback(None)


def test_a_shard_holds_an_image_that_a_log_names_by_its_path(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(square("red"))
    seen = replace(send(stores, 1, count=1)[0], image=str(tmp_path / "1.png"))
    labels = [(Label("colours", seen.id, "red", "ann", morning(1)), seen)]
    path = feedback.add_feedback(labels, folder_of_images(tmp_path), folder=tmp_path / "feedback", name="batch").shard
    assert path is not None
    assert read_table(path)["bytes"].to_pylist() == [square("red")]


def test_a_label_whose_image_is_gone_empty_or_no_image_is_left_out_of_the_shard_and_listed(
    stores: Stores, tmp_path: Path
) -> None:
    images, folder = folder_of_images(tmp_path), tmp_path / "feedback"
    broken = [str(path) for path in write_broken(tmp_path / "broken")]
    lost = [str(tmp_path / "gone.png"), "ab" * 32, "", images.put(b"no image")]
    names = [*broken, *lost, images.put(square("red"))]
    said = [replace(one, image=name) for one, name in zip(send(stores, 1, count=len(names)), names, strict=True)]
    labels = [(Label("colours", one.id, "red", "ann", morning(1)), one) for one in said]
    made = feedback.add_feedback(labels, images, folder=folder, name="batch")
    assert [row["origin"] for row in read_feedback(folder)] == [said[-1].id]
    assert made.new == len(names)
    assert [one.prediction_id for one in made.left_out] == [one.id for one in said[:-1]]
    assert all(one.problem for one in made.left_out)
    again = feedback.add_feedback(labels, images, folder=folder, name="batch-2")
    assert (again.shard, len(again.left_out)) == (None, len(names) - 1)


def test_a_shard_that_an_earlier_run_wrote_is_kept_as_it_is(stores: Stores, tmp_path: Path) -> None:
    images, folder = folder_of_images(tmp_path), tmp_path / "feedback"
    send(stores, 1, images=images)
    planned(stores, 1)
    label_all(stores, 1)
    labels = answers.training_labels(epoch_of(stores, 12), since=None)
    path = feedback.add_feedback(labels, images, folder=folder, name="batch").shard
    assert path is not None
    before = path.read_bytes()
    assert feedback.add_feedback(labels[:1], images, folder=folder, name="batch").shard == path
    assert path.read_bytes() == before


def test_of_a_model_that_is_only_watched_the_whole_burst_measures(stores: Stores) -> None:
    watched = replace(VERSION, bundle_digest="watched:colours")
    for number in (1, 2):
        send(stores, number)
    assert purposes(stores, planned(stores, 1, version=watched, policy=GATED)) == {"measure": 10}, (
        "no version of it is judged"
    )
    assert purposes(stores, planned(stores, 2, alarm=2, version=watched)) == {"measure": 30}


def test_a_rollback_ends_an_epoch_but_keeps_the_labels_that_were_drawn_for_the_gate(stores: Stores) -> None:
    send(stores, 1)
    planned(stores, 1, alarm=1)
    label_all(stores, 1)
    begun(stores, at=morning(5))
    back = epoch_of(stores, 5)
    assert back.alarm() is None
    assert back.history.plans == []
    alarm = back.alarm_ever()
    assert alarm is not None
    assert {one.draw.purpose for one in answers.gate_labels(back, since=alarm.night)} == {"gate"}
