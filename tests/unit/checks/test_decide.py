"""Decisions: from an alarm over a burst of labels to a retraining, or to standing down."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, time, timedelta

import pytest

from leeway.checks import waits
from leeway.checks.attribution import AttributionDetails
from leeway.checks.decide import Past, decide, lacks_labels
from leeway.checks.estimates import class_weights
from leeway.checks.policy import Policy
from leeway.checks.waits import Burst
from leeway.domain.records import Action, Cause, CheckResult, Decision, DecisionState, ModelVersion, Status
from made_nights import labels, night, reference

POLICY = Policy()
VERSION = ModelVersion("m", 1, "bundle", "dataset", reference())
QUIET = [CheckResult("accuracy", Status.QUIET, "fine"), CheckResult("prediction_drift", Status.QUIET, "fine")]
DRIFT = [QUIET[0], CheckResult("prediction_drift", Status.FIRED, "12% moved")]
ACCURACY = [CheckResult("accuracy", Status.FIRED, "accuracy 71%"), QUIET[1]]


def now(number: int) -> datetime:
    return datetime.combine(night(number + 1), time(2), tzinfo=UTC)


def conclude(number, results, *, decisions=(), past=(), closed=(), new_labels=200, policy=POLICY) -> Decision:
    history = Past(decisions=decisions, results=past, closed=closed, new_labels=new_labels)
    return decide(results, history, policy, version=VERSION, night=night(number), now=now(number))


def made(number: int, action: Action, state=DecisionState.DONE, version=1, outcome="") -> Decision:
    reason = f"{action} on {number}"
    key = f"m/{version}/{night(number)}"
    return Decision(key, "m", version, night(number), action, reason, now(number), "digest", state, outcome)


def test_newer_nights_that_are_answered_do_not_stand_for_the_burst():
    """Whoever answers the newest nights first leaves those of the burst to the end."""
    newer = [labels(number, wrong=25, right=75) for number in (22, 23)]
    history = Past([ALARM], fired_on(20, ACCURACY), newer, unanswered={night(20), night(21)}, new_labels=200)
    one_left = replace(history, closed=[*newer, BURST_BAD[0]], unanswered={night(21)})
    both_in = replace(history, closed=[*newer, *BURST_BAD], unanswered={night(24)})
    found = [
        decide(QUIET, one, POLICY, version=VERSION, night=night(24), now=now(24)).action
        for one in (history, one_left, both_in)
    ]
    assert found == [Action.NOTHING, Action.NOTHING, Action.RETRAIN]


def fired_on(number: int, results) -> list:
    return [(night(number), one) for one in results]


ALARM = made(20, Action.MORE_LABELS)
BURST_BAD = [labels(20, wrong=25, right=75), labels(21, wrong=25, right=75)]
BURST_GOOD = [labels(20, wrong=3, right=247), labels(21, wrong=3, right=247)]


def test_nothing_happens_on_a_quiet_night():
    found = conclude(10, QUIET)
    assert (found.action, found.state, found.reason) == (Action.NOTHING, DecisionState.DONE, "no check fired")
    assert found.key == f"m/1/{night(10)}"
    assert found.made_at == now(10)


@pytest.mark.parametrize("results", [DRIFT, ACCURACY], ids=["drift", "accuracy"])
def test_an_alarm_asks_for_labels_first(results):
    found = conclude(20, results)
    assert found.action is Action.MORE_LABELS
    assert "asks for 150 labels over 2 nights" in found.reason
    assert (found.state, found.cause) == (DecisionState.DONE, "")


def test_a_check_without_a_verdict_never_triggers():
    silent = [CheckResult("accuracy", Status.NO_VERDICT, "no labels")]
    found = conclude(20, silent)
    assert found.action is Action.NOTHING
    assert "no verdict from accuracy" in found.reason


def test_it_waits_until_the_burst_is_in():
    found = conclude(21, ACCURACY, decisions=[ALARM], past=fired_on(20, ACCURACY), closed=BURST_BAD[:1])
    assert found.action is Action.NOTHING
    assert found.reason == "waits since 22 March for the labels of 2 nights, which are asked for next"


def test_it_says_how_many_labels_it_waits_for_since_when_and_what_ends_it():
    burst = Burst(nights=2, asked=166, answered=83, closes_at=now(31))
    history = Past(decisions=[ALARM], results=fired_on(20, DRIFT), closed=BURST_BAD[:1], burst=burst)
    found = decide(QUIET, history, POLICY, version=VERSION, night=night(22), now=now(22))
    assert found.reason == (
        "waits since 22 March for 83 of 166 labels of 2 nights: `leeway labels export DIR`; "
        "it ends when they are in, or on 2 April, when these plans close"
    )
    half = replace(burst, nights=1)
    of_one = waits.for_burst(ALARM, half, POLICY, version=replace(VERSION, bundle_digest="watched:m"))
    assert "of 1 night so far, with 1 more night to be asked for: `leeway labels export DIR --model m`" in of_one
    assert "on 3 April" in of_one
    answered = waits.for_burst(ALARM, replace(half, answered=166), POLICY, version=VERSION)
    assert (
        answered == "waits since 22 March for the labels of 1 more night, asked for next; 166 labels of 1 night are in"
    )


def test_labels_from_before_the_alarm_are_not_its_burst():
    before = [labels(18, wrong=5, right=15), labels(19, wrong=5, right=15)]
    assert conclude(21, ACCURACY, decisions=[ALARM], closed=before).action is Action.NOTHING


def test_it_retrains_when_accuracy_fired_since_the_alarm():
    past = fired_on(20, DRIFT) + fired_on(21, ACCURACY)
    found = conclude(22, QUIET, decisions=[ALARM], past=past, closed=BURST_BAD)
    assert (found.action, found.state, found.cause) == (Action.RETRAIN, DecisionState.OPEN, Cause.ACCURACY)
    assert "accuracy fired: accuracy 71%" in found.reason


def test_a_drift_alarm_retrains_when_labels_cannot_exclude_a_drop():
    found = conclude(22, DRIFT, decisions=[ALARM], past=fired_on(20, DRIFT), closed=BURST_BAD)
    assert (found.action, found.cause) == (Action.RETRAIN, Cause.DRIFT)
    assert "cannot exclude a drop: the reference accuracy is 97.0%, a drop of 2% is tolerated" in found.reason


def test_a_drift_alarm_stands_down_when_labels_exclude_a_drop():
    found = conclude(22, DRIFT, decisions=[ALARM], past=fired_on(20, DRIFT), closed=BURST_GOOD)
    assert (found.action, found.state) == (Action.STAND_DOWN, DecisionState.DONE)
    assert "excludes a drop" in found.reason


@pytest.mark.parametrize("version", [VERSION, replace(VERSION, bundle_digest="watched:m")], ids=["own", "watched"])
def test_a_burst_that_nobody_labelled_ends_in_no_retraining_and_says_what_it_waits_for(version):
    """Labels of before the alarm are no ground for it: they show the world as it was."""
    empty = [labels(20, wrong=0, right=0), labels(21, wrong=1, right=3)]
    history = Past([ALARM], fired_on(20, DRIFT), empty, burst=Burst(2, 166, 4, now(31)), new_labels=200)
    found = decide(DRIFT, history, POLICY, version=version, night=night(22), now=now(22))
    assert found.action is Action.NOTHING
    assert "the plans of 2 nights closed, and 4 of 166 labels came in: nothing can be concluded" in found.reason
    assert "waits since 22 March for 10 labels that measure, 4 are in" in found.reason
    assert "`leeway labels export DIR" in found.reason
    assert lacks_labels(DRIFT, history, POLICY, version=version, night=night(22))


def test_a_retraining_that_is_called_for_says_how_many_labels_it_lacks():
    found = conclude(22, DRIFT, decisions=[ALARM], past=fired_on(20, DRIFT), closed=BURST_BAD, new_labels=30)
    assert found.action is Action.NOTHING
    assert "waits since 22 March for new labels to train on: 30 of 50 are in (retrain.min_new_labels)" in found.reason
    assert "`leeway labels export DIR`" in found.reason


def test_labels_are_what_a_standing_alarm_lacks_until_it_waits_for_something_else():
    def lacks(decisions=(ALARM,), closed=BURST_BAD, new_labels=200) -> bool:
        history = Past(decisions, fired_on(20, DRIFT), closed, new_labels=new_labels)
        return lacks_labels(DRIFT, history, POLICY, version=VERSION, night=night(22))

    assert lacks(closed=BURST_BAD[:1])
    assert lacks(new_labels=49)
    assert not lacks()
    assert not lacks(decisions=())
    assert not lacks(decisions=[ALARM, made(21, Action.STAND_DOWN)], closed=())


def test_the_same_check_does_not_ask_again_during_the_cool_down_of_a_stand_down():
    taken = [ALARM, made(22, Action.STAND_DOWN)]
    past = [pair for number in range(20, 23) for pair in fired_on(number, DRIFT)]
    assert conclude(23, DRIFT, decisions=taken, past=past).action is Action.NOTHING
    assert conclude(28, DRIFT, decisions=taken, past=past).action is Action.NOTHING
    assert conclude(29, DRIFT, decisions=taken, past=past).action is Action.MORE_LABELS


def test_another_check_may_alarm_during_the_cool_down_of_a_stand_down():
    taken = [ALARM, made(22, Action.STAND_DOWN)]
    found = conclude(23, [*ACCURACY[:1], *DRIFT[1:]], decisions=taken, past=fired_on(20, DRIFT))
    assert found.action is Action.MORE_LABELS
    assert "accuracy: accuracy 71%" in found.reason
    assert "12% moved" not in found.reason


@pytest.mark.parametrize("state", [DecisionState.OPEN, DecisionState.RUNNING])
def test_one_retraining_of_a_version_at_a_time(state):
    found = conclude(23, ACCURACY, decisions=[made(22, Action.RETRAIN, state)])
    assert found.action is Action.NOTHING
    assert "waits since 24 March for the retraining that was asked for then" in found.reason
    assert ("`leeway retrain`" in found.reason) is (state is DecisionState.OPEN)
    assert ("no sign for 24 hours" in found.reason) is (state is DecisionState.RUNNING)


@pytest.mark.parametrize("state", [DecisionState.OPEN, DecisionState.RUNNING, DecisionState.WITHDRAWN])
def test_a_request_of_another_version_blinds_nobody(state):
    found = conclude(23, ACCURACY, decisions=[made(22, Action.RETRAIN, state, version=2)])
    assert found.action is Action.MORE_LABELS


def test_a_request_that_was_withdrawn_began_no_cool_down():
    withdrawn = made(19, Action.RETRAIN, DecisionState.WITHDRAWN, version=2)
    story = {"past": fired_on(20, ACCURACY), "closed": BURST_BAD}
    assert conclude(22, ACCURACY, decisions=[withdrawn, ALARM], **story).action is Action.RETRAIN
    done = replace(withdrawn, state=DecisionState.DONE)
    waiting = conclude(22, ACCURACY, decisions=[done, ALARM], **story)
    assert "waits since 22 March for the end of the cool-down on 2025-03-28 02:00 UTC" in waiting.reason


@pytest.mark.parametrize("state", [DecisionState.DONE, DecisionState.FAILED])
def test_the_alarm_reopens_only_after_the_cool_down_of_a_retraining_that_did_not_help(state):
    taken = [ALARM, made(22, Action.RETRAIN, state, outcome="refused by the gate")]
    past = fired_on(20, ACCURACY)
    early = conclude(24, ACCURACY, decisions=taken, past=past)
    assert early.action is Action.NOTHING
    assert "refused by the gate" in early.reason
    assert conclude(29, ACCURACY, decisions=taken, past=past).action is Action.MORE_LABELS


def test_a_new_version_waits_for_the_cool_down_with_its_alarm_open():
    retrained = replace(made(17, Action.RETRAIN, version=0), outcome="promoted version 1")
    story = {"decisions": [retrained, ALARM], "past": fired_on(20, ACCURACY), "closed": BURST_BAD}
    waiting = conclude(22, ACCURACY, **story)
    assert waiting.action is Action.NOTHING
    assert "cool-down" in waiting.reason
    assert conclude(24, ACCURACY, **story).action is Action.RETRAIN


def test_it_is_one_story_from_alarm_to_retraining():
    decisions, past, closed = [], [], []
    for number in range(18, 26):
        results = QUIET if number < 20 else ACCURACY
        closed += [labels(number - 1, wrong=5, right=15)]  # labels of the night before have come in
        found = conclude(number, results, decisions=decisions, past=past, closed=closed)
        decisions, past = [*decisions, found], past + fired_on(number, results)
    actions = [one.action for one in decisions]
    assert actions == [Action.NOTHING] * 2 + [Action.MORE_LABELS, Action.NOTHING, Action.RETRAIN] + [Action.NOTHING] * 3
    assert decisions[-1].made_at - decisions[0].made_at == timedelta(days=7)


WATCHED_VERSION = replace(VERSION, bundle_digest="watched:pets")


def after_the_burst(*, version=VERSION, policy=POLICY, results=ACCURACY, weights=None) -> Decision:
    """The night on which the burst of the alarm of night 20 is in, and the labels are bad."""
    past = [*fired_on(20, results), *fired_on(21, QUIET)]
    history = Past(decisions=[ALARM], results=past, closed=BURST_BAD, new_labels=200, class_weights=weights or {})
    return decide(QUIET, history, policy, version=version, night=night(22), now=now(22))


def test_a_model_that_is_only_watched_ends_in_an_alert_where_another_is_retrained():
    assert after_the_burst().action is Action.RETRAIN
    found = after_the_burst(version=WATCHED_VERSION)
    assert (found.action, found.state) == (Action.ALERT, DecisionState.DONE)
    assert "not trained by Leeway" in found.reason


def test_a_policy_may_leave_retraining_to_people():
    policy = Policy.model_validate({"accuracy": {"then": "labels"}})
    found = after_the_burst(policy=policy)
    assert found.action is Action.ALERT
    assert "the policy leaves it to people" in found.reason
    assert after_the_burst(policy=policy, results=DRIFT).action is Action.RETRAIN


def test_a_check_that_only_alerts_asks_for_nothing():
    policy = Policy.model_validate({"prediction_drift": {"then": "alert"}})
    assert conclude(20, DRIFT, policy=policy).action is Action.NOTHING
    assert conclude(20, ACCURACY, policy=policy).action is Action.MORE_LABELS
    traffic = [*QUIET, CheckResult("traffic", Status.FIRED, "no prediction came in")]
    assert conclude(20, traffic).action is Action.NOTHING


def test_an_alert_closes_its_alarm_for_the_cool_down():
    told = made(22, Action.ALERT)
    past = [*fired_on(20, ACCURACY), *fired_on(23, ACCURACY)]
    assert conclude(24, ACCURACY, decisions=[ALARM, told], past=past).action is Action.NOTHING
    assert conclude(30, ACCURACY, decisions=[ALARM, told], past=past).action is Action.MORE_LABELS


def test_a_retraining_carries_new_class_weights_and_says_so():
    found = after_the_burst(weights={"cat": 0.5, "dog": 1.5})
    assert found.class_weights == {"cat": 0.5, "dog": 1.5}
    assert "new class weights: cat 0.5, dog 1.5" in found.reason
    assert conclude(10, QUIET).class_weights == {}


def test_a_changed_class_mix_is_offered_as_the_explanation():
    details = asdict(AttributionDetails(p=0.4, verdict="class mix"))
    mix = CheckResult("attribution", Status.QUIET, "explained by a changed class mix", effect=0.3, details=details)
    past = [*fired_on(20, [*DRIFT, mix]), *fired_on(21, QUIET)]
    found = conclude(22, QUIET, decisions=[ALARM], past=past, closed=BURST_BAD)
    assert "explained by a changed class mix" in found.reason


def test_a_monthly_drop_that_was_found_since_the_alarm_is_news_and_no_ground_for_a_retraining():
    drop = CheckResult("monthly_drop", Status.FIRED, "a drop of 6 points")
    past = [*fired_on(20, DRIFT), *fired_on(21, [*QUIET, drop])]
    assert conclude(22, QUIET, decisions=[ALARM], past=past, closed=BURST_GOOD).action is Action.STAND_DOWN


def test_class_weights_follow_the_labelled_mix_and_only_where_it_has_moved():
    truth = reference(total=300, correct=300)
    known = replace(truth, cells=tuple((k, k, 0, 100) for k in range(3)))
    same = [labels(n, wrong=0, right=40, truth=name) for n, name in enumerate(("cat", "dog", "ship"))]
    moved = [labels(0, wrong=0, right=100, truth="cat"), *same[1:]]
    assert class_weights(same, known) == {}
    found = class_weights(moved, known)
    assert found["cat"] < 1 < found["ship"]
    assert found["dog"] == pytest.approx(found["ship"])
    assert class_weights(moved[:1], truth) == {}  # nothing is known of the reference's mix
