"""Corrections: written once, read in order."""

from pathlib import Path

import pytest

from leeway.data.corrections import Correction, read_corrections, write_corrections
from leeway.errors import DataError


def test_each_list_is_a_file_of_its_own_and_the_later_one_holds(tmp_path: Path) -> None:
    first = write_corrections(tmp_path, [Correction("a", "cat", "ann"), Correction("b", None, "ann")])
    second = write_corrections(tmp_path, [Correction("a", "dog", "bob")])
    assert [first.name, second.name] == ["corrections-00001.parquet", "corrections-00002.parquet"]
    assert read_corrections(tmp_path) == {"a": Correction("a", "dog", "bob"), "b": Correction("b", None, "ann")}
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_the_same_list_again_changes_nothing(tmp_path: Path) -> None:
    path = write_corrections(tmp_path / "feedback", [Correction("a", "cat", "ann")])
    assert write_corrections(tmp_path / "feedback", [Correction("a", "cat", "ann")]) == path
    assert list((tmp_path / "feedback").iterdir()) == [path]


def test_an_empty_list_and_an_image_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no correction to write"):
        write_corrections(tmp_path, [])
    with pytest.raises(DataError, match="image a is corrected twice"):
        write_corrections(tmp_path, [Correction("a", "cat", "ann"), Correction("a", "dog", "ann")])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert read_corrections(tmp_path / "none") == {}
