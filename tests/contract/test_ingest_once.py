"""A file is read once: what its beginning promises may be taken back by its rest; and the same file is known."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import Recorded
from leeway.errors import DataError
from leeway.monitor.enrol import enrol, read_reference
from leeway.predictions.formats import blocks
from leeway.predictions.ingest import ingest
from leeway.predictions.ingested import Ingested
from leeway.stores.opening import Stores
from prediction_logs import CLASSES, COLUMNS, START, Row, answers, reference, write_log
from tiny_bundle import square

NOW = START + timedelta(days=30)
NIGHT = (START, START + timedelta(days=1))


@pytest.fixture
def pets(stores: Stores, tmp_path: Path) -> Stores:
    enrol(stores.ledger, "pets", read_reference(reference(tmp_path / "reference.csv"), columns={}), Policy())
    return stores


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in batches of about 50 rows."""
    monkeypatch.setattr(blocks, "_BLOCK", 4096)


def take(stores: Stores, path: Path, *, columns: Mapping[str, str] = {}, **more: Any) -> tuple[Ingested, int]:
    """What became of a file, and how many of its rows were read, again and again."""
    read: list[int] = []
    done = ingest(
        stores.log, stores.ledger, "pets", path, columns=columns, **{"now": NOW, "progress": read.append, **more}
    )
    return done, sum(read)


def given(stores: Stores) -> list[float | None]:
    """The draw probability of each label that measures."""
    version = stores.ledger.versions("pets")[0]
    tallies = stores.log.given_tallies(version, *NIGHT)
    return [one.probability for one in tallies for _ in range(one.count)]


# Once


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_every_row_is_read_once(pets: Stores, tmp_path: Path, labelled: bool, strict: bool) -> None:
    path = write_log(tmp_path / "log.csv", answers(300, labelled=labelled))
    done, read = take(pets, path, strict=strict)
    assert (done.recorded.new, done.census, read) == (300, labelled, 300)
    assert given(pets) == [1.0] * 300 * labelled


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("last", [{"label": ""}, {"draw_probability": "0.5"}], ids=str)
def test_a_file_that_begins_as_a_census_and_goes_on_otherwise_is_none(pets: Stores, tmp_path: Path, last: Row) -> None:
    rows = answers(300, labelled=True)
    rows[-1] |= last
    done, _ = take(pets, write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "draw_probability")))
    assert (done.recorded.new, done.census, done.spoiled) == (300, False, False)
    assert given(pets) == [0.5] * ("draw_probability" in last), "labels from before the last row measure nothing"


@pytest.mark.usefixtures("small_blocks")
def test_a_census_whose_last_row_is_refused_is_none_and_says_so(pets: Stores, tmp_path: Path) -> None:
    rows = answers(300, labelled=True)
    rows[-1]["confidence"] = "7"
    done, _ = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (done.recorded.new, done.recorded.labels, len(done.bad)) == (299, 299, 1)
    assert (done.census, done.spoiled) == (False, True)
    assert given(pets) == []


@pytest.mark.usefixtures("small_blocks")
def test_a_census_is_not_one_if_its_first_rows_are_all_refused(pets: Stores, tmp_path: Path) -> None:
    rows = answers(300, labelled=True)
    for row in rows[:100]:
        row["confidence"] = "7"
    done, read = take(pets, write_log(tmp_path / "log.csv", rows))
    assert (done.recorded.new, done.census, done.spoiled, read) == (200, False, True, 200)


@pytest.mark.usefixtures("small_blocks")
def test_strict_counts_the_bad_rows_of_the_whole_file(pets: Stores, tmp_path: Path) -> None:
    rows = answers(300)
    for place in (150, 151, 299):
        rows[place]["confidence"] = "7"
    with pytest.raises(DataError, match=r"3 rows cannot be taken, .*: line 152: conf.*; line 153: .*; line 301: conf"):
        take(pets, write_log(tmp_path / "log.csv", rows), strict=True)
    assert pets.log.count(pets.ledger.versions("pets")[0], *NIGHT) == 0


# The same file again


def test_the_same_file_is_known_and_not_read_again(pets: Stores, tmp_path: Path) -> None:
    rows = answers(50, nights=2, labelled=True)
    rows[0]["predicted_class"], rows[1]["label"] = "horse", "cow"
    path = write_log(tmp_path / "log.csv", rows)
    first, read = take(pets, path)
    assert (first.known_since, read) == (None, 100)
    again, read = take(pets, path.rename(tmp_path / "moved.csv"), now=NOW + timedelta(days=1))
    assert (again.recorded, read, again.known_since) == (Recorded(known=100), 0, NOW)
    assert (again.nights, again.foreign, again.outside) == (first.nights, {"horse": 1}, {"cow": 1})
    assert (again.census, again.rows, again.source) == (True, 100, str(tmp_path / "moved.csv"))
    strict, read = take(pets, tmp_path / "moved.csv", strict=True)
    assert (strict.recorded, read) == (Recorded(known=100), 0)


