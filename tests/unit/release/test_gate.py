"""The gate: a challenger passes with evidence, never by absence of it."""

import json

import numpy as np
import pytest

from leeway.checks.policy import Promotion
from leeway.domain.records import Verdict
from leeway.evaluation.checklist import Checklist, ChecklistItem
from leeway.release.gate import Paired, judge_challenger, judge_first, with_checklist

CLASSES = ("cat", "dog", "ship")
LENIENT = Promotion(margin_points=3)


def paired(total: int, *, champion_wrong=(), challenger_wrong=()) -> Paired:
    truth = np.arange(total) % len(CLASSES)
    champion, challenger = truth.copy(), truth.copy()
    champion[list(champion_wrong)] = -1
    challenger[list(challenger_wrong)] = -1
    return Paired(truth, champion, challenger)


BETTER = paired(75, champion_wrong=range(20), challenger_wrong=range(3))
EVEN = paired(540, champion_wrong=range(12), challenger_wrong=range(6, 18))


def judge(recent, original=EVEN, settings=LENIENT):
    return judge_challenger(recent=recent, original=original, classes=CLASSES, settings=settings)


def test_a_challenger_that_gains_on_recent_images_and_keeps_the_original_ones_passes():
    verdict = judge(BETTER)
    assert (verdict.passed, verdict.outcome) == (True, "passed")
    assert verdict.numbers["recent"]["gained"] == 17
    assert verdict.numbers["original"]["lower_limit"] > -0.03
    assert len(verdict.reasons) == 4
    json.dumps(verdict.numbers, allow_nan=False)


@pytest.mark.parametrize("recent", [None, paired(0), paired(75, champion_wrong=range(4))], ids=["none", "empty", "few"])
def test_too_few_recent_pairs_are_their_own_outcome_and_never_pass(recent):
    verdict = judge(recent)
    assert (verdict.passed, verdict.outcome) == (False, "cannot tell")
    assert "cannot tell: too few paired examples" in verdict.reasons[0]


def test_an_empty_original_test_split_never_passes():
    assert judge(BETTER, paired(0)).outcome == "cannot tell"


def test_a_test_split_that_could_not_show_the_margin_says_so():
    recent = paired(75, champion_wrong=range(8))
    verdict = judge(
        recent, paired(135, champion_wrong=range(5), challenger_wrong=range(5, 10)), Promotion(margin_points=1)
    )
    assert verdict.outcome == "cannot tell"
    assert verdict.numbers["original"]["power"] < 0.5
    assert "about 5,698 test images (data.split) could, or a margin of 6.5 points" in verdict.reasons[0]
    assert verdict.wanted == 0, "no label helps here"


def test_an_equal_challenger_fails():
    even = paired(200, champion_wrong=range(10), challenger_wrong=range(10, 20))
    verdict = judge(even)
    assert (verdict.passed, verdict.outcome) == (False, "failed")
    assert "no gain shown" in verdict.reasons[0]


def test_a_loss_on_the_original_images_fails_where_the_gain_does_not_outweigh_it():
    lossy = paired(540, challenger_wrong=range(30))
    verdict = judge(paired(75, champion_wrong=range(8)), lossy)
    assert verdict.outcome == "failed"
    assert "a loss beyond the margin is not excluded" in verdict.reasons[0]
    outweighed = judge(BETTER, lossy)
    assert outweighed.passed
    assert outweighed.numbers["rule"]["original"] == "net benefit"
    sure, risk = outweighed.numbers["recent"]["lower_limit"], -outweighed.numbers["original"]["lower_limit"]
    assert sure - risk > 0.03


def test_a_class_that_collapses_fails_though_the_total_gains():
    ships = [i for i in range(540) if i % 3 == 2]
    original = paired(540, champion_wrong=[i for i in range(540) if i % 3 < 2][:60], challenger_wrong=ships[:40])
    verdict = judge(BETTER, original)
    assert verdict.outcome == "failed"
    assert "ship loses" in verdict.reasons[0]
    assert verdict.numbers["per_class"]["ship"]["harmed"] is True


def test_an_answer_that_is_not_a_number_is_wrong():
    truth = np.arange(75) % 3
    broken = np.full(75, np.nan)
    verdict = judge(Paired(truth, truth, broken))
    assert verdict.numbers["recent"]["lost"] == 75
    assert verdict.outcome == "failed"
    both = judge(Paired(truth, broken, broken))
    assert (both.numbers["recent"]["gained"], both.passed) == (0, False)


def test_a_missing_truth_is_nobodys_success():
    unknown = np.full(75, -1)
    assert judge(Paired(unknown, np.zeros(75), unknown)).numbers["recent"]["gained"] == 0


def test_samples_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="74 answers for 75 images"):
        judge(Paired(np.zeros(75), np.zeros(75), np.zeros(74)))


