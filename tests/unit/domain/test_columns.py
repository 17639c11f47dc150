"""Columns of predictions as lists and as Arrow: the same rows, and the same hashes."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import content_hashes

TIME = pa.timestamp("us", "UTC")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LONG = st.sampled_from(["x" * 255, "x" * 256, "x" * 257, "ü" * 128, "ü" * 129, "ab" * 32, "AB" * 32, "ab" * 32 + "\n"])
TEXTS = NAMES | LONG
SHARES = st.floats(0, 1) | st.just(-0.0)
MOMENTS = st.datetimes()


@st.composite
def rows(draw: st.DrawFn) -> PredictionColumns:
    """Up to ten rows as lists, some columns of which are missing."""
    number = draw(st.integers(1, 10))

    def column(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=number, max_size=number))

    def perhaps(values: st.SearchStrategy[object]) -> list[object]:
        return column(values) if draw(st.booleans()) else []

    moments = column(MOMENTS)
    share = st.none() | SHARES
    return PredictionColumns(
        ids=column(TEXTS),
        occurred_at=[one.isoformat(" ", "microseconds") for one in moments],  # type: ignore[attr-defined]
        predicted=column(TEXTS),
        labels=perhaps(st.none() | TEXTS),
        draw_probabilities=perhaps(share),
        confidence=perhaps(share),
        second=perhaps(st.none() | TEXTS),
        probabilities=perhaps(st.lists(SHARES, min_size=1, max_size=3).map(json.dumps)),
        slices=perhaps(st.none() | TEXTS),
        groups=perhaps(TEXTS),
        images=perhaps(TEXTS),
        review=perhaps(st.none() | TEXTS),
    )


def as_arrow(columns: PredictionColumns, *, coded: bool = False, chunked: bool = False) -> PredictionColumns:
    """The same with Arrow columns: slices of longer ones, so that nothing begins at its buffer's beginning."""

    def array(name: str, values: list[object]) -> object:
        if name == "occurred_at":
            made = pa.array(["2025-01-01 00:00:00.000000", *values]).cast(pa.timestamp("us")).cast(TIME)
        elif name == "probabilities":
            made = pa.array([None, *map(json.loads, values)], pa.list_(pa.float64()))  # type: ignore[arg-type]
        elif name in ("confidence", "draw_probabilities", "energy", "latency_ms"):
            made = pa.array([None, *values], pa.float64())
        else:
            made = pa.array(["first", *values], pa.string())
            made = made.dictionary_encode() if coded and name in ("predicted", "slices") else made
        made = made.slice(1)
        return pa.chunked_array([made.slice(0, 1), made.slice(1)]) if chunked else made

    given_columns = {one.name: getattr(columns, one.name) for one in fields(columns) if one.name != "version_stated"}
    return PredictionColumns(**{name: array(name, values) for name, values in given_columns.items() if values})


@settings(max_examples=300, deadline=None)
@given(rows(), st.booleans(), st.booleans(), st.integers(1, 2**31))
def test_lists_and_arrow_have_the_same_hashes(
    columns: PredictionColumns, coded: bool, chunked: bool, version: int
) -> None:
    arrow = as_arrow(columns, coded=coded, chunked=chunked)
    assert content_hashes(version, arrow).tolist() == content_hashes(version, columns).tolist()
    texts = replace(arrow, occurred_at=pa.array(columns.occurred_at))
    assert content_hashes(version, texts).tolist() == content_hashes(version, columns).tolist()


@settings(max_examples=200, deadline=None)
@given(rows(), st.booleans())
def test_arrow_columns_are_the_lists_that_they_were_made_of(columns: PredictionColumns, chunked: bool) -> None:
    arrow = as_arrow(columns, chunked=chunked)
    listed = arrow.lists()
    assert {one.name: list(getattr(listed, one.name)) for one in fields(listed) if one.name != "version_stated"} == {
        one.name: list(getattr(columns, one.name)) for one in fields(columns) if one.name != "version_stated"
    }
    assert arrow.table().equals(columns.table())
    assert columns.lists() is columns


def test_a_table_has_every_column_with_its_type() -> None:
    found = PredictionColumns(["a", "b"], ["2025-03-01 05:00:00.000001"] * 2, ["dog", "cat"]).table()
    assert {name: str(kind) for name, kind in zip(found.column_names, found.schema.types, strict=True)} == {
        "id": "string",
        "occurred_at": "timestamp[us, tz=UTC]",
        "predicted_class": "string",
        "second_class": "string",
        "confidence": "double",
        "probabilities": "list<item: double>",
        "energy": "double",
        "latency_ms": "double",
        "group": "string",
        "slice": "string",
        "image": "string",
        "review": "string",
        "label": "string",
        "draw_probability": "double",
    }
    absent = {name for name in found.column_names if found[name].null_count == 2}
    assert absent == set(found.column_names) - {"id", "occurred_at", "predicted_class", "group", "image"}
    assert found["occurred_at"][0].as_py() == datetime(2025, 3, 1, 5, 0, 0, 1, UTC)
    assert (found["group"].to_pylist(), found["image"].to_pylist()) == (["a", "b"], ["", ""])


@pytest.mark.parametrize("confidence", [[0.5, float("nan")], pa.array([0.5, np.nan]), pa.array([0.5, None])], ids=type)
def test_a_confidence_that_is_no_number_is_null_in_a_table(confidence: object) -> None:
    columns = PredictionColumns(["a", "b"], ["2025-03-01 05:00:00.000000"] * 2, ["dog", "cat"], confidence=confidence)  # type: ignore[arg-type]
    assert columns.table()["confidence"].to_pylist() == [0.5, None]
    assert columns.table()["confidence"].null_count == 1


def test_a_row_without_probabilities_has_null_in_a_table_and_an_empty_list_as_text() -> None:
    times = ["2025-03-01 05:00:00.000000"] * 2
    columns = PredictionColumns(["a", "b"], times, ["dog", "cat"], probabilities=["[0.5, 0.5]", "[]"])
    assert columns.table()["probabilities"].to_pylist() == [[0.5, 0.5], None]
    arrow = replace(columns, probabilities=columns.table()["probabilities"])
    assert arrow.lists().probabilities == ["[0.5, 0.5]", "[]"]


def test_arrow_is_not_loaded_for_lists() -> None:
    code = (
        "import sys; from leeway.domain.columns import PredictionColumns; from leeway.domain.identity import *;"
        "content_hashes(1, PredictionColumns(['a'], ['2025-03-01 05:00:00.000000'], ['dog']).lists());"
        "sys.exit('pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
