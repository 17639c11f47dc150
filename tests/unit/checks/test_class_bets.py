"""Check 4 on nights as they are: skipped draws, groups, wrong labels, late ones, and those that came with the log."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.class_bets import ClassLimits, class_factors, deaf
from leeway.checks.registry import Evidence
from leeway.domain.records import CheckResult, Draw, LabelledDraw, NightLabels, Status, UnansweredDraw
from made_nights import CLASSES, night, reference, window

SHARES = {"cat": 0.1, "dog": 0.5, "ship": 0.4}  # of the answers
HELD = ClassLimits(
    CLASSES, {f"{way} {name}": 0.2 for name in CLASSES for way in ("precision", "recall")}, np.full(3, 0.9)
)


def night_of(
    pairs: Sequence[tuple[str, str]],
    *,
    unanswered: Sequence[str] = (),
    size: int = 1000,
    **more: object,
) -> NightLabels:
    """Uniform draws: (answer, truth) of those that are labelled, the answers of those that nobody looked at."""
    draw = Draw("", "plan", "m", "", "measure", "2", 1 / size, 0.05)
    each = [replace(draw, id=f"d{at}", prediction_id=f"p{at}") for at in range(len(pairs) + len(unanswered))]
    labelled = tuple(
        LabelledDraw(one, night(0), said, truth, f"g{one.id}", "")
        for one, (said, truth) in zip(each, pairs, strict=False)
    )
    skipped = tuple(
        UnansweredDraw(one, said, f"g{one.id}") for one, said in zip(each[len(pairs) :], unanswered, strict=True)
    )
    parts = {f"class {name}": (int(size * share), share, 0.05, 1.0) for name, share in SHARES.items()}
    plain = NightLabels(night(0), size, 0.05, labelled, {"2": 1.0}, parts, unanswered=skipped)
    return replace(plain, **more)


RIGHT = [("dog", "dog")] * 9 + [("ship", "ship")] * 7 + [("cat", "cat")] * 2
TWO_MISSED = [*RIGHT, ("dog", "cat"), ("ship", "cat")]


def test_a_draw_that_says_nothing_of_a_class_counts_against_its_alarm() -> None:
    """Untouched detectors are no detectors without evidence: what is not missed was looked at, too."""
    factors = class_factors(night_of([("dog", "dog")] * 20), HELD)
    assert (factors["recall cat"] < 0).all()
    assert (factors["recall ship"] < factors["recall cat"]).all(), (
        "of a class that is answered more often more was seen"
    )
    assert "precision cat" not in factors


def test_what_is_missed_of_a_class_speaks_against_its_recall() -> None:
    factors = class_factors(night_of(TWO_MISSED), HELD)
    assert factors["recall cat"][1] > 0
    assert (factors["recall dog"] < 0).all()
    assert (factors["precision dog"] > class_factors(night_of(RIGHT), HELD)["precision dog"]).any()


def test_skipped_draws_stay_in_and_answered_ones_weigh_for_them() -> None:
    """A draw that nobody answers is worth the mean; what is answered stands for the others of its stratum."""
    rate = {"2": 0.5}
    half = class_factors(night_of(TWO_MISSED, unanswered=["dog"] * 20, answer_rates=rate), HELD)["recall cat"]
    dropped = class_factors(night_of(TWO_MISSED, answer_rates=rate), HELD)["recall cat"]
    assert (half < dropped).all()
    assert class_factors(night_of([], unanswered=["dog"] * 20), HELD) == {}, (
        "a night that nobody looked at says nothing"
    )


def test_draws_of_one_group_count_less() -> None:
    alone = night_of(TWO_MISSED)
    alike = replace(alone, draws=tuple(replace(one, group="burst") for one in alone.draws))
    apart, together = (class_factors(one, HELD)["recall cat"][0] for one in (alone, alike))
    assert 0 < together < apart / 10


def test_a_contradiction_without_a_known_truth_is_no_miss_of_any_class() -> None:
    known = night_of(TWO_MISSED)
    unsure = replace(known, draws=tuple(replace(one, same_truth=not one.wrong) for one in known.draws))
    factors = class_factors(unsure, HELD)
    assert (factors["recall cat"] < 0).all()
    assert factors["precision dog"].tolist() == class_factors(known, HELD)["precision dog"].tolist()


def test_labels_that_may_be_wrong_are_charged_for_and_second_opinions_clear_them() -> None:
    charged = replace(HELD, label_error=0.02)
    plain, doubted = (class_factors(night_of(TWO_MISSED), held)["recall cat"][1] for held in (HELD, charged))
    seconded = class_factors(night_of(TWO_MISSED, seconded=1.0), charged)["recall cat"][1]
    assert doubted < seconded <= plain


def test_a_recall_that_wrong_labels_alone_could_drown_has_no_verdict_by_name() -> None:
    """A class of 1 %, and 2 % of the labels wrong: of what people call cat most is none."""
    parts = {
        "class cat": (10, 0.01, 0.05, 1.0),
        "class dog": (590, 0.59, 0.05, 1.0),
        "class ship": (400, 0.4, 0.05, 1.0),
    }
    rare, noisy = night_of(TWO_MISSED, parts=parts), replace(HELD, label_error=0.02)
    assert deaf(rare, noisy) == ["recall cat"]
    assert "recall cat" not in class_factors(rare, noisy)
    assert deaf(replace(rare, seconded=1.0), noisy) == []
    result = run([rare], label_error=0.02)
    assert result.details["no_verdict"] == ["recall cat"]
    assert "no verdict on recall cat" in result.reason


def test_late_labels_go_on_with_the_bet_of_their_night() -> None:
    early = night_of(TWO_MISSED)
    late = replace(early, counted_before=20)
    alone, after = (class_factors(one, HELD)["recall cat"] for one in (early, late))
    assert (abs(after) <= abs(alone) + 1e-12).all()
    both, single = run([early, late]), run([early])
    grown = np.array(both.state["log_wealth"]["recall ship"]) - np.array(single.state["log_wealth"]["recall ship"])
    assert grown == pytest.approx(class_factors(late, HELD)["recall ship"]), "no new bet was begun"


def test_a_census_is_read_without_guesses() -> None:
    """Each row once, and what is right of a class weighs as much as what is missed of it."""
    pairs = [("cat", "cat")] * 40 + [("dog", "dog")] * 60 + [("dog", "cat")] * 10
    at_the_limit = class_factors(night_of(pairs, size=110, given=True), HELD)["recall cat"]
    assert (at_the_limit < 0).all(), "a fifth is missed, as the limit allows"
    worse = class_factors(night_of([*pairs, *[("dog", "cat")] * 20], size=130, given=True), HELD)["recall cat"]
    assert (worse > 0).any()


def test_many_skipped_draws_leave_no_quiet() -> None:
    quiet = run([night_of(RIGHT)])
    skipped = run([night_of(RIGHT, unanswered=["dog"] * 20)])
    assert (quiet.status, skipped.status) == (Status.QUIET, Status.NO_VERDICT)
    assert "18 of 38 draws" in skipped.reason


def run(closed: Sequence[NightLabels], *, label_error: float = 0.0) -> CheckResult:
    evidence = Evidence(window(9), reference(correct=486), closed=closed, recent=closed, label_error=label_error)
    check = ClassAccuracy(floor=0.8, allowed_drop=0.5)
    return check.run(evidence, None, alpha=0.01, rng=np.random.default_rng(0))