def test_a_challenger_one_point_worse_hardly_ever_passes():
    """'Higher accuracy wins' promotes it in about one case of five at these sizes."""
    rng, passed, higher = np.random.default_rng(1), 0, 0
    for _ in range(150):
        draws = rng.choice(3, size=500, p=[0.04, 0.05, 0.91])
        sample = paired(500, champion_wrong=np.flatnonzero(draws == 0), challenger_wrong=np.flatnonzero(draws == 1))
        higher += (draws == 0).sum() > (draws == 1).sum()
        passed += judge(sample, sample, Promotion(margin_points=1)).passed
    assert higher >= 15
    assert passed <= 3


def first(truth, predicted):
    return judge_first(truth=np.array(truth), predicted=np.array(predicted), classes=CLASSES, settings=Promotion())


def test_a_first_model_over_its_floors_passes():
    truth = np.arange(300) % 3
    predicted = truth.copy()
    predicted[:9] = -1
    verdict = first(truth, predicted)
    assert verdict.passed
    assert verdict.numbers["accuracy"]["value"] == pytest.approx(0.97)


def test_a_first_model_under_its_accuracy_floor_fails():
    truth = np.arange(300) % 3
    assert first(truth, np.where(np.arange(300) < 36, -1, truth)).outcome == "failed"


def test_a_first_model_that_misses_one_class_fails_though_its_accuracy_is_high():
    truth = np.array([0] * 150 + [1] * 140 + [2] * 10)
    verdict = first(truth, np.where(truth == 2, 1, truth))
    assert verdict.outcome == "failed"
    assert "recall of ship is 0.0%" in verdict.reasons[0]


def test_a_class_without_test_images_cannot_be_told():
    assert first([0, 1] * 50, [0, 1] * 50).outcome == "cannot tell"
    assert first([], []).outcome == "cannot tell"


NEW = ("cat", "dog", "ship", "train")


def with_new_class(*, right: int, of: int) -> Paired:
    """EVEN, and images of a fourth class, which the champion does not know."""
    truth = np.concatenate([EVEN.truth, np.full(of, 3)])
    answers = np.where(np.arange(of) < right, 3, 0)
    return Paired(truth, np.concatenate([EVEN.champion, np.full(of, 2)]), np.concatenate([EVEN.challenger, answers]))


def judge_new(original: Paired, recent: Paired | None = BETTER) -> Verdict:
    return judge_challenger(recent=recent, original=original, classes=NEW, settings=LENIENT, shared=CLASSES)


def test_models_of_other_class_lists_are_compared_on_the_classes_that_both_know():
    """The champion gets no loss and the challenger no gain from images that the champion could not have named."""
    verdict, plain = judge_new(with_new_class(right=40, of=40)), judge(BETTER)
    assert verdict.passed
    for name in ("recent", "original"):
        assert verdict.numbers[name] == plain.numbers[name]
    assert list(verdict.numbers["per_class"]) == list(CLASSES)
    assert verdict.numbers["new_classes"]["train"]["value"] == 1.0
    assert verdict.numbers["parts"]["new_classes"] == "passed"


def test_recent_images_of_a_new_class_are_no_gain():
    truth = np.full(75, 3)
    verdict = judge_new(with_new_class(right=40, of=40), recent=Paired(truth, np.zeros(75), truth))
    assert verdict.outcome == "cannot tell"
    assert verdict.numbers["recent"]["images"] == 0


@pytest.mark.parametrize(("right", "of", "outcome"), [(29, 40, "failed"), (30, 40, "passed"), (0, 0, "cannot tell")])
def test_a_new_class_has_to_reach_the_floor_of_a_first_model(right, of, outcome):
    verdict = judge_new(with_new_class(right=right, of=of))
    assert verdict.outcome == outcome
    assert any("recall of train" in reason for reason in verdict.reasons) or outcome == "cannot tell"


def test_a_changed_class_list_needs_no_gain_but_may_not_cost_the_other_classes():
    def judged(original: Paired) -> Verdict:
        return judge_challenger(recent=None, original=original, classes=CLASSES, settings=LENIENT, classes_changed=True)

    assert judged(EVEN).passed
    assert judged(paired(540, challenger_wrong=range(60))).outcome == "failed"


def test_a_class_that_the_challenger_forgot_fails():
    """Known to the champion and to the dataset, but not to the challenger: so not shared, and never right."""
    verdict = judge_challenger(recent=BETTER, original=EVEN, classes=CLASSES, settings=LENIENT, shared=("cat", "dog"))
    assert verdict.numbers["new_classes"]["ship"]["images"] == 180
    forgotten = Paired(EVEN.truth, EVEN.champion, np.where(EVEN.truth == 2, -1, EVEN.challenger))
    verdict = judge_challenger(
        recent=BETTER, original=forgotten, classes=CLASSES, settings=LENIENT, shared=("cat", "dog")
    )
    assert verdict.outcome == "failed"
    assert "recall of ship is 0.0%" in verdict.reasons[0]


def test_models_that_share_no_class_cannot_be_compared():
    verdict = judge_challenger(recent=BETTER, original=EVEN, classes=CLASSES, settings=LENIENT, shared=())
    assert verdict.outcome == "cannot tell"
    assert "no original test image of a class both know" in " ".join(verdict.reasons)


