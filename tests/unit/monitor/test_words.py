"""Words: what people are told begins with what it means, and ends with the statistics."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from leeway.checks.accuracy import AccuracyDetails
from leeway.checks.class_accuracy import ClassAccuracyDetails
from leeway.checks.drift import DriftDetails, PredictedShare
from leeway.checks.estimates import ClassEstimates
from leeway.checks.policy import Policy
from leeway.domain.records import Action, CheckResult, Decision, Status
from leeway.monitor import words
from leeway.monitor.alerts import alerts_of
from leeway.stats.estimation import Estimate
from leeway.stores.opening import Stores
from production import POLICY, VERSION, label_all, live_morning, morning, night, send

EVERYTHING = Policy.model_validate({"alerts": {"about": ["alarm", "alert", "retrain", "stand_down", "no_verdict"]}})
WATCHED = replace(VERSION, bundle_digest="watched:colours")
MEASURED = re.compile(r"\d+% right \(\d+% to \d+%\) since 5 March, \d+ of \d+ labels wrong.*; the floor is 93%")
POOR = Estimate(0.45, 0.33, 0.58, 60)


def result(check: str, details: Any = None, status: Status = Status.FIRED, reason: str = "e-value 1e9") -> CheckResult:
    kept: Mapping[str, Any] = asdict(details) if details else {}
    return CheckResult(check, status, reason, details=kept)


def accuracy(
    *, wrong: int = 33, estimate: Estimate | None = POOR, status: Status = Status.FIRED, labels: int = 60
) -> CheckResult:
    return result("accuracy", AccuracyDetails(0.9, 20, estimate, labels, wrong, "2026-03-02"), status)


def drift(cat: float, *, before: float = 0.12, status: Status = Status.FIRED) -> CheckResult:
    shares = {"cat": PredictedShare(before, cat), "dog": PredictedShare(1 - before, 1 - cat)}
    return result("prediction_drift", DriftDetails(0, 0, "exact", 0.2, 0.1, 0.1, shares=shares), status)


def by_class(leading: str) -> CheckResult:
    cat = ClassEstimates(recall=POOR, precision=Estimate(0.7, 0.6, 0.8, 40), labels=60)
    floors = {"recall cat": 0.8, "precision cat": 0.75, "slice door": 0.85}
    slices = {"door": POOR}
    return result("class_accuracy", ClassAccuracyDetails({"cat": cat}, slices, leading=leading, floors=floors))


def decision(action: Action) -> Decision:
    key = f"colours/1/{night(3)}"
    return Decision(key, "colours", 1, night(3), action, "the statistics", morning(3), "policy")


NO_LABELS = result("accuracy", None, Status.NO_VERDICT, "no label has come in yet")
STRANGE = result("crowd", None, Status.FIRED, "300 predictions, 250 at most")


@pytest.mark.parametrize(
    ("action", "results", "says"),
    [
        (
            Action.MORE_LABELS,
            [accuracy()],
            "45% right (33% to 58%) since 2 March, 33 of 60 labels wrong; the floor is 90%",
        ),
        (Action.MORE_LABELS, [drift(0.31)], "cat is 31% of the answers, usually 12%"),
        (Action.NOTHING, [by_class("recall cat")], "of what is cat, 45% is recognised (33% to 58%); the floor is 80%"),
        (
            Action.NOTHING,
            [by_class("precision cat")],
            "of what it calls cat, 70% is cat (60% to 80%); the floor is 75%",
        ),
        (Action.NOTHING, [by_class("slice door")], "of door, 45% is answered rightly (33% to 58%); the floor is 85%"),
        (
            Action.RETRAIN,
            [drift(0.31), accuracy(status=Status.QUIET)],
            "45% right (33% to 58%) since 2 March, 33 of 60 labels wrong; the floor is 90%; "
            "cat is 31% of the answers, usually 12%",
        ),
        (
            Action.STAND_DOWN,
            [accuracy(wrong=1, estimate=Estimate(0.985, 0.95, 0.998, 60), status=Status.QUIET)],
            "the alarm is over: 98% right (95% to 99.8%) since 2 March, 1 of 60 labels wrong; the floor is 90%",
        ),
        (Action.NOTHING, [NO_LABELS], "no verdict from accuracy: no label has come in yet"),
        (Action.NOTHING, [STRANGE], "crowd: 300 predictions, 250 at most"),
        (Action.NOTHING, [], "the statistics"),
    ],
)
def test_the_headline_says_what_the_night_means(action: Action, results: list[CheckResult], says: str) -> None:
    assert words.headline(decision(action), results, EVERYTHING) == says


def test_the_estimate_is_claimed_and_the_labels_are_counted_where_they_lean() -> None:
    """Labels are drawn more often where the model is unsure: their plain share is not the accuracy."""
    leaning = accuracy(wrong=33, estimate=Estimate(0.8, 0.7, 0.9, 60))
    said = words.headline(decision(Action.MORE_LABELS), [leaning], EVERYTHING)
    assert said.startswith("80% right (70% to 90%)")
    assert "33 of 60 labels wrong (drawn more often where it may err)" in said
    few = accuracy(wrong=3, estimate=None, labels=8)
    said = words.headline(decision(Action.MORE_LABELS), [few], EVERYTHING)
    assert said == "3 of 8 labels wrong since 2 March, too few labels for a number; the floor is 90%"


def test_drift_in_confidence_alone_names_no_class_as_moved() -> None:
    said = words.headline(decision(Action.MORE_LABELS), [drift(0.125)], EVERYTHING)
    assert said.startswith("the mix of answers and of how sure they are is not the usual one")


def test_alert_titles_and_bodies_begin_with_what_it_means_and_say_what_to_do() -> None:
    [alert] = alerts_of(decision(Action.MORE_LABELS), [accuracy()], [], EVERYTHING, version=VERSION)
    means = "45% right (33% to 58%) since 2 March, 33 of 60 labels wrong; the floor is 90%"
    assert alert.title == f"{means} (leeway: colours version 1, alarm)"
    assert alert.body.startswith(f"{means}. People are asked for up to 150 labels over 2 nights")
    assert alert.body.index("`leeway labels export DIR`") < alert.body.index("the statistics")
    assert alert.key == f"colours/1/{night(3)}/alarm"
    [watched] = alerts_of(decision(Action.MORE_LABELS), [accuracy()], [], EVERYTHING, version=WATCHED)
    assert "`leeway labels export DIR --model colours`" in watched.body


@pytest.mark.parametrize(
    ("action", "version", "occasion", "says"),
    [
        (Action.RETRAIN, VERSION, "retrain", "`leeway promote VERSION`"),
        (Action.ALERT, VERSION, "alert", "`leeway retrain`"),
        (Action.ALERT, WATCHED, "alert", "Leeway does not train this model"),
        (Action.STAND_DOWN, VERSION, "stand down", "stay quiet for 7 days"),
    ],
)
def test_each_action_says_what_people_should_do(action: Action, version: Any, occasion: str, says: str) -> None:
    [alert] = alerts_of(decision(action), [accuracy()], [], EVERYTHING, version=version)
    assert says in alert.body
    assert alert.title.endswith(f"(leeway: colours version 1, {occasion})")


def test_a_version_beside_the_champion_is_not_retrained_and_says_so() -> None:
    given = (decision(Action.ALERT), [accuracy()], [], EVERYTHING)
    [alert] = alerts_of(*given, version=VERSION, champion=2)
    assert "Version 2 is the champion. Do this: send this one no more images, or `leeway rollback`" in alert.body
    assert "`leeway retrain`" not in alert.body
    [own] = alerts_of(*given, version=VERSION, champion=1)
    assert "`leeway retrain`" in own.body


def test_a_finding_begins_with_the_finding_names_the_runbook_and_is_told_when_it_begins() -> None:
    traffic = result("traffic", None, reason="no prediction came in: nothing is known about this night")
    [alert] = alerts_of(decision(Action.NOTHING), [traffic], [], EVERYTHING, version=VERSION)
    assert alert.title == (
        "No prediction came in: nothing is known about this night (leeway: colours version 1, alert)"
    )
    assert "`traffic` in monitoring/README.md" in alert.body
    assert alerts_of(decision(Action.NOTHING), [traffic], [(night(2), traffic)], EVERYTHING, version=VERSION) == []
    [both] = alerts_of(decision(Action.ALERT), [accuracy(), traffic], [], EVERYTHING, version=VERSION)
    assert both.body.startswith("45% right")
    assert "no prediction came in" in both.body


def test_what_is_unknown_is_told_as_unknown() -> None:
    [alert] = alerts_of(decision(Action.NOTHING), [NO_LABELS], [], EVERYTHING, version=VERSION)
    assert alert.title == "Nothing is known from accuracy (leeway: colours version 1, no verdict)"
    assert "no label has come in yet" in alert.body


def test_a_long_name_does_not_fill_a_title() -> None:
    shares = {"x" * 300: PredictedShare(0.1, 0.9), "dog": PredictedShare(0.9, 0.1)}
    long = result("prediction_drift", DriftDetails(0, 0, "exact", 0.2, 0.1, 0.1, shares=shares))
    [alert] = alerts_of(decision(Action.MORE_LABELS), [long], [], EVERYTHING, version=VERSION)
    assert len(alert.title) < 180
    assert "is 90% of the answers, usually 10%" in alert.title


def test_real_nights_are_told_in_these_words(stores: Stores) -> None:
    for number in range(1, 8):
        send(stores, number, mix=(0.7, 0.15, 0.15) if number >= 5 else (1 / 3,) * 3)
        live_morning(stores, number)
        label_all(stores, number, wrong=8 if number >= 5 else 0)
    alarm, retrain = stores.ledger.pending_alerts()
    assert alarm.title == "Blue is 72% of the answers, usually 32% (leeway: colours version 1, alarm)"
    assert MEASURED.match(retrain.title)
    last = stores.ledger.decisions("colours")[-1]
    results = [one for at, one in stores.ledger.results("colours", 1) if at == last.night]
    assert MEASURED.match(words.headline(last, results, POLICY))


def test_an_accuracy_that_still_fires_without_a_label_since_is_told_without_a_statistic() -> None:
    details = AccuracyDetails(0.916)
    fired = replace(result("accuracy", details, Status.FIRED), reason="from 0 labels: e-value 4.96e+09")
    assert words.meanings([fired], POLICY) == (
        "it was shown to be right less often than the floor of 92%, and no label has come in since"
    )
