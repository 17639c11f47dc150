"""What the page of a night is made of, gathered from a store in which nights were lived."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from leeway.checks.class_accuracy import ClassAccuracyDetails
from leeway.checks.estimates import ClassEstimates, accuracy_estimate
from leeway.checks.repeats import SAMPLE
from leeway.domain.columns import PredictionColumns
from leeway.domain.night_view import ClassMix, ShareInterval
from leeway.domain.records import (
    Action,
    Draw,
    LabelledDraw,
    Mark,
    ModelVersion,
    NightLabels,
    Prediction,
    ReferenceCounts,
    Status,
    WindowCounts,
)
from leeway.epoch import Epoch
from leeway.monitor.night_facts import class_rows, confusion, evidence_path, latency, night_page, plain_mean
from leeway.pages.night import write_night_page
from leeway.stats.estimation import Estimate
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores
from production import (
    POLICY,
    VERSION,
    epoch_of,
    folder_of_images,
    label_all,
    live_morning,
    morning,
    night,
    record,
    send,
)
from tiny_bundle import CLASSES, square

DRIFTED = (0.8, 0.1, 0.1)


def lived(stores: Stores, nights: int, images: FolderImageStore | None = None, *, wrong: int = 0) -> None:
    """Nights with all their labels, the last night's excepted; `wrong` answers of each name another class."""
    for number in range(1, nights + 1):
        send(stores, number, images=images)
        live_morning(stores, number)
        if number < nights:
            label_all(stores, number, wrong=wrong)


def at(
    stores: Stores, number: int, images: FolderImageStore, version: ModelVersion = VERSION
) -> tuple[Epoch, WindowCounts]:
    epoch = epoch_of(stores, number, version=version, images=images)
    return epoch, next(one for one in epoch.history.windows if one.night == night(number))


@pytest.fixture
def images(tmp_path: Path) -> FolderImageStore:
    return folder_of_images(tmp_path)


def test_a_lived_night_gathers_everything_and_is_drawn(
    stores: Stores, images: FolderImageStore, tmp_path: Path
) -> None:
    lived(stores, 6, images, wrong=3)
    made = night_page(*at(stores, 6, images))
    assert (made.model, made.version, made.night, made.epoch) == ("colours", 1, night(6), night(1))
    assert made.predictions == 200
    assert made.decision is not None
    assert {one.check for one in made.results} == set(POLICY.checks)
    assert [len(one.points) for one in made.evidence] == [6, 6, 6, 6]
    assert made.accuracies[-1].accuracy is not None
    assert made.labelled_nights[-1] == night(5)
    assert made.confusion is not None
    assert made.confusion.classes == CLASSES
    assert made.mix is not None
    assert made.mix.against == "the nights that drift is held against"
    assert made.latency is not None
    assert (made.latency.p50, made.latency.p99, made.latency.sample) == (1.0, 1.0, 200)
    assert made.errors
    assert all(one.label not in (None, one.predicted_class) and one.content for one in made.errors)
    write_night_page(tmp_path / "page.html", made)
    assert (tmp_path / "page.html").stat().st_size < 200_000


def test_the_plain_mean_is_of_the_labels_behind_the_estimate_and_differs_from_it(
    stores: Stores, images: FolderImageStore
) -> None:
    lived(stores, 6, wrong=3)
    made = night_page(*at(stores, 6, images))
    assert made.plain_mean == pytest.approx(0.7)
    estimate = made.accuracies[-1].accuracy
    assert estimate is not None
    assert estimate.labels == 50
    assert estimate.value != pytest.approx(0.7, abs=0.001)


def test_a_page_drawn_again_later_is_the_same_page(stores: Stores, images: FolderImageStore) -> None:
    lived(stores, 4, wrong=1)
    epoch, window = at(stores, 4, images)
    first = night_page(epoch, window)
    label_all(stores, 4)
    for number in (5, 6):
        send(stores, number, mix=DRIFTED)
        live_morning(stores, number)
    again = night_page(replace(epoch, as_of=morning(6)), window)
    assert "10 images" in first.labels_asked
    assert again == replace(first, as_of=morning(6), labels_asked="")  # which is of the moment


def test_before_any_label_and_any_reference_the_page_shows_what_there_is(
    stores: Stores, images: FolderImageStore, tmp_path: Path
) -> None:
    send(stores, 1)
    live_morning(stores, 1)
    made = night_page(*at(stores, 1, images))
    assert (made.plain_mean, made.confusion, made.errors) == (None, None, ())
    assert made.mix is not None
    assert made.mix.against == "the model's reference"
    write_night_page(tmp_path / "page.html", made)


