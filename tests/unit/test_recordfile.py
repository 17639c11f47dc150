"""JSON becomes frozen records, files of an older Leeway included; a mistake is named by its key."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leeway.bundle.contents import read_contents
from leeway.bundle.resize import ResizeRule
from leeway.domain.records import ReferenceCounts, Tally
from leeway.errors import DataError, StoreError
from leeway.recordfile import parse_record, read_record
from leeway.stores import rows


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Outer:
    inner: tuple[Inner, ...]
    count: int = 3


def parsed(content: Any) -> Outer:
    return parse_record(content, Outer, where="file.json", error=DataError, hint="make it anew")


def test_lists_become_tuples_and_missing_keys_take_their_defaults() -> None:
    assert parsed({"inner": [{"name": "a", "numbers": [1, 2.5]}, {"name": "b"}]}) == Outer(
        (Inner("a", (1, 2.5)), Inner("b"))
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"inner": [{"name": "a", "numbers": [1, "x"]}]}, r"inner\.0\.numbers\.1: .*number.*'x'"),
        ({"inner": [{}]}, r"inner\.0\.name: is missing"),
        ({"inner": [], "cuont": 1}, "cuont: unknown key"),
        ({"inner": [{"name": "a", "more": 1}]}, r"inner\.0\.more: unknown key"),
        ([], r".*got \[\]"),
    ],
)
def test_a_mistake_is_named_by_its_key_with_the_place_and_what_to_do(content: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"^file\.json: {said}; make it anew$"):
        parsed(content)


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe"])
def test_a_file_that_is_missing_or_not_json_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"file\.json: .*; make it anew"):
        read_record(path, Outer, error=DataError, hint="make it anew")


OLD_REFERENCE = {  # as Leeway 0.1 wrote it before it counted bins
    "classes": ["cat", "dog"],
    "band_edges": [0.5, 0.9],
    "counts": [[1, 2, 3], [0, 0, 4]],
    "correct": 9,
    "total": 10,
}
REFERENCE = ReferenceCounts(("cat", "dog"), (0.5, 0.9), ((1, 2, 3), (0, 0, 4)), correct=9, total=10)


def test_a_bundle_of_an_older_leeway_is_read(tmp_path: Path) -> None:
    index = {
        "format_version": 1,
        "classes": ["cat", "dog"],
        "resize": {"height": 32, "width": 32, "shorter_side": 36, "interpolation": "bilinear"},
        "backbone": "small_cnn",
        "weights": None,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "temperature": 1,
        "dataset_digest": "d" * 64,
        "leeway_version": "0.1.0",
        "reference": OLD_REFERENCE,
        "files": {"graph.onnx": "a" * 64},
    }
    (tmp_path / "bundle.json").write_text(json.dumps(index))
    contents = read_contents(tmp_path)
    assert contents.resize == ResizeRule(32, 32, 36, fit="crop", channels=3)
    assert contents.reference == REFERENCE
    assert (contents.mean, contents.files) == ((0.5, 0.5, 0.5), {"graph.onnx": "a" * 64})
    assert (contents.review_threshold, contents.training, contents.golden_tolerance) == (None, {}, 1e-3)


def test_a_model_version_that_an_older_leeway_stored_is_read() -> None:
    row: Any = SimpleNamespace(
        model="m", version=1, bundle_digest="b", dataset_digest="d", reference=OLD_REFERENCE, serving_since=None
    )
    assert rows.model_from(row).reference == REFERENCE
    row.reference = OLD_REFERENCE | {"total": "many"}
    with pytest.raises(StoreError, match=r"^table models: total: .*'many'"):
        rows.model_from(row)


def test_plans_and_windows_are_read_as_they_were_stored() -> None:
    plan: Any = SimpleNamespace(
        **{
            "id": "p",
            "model": "m",
            "version": 1,
            "night": date(2026, 1, 2),
            "made_at": datetime(2026, 1, 3, tzinfo=UTC),
        },
        **{"predictions": 10, "mean_guess": 0.1, "closed_at": None, "stratum_shares": {"a": 1.0}, "uniform_share": 0.2},
        **{
            "parts": {"class cat": [3, 0.1, 0.2]},
            "applied_by": None,
            "asked": 0,
            "position": "7",
            "answer_rates": {"0": 0.5},
            "seconded": 0.25,
        },
        given=[{"predicted_class": "cat", "label": "dog", "slice": None, "probability": 0.25, "count": 2}],
    )
    read = rows.design_from(plan)
    assert read.given == (Tally("cat", "dog", None, 0.25, 2),)
    assert read.parts == {"class cat": (3, 0.1, 0.2)}
    window: Any = SimpleNamespace(
        **{
            "model": "m",
            "version": 1,
            "night": date(2026, 1, 2),
            "classes": ["cat", "dog"],
            "counts": [[1, 2, 3], [0, 0, 4]],
        },
        **{"foreign": 0, "histogram": [4, 6], "without_confidence": 0, "slices": {}, "position": None, "repeats": []},
    )
    counted = rows.window_from(window)
    assert (counted.counts, counted.histogram, counted.position) == (((1, 2, 3), (0, 0, 4)), (4, 6), None)
