"""Prediction logs: every format, every kind of bad row with its line, every file that cannot be read."""

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leeway.errors import DataError
from leeway.predictions.formats import blocks
from leeway.predictions.formats.files import Batch, read_predictions
from leeway.predictions.formats.shapes import SCHEMA

T = "2026-01-31T08:00:00+00:00"
CLASSES = ("cat", "dog")
Row = dict[str, Any]
ROWS: list[Row] = [
    {"prediction_id": "a", "occurred_at": T, "predicted_class": "cat", "confidence": 0.75, "slice": "north"},
    {"prediction_id": "b", "occurred_at": "2026-01-31T10:00:00.5+02:00", "predicted_class": "dog", "confidence": 0.5},
]


def field(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"') else text


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([field(row.get(name)) for name in names] for row in rows)]
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), path)
    return path


Writer = Callable[[Path, Sequence[Row]], Path]
FORMATS = [("log.csv", write_csv, 2), ("log.jsonl", write_jsonl, 1), ("log.parquet", write_parquet, 1)]
every_format = pytest.mark.parametrize(("name", "write", "first"), FORMATS)


def read(path: Path, **options: Any) -> Batch:
    """The whole file as one batch."""
    batches = list(read_predictions(path, **options))
    assert all(batch.table.schema == SCHEMA and len(batch.lines) == len(batch.table) for batch in batches)
    table = pa.concat_tables([batch.table for batch in batches])
    bad = tuple(row for batch in batches for row in batch.bad)
    return Batch(table, bad, np.concatenate([batch.lines for batch in batches]))


def ids(batch: Batch) -> list[str]:
    return batch.table["prediction_id"].to_pylist()


def text_file(tmp_path: Path, text: str, name: str = "log.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@every_format
def test_each_format_gives_the_same_table(tmp_path: Path, name: str, write: Writer, first: int) -> None:
    batch = read(write(tmp_path / name, ROWS))
    assert batch.table["occurred_at"].to_pylist() == [
        datetime(2026, 1, 31, 8, tzinfo=UTC),
        datetime(2026, 1, 31, 8, 0, 0, 500_000, tzinfo=UTC),
    ]
    assert batch.table.drop(["occurred_at"]).to_pylist()[1] == dict.fromkeys(SCHEMA.names[5:]) | {
        "prediction_id": "b",
        "predicted_class": "dog",
        "confidence": 0.5,
        "probabilities": None,
    }
    assert batch.table["slice"].to_pylist() == ["north", None]
    assert batch.bad == ()
    assert batch.lines.tolist() == [first, first + 1]


@every_format
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prediction_id": ""}, "prediction_id is empty"),
        ({"prediction_id": None}, "prediction_id is empty"),
        ({"prediction_id": "a", "slice": "south"}, "prediction_id 'a' came before with other content"),
        ({"occurred_at": None}, "occurred_at is empty; write e.g. 2026-01-31T08:00:00+00:00"),
        ({"occurred_at": "2026-01-31 08:00"}, "has no time zone; write e.g. 2026-01-31T08:00:00+00:00"),
        ({"occurred_at": "2026-01-31"}, "has no time zone"),
        ({"occurred_at": "yesterday"}, "occurred_at 'yesterday' is no ISO 8601 time"),
        ({"occurred_at": "1769846400"}, "is no ISO 8601 time"),
        ({"occurred_at": "2026-02-30T08:00:00Z"}, "is no ISO 8601 time"),
        ({"occurred_at": "2026-31-01 08:00"}, "is no ISO 8601 time"),
        ({"predicted_class": None}, "predicted_class is empty"),
        ({"confidence": 1.5}, "confidence is '1.5'; it must be a number from 0 to 1"),
        ({"confidence": -0.1}, "confidence"),
        ({"probabilities": [0.5, 0.4]}, "sum to 0.9"),
        ({"probabilities": [0.2, 0.3, 0.5]}, "has 3 probabilities, but there are 2 classes"),
        ({"probabilities": []}, "has 0 probabilities, but there are 2 classes"),
        ({"probabilities": [1.5, -0.5]}, "outside 0 to 1"),
        ({"probabilities": [1.0, None]}, "missing"),
        ({"draw_probability": 0.0}, "draw_probability is '0.0'; it must be a number above 0 and at most 1"),
        ({"draw_probability": 1.1}, "draw_probability"),
        ({"label": "Cat"}, "label 'Cat' is not a class; did you mean 'cat'?"),
        ({"second_class": "Cat"}, "second_class 'Cat' is not a class; did you mean 'cat'?"),
        ({"second_class": "horse"}, "second_class is 'horse', which is no class of the model"),
        ({"second_class": ROWS[0]["predicted_class"]}, "as predicted_class is; name the next likely class"),
    ],
)
def test_a_bad_row_is_kept_out_and_told_with_its_line(
    tmp_path: Path, name: str, write: Writer, first: int, change: Row, told: str
) -> None:
    good = {**ROWS[0], "probabilities": [0.25, 0.75], "draw_probability": 1.0, "label": "cat"}
    rows = [good, {**good, "prediction_id": "bad", **change}, {**good, "prediction_id": "c"}]
    batch = read(write(tmp_path / name, rows), classes=CLASSES)
    assert ids(batch) == ["a", "c"]
    assert [row.line for row in batch.bad] == [first + 1]
    assert told in batch.bad[0].problem
    assert batch.lines.tolist() == [first, first + 2]


