"""The `data` section of params.yaml."""

from pathlib import Path

import pytest
import yaml

from leeway.data.digits_source import DigitsSource
from leeway.data.folder_source import FolderSource
from leeway.data.params import SOURCES, DataParams
from leeway.errors import ParamsError
from leeway.paramsfile import load_section

SPLIT = {"val": 0.15, "test": 0.15}


def params(tmp_path: Path, source: object) -> DataParams:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"data": {"source": source, "split": SPLIT}}))
    return load_section(path, "data", DataParams)


def test_the_kind_chooses_the_source(tmp_path: Path) -> None:
    assert params(tmp_path, {"kind": "digits", "share": 0.5}).source == DigitsSource(share=0.5)
    assert params(tmp_path, {"kind": "folder", "path": "photos"}).source == FolderSource(path="photos")


@pytest.mark.parametrize("source", [{"kind": "flickr"}, {"kind": []}, {"path": "photos"}, {}, "digits", None])
def test_an_unknown_kind_lists_the_known(tmp_path: Path, source: object) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: data\.source: ") as error:
        params(tmp_path, source)
    assert all(kind in str(error.value) for kind in SOURCES)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"kind": "folder", "pth": "photos"}, "Did you mean path?"),
        ({"kind": "folder", "path": ""}, "path"),
        ({"kind": "digits", "share": 1.5}, "share"),
        ({"kind": "digits", "share": 0}, "share"),
        ({"kind": "digits", "path": "photos"}, "Known here: kind, seed, share"),
    ],
)
def test_a_mistake_in_a_source_is_told_with_its_key(tmp_path: Path, source: object, told: str) -> None:
    with pytest.raises(ParamsError, match=r"^params\.yaml: data\.source\.") as error:
        params(tmp_path, source)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
