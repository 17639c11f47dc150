"""Reads blocks of CSV, JSON lines and Parquet, each row with its line."""

import csv
import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from leeway.domain.arrow import whole
from leeway.domain.text import counted
from leeway.errors import DataError
from leeway.predictions.formats.shapes import REQUIRED, SCHEMA, SHARES, TEXTS, TIME, BadRow, RawRows, as_mask

_BLOCK = 10 * 2**20  # bytes of lines in memory at once: about as many rows as the log's parts have in a group
_LONGEST_LINE = 16 * 2**20  # bytes


def _plan(found: Collection[str], columns: Mapping[str, str], classes: Sequence[str] | None) -> dict[str, str]:
    """Our name to the file's, for every column that is read."""
    unknown = [name for name in columns if name not in SCHEMA.names and not name.startswith("p_")]
    if unknown:
        raise DataError(f"--columns names {unknown[0]!r}; known are {', '.join(SCHEMA.names)} and p_<class>")
    names = {name: columns.get(name, name) for name in SCHEMA.names}
    plan = {name: theirs for name, theirs in names.items() if theirs in found}
    if "probabilities" not in plan:
        known = [name for name in (*found, *columns) if name.startswith("p_")] if classes is None else []
        wanted = sorted(set(known)) if classes is None else [f"p_{name}" for name in classes]
        of_classes = {name: columns.get(name, name) for name in wanted}
        here = [name for name, theirs in of_classes.items() if theirs in found]
        if here and len(here) < len(wanted):
            names.update(of_classes)
        elif len(here) > (classes is None):
            plan.update(of_classes)
    argmax = any(name.startswith("p_") for name in plan) or (classes is not None and "probabilities" in plan)
    missing = [name for name in REQUIRED if name not in plan and not (name == "predicted_class" and argmax)]
    missing += [name for name in names if names[name] not in found and (name in columns or name.startswith("p_"))]
    if missing:
        raise DataError(_told_missing({name: columns.get(name, name) for name in missing}, found))
    twice = [theirs for theirs in plan.values() if list(found).count(theirs) > 1]
    if twice:
        raise DataError(f"has the column {twice[0]!r} more than once; rename all but one")
    return plan