@pytest.mark.parametrize("value", ["high", "12%", "0x1", "1e999"])
def test_text_where_a_number_belongs_is_a_bad_row(tmp_path: Path, value: str) -> None:
    for number, write in enumerate((write_csv, write_jsonl, write_parquet)):
        suffix = ("csv", "jsonl", "parquet")[number]
        rows = [{**row, "confidence": text} for row, text in zip(ROWS, ("0.5", value), strict=True)]
        assert [value in row.problem for row in read(write(tmp_path / f"log.{suffix}", rows)).bad] == [True]


@pytest.mark.parametrize("value", ["0.5", "[1.0", "[a]", "cat", "[[1]]"])
def test_text_that_is_no_list_of_probabilities_is_a_bad_row(tmp_path: Path, value: str) -> None:
    rows = [{**ROWS[0], "probabilities": "[0.5, 0.5]"}, {**ROWS[1], "probabilities": value}]
    batch = read(write_csv(tmp_path / "log.csv", rows))
    assert [row.line for row in batch.bad] == [3]
    assert batch.table["probabilities"].to_pylist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T08:00:00Z",
        "2026-01-31 08:00:00+00",
        "2026-01-31T09:30:00+0130",
        "2026-01-31T08:00Z",
        "2026-01-31T08:00:00.000000999Z",
    ],
)
def test_times_are_read_alone_and_beside_bad_ones(tmp_path: Path, written: str) -> None:
    for others in ([], [{**ROWS[0], "prediction_id": "x", "occurred_at": "never"}]):
        batch = read(write_csv(tmp_path / "log.csv", [{**ROWS[0], "occurred_at": written}, *others]))
        assert batch.table["occurred_at"].to_pylist() == [datetime(2026, 1, 31, 8, tzinfo=UTC)]
        assert len(batch.bad) == len(others)


def test_a_time_in_the_future_is_good_and_one_that_python_cannot_hold_is_bad(tmp_path: Path) -> None:
    times = ("2999-01-01T00:00:00Z", "9999-12-31T23:00:00-05:00")
    batch = read(write_csv(tmp_path / "log.csv", [{**ROWS[0], "prediction_id": at, "occurred_at": at} for at in times]))
    assert ids(batch) == [times[0]]
    assert batch.bad[0].problem.startswith("occurred_at is outside years 1 to 9999")


def test_a_predicted_class_outside_the_classes_is_not_a_bad_row(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "log.csv", ROWS), classes=("cat",)).bad == ()


@every_format
def test_missing_and_nan_confidences_are_null(tmp_path: Path, name: str, write: Writer, first: int) -> None:
    rows = [{**ROWS[0], "prediction_id": str(number), "confidence": c} for number, c in enumerate((0.5, None, np.nan))]
    assert read(write(tmp_path / name, rows)).table["confidence"].to_pylist() == [0.5, None, None]