PASSING = Verdict(True, "passed", ("a gain",), {"parts": {"gain": "passed"}})
GOOD = ChecklistItem("head matches the classes", "pass", "3 of 3")
OPEN = ChecklistItem("must-pass set", "unknown", "there is none")
BAD = ChecklistItem("no leakage between splits", "fail", "2 images leak")


def test_a_failed_item_stops_a_verdict_that_would_pass():
    verdict = with_checklist(PASSING, Checklist("b1", (GOOD, BAD, OPEN)))
    assert (verdict.passed, verdict.outcome) == (False, "failed")
    assert verdict.reasons == ("the checklist: no leakage between splits: 2 images leak", "a gain")
    assert verdict.numbers["parts"] == {"gain": "passed", "checklist": "failed"}


def test_what_is_unknown_does_not_stop_it_and_is_told():
    verdict = with_checklist(PASSING, Checklist("b1", (GOOD, OPEN)))
    assert verdict.passed
    assert verdict.reasons[1] == "the checklist passes in 1 of 2 items, and cannot tell of: must-pass set"


def test_without_a_checklist_nothing_passes_and_a_failure_stays_one():
    verdict = with_checklist(PASSING, None)
    assert (verdict.passed, verdict.outcome) == (False, "cannot tell")
    assert verdict.reasons[0].startswith("cannot tell: no checklist of this bundle; run `dvc repro`")
    assert with_checklist(PASSING, Checklist("b1", ())).outcome == "cannot tell"
    failed = with_checklist(Verdict(False, "failed", ("a loss",), {}), None)
    assert (failed.outcome, failed.reasons[0]) == ("failed", "a loss")


def test_the_checklist_is_kept_among_the_numbers_short_enough_for_a_tag():
    wordy = Checklist("b1", tuple(ChecklistItem(f"item {k}", "pass", "x" * 2000) for k in range(9)))
    kept = with_checklist(PASSING, wordy).numbers["checklist"]
    assert kept["bundle_digest"] == "b1"
    assert len(json.dumps(kept)) < 5000


def recalls(sizes, wrong, *, groups=None) -> Paired:
    """Images of each class, of which the champion names all and the challenger all but the first `wrong`."""
    truth = np.repeat(np.arange(len(sizes)), sizes)
    inside = np.concatenate([np.arange(size) for size in sizes])
    missed = inside < np.repeat(wrong, sizes)
    return Paired(truth, truth.copy(), np.where(missed, -1, truth), groups)


FORGIVING = Promotion(margin_points=20, harm_points=100)


def guarded(original):
    return judge_challenger(recent=BETTER, original=original, classes=CLASSES, settings=FORGIVING)


def test_a_class_that_is_lost_is_refused_though_the_accuracy_and_the_harm_of_few_images_allow_it():
    verdict = guarded(recalls([400, 400, 6], [0, 0, 6]))
    assert verdict.outcome == "failed"
    assert verdict.numbers["parts"]["recall"] == "failed"
    assert verdict.numbers["parts"]["keeps_the_original"] == "passed"
    assert "ship 0 of 6" in verdict.reasons[0]


def test_a_class_at_the_floor_is_not_refused_and_one_that_the_champion_misses_is_nobodys_fault():
    assert guarded(recalls([400, 400, 40], [0, 0, 10])).numbers["parts"]["recall"] == "passed"
    lost = recalls([400, 400, 40], [0, 0, 40])
    missed_by_both = Paired(lost.truth, lost.challenger, lost.challenger)
    assert guarded(missed_by_both).numbers["parts"]["recall"] == "passed"


def test_a_class_with_too_few_images_to_be_guarded_needs_a_person_or_must_pass_images():
    verdict = guarded(recalls([400, 400, 2], [0, 0, 0]))
    assert verdict.passed
    assert dict(verdict.unguarded) == {"ship": "ship (2 test images)"}
    item = ChecklistItem("must-pass set", "pass", "all 1 right")
    with_image, without = Checklist("a", (item,), ("ship",)), Checklist("a", (item,))
    assert not with_checklist(verdict, with_image).unguarded
    assert "must_pass" in with_checklist(verdict, without).reasons[-1]
    assert with_checklist(verdict, without).unguarded == verdict.unguarded


def test_images_of_one_group_say_less_than_as_many_of_their_own():
    """Six groups of five are lost and five gained, among 168: the same change says a fifth of what it would."""
    alone, group = recalls([400, 400, 40], [0, 0, 0]), np.arange(840) // 5
    lost, gained = group % 30 == 0, group % 35 == 1
    truth = alone.truth
    apart, grouped = (
        judge(
            BETTER,
            Paired(truth, np.where(gained, -1, truth), np.where(lost, -1, truth), groups),
            Promotion(margin_points=5),
        )
        for groups in (None, group)
    )
    assert apart.numbers["original"]["design_effect"] == 1
    assert 5 <= grouped.numbers["original"]["design_effect"] < 6
    assert grouped.numbers["original"]["lower_limit"] < apart.numbers["original"]["lower_limit"] - 0.01