def _told_missing(missing: Mapping[str, str], found: Collection[str]) -> str:
    """Say which columns the file lacks, all of them; `missing`: the file's name of each, by ours."""
    theirs = ", ".join(map(repr, dict.fromkeys(missing.values())))
    near = difflib.get_close_matches(next(iter(missing.values())), list(found), n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    if len(found) == 1 and any(mark in next(iter(found)) for mark in ";\t"):
        meant = " The fields must be separated by commas."
    names = ",".join(f"{name}=their_name" for name in list(missing)[:4])
    return f"has no column {theirs}, only {', '.join(found)[:500]}; name what it has with --columns {names}.{meant}"


def read_parquet(path: Path, columns: Mapping[str, str], classes: Sequence[str] | None, size: int) -> Iterator[RawRows]:
    with pq.ParquetFile(path) as file:
        plan, row = _plan(file.schema_arrow.names, columns, classes), 1
        for batch in file.iter_batches(batch_size=size, columns=sorted(set(plan.values()))):
            arrays = {name: batch.column(theirs) for name, theirs in plan.items()}
            yield RawRows(arrays, np.arange(row, row + len(batch)), [])
            row += len(batch)


def read_blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about `_BLOCK` bytes at a time, with the number of the first; UTF-8 without byte-order mark."""
    line = 1
    while block := file.read(_BLOCK):
        rest = b"" if block.endswith(b"\n") else file.readline(_LONGEST_LINE)
        if len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            raise DataError(
                f"line {line + block.count(10)} is longer than {_LONGEST_LINE:,} bytes; write a row per line"
            )
        block = (block + rest).removeprefix(b"\xef\xbb\xbf" if line == 1 else b"")
        if b"\0" in block:
            raise DataError("holds binary data or UTF-16, not UTF-8 text; export it as CSV, JSON lines or Parquet")
        try:
            block.decode()
        except UnicodeDecodeError as error:
            number = line + block.count(b"\n", 0, error.start)
            raise DataError(f"line {number} has bytes that are no UTF-8 text; save the file as UTF-8") from None
        yield line, block
        line += count_lines(block)


def read_csv(
    blocks: Iterator[tuple[int, bytes]], columns: Mapping[str, str], classes: Sequence[str] | None
) -> Iterator[RawRows]:
    header: list[str] = []
    plan: dict[str, str] = {}
    for first, block in blocks:
        if first == 1:
            top, _, block = block.partition(b"\n")
            header = next(csv.reader([top.decode().rstrip("\r")]), [])
            plan, first = _plan(header, columns, classes), 2
        if block:
            yield _csv_block(block, first, header, plan) or _csv_lines(block, first, header, plan)


def _csv_block(block: bytes, first: int, header: list[str], plan: Mapping[str, str]) -> RawRows | None:
    """All lines at once; None if lines and rows do not match one to one, as after a quote that is left open.

    Times and numbers are read as such; where one of them is none, or no share, all are texts, to be shown as written.
    """
    typed = {name: SCHEMA.field(name).type for name in ("occurred_at", *SHARES) if name in plan}
    typed |= {name: pa.float64() for name in plan if name.startswith("p_")}
    as_text = {theirs for name, theirs in plan.items() if name not in typed}
    types = {plan[name]: kind for name, kind in typed.items() if plan[name] not in as_text}
    raw = _csv_rows(block, first, header, plan, types)
    if raw is not None and all(_is_share(raw.columns[name], name) for name in typed if name != "occurred_at"):
        return raw
    return _csv_rows(block, first, header, plan, {})


def _is_share(column: pa.Array, name: str) -> bool:
    """Whether a column that was read as numbers has shares alone."""
    if pa.types.is_string(column.type):
        return True
    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is None or bool(0 < low <= high <= 1 if name == "draw_probability" else 0 <= low <= high <= 1)


def _csv_rows(
    block: bytes, first: int, header: list[str], plan: Mapping[str, str], types: Mapping[str, pa.DataType]
) -> RawRows | None:
    wrong: list[pyarrow.csv.InvalidRow] = []

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    theirs = list(dict.fromkeys(plan.values()))
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            # one thread and one chunk: only then has a wrong row its number
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=header),
            parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=skip),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={**dict.fromkeys(theirs, pa.string()), **types},
                include_columns=theirs,
                strings_can_be_null=True,
                null_values=[""],
                check_utf8=False,  # done
            ),
        )
    except pa.ArrowInvalid:
        return None
    count = count_lines(block)
    if table.num_rows + len(wrong) != count:
        return None
    lines = np.delete(np.arange(first, first + count), [row.number - 1 for row in wrong])
    bad = [BadRow(first + row.number - 1, _told_fields(row.actual_columns, row.expected_columns)) for row in wrong]
    arrays = {name: whole(table[theirs]) for name, theirs in plan.items()}
    return _without_blank(RawRows(arrays, lines, bad))


def _csv_lines(block: bytes, first: int, header: list[str], plan: Mapping[str, str]) -> RawRows:
    """Line by line: slow, and one bad line does not take others with it."""
    rows: list[list[str]] = []
    lines: list[int] = []
    bad: list[BadRow] = []
    for line, text in enumerate(block.decode().split("\n"), first):
        try:
            fields = next(csv.reader([text.removesuffix("\r")], strict=True), [])
        except csv.Error as error:
            bad.append(BadRow(line, f"does not split into fields ({error}); a row must be one line, its quotes closed"))
            continue
        if fields and len(fields) != len(header):
            bad.append(BadRow(line, _told_fields(len(fields), len(header))))
        elif fields:
            rows.append(fields)
            lines.append(line)
    places = {name: header.index(theirs) for name, theirs in plan.items()}
    arrays = {name: pa.array([row[place] or None for row in rows], pa.string()) for name, place in places.items()}
    return _without_blank(RawRows(arrays, np.array(lines, np.int64), bad))


def _told_fields(got: int, expected: int) -> str:
    return f"has {counted(got, 'field')}, but the header has {expected}; quote a field that contains a comma"


def count_lines(block: bytes) -> int:
    """Return the number of lines, also of a last one that does not end; numpy counts faster than `bytes.count`."""
    ends = int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))
    return ends + (bool(block) and not block.endswith(b"\n"))


def _without_blank(raw: RawRows) -> RawRows:
    """Arrow reads a blank line as a row of nulls."""
    if not raw.columns["prediction_id"].null_count:
        return raw
    filled = np.any([as_mask(column.is_valid()) for column in raw.columns.values()], axis=0)
    kept = {name: column.filter(pa.array(filled)) for name, column in raw.columns.items()}
    return RawRows(kept, raw.lines[filled], raw.bad)


def read_jsonl(
    blocks: Iterator[tuple[int, bytes]], columns: Mapping[str, str], classes: Sequence[str] | None
) -> Iterator[RawRows]:
    plan: dict[str, str] = {}
    for first, block in blocks:
        if first == 1:
            plan = _plan(_json_keys(block, columns), columns, classes)
        yield _json_block(block, first, plan) or _json_lines(block, first, plan)


def _json_keys(block: bytes, columns: Mapping[str, str]) -> list[str]:
    """The keys of the first thousand lines, and those of ours that need not be in each."""
    objects = [_json_object(line) for line in block.split(b"\n", 1000)[:1000]]
    if not any(objects):
        raise DataError("has no JSON object on its first lines; write one object per line, without brackets around all")
    keys = dict.fromkeys(key for entry in objects if entry for key in entry)
    needed = {*REQUIRED, *columns}
    if columns.get("predicted_class", "predicted_class") not in keys or any(key.startswith("p_") for key in keys):
        needed.add("probabilities")  # or those of the classes: the first lines tell which
    return list(keys | dict.fromkeys(name for name in SCHEMA.names if name not in needed))


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _json_block(block: bytes, first: int, plan: Mapping[str, str]) -> RawRows | None:
    """All lines at once; None if a line is not an object with values of our types."""
    starts = np.flatnonzero(np.frombuffer(b"\n" + block.removesuffix(b"\n"), np.uint8) == ord("\n"))
    if not (np.frombuffer(block, np.uint8)[np.minimum(starts, len(block) - 1)] == ord("{")).all():
        return None
    entry = _json_object(block.partition(b"\n")[0]) or {}
    fields = {theirs: _json_type(name, entry.get(theirs)) for name, theirs in plan.items()}
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(block),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=pa.schema(list(fields.items())), unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(starts):
        return None
    arrays = {name: whole(table[theirs]) for name, theirs in plan.items()}
    return RawRows(arrays, np.arange(first, first + len(starts)), [])


def _json_type(name: str, value: object) -> pa.DataType:
    """What Arrow is to read; `value` is the block's first. Ids may be numbers, but only if they all are."""
    if name in TEXTS:
        return pa.int64() if type(value) is int else pa.string()
    kind = pa.float64() if name.startswith("p_") else SCHEMA.field(name).type
    return pa.string() if kind == TIME else kind


def _json_lines(block: bytes, first: int, plan: Mapping[str, str]) -> RawRows:
    """Line by line: slow, and takes any value, as its text."""
    entries: list[dict[str, object]] = []
    lines: list[int] = []
    bad: list[BadRow] = []
    for line, text in enumerate(block.split(b"\n"), first):
        entry = _json_object(text)
        if entry is not None:
            entries.append(entry)
            lines.append(line)
        elif text.strip():
            bad.append(BadRow(line, "is no JSON object; write one object per line"))
    arrays = {
        name: pa.array([_json_text(entry.get(theirs)) for entry in entries], pa.string())
        for name, theirs in plan.items()
    }
    return RawRows(arrays, np.array(lines, np.int64), bad)


def _json_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