def test_float32_softmax_values_just_above_one_are_taken_as_one(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "confidence": 1.0000001, "probabilities": [1.0000001, 0.0]}]
    batch = read(write_parquet(tmp_path / "log.parquet", rows), classes=CLASSES)
    assert batch.table.select(["confidence", "probabilities"]).to_pylist() == [
        {"confidence": 1.0, "probabilities": [1.0, 0.0]}
    ]


@every_format
def test_probabilities_give_class_and_confidence_where_these_are_missing(
    tmp_path: Path, name: str, write: Writer, first: int
) -> None:
    bare = {"occurred_at": T}
    rows = [{"prediction_id": "a", **bare, "probabilities": [0.2, 0.8]}, {"prediction_id": "b", **bare}]
    for given in (
        rows,
        [
            {**row, "p_dog": p, "p_cat": q}
            for row, p, q in (({"prediction_id": "a", **bare}, 0.8, 0.2), (rows[1], None, None))
        ],
    ):
        batch = read(write(tmp_path / name, given), classes=CLASSES)
        assert batch.table.select(["predicted_class", "confidence", "probabilities"]).to_pylist() == [
            {"predicted_class": "dog", "confidence": 0.8, "probabilities": [0.2, 0.8]}
        ]
        assert [(row.line, row.problem[:30]) for row in batch.bad] == [(first + 1, "has neither a predicted_class ")]


@every_format
def test_the_second_class_is_read_or_taken_from_the_probabilities(
    tmp_path: Path, name: str, write: Writer, first: int
) -> None:
    """Of the classes beside the answer the most probable one; what the file names goes before."""
    rows = [
        {"prediction_id": "a", "predicted_class": "dog", "probabilities": [0.3, 0.6, 0.1], "second_class": "fox"},
        {"prediction_id": "b", "predicted_class": "dog", "probabilities": [0.3, 0.6, 0.1]},
        {"prediction_id": "c", "predicted_class": "fox", "probabilities": [0.3, 0.6, 0.1]},
        {"prediction_id": "d", "predicted_class": "fox"},
        {"prediction_id": "e", "predicted_class": "horse", "probabilities": [0.3, 0.6, 0.1]},
    ]
    batch = read(write(tmp_path / name, [{"occurred_at": T, **row} for row in rows]), classes=["cat", "dog", "fox"])
    assert batch.bad == ()
    assert batch.table["second_class"].to_pylist() == ["fox", "cat", "dog", None, "dog"]


def test_a_log_without_second_classes_has_none(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "log.csv", ROWS), classes=CLASSES).table["second_class"].null_count == len(ROWS)


@every_format
def test_probability_columns_without_classes_are_in_alphabetical_order(
    tmp_path: Path, name: str, write: Writer, first: int
) -> None:
    rows = [{**ROWS[0], "p_dog": 0.75, "p_cat": 0.25}, {**ROWS[1], "p_dog": "0.5", "p_cat": None}]
    batch = read(write(tmp_path / name, rows[:1]))
    assert batch.table["probabilities"].to_pylist() == [[0.25, 0.75]]
    alone = read(write(tmp_path / name, [{**ROWS[0], "p_value": 0.01}]))
    assert alone.table["probabilities"].to_pylist() == [None]
    if name != "log.parquet":  # there a column has one type
        assert "missing" in read(write(tmp_path / name, rows)).bad[0].problem


def test_all_columns_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [{"uuid": "a", "ts": T, "answer": "cat", "score": 0.5}])
    with pytest.raises(DataError, match="has no column 'prediction_id', 'occurred_at', 'predicted_class'") as error:
        read(path)
    assert "--columns prediction_id=their_name,occurred_at=their_name,predicted_class=their_name" in str(error.value)


def test_a_probability_column_for_some_classes_only_is_an_error(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [{**ROWS[0], "p_cat": 1}])
    with pytest.raises(DataError, match="has no column 'p_dog'"):
        read(path, classes=CLASSES)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 2), pa.large_list(pa.float64()), pa.list_(pa.int8())])