def test_a_night_without_predictions_is_drawn(stores: Stores, images: FolderImageStore, tmp_path: Path) -> None:
    send(stores, 1)
    live_morning(stores, 2)
    made = night_page(*at(stores, 2, images))
    assert (made.predictions, made.mix, made.confidence, made.latency) == (0, None, None, None)
    write_night_page(tmp_path / "page.html", made)


def test_a_night_that_is_closed_and_not_decided_is_drawn(
    stores: Stores, images: FolderImageStore, tmp_path: Path
) -> None:
    send(stores, 1)
    window = WindowCounts("colours", 1, night(1), CLASSES, ((0, 0, 70), (0, 0, 70), (0, 0, 60)))
    made = night_page(epoch_of(stores, 1, images=images), window)
    assert (made.decision, made.results) == (None, ())
    write_night_page(tmp_path / "page.html", made)


def test_answers_without_confidence_energy_latency_and_image_are_drawn(
    stores: Stores, images: FolderImageStore, tmp_path: Path
) -> None:
    bare = [
        Prediction(
            f"p{at}", "colours", 1, morning(0) + timedelta(minutes=at), "", CLASSES[at % 3], None, (), None, None, ""
        )
        for at in range(30)
    ]
    record(stores, bare)
    live_morning(stores, 1)
    made = night_page(*at(stores, 1, images))
    assert (made.confidence, made.latency, made.unsure, made.unlike) == (None, None, (), ())
    write_night_page(tmp_path / "page.html", made)


