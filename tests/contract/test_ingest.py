"""Prediction logs into the store, on SQLite and PostgreSQL: every row once, and nothing lost without a word."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broken_images import write_broken
from leeway.checks.policy import Policy
from leeway.domain.records import Label, LabelPlan, ModelVersion, Prediction, Recorded, ServingPeriod, Status
from leeway.epoch import Epoch
from leeway.errors import ConflictError, DataError, ParamsError
from leeway.jobs.claims import claim_night, claimed
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import decide, look
from leeway.labels.answers import take_given_answers
from leeway.monitor.enrol import enrol, read_reference
from leeway.monitor.night import close_labels, close_window, nights_due, plan_labels, run_checks, unknown_name
from leeway.predictions.ingest import ingest
from leeway.predictions.ingested import Ingested
from leeway.predictions.versions import with_version
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores
from prediction_logs import CLASSES, COLUMNS, START, answers, reference, write_log
from tiny_bundle import square

NOW = START + timedelta(days=30)
WITH_CHANCE = (*COLUMNS, "draw_probability")


@pytest.fixture
def pets(stores: Stores, tmp_path: Path) -> Stores:
    enrol(stores.ledger, "pets", read_reference(reference(tmp_path / "reference.csv"), columns={}), Policy())
    return stores


def take(stores: Stores, path: Path, *, strict: bool = False) -> Ingested:
    return ingest(stores.log, stores.ledger, "pets", path, columns={}, now=NOW, strict=strict)


def morning(stores: Stores, number: int) -> Epoch:
    """02:00 after night `number`, from 0."""
    version = stores.ledger.versions("pets")[-1]
    images, as_of = FolderImageStore(Path("no images")), START + timedelta(days=number + 1, hours=2)
    return Epoch(version, Policy(), stores.log, stores.ledger, images, as_of, stores.log.first_at(version) or NOW)


def said(stores: Stores, version: int, start: datetime, end: datetime) -> list[Prediction]:
    """Everything that a version said in a window, by id."""
    found = stores.log.sample(stores.ledger.versions("pets")[version - 1], start, end, 10_000, stream="page")
    return sorted(found, key=lambda one: one.id)


def decide_all(epoch: Epoch) -> None:
    for night in nights_due(epoch):
        with claimed(epoch, night):
            decide(epoch, night)


def given_count(stores: Stores, plan: LabelPlan) -> int:
    return sum(one.count for one in stores.ledger.design(plan.id).given)


# What goes in


def test_every_row_is_recorded_as_it_was_written(pets: Stores, tmp_path: Path) -> None:
    rows = answers(50)
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (told.recorded.new, told.bad, told.census) == (50, [], False)
    found = said(pets, 1, START, START + timedelta(days=1))
    assert [one.id for one in found] == [row["prediction_id"] for row in rows]
    first, row = found[0], rows[0]
    assert (first.predicted_class, first.confidence, first.slice) == (
        row["predicted_class"],
        float(row["confidence"]),
        row["slice"],
    )
    assert first.occurred_at == datetime.fromisoformat(row["occurred_at"])
    assert (first.group, first.energy, first.image) == (row["prediction_id"], None, "")


def test_the_second_class_of_a_log_is_recorded_and_a_foreign_one_refused(pets: Stores, tmp_path: Path) -> None:
    rows = answers(3)
    second = [CLASSES[(CLASSES.index(row["predicted_class"]) + 1) % 3] for row in rows]
    told = [{**row, "second_class": name} for row, name in zip(rows, [second[0], "", "horse"], strict=True)]
    path = write_log(tmp_path / "log.csv", told, columns=(*COLUMNS, "second_class"))
    found = take(pets, path)
    assert [one.second_class for one in said(pets, 1, START, NOW)] == [second[0], None]
    assert [row.line for row in found.bad] == [4]
    cells = pets.log.cells(pets.ledger.versions("pets")[0], START, NOW, second=second[:1])
    assert {one.second for one in cells} == {second[0], None}


def test_a_second_ingest_adds_nothing(pets: Stores, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", answers(50, labelled=True))
    take(pets, path)
    told = take(pets, path)
    assert (told.recorded.new, told.recorded.known, told.recorded.labels) == (0, 50, 0)
    assert told.recorded.changed == ()


def test_a_changed_row_is_refused_and_listed_and_the_rest_goes_in(pets: Stores, tmp_path: Path) -> None:
    rows = answers(50)
    take(pets, write_log(tmp_path / "log.csv", rows[:40]))
    rows[7] = {**rows[7], "predicted_class": "dog" if rows[7]["predicted_class"] != "dog" else "cat"}
    rows[8] = {**rows[8], "confidence": "0.1234"}
    told = take(pets, write_log(tmp_path / "again.csv", rows))
    assert told.recorded.changed == (rows[7]["prediction_id"], rows[8]["prediction_id"])
    assert (told.recorded.new, told.recorded.known) == (10, 38)
    assert pets.log.by_ids("pets", [rows[8]["prediction_id"]])[0].confidence != 0.1234


def test_strict_takes_all_or_nothing(pets: Stores, tmp_path: Path) -> None:
    rows = answers(30)
    take(pets, write_log(tmp_path / "log.csv", rows[:10]))
    changed = [*rows[:9], {**rows[9], "slice": "elsewhere"}, *rows[10:]]
    with pytest.raises(ConflictError, match=str(rows[9]["prediction_id"])):
        take(pets, write_log(tmp_path / "changed.csv", changed), strict=True)
    bad = [*rows[:20], {**rows[20], "confidence": "1.5"}, *rows[21:]]
    with pytest.raises(DataError, match=r"1 row cannot be taken, and --strict takes all or none: line 22: confidence"):
        take(pets, write_log(tmp_path / "bad.csv", bad), strict=True)
    assert len(said(pets, 1, START, START + timedelta(days=1))) == 10


def test_a_bad_row_is_told_with_its_line_and_kept_out(pets: Stores, tmp_path: Path) -> None:
    rows = answers(10)
    rows[3] = {**rows[3], "occurred_at": "2026-03-01T08:00:00"}
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert [row.line for row in told.bad] == [5]
    assert "time zone" in told.bad[0].problem
    assert told.recorded.new == 9


def test_foreign_classes_are_recorded_and_told(pets: Stores, tmp_path: Path) -> None:
    rows = answers(10)
    rows[0] = {**rows[0], "predicted_class": "horse"}
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (told.foreign, told.recorded.new) == ({"horse": 1}, 10)


def test_a_row_of_1970_or_of_tomorrow_is_refused_with_its_line_and_makes_no_night(pets: Stores, tmp_path: Path) -> None:
    """Case 6. Clocks may differ by an hour, and logs are backfilled for ten years."""
    times = [
        "1970-01-01T00:00:12Z",
        (NOW - timedelta(days=3660)).isoformat(),
        (NOW - timedelta(days=3650)).isoformat(),
        (NOW + timedelta(minutes=59)).isoformat(),
        (NOW + timedelta(minutes=61)).isoformat(),
        "9999-12-31T23:59:59Z",
    ]
    rows = [{**row, "occurred_at": time} for row, time in zip(answers(6), times, strict=True)]
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert [row.line for row in told.bad] == [2, 3, 6, 7]
    assert ["is implausible" in row.problem for row in told.bad] == [True, True, False, False]
    assert ["in the future" in row.problem for row in told.bad] == [False, False, True, True]
    assert sorted(told.nights) == [(1, (NOW - timedelta(days=3650)).date()), (1, NOW.date())]
    first = pets.log.first_at(pets.ledger.versions("pets")[0])
    assert first == NOW - timedelta(days=3650)
    with pytest.raises(DataError, match="line 2: time 1970-01-01 is implausible"):
        take(pets, write_log(tmp_path / "strict.csv", rows), strict=True)


def test_an_image_column_that_names_no_image_is_refused_and_never_waits(pets: Stores, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    broken = [path.name for path in write_broken(folder)]
    os.mkfifo(folder / "pipe.png")
    (folder / "album.png").mkdir()
    (folder / "red.png").write_bytes(square("red"))
    names = ["pipe.png", "album.png", "/dev/zero", "/etc/passwd", "empty.png", "zeros.png", "text.png", "red.png"]
    rows = [{**row, "image": name} for row, name in zip(answers(len(names)), names, strict=True)]
    told = take(pets, write_log(folder / "log.csv", rows, columns=(*COLUMNS, "image")))
    assert ([row.line for row in told.bad], told.recorded.new) == ([2, 3, 4, 5, 6, 7, 8], 1)
    rows = [{**row, "image": name} for row, name in zip(answers(len(broken), name="b"), broken, strict=True)]
    told = take(pets, write_log(folder / "more.csv", rows, columns=(*COLUMNS, "image")))
    assert {broken[row.line - 2] for row in told.bad} >= {"empty.png", "page.jpg", "vector.png", "archive.png"}


def test_the_log_of_another_model_is_refused_with_both_class_lists(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "predicted_class": f"bird-{place % 2}"} for place, row in enumerate(answers(10))]
    with pytest.raises(DataError, match="the file names bird-0, bird-1; the model's classes are cat, dog, ship"):
        take(pets, write_log(tmp_path / "log.csv", rows))
    assert pets.log.first_at(pets.ledger.versions("pets")[0]) is None


def test_a_missing_confidence_is_none(pets: Stores, tmp_path: Path) -> None:
    rows = answers(3)
    rows[0], rows[1] = {**rows[0], "confidence": ""}, {**rows[1], "confidence": "nan"}
    take(pets, write_log(tmp_path / "log.csv", rows))
    found = said(pets, 1, START, START + timedelta(days=1))
    assert [one.confidence is None for one in found] == [True, True, False]
    at = morning(pets, 0)
    with claimed(at, START.date()):
        window = close_window(at, START.date())
    assert window.without_confidence == 2


def test_a_log_of_a_model_that_is_released_here_names_its_versions(pets: Stores, tmp_path: Path) -> None:
    [watched] = pets.ledger.versions("pets")
    for number in (1, 7):
        trained = replace(watched, model="own", version=number, bundle_digest=f"bundle {number}")
        pets.ledger.record_model(trained)
    pets.ledger.begin_epoch(ServingPeriod("own", 1, START, "released"))
    names = ["7", "v7", "V 7", "version 7", "Version-7", "1", "exp-b", "17", ""]
    rows = [{**row, "model_version": name} for row, name in zip(answers(9), names, strict=True)]
    path = write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "model_version"))
    for expected in (Recorded(new=9), Recorded(known=9)):
        told = ingest(pets.log, pets.ledger, "own", path, columns={}, now=NOW)
        assert told.recorded == expected
    numbers = [one.version for one in pets.ledger.versions("own")]
    assert numbers == [1, 7, 1_000_001, 1_000_002], "beyond every version that will ever be registered"
    named = [one for one in pets.ledger.versions("own") if one.named_by_log]
    assert {unknown_name(one) for one in named} == {"exp-b", "17"}
    found = pets.log.rows_by_version("own", numbers, START, NOW)
    assert found == {7: 5, 1: 2, 1_000_001: 1, 1_000_002: 1}, "a row without a name is of the version that serves"


def test_another_model_version_begins_an_epoch_with_the_same_reference(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "model_version": "2026-03"} for row in answers(5)]
    take(pets, write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "model_version")))
    take(pets, write_log(tmp_path / "more.csv", rows[:2], columns=(*COLUMNS, "model_version")))
    old, new = pets.ledger.versions("pets")
    assert (new.version, new.bundle_digest, new.reference) == (2, "watched:2026-03", old.reference)
    assert len(said(pets, 2, START, START + timedelta(days=1))) == 5


def test_an_image_is_found_from_where_the_log_lies(pets: Stores, tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "1.png").write_bytes(square("red"))
    images = ["shots/1.png", str(tmp_path / "shots" / "1.png"), "ab" * 32, ""]
    rows = [{**row, "image": image} for row, image in zip(answers(4), images, strict=True)]
    take(pets, write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "image")))
    path = str(tmp_path / "shots" / "1.png")
    assert [one.image for one in said(pets, 1, START, NOW)] == [path, path, "ab" * 32, ""]


def log_with_images(folder: Path, *images: str) -> Path:
    folder.mkdir()
    (folder / "1.png").write_bytes(square("red"))
    (folder / "leak.png").symlink_to("../id_rsa")
    (folder.parent / "id_rsa").write_text("secret")
    rows = [{**row, "image": image} for row, image in zip(answers(len(images)), images, strict=True)]
    return write_log(folder / "log.csv", rows, columns=(*COLUMNS, "image"))


def test_a_row_whose_image_is_no_file_below_the_log_is_refused(pets: Stores, tmp_path: Path) -> None:
    names = ["1.png", "../id_rsa", str(tmp_path / "id_rsa"), "leak.png", ".", "gone.png", "1.png"]
    told = take(pets, log_with_images(tmp_path / "logs", *names))
    assert [row.line for row in told.bad] == [3, 4, 5, 6, 7]
    assert [("leads out of" in row.problem) for row in told.bad] == [True, True, True, False, False]
    assert [one.image for one in said(pets, 1, START, NOW)] == [str(tmp_path / "logs" / "1.png")] * 2


def test_strict_takes_nothing_of_a_log_that_names_a_file_elsewhere(pets: Stores, tmp_path: Path) -> None:
    path = log_with_images(tmp_path / "logs", "1.png", "../id_rsa")
    with pytest.raises(DataError, match=r"1 row cannot be taken, and --strict takes all or none: line 3: image"):
        take(pets, path, strict=True)
    assert said(pets, 1, START, NOW) == []


def test_problems_of_the_file_and_of_its_images_are_listed_in_the_order_of_lines(pets: Stores, tmp_path: Path) -> None:
    path = log_with_images(tmp_path / "logs", "../id_rsa", "1.png", "../id_rsa")
    path.write_text(path.read_text().replace(":01+00:00", ":01"))
    told = take(pets, path)
    assert [(row.line, "time zone" in row.problem) for row in told.bad] == [(2, False), (3, True), (4, False)]


def test_a_link_to_a_name_that_is_not_text_is_refused(pets: Stores, tmp_path: Path) -> None:
    path = log_with_images(tmp_path / "logs", "1.png", "odd.png")
    odd = path.parent / os.fsdecode(b"\xff.png")
    odd.write_bytes(square("red"))
    (path.parent / "odd.png").symlink_to(odd)
    told = take(pets, path)
    assert [(row.line, "not UTF-8" in row.problem) for row in told.bad] == [(3, True)]


@pytest.mark.parametrize("name", ["a\0.png", "../id_rsa\0.png"])
def test_a_name_with_a_nul_character_is_a_bad_row(pets: Stores, tmp_path: Path, name: str) -> None:
    row = {key: cell for key, cell in answers(1)[0].items() if cell} | {"image": name}
    good = {**row, "prediction_id": "good", "image": ""}
    (tmp_path / "log.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(good)}\n")
    told = take(pets, tmp_path / "log.jsonl")
    assert ([row.line for row in told.bad], told.recorded.new) == ([1], 1)


def test_a_model_that_nobody_watches_is_refused(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no model 'pets' is watched; `leeway watch init pets --reference FILE`"):
        take(stores, write_log(tmp_path / "log.csv", answers(1)))


# What a reference says


def test_a_reference_counts_what_the_model_answers_and_how_often_it_is_right(tmp_path: Path) -> None:
    found = read_reference(reference(tmp_path / "reference.csv", accuracy=0.9), columns={})
    assert (found.classes, found.total, found.production) == (CLASSES, 3000, True)
    assert found.accuracy == pytest.approx(0.9, abs=0.02)
    assert sum(count for *_, count in found.cells) == 3000
    assert list(found.guesses) == sorted(found.guesses, reverse=True)


def test_enrolling_again_changes_nothing_and_another_reference_begins_an_epoch(pets: Stores, tmp_path: Path) -> None:
    again = enrol(pets.ledger, "pets", read_reference(tmp_path / "reference.csv", columns={}), Policy())
    other = enrol(
        pets.ledger, "pets", read_reference(reference(tmp_path / "b.csv", accuracy=0.97), columns={}), Policy()
    )
    assert (again.version, other.version) == (1, 2)


def test_a_floor_that_the_model_never_reached_is_refused(stores: Stores, tmp_path: Path) -> None:
    poor = read_reference(reference(tmp_path / "reference.csv", accuracy=0.85), columns={})
    with pytest.raises(ParamsError, match=r"floor 0.9 would alarm every night: reference accuracy is 0.8\d"):
        enrol(stores.ledger, "pets", poor, Policy())


def test_a_reference_without_a_label_is_refused(tmp_path: Path) -> None:
    path = write_log(tmp_path / "reference.csv", answers(20))
    with pytest.raises(DataError, match="none of 20 rows has a label"):
        read_reference(path, columns={})


def test_a_reference_with_a_bad_row_is_refused_whole(tmp_path: Path) -> None:
    rows = answers(20, labelled=True)
    rows[4] = {**rows[4], "confidence": "-1"}
    with pytest.raises(DataError, match="1 row of the reference cannot be taken; mend or remove them: line 6"):
        read_reference(write_log(tmp_path / "reference.csv", rows), columns={})


# Labels that come with the predictions


def test_a_file_in_which_every_row_is_labelled_is_a_census_that_measures(pets: Stores, tmp_path: Path) -> None:
    told = take(pets, write_log(tmp_path / "log.csv", answers(200, nights=3, labelled=True)))
    assert told.census
    decide_all(morning(pets, 2))
    plans = pets.ledger.plans("pets", 1)
    assert [(plan.id, pets.ledger.design(plan.id).predictions, given_count(pets, plan)) for plan in plans] == [
        (f"pets/1/2026-03-0{day}/given", 200, 200) for day in (1, 2, 3)
    ]
    accuracy = [one for _, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    assert [one.state["labels"] for one in accuracy] == [200, 400, 600]
    assert accuracy[-1].effect == pytest.approx(0.9, abs=0.03)


def test_nobody_is_asked_about_a_night_that_came_labelled(pets: Stores, tmp_path: Path) -> None:
    take(pets, write_log(tmp_path / "log.csv", answers(200, labelled=True)))
    at = morning(pets, 0)
    decide_all(at)
    with claimed(at, START.date()):
        assert plan_labels(at, START.date()).asked == 0


def test_a_census_that_is_ingested_twice_is_applied_once(pets: Stores, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", answers(200, labelled=True))
    take(pets, path)
    decide_all(morning(pets, 0))
    take(pets, path)
    take(pets, write_log(tmp_path / "next.csv", answers(200, first=1)))
    decide_all(morning(pets, 1))
    accuracy = [one for _, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    assert [one.state["labels"] for one in accuracy] == [200, 200]


def test_labels_that_come_after_their_night_was_measured_are_kept_and_measure_nothing(
    pets: Stores, tmp_path: Path
) -> None:
    rows = answers(200, labelled=True)
    take(pets, write_log(tmp_path / "half.csv", rows[:100]))
    decide_all(morning(pets, 0))
    take(pets, write_log(tmp_path / "rest.csv", rows[100:]))
    take(pets, write_log(tmp_path / "next.csv", answers(200, first=1)))
    decide_all(morning(pets, 1))
    assert pets.log.given_counts() == {"pets": 200}
    assert sum(given_count(pets, plan) for plan in pets.ledger.plans("pets", 1)) == 100


def test_a_night_of_labels_is_applied_once_also_if_the_run_dies_in_between(pets: Stores, tmp_path: Path) -> None:
    take(pets, write_log(tmp_path / "log.csv", answers(200, labelled=True)))
    died = morning(pets, 0)
    claim_night(died, START.date())
    close_labels(died, START.date())
    run_checks(died, close_window(died, START.date()))  # and then the process dies, before anything is decided
    decide_all(morning(pets, 0))
    accuracy = [one for _, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    assert [one.state["labels"] for one in accuracy] == [200]


def test_labels_with_a_draw_probability_count_with_it(pets: Stores, tmp_path: Path) -> None:
    """Unsure answers were labelled always, sure ones one time in ten: the plain mean would say far too little."""
    rows = answers(2000, labelled=True)
    sure = [row for row in rows if float(row["confidence"]) > 0.96]
    chosen = {row["prediction_id"] for row in sure[::10]}
    for row in rows:
        always = float(row["confidence"]) <= 0.96
        kept = always or row["prediction_id"] in chosen
        row["draw_probability"] = ("1" if always else "0.1") if kept else ""
        row["label"] = row["label"] if kept else ""
    take(pets, write_log(tmp_path / "log.csv", rows, columns=WITH_CHANCE))
    decide_all(morning(pets, 0))
    [found] = [one for _, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    labelled = [row for row in rows if row["label"]]
    plain = sum(row["label"] == row["predicted_class"] for row in labelled) / len(labelled)
    assert plain < 0.6
    assert found.effect == pytest.approx(0.9, abs=0.03)


def test_labels_without_a_draw_probability_measure_nothing(pets: Stores, tmp_path: Path) -> None:
    rows = answers(200, labelled=True)
    rows[0]["label"] = ""
    take(pets, write_log(tmp_path / "log.csv", rows))
    decide_all(morning(pets, 0))
    assert pets.log.given_counts() == {"pets": 199}
    [found] = [one for _, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    assert found.status is Status.NO_VERDICT
    assert "draw probability" in found.reason


def test_another_label_for_the_same_prediction_from_a_file_is_refused_and_listed(pets: Stores, tmp_path: Path) -> None:
    rows = answers(20, labelled=True)
    take(pets, write_log(tmp_path / "log.csv", rows))
    rows[2] = {**rows[2], "label": next(one for one in CLASSES if one != rows[2]["label"])}
    told = take(pets, write_log(tmp_path / "again.csv", rows))
    assert told.recorded.labels_changed == (rows[2]["prediction_id"],)


def test_labels_that_differ_are_kept_and_counted_and_the_earliest_counts(pets: Stores, tmp_path: Path) -> None:
    take(pets, write_log(tmp_path / "log.csv", answers(5)))
    name = answers(5)[0]["prediction_id"]
    early, late = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC)
    pets.ledger.pin(pets.log.by_ids("pets", [name]))
    pets.ledger.record_labels([Label("pets", name, "dog", "bob", late), Label("pets", name, "ship", "ada", early)])
    assert len(pets.ledger.conflicts("pets")) == 1
    assert [label.label for label, _ in pets.ledger.labels("pets")] == ["ship"]


def test_the_same_request_ids_under_two_models_are_two_predictions(pets: Stores, tmp_path: Path) -> None:
    """Case 04: a live model and its shadow answer the same requests."""
    enrol(pets.ledger, "shadow", read_reference(tmp_path / "reference.csv", columns={}), Policy())
    path = write_log(tmp_path / "log.csv", answers(50, labelled=True))
    assert take(pets, path).recorded.new == 50
    other = ingest(pets.log, pets.ledger, "shadow", path, columns={}, now=NOW)
    assert (other.recorded.new, other.recorded.labels, other.elsewhere) == (50, 50, "pets")
    assert pets.log.given_counts() == {"pets": 50, "shadow": 50}


def test_a_log_that_moved_and_came_again_with_labels_is_the_same_log(pets: Stores, tmp_path: Path) -> None:
    """Case 14: the images are named from where the log lies."""
    for folder, labelled in (("in", False), ("archive", True)):
        (tmp_path / folder / "img").mkdir(parents=True)
        rows = answers(10, labelled=labelled)
        for place, row in enumerate(rows):
            (tmp_path / folder / "img" / f"{place}.jpg").write_bytes(square("red"))
            row["image"] = f"img/{place}.jpg"
        write_log(tmp_path / folder / "night.csv", rows, columns=(*COLUMNS, "image"))
    take(pets, tmp_path / "in" / "night.csv")
    told = take(pets, tmp_path / "archive" / "night.csv")
    assert (told.recorded.new, told.recorded.known, told.recorded.labels) == (0, 10, 10)
    assert all(one.image.startswith(str(tmp_path / "archive")) for one in said(pets, 1, START, NOW))


def test_a_label_that_comes_with_the_log_answers_what_people_were_asked(pets: Stores, tmp_path: Path) -> None:
    take(pets, write_log(tmp_path / "log.csv", answers(200)))
    look(morning(pets, 0), Failures())
    asked = {one.id for _, one in pets.ledger.label_queue("pets")}
    rows = [row for row in answers(200, labelled=True) if row["prediction_id"] in sorted(asked)[3:]]
    take(pets, write_log(tmp_path / "labels.csv", [*rows, *answers(1, first=1)]))
    assert take_given_answers(pets.log, pets.ledger, "pets").new == len(asked) - 3
    assert sorted(one.id for _, one in pets.ledger.label_queue("pets")) == sorted(asked)[:3]
    assert take_given_answers(pets.log, pets.ledger, "pets").new == 0


def test_a_log_that_fails_half_way_leaves_nothing_behind(pets: Stores, tmp_path: Path) -> None:
    """Also of the batches before: a file is in or it is not."""
    rows = answers(20)
    path = write_log(tmp_path / "log.csv", rows)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(pets.log, pets.ledger, "pets", path, columns={}, now=NOW, progress=stop)
    assert said(pets, 1, START, NOW) == []
    assert take(pets, path).recorded.new == 20


def test_labels_that_were_known_without_a_chance_measure_when_the_whole_night_comes_labelled(
    pets: Stores, tmp_path: Path
) -> None:
    """Else only those that came later would: the errors were sent first, and the night would look perfect."""
    rows = answers(200, labelled=True)
    errors = [row if row["label"] != row["predicted_class"] else {**row, "label": ""} for row in rows]
    take(pets, write_log(tmp_path / "errors.csv", errors))
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert told.census
    decide_all(morning(pets, 0))
    [accuracy] = [one for _, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    right = sum(row["label"] == row["predicted_class"] for row in rows) / len(rows)
    assert (accuracy.state["labels"], accuracy.effect) == (200, pytest.approx(right, abs=1e-9))


def test_a_night_whose_labels_come_after_its_draws_is_measured_once(pets: Stores, tmp_path: Path) -> None:
    take(pets, write_log(tmp_path / "log.csv", answers(200, nights=2)))
    look(morning(pets, 0), Failures())
    first_night = [row for row in answers(200, nights=2, labelled=True) if row["occurred_at"] < "2026-03-02"]
    take(pets, write_log(tmp_path / "labels.csv", first_night))
    assert take_given_answers(pets.log, pets.ledger, "pets").new > 0
    look(morning(pets, 1), Failures())
    accuracy = [one for at, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    assert accuracy[-1].state["labels"] == 200
    assert pets.ledger.label_counts() == {}
    assert pets.log.given_counts() == {"pets": 200}


def test_labels_that_come_when_people_have_answered_measure_nothing(pets: Stores, tmp_path: Path) -> None:
    take(pets, write_log(tmp_path / "log.csv", answers(200, nights=3)))
    look(morning(pets, 0), Failures())
    asked = [one for _, one in pets.ledger.label_queue("pets")]
    pets.ledger.record_labels([Label("pets", one.id, one.predicted_class, "ada", NOW) for one in asked])
    look(morning(pets, 1), Failures())
    first_night = [row for row in answers(200, nights=3, labelled=True) if row["occurred_at"] < "2026-03-02"]
    take(pets, write_log(tmp_path / "labels.csv", first_night))
    look(morning(pets, 2), Failures())
    accuracy = [one for at, one in pets.ledger.results("pets", 1) if one.check == "accuracy"]
    drawn = next(one.asked for one in pets.ledger.plans("pets", 1) if one.night == START.date())
    assert [one.state.get("labels", 0) for one in accuracy][1:] == [drawn, drawn]


def test_rows_that_name_no_version_keep_the_one_that_they_have(pets: Stores, tmp_path: Path) -> None:
    rows, named = answers(50), [{**row, "model_version": "new"} for row in answers(5, first=1)]
    take(pets, path := write_log(tmp_path / "log.csv", rows))
    take(pets, write_log(tmp_path / "new.csv", named, columns=(*COLUMNS, "model_version")))
    again = take(pets, path)
    assert (again.recorded.known, again.recorded.changed) == (50, ())
    labelled = take(pets, write_log(tmp_path / "labels.csv", answers(50, labelled=True)))
    assert (labelled.recorded.known, labelled.recorded.labels) == (50, 50)
    assert len(pets.log.given(pets.ledger.versions("pets")[0], None, None, 100, stream="page")) == 50


def test_rows_without_a_version_in_a_file_that_brings_one_are_of_the_version_before(
    pets: Stores, tmp_path: Path
) -> None:
    rows = [{**row, "model_version": "new" if place == 49 else ""} for place, row in enumerate(answers(50))]
    take(pets, write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "model_version")))
    assert [len(said(pets, version, START, NOW)) for version in (1, 2)] == [49, 1]


def test_a_version_of_which_nothing_went_in_is_not_there(pets: Stores, tmp_path: Path) -> None:
    rows = answers(50)
    take(pets, write_log(tmp_path / "log.csv", rows))
    changed = [{**rows[0], "slice": "elsewhere"}, {**rows[1], "prediction_id": "new", "model_version": "new"}]
    with pytest.raises(ConflictError):
        take(pets, write_log(tmp_path / "bad.csv", changed, columns=(*COLUMNS, "model_version")), strict=True)
    assert take(pets, write_log(tmp_path / "next.csv", answers(50, first=1))).recorded.new == 50
    assert len(said(pets, 1, START, NOW)) == 100


def test_of_two_logs_that_name_a_version_at_once_each_gets_its_own(pets: Stores, tmp_path: Path) -> None:
    first, second = (with_version(pets.ledger, "pets", name) for name in ("one", "two"))
    raced = with_version(Behind(pets.ledger, first), "pets", "three")  # type: ignore[arg-type]
    assert [one.bundle_digest for one in raced[1:]] == ["watched:one", "watched:two", "watched:three"]
    assert [one.version for one in (*second, raced[-1])] == [1, 2, 3, 4]


class Behind:
    """A ledger that first answers what it would have before somebody else wrote."""

    def __init__(self, ledger: object, before: list[ModelVersion]) -> None:
        self._ledger, self._before = ledger, [before]

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def versions(self, model: str) -> list[ModelVersion]:
        return self._before.pop() if self._before else self._ledger.versions(model)  # type: ignore[attr-defined]