def test_parquet_lists_of_any_kind_are_probabilities(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.Table.from_pylist(ROWS[:1]).append_column("probabilities", pa.array([[0, 1]], kind))
    pq.write_table(table, tmp_path / "log.parquet")
    assert read(tmp_path / "log.parquet").table["probabilities"].to_pylist() == [[0, 1]]


@every_format
def test_numbers_as_ids_and_labels_become_text(tmp_path: Path, name: str, write: Writer, first: int) -> None:
    rows = [{**ROWS[0], "prediction_id": number, "predicted_class": 3, "label": 4} for number in (7, 8)]
    table = read(write(tmp_path / name, rows)).table
    assert table.select(["prediction_id", "predicted_class", "label"]).to_pylist()[1] == {
        "prediction_id": "8",
        "predicted_class": "3",
        "label": "4",
    }


def test_parquet_text_may_be_dictionaries_and_floats(tmp_path: Path) -> None:
    table = pa.table(
        {
            "prediction_id": pa.array(["a", "b"], pa.large_string()),
            "occurred_at": pa.array([datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=1)))] * 2),
            "predicted_class": pa.array(["cat", "dog"]).dictionary_encode(),
            "label": [3.0, np.nan],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    batch = read(tmp_path / "log.parquet")
    assert batch.table["label"].to_pylist() == ["3", None]
    assert batch.table["occurred_at"].to_pylist() == [datetime(2026, 1, 31, 8, tzinfo=UTC)] * 2


@pytest.mark.parametrize("times", [pa.array([0], pa.timestamp("us")), pa.array([1769846400]), pa.array([1.5])])
def test_parquet_times_without_a_zone_and_numbers_are_refused(tmp_path: Path, times: pa.Array) -> None:
    pq.write_table(
        pa.table({"prediction_id": ["a"], "occurred_at": times, "predicted_class": ["cat"]}), tmp_path / "l.parquet"
    )
    with pytest.raises(DataError, match="it must be a timestamp with a time zone, or text"):
        read(tmp_path / "l.parquet")


@every_format
def test_columns_are_named_as_the_user_says_and_others_are_ignored(
    tmp_path: Path, name: str, write: Writer, first: int
) -> None:
    names = {"prediction_id": "uid", "occurred_at": "ts", "predicted_class": "pred"}
    rows = [{names.get(key, key): value for key, value in row.items()} | {"extra": [1]} for row in ROWS]
    batch = read(write(tmp_path / name, rows), columns=names)
    assert ids(batch) == ["a", "b"]
    assert batch.table["slice"].to_pylist() == ["north", None]


@every_format
def test_a_column_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, name: str, write: Writer, first: int
) -> None:
    path = write(tmp_path / name, [{"prediction_id": "a", "occurred_at": T, "predictedclass": "cat"}])
    with pytest.raises(DataError, match="prediction_id, occurred_at, predictedclass") as error:
        read(path)
    assert "--columns predicted_class=their_name" in str(error.value)
    assert "Did you mean 'predictedclass'?" in str(error.value)
    with pytest.raises(DataError, match="has no column 'score'"):
        read(path, columns={"predicted_class": "predictedclass", "confidence": "score"})
    with pytest.raises(DataError, match="--columns names 'score'; known are prediction_id"):
        read(path, columns={"score": "confidence"})


@every_format
def test_an_exact_duplicate_is_dropped_and_another_content_is_told(
    tmp_path: Path, name: str, write: Writer, first: int
) -> None:
    full = {**ROWS[0], "probabilities": [0.25, 0.75], "image": "x" * 300}
    for change in (
        {},
        {"slice": "south"},
        {"confidence": 0.5},
        {"image": "x" * 299 + "y"},
        {"slice": None},
        {"probabilities": [0.75, 0.25]},
        {"occurred_at": "2026-01-31T08:00:01Z"},
    ):
        path = write(tmp_path / name, [full, ROWS[1], full | change])
        for rows_at_once in (1, 2, 10):
            batch = read(path, rows_at_once=rows_at_once)
            assert ids(batch) == ["a", "b"]
            assert [row.line for row in batch.bad] == ([first + 2] if change else [])


