"""The list of label errors: written, filled in by a person or a spreadsheet, and read."""

import csv
import os
from pathlib import Path

import pytest

from leeway.curation.label_errors import LabelError
from leeway.curation.relabel_file import COLUMNS, NewLabels, read_new_labels, write_label_errors
from leeway.errors import DataError

CLASSES = ("cat", "dog", "-5")
ORIGINS = {"cat/1.jpg": "a" * 64, "=evil.jpg": "b" * 64, "dog/3.jpg": "1" * 64, "copy/of/1.jpg": "a" * 64}
ERRORS = [LabelError(asset, origin, "train", "cat", "-5", 0.91, True) for origin, asset in list(ORIGINS.items())[:3]]


def read(path: Path) -> NewLabels:
    return read_new_labels(path, classes=CLASSES, origins=ORIGINS)


def fill(path: Path, *answers: str, drop: tuple[str, ...] = (), delimiter: str = ",") -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [name for name in COLUMNS if name not in drop]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, kept, extrasaction="ignore", delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "new_label": answer} for row, answer in zip(rows, answers, strict=True))


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "reports" / "label_errors.csv"
    write_label_errors(path, ERRORS)
    return path


def test_a_name_that_is_a_path_is_looked_up_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    path = tmp_path / "list.csv"
    path.write_text(f"origin,new_label\n{tmp_path / 'pipe'},cat\n../pipe,cat\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)line 2: image .*pipe' is not in the dataset.*line 3: image '../pipe'"):
        read(path)


def test_a_list_as_written_asks_everything_and_says_nothing(listed: Path) -> None:
    assert read(listed) == NewLabels({}, empty=3)


@pytest.mark.parametrize("drop", [(), ("asset",), ("origin",), ("split", "label", "suggested", "confidence", "likely")])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_takes_new_labels_by_asset_or_origin_and_passes_over_empty_ones(
    drop: tuple[str, ...], delimiter: str, listed: Path
) -> None:
    fill(listed, "dog", "", "-", drop=drop, delimiter=delimiter)
    assert read(listed) == NewLabels({"a" * 64: "dog", "1" * 64: None}, empty=1)


def test_no_cell_is_a_formula(listed: Path) -> None:
    with listed.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    fill(listed, "", "dog", "", drop=("asset",))
    assert read(listed).labels == {"b" * 64: "dog"}


def test_a_class_that_begins_with_a_dash_is_not_the_sign_to_leave_out(listed: Path) -> None:
    fill(listed, "-5", "", "")
    assert read(listed).labels == {"a" * 64: "-5"}


def test_everything_that_cannot_be_taken_is_listed_and_nothing_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("origin,new_label\ncat/1.jpg,dgo\nnowhere.jpg,cat\ncat/1.jpg,cat\ncopy/of/1.jpg,dog\n")
    with pytest.raises(DataError, match="nothing is taken, since 3 lines cannot be") as refused:
        read(path)
    assert [line.strip() for line in str(refused.value).splitlines()[1:]] == [
        "line 2: 'dgo' is not a class; did you mean 'dog'?",
        "line 3: image 'nowhere.jpg' is not in the dataset; give its asset or origin",
        "line 5: another line gives this image another label; leave one",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"origin,label\nx,y\n", "columns origin, label; needed: new_label, and asset or origin"),
        (b"", "columns none"),
        (b"\xff\xfe,\n", "not UTF-8"),
        (b'origin,new_label\n"cat/1.jpg,dog\n', "is a quote missing"),
        (b"origin,new_label\ncat/1.jpg,dog,z\n", "line 2: more cells than columns"),
    ],
)
def test_what_is_no_such_list_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: cannot be read"):
        read(tmp_path / "gone.csv")
