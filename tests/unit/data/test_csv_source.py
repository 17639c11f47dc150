"""A list of files: what it may say, and how its mistakes are told."""

import os
from pathlib import Path

import pytest

from broken_images import write_broken
from leeway.data.csv_source import CsvSource
from leeway.data.inspection import Finding, inspect
from leeway.errors import DataError


def listed(tmp_path: Path, text: str) -> CsvSource:
    (tmp_path / "list.csv").write_text(text, encoding="utf-8-sig")
    return CsvSource(path=str(tmp_path / "list.csv"))


def test_columns_say_what_is_where(photos, tmp_path: Path, picture) -> None:
    photos(cat=1, dog=1)
    text = "split,label,path,slice,group,note\n"
    text += "test,Cat,photos/cat/000.png,hall,patient 7,x\n,Dog,./photos/dog/000.png,,,\n"
    first, second = listed(tmp_path, text).items()
    assert (first.origin, first.label, first.split) == ("photos/cat/000.png", "Cat", "test")
    assert (first.slice, first.group) == ("hall", "patient 7")
    assert (second.origin, second.split, second.slice, second.group) == ("photos/dog/000.png", None, None, None)
    assert (first.read(), first.size) == (picture(0), len(picture(0)))


@pytest.mark.parametrize(
    "name", ["../id_rsa", "photos/../../id_rsa", "leak.png", "elsewhere/id_rsa", "../photos/cat/000.png"]
)
def test_a_file_outside_the_lists_folder_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "id_rsa").write_text("secret")
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "leak.png").symlink_to("../id_rsa")
    (folder / "elsewhere").symlink_to("..")
    with pytest.raises(DataError, match=r"line 3: .*leads out of"):
        listed(folder, f"path,label\na.png,cat\n{name},cat\n").items()


def test_links_that_stay_inside_are_followed_and_one_made_later_is_not(photos, tmp_path: Path, picture) -> None:
    photos(cat=1)
    (tmp_path / "album").symlink_to("photos/cat")
    (tmp_path / "1.png").symlink_to("album/000.png")
    source = listed(tmp_path, "path,label\n1.png,cat\nalbum/000.png,cat\n")
    assert [(item.origin, item.read(), item.size) for item in source.items()] == [
        (name, picture(0), len(picture(0))) for name in ("1.png", "album/000.png")
    ]
    items = source.items()
    (tmp_path / "photos" / "cat" / "000.png").rename(tmp_path / "moved.png")
    (tmp_path / "photos" / "cat" / "000.png").symlink_to(tmp_path / "moved.png")
    assert [inspect(item).found.finding for item in items] == [Finding.UNREADABLE] * 2


def test_a_file_that_is_not_there_is_a_finding(photos, tmp_path: Path) -> None:
    photos(cat=1)
    items = listed(tmp_path, "path,label\nphotos/cat/000.png,cat\nphotos/cat/gone.png,cat\nphotos,cat\n").items()
    found = {item.origin: inspect(item).found.finding for item in items}
    assert found == {
        "photos": Finding.NOT_AN_IMAGE,
        "photos/cat/000.png": None,
        "photos/cat/gone.png": Finding.UNREADABLE,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,label\na.png,cat\n", "column path is missing; found: file, label; needed: path, label"),
        ("", "column path, label is missing; found: nothing"),
        ("path,label\n", "has a heading and no line"),
        ("path,label\na.png,cat\n,dog\n", "line 3: the path is blank"),
        ("path,label\na.png,\n", "line 2: the label is blank"),
        (
            "path,label,split\na.png,cat,training\n",
            "line 2: split 'training' is unknown; known: train, val, test, held_out",
        ),
        ("path,label\na.png,cat\n./a.png,dog\n", "line 3: 'a.png' stands in line 2 already"),
        ("path,label\n/data/a.png,cat\n", "line 2: '/data/a.png' is absolute"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError) as error:
        listed(tmp_path, text).items()
    assert told in str(error.value)


def test_a_list_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist; params\.yaml, data\.source\.path"):
        CsvSource(path=str(tmp_path / "none.csv")).items()
    (tmp_path / "list.csv").write_bytes(b"path,label\n\xff\xfe,cat\n")
    with pytest.raises(DataError, match="is not a CSV in UTF-8"):
        CsvSource(path=str(tmp_path / "list.csv")).items()


def test_what_is_no_image_is_a_finding_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "album.png").mkdir()
    names = ["pipe.png", "album.png", *(path.name for path in write_broken(tmp_path))]
    items = listed(tmp_path, "path,label\n" + "".join(f"{name},cat\n" for name in names)).items()
    found = {item.origin: inspect(item).found.finding for item in items}
    assert (found["pipe.png"], found["album.png"]) == (Finding.NOT_AN_IMAGE, Finding.NOT_AN_IMAGE)
    assert (found["empty.png"], found["text.png"]) == (Finding.EMPTY, Finding.UNREADABLE)
    assert [name for name in names if found[name] is None] == []


@pytest.mark.parametrize("label", ["nan", "None", "N/A"])
def test_a_word_for_nothing_is_no_class(tmp_path: Path, label: str) -> None:
    with pytest.raises(DataError, match=rf"line 3: label '{label}' stands for no label"):
        listed(tmp_path, f"path,label\na.png,cat\nb.png,{label}\n").items()
