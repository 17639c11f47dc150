"""A folder per class: what counts as an image, and that nothing is passed over in silence."""

import os
from pathlib import Path

import pytest

from leeway.data.folder_source import FolderSource
from leeway.errors import DataError


def refusals(root: Path) -> dict[str, str | None]:
    return {item.origin: item.refusal for item in FolderSource(path=str(root)).items()}


def test_the_class_is_the_folder_directly_below(photos, picture) -> None:
    root = photos(cat=1)
    (root / "dog" / "young" / "brown").mkdir(parents=True)
    (root / "dog" / "young" / "brown" / "1.jpg").write_bytes(picture(1, "JPEG"))
    labels = {item.origin: item.label for item in FolderSource(path=str(root)).items()}
    assert labels == {"cat/000.png": "cat", "dog/young/brown/1.jpg": "dog"}


def test_everything_that_is_no_image_is_listed_with_a_reason(photos) -> None:
    root = photos(cat=1)
    for name in (
        "cat/.DS_Store",
        "cat/Thumbs.db",
        "cat/._000.png",
        "cat/notes.txt",
        "cat/README",
        "stray.png",
        ".hidden",
    ):
        (root / name).write_bytes(b"x")
    (root / "cat" / ".ipynb_checkpoints").mkdir()
    (root / "cat" / ".ipynb_checkpoints" / "000.png").write_bytes(b"x")
    (root / "dog").mkdir()
    os.mkfifo(root / "cat" / "pipe.png")
    (root / "cat" / "elsewhere").symlink_to(root / "dog", target_is_directory=True)
    assert refusals(root) == {
        ".hidden": "hidden",
        "cat/.DS_Store": "hidden",
        "cat/._000.png": "hidden",
        "cat/.ipynb_checkpoints": "a hidden folder",
        "cat/000.png": None,
        "cat/README": "extension '' is not one of an image",
        "cat/Thumbs.db": "hidden",
        "cat/elsewhere": "a link to a folder is followed for classes only",
        "cat/notes.txt": "extension '.txt' is not one of an image",
        "cat/pipe.png": "not a regular file",
        "dog": "an empty class folder",
        "stray.png": "stands in no class folder",
    }


def test_a_link_to_nowhere_is_left_to_the_inspection(photos) -> None:
    root = photos(cat=1)
    (root / "cat" / "broken.png").symlink_to(root / "gone.png")
    assert refusals(root)["cat/broken.png"] is None


def test_a_name_that_is_no_utf8_becomes_text(photos, picture) -> None:
    root = photos(cat=1)
    (root / "cat" / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(1))
    found = next(item for item in FolderSource(path=str(root)).items() if "caf" in item.origin)
    assert found.origin == "cat/caf\\xe9.png"
    assert found.origin.encode()
    assert found.read() == picture(1)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder '.*phtos' does not exist; params\.yaml, data\.source\.path"):
        FolderSource(path=str(tmp_path / "phtos")).items()


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is empty; it needs one folder of images per class"):
        FolderSource(path=str(tmp_path)).items()


def test_a_relative_folder_is_looked_for_in_the_workspace(photos, monkeypatch) -> None:
    monkeypatch.chdir(photos(cat=2).parent)
    assert [item.origin for item in FolderSource(path="photos").items()] == ["cat/000.png", "cat/001.png"]
