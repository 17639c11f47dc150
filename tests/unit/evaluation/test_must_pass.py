"""The must-pass set: read strictly, answered by the bundle, and honest about images that were trained on."""

import hashlib
import os
from pathlib import Path

import pytest

from broken_images import BROKEN, write_broken
from leeway.bundle.predictor import Predictor
from leeway.errors import DataError
from leeway.evaluation.must_pass import answer_required, read_must_pass
from tiny_bundle import CLASSES, square, write_tiny_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "must_pass"
    (made / "photos").mkdir(parents=True)
    for name in CLASSES:
        (made / "photos" / f"{name}.png").write_bytes(square(name))
    return made


def listed(folder: Path, *rows: str, header: str = "path,label") -> Path:
    (folder / "must_pass.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def test_without_a_list_there_is_no_set(folder: Path) -> None:
    assert read_must_pass(folder, classes=CLASSES) == ()
    assert read_must_pass(folder / "nowhere", classes=CLASSES) == ()


def test_the_bundle_answers_each_image_and_those_trained_on_are_told(folder: Path, tmp_path: Path) -> None:
    listed(folder, "photos/red.png,red", "photos/blue.png,green")
    write_tiny_bundle(tmp_path / "bundle")
    wanted = read_must_pass(folder, classes=CLASSES)
    trained_on = {hashlib.sha256(square("red")).hexdigest()}
    found = answer_required(Predictor.load(tmp_path / "bundle"), wanted, trained_on=trained_on)
    assert [(one.path, one.answer, one.right, one.trained_on) for one in found] == [
        ("photos/red.png", "red", True, True),
        ("photos/blue.png", "blue", False, False),
    ]
    assert found[0].confidence > 0.9


def test_a_label_is_taken_by_the_name_that_the_class_has_now(folder: Path) -> None:
    listed(folder, "photos/red.png,crimson")
    (one,) = read_must_pass(folder, classes=CLASSES, renamed={"crimson": "red"})
    assert one.label == "red"


def test_a_list_saved_by_a_spreadsheet_reads(folder: Path) -> None:
    (folder / "must_pass.csv").write_bytes(b"\xef\xbb\xbfpath,label\r\nphotos/red.png,red\r\n")
    assert len(read_must_pass(folder, classes=CLASSES)) == 1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["photos/red.png,purple"], r"line 2: label 'purple' is not a class of the dataset; classes: blue, green, red"),
        (["photos/red.png,Red"], r"line 2: label 'Red' is not a class of the dataset; did you mean 'red'\?"),
        (["photos/red.png,red", "photos/none.png,red"], r"line 3: .*none\.png: No such file"),
        (["photos/red.png"], r"line 2: .*expected a path and a label"),
        (["photos/red.png,red,extra"], r"line 2: .*expected a path and a label"),
        (["photos/red.png,red", "photos/red.png,red"], r"listed more than once: photos/red\.png"),
        (["photos/red.png,red", "./photos//red.png,red"], r"listed more than once: photos/red\.png"),
        (["must_pass.csv,red"], r"line 2: .*cannot be decoded"),
    ],
)
def test_a_bad_row_is_told_with_its_line(folder: Path, rows: list[str], told: str) -> None:
    listed(folder, *rows)
    with pytest.raises(DataError, match=told):
        read_must_pass(folder, classes=CLASSES)


@pytest.mark.parametrize("name", ["../secret.png", "photos/leak.png", "elsewhere/secret.png", "photos", "/dev/null"])
def test_an_image_elsewhere_or_no_file_is_refused_with_its_line(folder: Path, name: str) -> None:
    (folder.parent / "secret.png").write_bytes(square("red"))
    (folder / "photos" / "leak.png").symlink_to("../../secret.png")
    (folder / "elsewhere").symlink_to("..")
    listed(folder, "photos/red.png,red", f"{name},red")
    with pytest.raises(DataError, match=r"line 3: .*(leads out of|not a regular file)"):
        read_must_pass(folder, classes=CLASSES)


def test_a_link_that_stays_in_the_set_is_followed(folder: Path) -> None:
    (folder / "photos" / "same.png").symlink_to("red.png")
    (wanted,) = read_must_pass(listed(folder, "photos/same.png,red"), classes=CLASSES)
    assert wanted.content == square("red")


def test_other_columns_are_told(folder: Path) -> None:
    with pytest.raises(DataError, match="columns file, class; expected path, label"):
        read_must_pass(listed(folder, "a.png,red", header="file,class"), classes=CLASSES)
    (folder / "must_pass.csv").write_text("")
    with pytest.raises(DataError, match="columns none"):
        read_must_pass(folder, classes=CLASSES)


@pytest.mark.parametrize("content", [b"path,label\n\xff\xfe,red\n", b"path,label\n" + b"x" * 200_000 + b",red\n"])
def test_a_file_that_is_no_csv_is_named(folder: Path, content: bytes) -> None:
    (folder / "must_pass.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"must_pass\.csv: cannot be read"):
        read_must_pass(folder, classes=CLASSES)


@pytest.mark.parametrize("target", ["photos", "gone.csv"])
def test_a_link_to_no_file_is_no_missing_set(folder: Path, target: str) -> None:
    (folder / "must_pass.csv").symlink_to(target)
    with pytest.raises(DataError, match=r"must_pass\.csv: cannot be read"):
        read_must_pass(folder, classes=CLASSES)


@pytest.mark.parametrize("name", ["pipe.png", *BROKEN])
def test_what_is_no_image_is_refused_with_its_line_and_never_waited_for(folder: Path, name: str) -> None:
    write_broken(folder)
    os.mkfifo(folder / "pipe.png")
    listed(folder, "photos/red.png,red", f"{name},red")
    with pytest.raises(DataError, match=rf"line 3: .*{name}: (no image|not a regular file)"):
        read_must_pass(folder, classes=CLASSES)
