"""Truth that comes with prediction logs: what counts, what is refused, and what never becomes a census."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import CheckResult, Status, Tally
from leeway.epoch import Epoch
from leeway.errors import DataError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.labels.coverage import covers
from leeway.monitor.enrol import enrol, read_reference, read_reference_file
from leeway.predictions.ingest import ingest
from leeway.predictions.ingested import Ingested
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores
from prediction_logs import COLUMNS, START, Row, answers, reference, write_log

NOW = START + timedelta(days=30)


@pytest.fixture
def pets(stores: Stores, tmp_path: Path) -> Stores:
    enrol(stores.ledger, "pets", read_reference(reference(tmp_path / "reference.csv"), columns={}), Policy())
    return stores


def take(stores: Stores, path: Path) -> Ingested:
    return ingest(stores.log, stores.ledger, "pets", path, columns={}, now=NOW)


def morning(stores: Stores, number: int) -> Epoch:
    """02:00 after night `number`, from 0."""
    version = stores.ledger.versions("pets")[-1]
    images, as_of = FolderImageStore(Path("no images")), START + timedelta(days=number + 1, hours=2)
    return Epoch(version, Policy(), stores.log, stores.ledger, images, as_of, stores.log.first_at(version) or NOW)


def looked(stores: Stores, number: int = 0) -> CheckResult:
    """The night is decided; what the accuracy check says of it."""
    failures = Failures()
    look(morning(stores, number), failures)
    failures.raise_first()
    return [one for _, one in stores.ledger.results("pets", 1) if one.check == "accuracy"][-1]


def night_of(count: int = 400, *, unknown: int = 0) -> list[Row]:
    """A night that is answered rightly, but that every `unknown`-th truth is no class of the model."""
    rows = answers(count, labelled=True, accuracy=1.0)
    for row in rows[::unknown] if unknown else ():
        row["label"] = "unknown"
    return rows


# A truth outside the class list


def test_a_truth_that_the_model_does_not_have_is_its_error_and_told(pets: Stores, tmp_path: Path) -> None:
    told = take(pets, write_log(tmp_path / "log.csv", night_of(unknown=4)))
    assert (told.census, told.bad, told.recorded.labels, told.outside) == (True, [], 400, {"unknown": 100})
    found = looked(pets)
    assert found.effect == pytest.approx(0.75)
    assert found.details["accuracy"]["high"] < 0.8
    assert "100 of the labels name no class of the model and count as its errors: 'unknown' (100)" in found.reason


def test_such_a_truth_counts_against_its_answer_and_its_slice_and_is_no_cell(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "slice": "door" if row["label"] == "unknown" else "hall"} for row in night_of(unknown=4)]
    take(pets, write_log(tmp_path / "log.csv", rows))
    looked(pets)
    [found] = [one for _, one in pets.ledger.results("pets", 1) if one.check == "class_accuracy"]
    said = {name: one["precision"]["value"] for name, one in found.details["per_class"].items()}
    assert set(said) == {"cat", "dog", "ship"}
    assert max(said.values()) < 0.85
    assert found.details["per_slice"]["door"]["value"] == pytest.approx(0)
    assert found.details["labels_outside_classes"] == 100
    assert not any("unknown" in name for name in found.state["limits"])


def test_a_file_whose_every_label_is_outside_is_of_another_list_of_classes(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "label": f"breed-{place % 7}"} for place, row in enumerate(night_of(50))]
    with pytest.raises(DataError, match=r"no label is a class of the model: .*breed-0.*classes are cat, dog, ship"):
        take(pets, write_log(tmp_path / "log.csv", rows))
    assert take(pets, write_log(tmp_path / "few.csv", rows[:5])).outside.total() == 5


@pytest.mark.parametrize(("column", "written"), [("label", "Cat"), ("label", "CAT"), ("predicted_class", "Cat")])
def test_a_variant_of_a_class_is_refused_with_the_class_that_is_meant(
    pets: Stores, tmp_path: Path, column: str, written: str
) -> None:
    rows = night_of(30)
    rows[4] = {**rows[4], column: written}
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert [(row.line, row.problem) for row in told.bad] == [
        (6, f"{column} '{written}' is not a class; did you mean 'cat'?")
    ]
    assert (told.recorded.new, told.foreign, told.outside) == (29, {}, {})


def test_white_space_around_a_class_does_not_matter(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "label": f" {row['label']}\u00a0", "predicted_class": f"{row['label']} "} for row in night_of(60)]
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (told.bad, told.foreign, told.outside, told.census) == ([], {}, {}, True)
    assert looked(pets).effect == pytest.approx(1, abs=0.02)


def test_a_word_for_nothing_is_an_empty_label(pets: Stores, tmp_path: Path) -> None:
    rows = night_of(60)
    rows[3]["label"], rows[9]["label"] = "nan", "N/A"
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (told.recorded.labels, told.census, told.outside, told.bad) == (58, False, {}, [])


# What is no census


def test_a_refused_row_does_not_turn_the_rest_into_a_census(pets: Stores, tmp_path: Path) -> None:
    rows = night_of()
    broken = [{**row, "confidence": "7"} if place == 5 else row for place, row in enumerate(rows)]
    told = take(pets, write_log(tmp_path / "log.csv", broken))
    assert (told.census, told.spoiled, told.recorded.labels) == (False, True, 399)
    found = looked(pets)
    assert (found.status, found.n) == (Status.NO_VERDICT, 0)
    assert "do not measure" in found.reason


def test_a_row_whose_image_is_gone_does_not_either(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "image": "gone.png" if place == 5 else ""} for place, row in enumerate(night_of(60))]
    told = take(pets, write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "image")))
    assert (told.census, told.spoiled, told.recorded.labels) == (False, True, 59)


@pytest.mark.parametrize("column", ["label", "confidence"])
def test_a_row_that_is_recorded_otherwise_does_not_either(pets: Stores, tmp_path: Path, column: str) -> None:
    rows = night_of(60)
    before = {**rows[3], column: {"label": "ship", "confidence": "0.5"}[column]}
    rows[3]["label"] = "cat"
    take(pets, write_log(tmp_path / "before.csv", [before, {**rows[4], "label": ""}]))
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (told.census, told.spoiled) == (False, True)
    assert len({*told.recorded.changed, *told.recorded.labels_changed}) == 1
    assert (told.recorded.new, told.recorded.labels) == (58, 59)
    assert looked(pets).status is Status.NO_VERDICT


def test_the_mended_file_is_a_census(pets: Stores, tmp_path: Path) -> None:
    rows = night_of(unknown=4)
    take(pets, write_log(tmp_path / "log.csv", [{**rows[0], "confidence": "7"}, *rows[1:]]))
    told = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (told.census, told.recorded.new, told.recorded.labels) == (True, 1, 1)
    assert looked(pets).effect == pytest.approx(0.75)


def halves(folder: Path) -> tuple[Path, Path, Path]:
    """The first half of a night, all labelled; the second half without labels; the second half with them."""
    rows = night_of(unknown=4)
    late = [{**row, "label": ""} for row in rows[200:]]
    return (
        write_log(folder / "a.csv", rows[:200]),
        write_log(folder / "b.csv", late),
        write_log(folder / "c.csv", rows[200:]),
    )


def test_a_second_file_without_labels_takes_the_night_out_of_the_census(pets: Stores, tmp_path: Path) -> None:
    labelled, unlabelled, _ = halves(tmp_path)
    assert take(pets, labelled).census
    take(pets, unlabelled)
    found = looked(pets)
    assert (found.status, found.n) == (Status.NO_VERDICT, 0)
    assert "200 labels" in found.reason
    assert "50% of its 400 rows" in found.reason
    [plan] = pets.ledger.plans("pets", 1)
    assert (plan.given, plan.asked) == (0, Policy().labels.per_night)  # so people are asked


def test_the_labels_of_the_rest_make_it_one_again_and_it_counts_in_a_later_night(pets: Stores, tmp_path: Path) -> None:
    labelled, unlabelled, rest = halves(tmp_path)
    for path in (labelled, unlabelled):
        take(pets, path)
    looked(pets)
    take(pets, rest)
    take(pets, write_log(tmp_path / "next.csv", answers(100, first=1)))
    found = looked(pets, 1)
    assert (found.state["labels"], found.effect) == (400, pytest.approx(0.75))


def test_the_last_rows_of_a_night_may_be_without_a_label(pets: Stores, tmp_path: Path) -> None:
    rows = night_of()
    take(pets, write_log(tmp_path / "a.csv", rows[:393]))
    take(pets, write_log(tmp_path / "b.csv", [{**row, "label": ""} for row in rows[393:]]))
    assert looked(pets).n == 393


def tally(probability: float, count: int) -> Tally:
    return Tally("cat", "cat", None, probability, count)


@pytest.mark.parametrize(
    ("given", "rows", "measures"),
    [
        ([tally(1, 98)], 100, True),
        ([tally(1, 97)], 100, False),
        ([tally(0.1, 5)], 1000, True),  # a drawn sample that is answered in part
        ([tally(1, 500), tally(0.1, 50)], 1000, True),
        ([tally(1, 500), tally(0.1, 43)], 1000, True),  # as chance has it
        ([tally(1, 500), tally(0.1, 20)], 1000, False),
        ([], 10, True),
    ],
)
def test_labels_that_are_said_to_be_certain_account_for_their_night(
    given: Sequence[Tally], rows: int, measures: bool
) -> None:
    assert covers(given, rows) is measures


# A reference


def test_a_word_for_nothing_in_a_reference_is_an_empty_label(tmp_path: Path) -> None:
    rows = answers(400, labelled=True, accuracy=0.95)
    for row in rows[::5]:
        row["label"] = "nan"
    found = read_reference_file(write_log(tmp_path / "reference.csv", rows), columns={})
    assert found.counts.classes == ("cat", "dog", "ship")
    assert (found.rows, found.counts.total, found.emptied, found.alike) == (400, 320, 80, ())
    assert found.counts.accuracy == pytest.approx(0.95, abs=0.03)


def test_an_answer_that_stands_for_nothing_is_a_bad_row(tmp_path: Path) -> None:
    rows = answers(40, labelled=True)
    rows[4]["predicted_class"] = "None"
    with pytest.raises(DataError, match="line 6: predicted_class is empty"):
        read_reference(write_log(tmp_path / "reference.csv", rows), columns={})


def test_a_label_that_is_a_variant_of_an_answer_is_refused(tmp_path: Path) -> None:
    rows = answers(40, labelled=True)
    rows[4]["label"] = "Cat"
    with pytest.raises(DataError, match="name one class in two ways: 'Cat' and 'cat'"):
        read_reference(write_log(tmp_path / "reference.csv", rows), columns={})


def test_two_alike_classes_that_the_model_answers_are_two_and_told(tmp_path: Path) -> None:
    rows = [{**row, "predicted_class": "aA"[place % 2], "label": "a"} for place, row in enumerate(answers(40))]
    found = read_reference_file(write_log(tmp_path / "reference.csv", rows), columns={})
    assert (found.counts.classes, found.alike) == (("A", "a"), (("A", "a"),))


def test_forms_of_one_name_are_one_class(tmp_path: Path) -> None:
    rows = answers(40, labelled=True)
    renamed = {"cat": "caf\u00e9", "dog": "cafe\u0301", "ship": "bar "}
    rows = [{**row, "predicted_class": renamed[row["predicted_class"]], "label": "bar"} for row in rows]
    assert read_reference(write_log(tmp_path / "reference.csv", rows), columns={}).classes == ("bar", "caf\u00e9")