def test_an_image_may_be_a_path_and_one_that_is_gone_stops_nothing(
    stores: Stores, images: FolderImageStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(square("red"))
    known = send(stores, 1)[0]
    sent = [
        replace(known, id=f"x{at}", image=image, confidence=0.1 + at / 100)
        for at, image in enumerate([str(path), str(tmp_path / "gone.png"), "f" * 64, ""])
    ]
    record(stores, sent)
    live_morning(stores, 1)
    made = night_page(*at(stores, 1, images))
    assert [one.id for one in made.unsure][:4] == ["x0", "x1", "x2", "x3"]
    assert [one.content for one in made.unsure][:4] == [square("red"), None, None, None]


def test_a_path_that_is_no_image_or_a_link_by_now_is_not_shown(
    stores: Stores, images: FolderImageStore, tmp_path: Path
) -> None:
    (tmp_path / "id_rsa").write_bytes(b"secret")
    (tmp_path / "real.png").write_bytes(square("red"))
    (tmp_path / "link.png").symlink_to("real.png")
    known = send(stores, 1)[0]
    sent = [
        replace(known, id=f"x{at}", image=str(tmp_path / name), confidence=0.1 + at / 100)
        for at, name in enumerate(["real.png", "id_rsa", "link.png"])
    ]
    record(stores, sent)
    live_morning(stores, 1)
    made = night_page(*at(stores, 1, images))
    assert [one.content for one in made.unsure][:3] == [square("red"), None, None]


def test_an_image_that_was_seen_many_times_is_shown_once(stores: Stores, images: FolderImageStore) -> None:
    lived(stores, 2, images)
    made = night_page(*at(stores, 2, images))
    assert len({one.content for one in made.unsure}) == len(made.unsure)


def test_of_a_large_night_a_sample_is_read(stores: Stores, images: FolderImageStore) -> None:
    for name in ("shot", "again"):
        send(stores, 1, count=SAMPLE // 2 + 50, name=name)
    live_morning(stores, 1)
    made = night_page(*at(stores, 1, images))
    assert made.latency is not None
    assert made.latency.sample == SAMPLE
    assert made.predictions == SAMPLE + 100


def test_labels_that_came_with_a_probability_are_counted_and_their_errors_shown(
    stores: Stores, images: FolderImageStore
) -> None:
    sent = send(stores, 1)
    came = replace(PredictionColumns.of(sent), labels=["green"] * 200, draw_probabilities=[1 / 200] * 200)
    stores.log.record("colours", [(1, came)], received_at=morning(1))
    live_morning(stores, 1)
    made = night_page(*at(stores, 1, images))
    assert made.confusion is not None
    assert made.confusion.items == 200
    assert made.errors
    assert {one.label for one in made.errors} == {"green"}
    assert made.plain_mean == pytest.approx(sum(one.predicted_class == "green" for one in sent) / 200)


def test_a_thousand_classes_are_cut_to_what_can_be_read(stores: Stores, images: FolderImageStore) -> None:
    names = tuple(f"c{at:03d}" for at in range(1000))
    reference = ReferenceCounts(names, (0.5, 0.9), ((1, 1, 1),) * 1000, correct=2900, total=3000)
    version = replace(VERSION, version=2, bundle_digest="b2", reference=reference)
    stores.ledger.record_model(version)
    window = WindowCounts("colours", 2, night(1), names, tuple((0, 0, at % 7) for at in range(1000)))
    made = night_page(epoch_of(stores, 1, version=version, images=images), window)
    assert made.mix is not None
    assert (len(made.mix.shares), made.mix.hidden) == (30, 970)


def labelled(*pairs: tuple[str, str], count: int = 1, ids: str = "p") -> NightLabels:
    draws = tuple(
        LabelledDraw(
            Draw(f"d{at}", "plan", "colours", f"{ids}{at}" if ids else "", "measure", "0", 0.01, 0.1),
            night(1), said, truth, "", "", count=count,
        )
        for at, (said, truth) in enumerate(pairs)
    )  # fmt: skip
    return NightLabels(night(1), 100, 0.1, draws)


def test_an_item_that_was_drawn_twice_is_one_item_of_the_confusion() -> None:
    once = labelled(("cat", "dog"), ("dog", "dog"))
    found = confusion([once, once], ("cat", "dog"))
    assert found is not None
    assert found.counts == ((0, 0), (1, 1))
    assert found.items == 2
    tallies = confusion([labelled(("cat", "cat"), count=40, ids="")], ("cat", "dog"))
    assert tallies is not None
    assert tallies.items == 40


def test_the_most_confused_of_many_classes_are_shown_in_the_models_order() -> None:
    names = tuple(f"c{at:02d}" for at in range(40))
    right = [(name, name) for name in names]
    wrong = [(names[at], names[at + 1]) for at in range(10, 20)]
    found = confusion([labelled(*right, *wrong)], names)
    assert found is not None
    assert len(found.classes) == 20
    assert set(names[10:21]) <= set(found.classes)
    assert list(found.classes) == sorted(found.classes)
    assert (found.items, found.hidden) == (50, 20)


def test_a_label_outside_the_class_list_has_a_row_of_its_own() -> None:
    found = confusion([labelled(("cat", "bird"))], ("cat", "dog"))
    assert found is not None
    assert found.classes == ("cat", "bird")


def test_classes_are_sorted_by_how_far_they_lie_under_their_floor() -> None:
    def recall(value: float | None) -> ClassEstimates:
        estimate = None if value is None else Estimate(value, 0.0, 1.0, 12)
        return ClassEstimates(recall=estimate, precision=None, labels=12)

    details = ClassAccuracyDetails(
        per_class={"cat": recall(0.7), "dog": recall(None), "ship": recall(0.9)},
        floors={"recall cat": 0.6, "recall dog": 0.9, "recall ship": 0.95},
    )
    rows = class_rows(details)
    assert [one.name for one in rows] == ["ship", "cat", "dog"]
    assert rows[0].recall == ShareInterval(0.9, 0.0, 1.0, 12)
    assert rows[0].recall_floor == 0.95
    assert class_rows(None) == ()


def test_a_statistic_that_is_no_number_leaves_a_gap() -> None:
    marks = [
        Mark(night(1), "accuracy", Status.NO_VERDICT, float("nan"), None),
        Mark(night(2), "accuracy", Status.QUIET, 2.0, 100.0),
        Mark(night(2), "other", Status.QUIET, None, None),
    ]
    assert [(one.value, one.threshold) for one in evidence_path("accuracy", marks).points] == [
        (None, None),
        (2.0, 100.0),
    ]


def test_the_plain_mean_counts_each_draw() -> None:
    assert plain_mean([labelled(("cat", "cat"), ("cat", "dog"), count=3)]) == 0.5
    assert plain_mean([]) is None
    assert accuracy_estimate([]) is None


def test_latencies_that_were_not_told_are_left_out() -> None:
    def one(latency_ms: float | None) -> Prediction:
        return Prediction("p", "m", 1, datetime.now(tz=morning(1).tzinfo), "", "cat", None, (), None, latency_ms, "")

    found = latency([one(10.0), one(None), one(20.0), one(float("nan"))])
    assert found is not None
    assert (found.p50, found.sample) == (15.0, 2)
    assert latency([one(None)]) is None


def test_an_alarm_is_marked_on_its_night(stores: Stores, images: FolderImageStore) -> None:
    lived(stores, 4)
    for number in (5, 6, 7):
        send(stores, number, mix=(0.98, 0.01, 0.01))
        decision = live_morning(stores, number)
        if decision.action is Action.MORE_LABELS:
            break
    made = night_page(*at(stores, number, images))
    assert made.actions == {night(number): Action.MORE_LABELS}
    assert isinstance(made.mix, ClassMix)
    assert made.mix.shares[0].current > 0.9