def test_ids_that_differ_only_in_length_or_place_are_not_taken_for_each_other(tmp_path: Path) -> None:
    given = ["a", "a ", "aa", "b", "ab", "ba", "é" * 200, "é" * 199 + "e", *(f"{n:017d}" for n in range(5000))]
    batch = read(
        write_csv(tmp_path / "log.csv", [{**ROWS[0], "prediction_id": name} for name in given]), rows_at_once=700
    )
    assert ids(batch) == given


@every_format
def test_a_long_file_streams_in_blocks_with_exact_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Writer, first: int
) -> None:
    monkeypatch.setattr(blocks, "_BLOCK", 1000)
    rows = [{**ROWS[0], "prediction_id": f"id-{n}", "confidence": 2.0 if n % 10 == 3 else 0.5} for n in range(200)]
    batches = list(read_predictions(write(tmp_path / name, rows), rows_at_once=7))
    sizes = [len(batch.table) + len(batch.bad) for batch in batches]
    assert max(sizes) <= 7
    assert sizes.count(1) <= 1, "a block is cut into parts of like size"
    good = [n for n in range(200) if n % 10 != 3]
    assert [text for batch in batches for text in ids(batch)] == [f"id-{n}" for n in good]
    assert [line for batch in batches for line in batch.lines] == [first + n for n in good]
    assert [row.line for batch in batches for row in batch.bad] == [first + n for n in range(3, 200, 10)]


@pytest.mark.parametrize("block", [10, 60, 10_000])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_lines_stay_exact_after_lines_that_are_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, newline: str
) -> None:
    monkeypatch.setattr(blocks, "_BLOCK", block)
    good = f"{{}},{T},cat,0.5"
    lines = [
        "prediction_id,occurred_at,predicted_class,confidence",
        good.format("a"),
        "",
        f"b,{T},cat",
        good.format("c"),
    ]
    lines += [good.format("d") + ",", f"e,{T},cat,2", good.format('"f,g"')]
    batch = read(text_file(tmp_path, newline.join(lines)))
    assert dict(zip(ids(batch), batch.lines.tolist(), strict=True)) == {"a": 2, "c": 5, "f,g": 8}
    assert [row.line for row in batch.bad] == [4, 6, 7]
    assert batch.bad[0].problem.startswith("has 3 fields, but the header has 4")


def test_an_open_quote_spoils_its_own_line_only(tmp_path: Path) -> None:
    rows = [f"{name},{T},cat" for name in ("a", '"b', "c", '"d', "e")]
    batch = read(text_file(tmp_path, "\n".join(["prediction_id,occurred_at,predicted_class", *rows, ""])))
    assert ids(batch) == ["a", "c", "e"]
    assert [row.line for row in batch.bad] == [3, 5]
    assert batch.lines.tolist() == [2, 4, 6]


def test_jsonl_lines_stay_exact_after_lines_that_are_no_objects(tmp_path: Path) -> None:
    good = [json.dumps({**ROWS[0], "prediction_id": name}) for name in "abc"]
    lines = [
        good[0],
        "",
        "[1]",
        "{",
        good[1],
        good[1] + good[2],
        "null",
        json.dumps({**ROWS[0], "confidence": "high"}),
        good[2],
    ]
    batch = read(text_file(tmp_path, "\n".join([*lines, "{}"]), "log.ndjson"))
    assert dict(zip(ids(batch), batch.lines.tolist(), strict=True)) == {"a": 1, "b": 5, "c": 9}
    assert [row.line for row in batch.bad] == [3, 4, 6, 7, 8, 10]


def test_a_byte_order_mark_gzip_and_zstd_are_accepted(tmp_path: Path) -> None:
    for suffix, write in (("csv", write_csv), ("jsonl", write_jsonl)):
        plain = b"\xef\xbb\xbf" + write(tmp_path / f"log.{suffix}", ROWS).read_bytes()
        (tmp_path / f"marked.{suffix}").write_bytes(plain)
        (tmp_path / f"marked.{suffix}.gz").write_bytes(gzip.compress(plain, mtime=0))
        assert ids(read(tmp_path / f"marked.{suffix}")) == ["a", "b"]
        assert ids(read(tmp_path / f"marked.{suffix}.gz")) == ["a", "b"]
        with pa.output_stream(tmp_path / f"marked.{suffix}.zst", compression="zstd") as file:
            file.write(plain)
        assert ids(read(tmp_path / f"marked.{suffix}.zst")) == ["a", "b"]