def test_the_same_bytes_are_read_again_if_they_are_read_otherwise(pets: Stores, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", answers(50))
    take(pets, path)
    assert take(pets, path, columns={"group": "prediction_id"})[1] == 50
    assert take(pets, path, zone=ZoneInfo("Asia/Tokyo"))[1] == 50
    assert take(pets, path)[1] == 0
    enrol(pets.ledger, "pets", read_reference(other_reference(tmp_path), columns={}), Policy())
    assert take(pets, path)[1] == 50


def other_reference(folder: Path) -> Path:
    rows = answers(3000, first=-1, labelled=True, name="ref")
    named = {"cat": "cat", "dog": "dog", "ship": "boat"}
    for row in rows:
        row |= {name: named[row[name]] for name in ("predicted_class", "label")}
    return write_log(folder / "other.csv", rows)


def test_one_more_byte_is_another_file(pets: Stores, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", answers(50))
    take(pets, path)
    path.write_text(path.read_text() + "\n")
    again, read = take(pets, path)
    assert (again.recorded, again.known_since, read) == (Recorded(known=50), None, 50)


def test_a_file_of_which_a_row_was_refused_is_read_again(pets: Stores, tmp_path: Path) -> None:
    rows = answers(50)
    take(pets, write_log(tmp_path / "log.csv", rows))
    changed = write_log(tmp_path / "changed.csv", [{**rows[0], "slice": "elsewhere"}, *rows[1:]])
    labels = write_log(tmp_path / "labels.csv", [{**rows[0], "label": "cat"}])
    relabelled = write_log(tmp_path / "relabelled.csv", [{**rows[0], "label": "dog"}])
    bad = write_log(tmp_path / "bad.csv", [{**rows[0], "confidence": "7"}, *rows[1:]])
    for path in (changed, labels, relabelled, bad):
        take(pets, path)
    assert [take(pets, path)[1] > 0 for path in (changed, labels, relabelled, bad)] == [True, False, True, True]


def test_a_file_that_names_image_files_is_read_again_since_they_may_move(pets: Stores, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(square("red"))
    columns = (*COLUMNS, "image")
    rows = answers(2)
    files = write_log(tmp_path / "files.csv", [{**row, "image": "1.png"} for row in rows], columns=columns)
    hashes = [{**row, "image": "ab" * 32} for row in answers(2, name="q")]
    by_content = write_log(tmp_path / "hashes.csv", hashes, columns=columns)
    for path, read in ((files, 2), (by_content, 0)):
        take(pets, path)
        assert take(pets, path)[1] == read


def test_a_file_that_did_not_go_in_is_not_known(pets: Stores, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", answers(50))

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(pets, path, progress=stop)
    assert take(pets, path)[0].recorded == Recorded(new=50)


def test_classes_outside_the_list_are_named_in_an_error_as_before(pets: Stores, tmp_path: Path) -> None:
    rows = [{**row, "label": "cow"} for row in answers(50)]
    with pytest.raises(DataError, match=f"first 50 labels name cow; the model's classes are {', '.join(CLASSES)}"):
        take(pets, write_log(tmp_path / "log.csv", rows))


# What the folders say


def test_a_column_that_stands_in_the_names_of_folders_is_read_from_there(pets: Stores, tmp_path: Path) -> None:
    """As Spark and Hive write a table in parts: the files themselves lack the column."""
    columns = COLUMNS[:4]
    for place, folder in enumerate(("site=north%20door", "site=__HIVE_DEFAULT_PARTITION__", "dt=2026-03-01")):
        path = tmp_path / "model_version=v7" / folder / "part-0.csv"
        path.parent.mkdir(parents=True)
        write_log(path, answers(5, name=f"p{place}"), columns=columns)
        take(pets, path, columns={"slice": "site"} if place < 2 else {})
    assert [one.bundle_digest for one in pets.ledger.versions("pets")][1:] == ["watched:v7"]
    found = pets.log.sample(pets.ledger.versions("pets")[1], *NIGHT, 100, stream="page")
    assert {(one.id[:2], one.slice) for one in found} == {("p0", "north door"), ("p1", None), ("p2", None)}
    assert len(found) == 15


def test_a_column_of_the_file_counts_before_the_name_of_a_folder(pets: Stores, tmp_path: Path) -> None:
    path = tmp_path / "slice=north" / "log.csv"
    path.parent.mkdir()
    take(pets, write_log(path, answers(4)))
    found = pets.log.sample(pets.ledger.versions("pets")[0], *NIGHT, 100, stream="page")
    assert {one.slice for one in found} == {"camera-0", "camera-1"}


def test_the_same_bytes_in_a_folder_that_says_otherwise_are_read_again(pets: Stores, tmp_path: Path) -> None:
    for folder in ("slice=north", "slice=south"):
        (tmp_path / folder).mkdir()
        write_log(tmp_path / folder / "log.csv", answers(5), columns=COLUMNS[:4])
    assert take(pets, tmp_path / "slice=north" / "log.csv")[0].recorded.new == 5
    assert len(take(pets, tmp_path / "slice=south" / "log.csv")[0].recorded.changed) == 5
    assert take(pets, tmp_path / "slice=north" / "log.csv")[1] == 0