HEADER = "prediction_id,occurred_at,predicted_class\n"
ROW = f"a,{T},cat\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("log.csv", b"", "is empty"),
        ("log.csv", HEADER.encode(), "has no rows"),
        ("log.csv", PNG, "holds binary data or UTF-16"),
        ("log.jsonl", PNG, "holds binary data or UTF-16"),
        ("log.csv", (HEADER + ROW).encode("utf-16"), "holds binary data or UTF-16"),
        ("log.csv", (HEADER + ROW + "caf\xe9").encode("latin-1"), "line 3 has bytes that are no UTF-8 text"),
        ("log.csv", HEADER.replace(",", ";").encode(), "The fields must be separated by commas"),
        ("log.csv", HEADER.replace("\n", ",occurred_at\n").encode(), "has the column 'occurred_at' more than once"),
        ("log.csv", b"PAR1....", "its content is Parquet"),
        ("log.parquet", HEADER.encode(), "its content is not Parquet"),
        ("log.parquet", b"PAR1....", "cannot be read to its end"),
        ("log.csv.gz", gzip.compress((HEADER + ROW).encode() * 9, mtime=0)[:-12], "cannot be read to its end"),
        ("log.csv.zst", pa.compress((HEADER + ROW).encode() * 9, "zstd", asbytes=True)[:-12], "cannot be read to its"),
        ("log.json", json.dumps(ROWS, indent=1).encode(), "has no JSON object on its first lines"),
        ("log.jsonl", b"\n\n", "has no JSON object on its first lines"),
        ("log.txt", ROW.encode(), "must end in .csv, .jsonl"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_parquet_file_is_told(tmp_path: Path) -> None:
    content = write_parquet(tmp_path / "log.parquet", ROWS * 100).read_bytes()
    (tmp_path / "log.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is the file complete"):
        read(tmp_path / "log.parquet")


def test_a_missing_file_and_a_line_without_end_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        read(tmp_path / "none.csv")
    monkeypatch.setattr(blocks, "_BLOCK", 100)
    monkeypatch.setattr(blocks, "_LONGEST_LINE", 200)
    with pytest.raises(DataError, match="line 3 is longer than 200 bytes"):
        read(text_file(tmp_path, HEADER + ROW + "x" * 1000))


@pytest.mark.parametrize("time", [T, "2026-01-31T08:00:00.0000001Z"])
@pytest.mark.parametrize("bad", [None, "7,1", "0.5x,1", "0.50,0", "1_0,1", "inf,1", ",1.50"])
def test_numbers_of_a_csv_are_read_alike_whatever_stands_beside_them(
    tmp_path: Path, time: str, bad: str | None
) -> None:
    """A block with a number or a time that is none, or is too fine, is read once more, as texts."""
    header = "prediction_id,occurred_at,predicted_class,confidence,draw_probability"
    lines = [f"{n},{time},cat,{share},{share.strip()}" for n, share in enumerate((" 0.5", "0.25\t", "", "nan"))]
    (tmp_path / "log.csv").write_text("\n".join([header, *lines, *([f"x,{T},cat,{bad}"] if bad else [])]) + "\n")
    batch = read(tmp_path / "log.csv")
    assert batch.table["confidence"].to_pylist() == [0.5, 0.25, None, None]
    assert batch.table["draw_probability"].to_pylist() == [0.5, 0.25, None, None]
    assert set(batch.table["occurred_at"].to_pylist()) == {datetime.fromisoformat(T)}
    assert len(batch.bad) == (bad is not None)
    if bad:
        share = bad.split(",")[bad.startswith((",", "0.50,"))]
        assert f"is '{share}'; it must be a number" in batch.bad[0].problem


def test_one_column_may_be_a_number_and_a_name(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", ROWS[:1])
    batch = read(path, columns={"slice": "confidence"})
    assert (batch.table["slice"].to_pylist(), batch.table["confidence"].to_pylist()) == (["0.75"], [0.75])
