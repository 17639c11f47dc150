"""Sorts good rows of a prediction log from bad ones, and brings them to the schema."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.domain.class_names import ClassNames, class_names, label_in
from leeway.domain.text import by_number, counted
from leeway.errors import DataError
from leeway.predictions.formats.second import next_likely, refuse_second
from leeway.predictions.formats.shapes import SCHEMA, TEXTS, TIME, Batch, RawRows, Rows, as_mask, shown, sums_of_rows

CLOCKS_DIFFER = timedelta(hours=1)  # of machines that predict from ours; a time further ahead is a mistake
LONG_AGO = timedelta(days=3653)
_SLACK = 1e-6  # a float32 softmax oversteps 0..1 by less
_ZONELESS = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?)?"
_ISO = _ZONELESS.removesuffix("?") + r"(Z|[+-]\d\d(:?\d\d)?)$"
_NUMBER = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)$"
_TIME_EXAMPLE = "write e.g. 2026-01-31T08:00:00+00:00"
_WRITABLE = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_decimal,
    pa.types.is_null,
)  # as text
_YEARS = np.array(["0001-01-01", "9999-12-31T23:59:59.999999"], "datetime64[us]").astype(np.int64)  # of datetime


def tidy(raw: RawRows, classes: Sequence[str] | None, now: datetime | None = None) -> Batch:
    """The good rows, as SCHEMA has them. With `now`, a row whose time cannot be right is a bad one."""
    rows = Rows(raw.lines, raw.bad)
    out = {name: _text(raw.columns[name], name) for name in TEXTS if name in raw.columns}
    rows.refuse(as_mask(out["prediction_id"].is_null()), "prediction_id is empty; each row needs its own id")
    out["occurred_at"] = _times(raw.columns["occurred_at"], rows)
    if now is not None:
        _refuse_implausible(out["occurred_at"], rows, now)
    given = [name.removeprefix("p_") for name in raw.columns if name.startswith("p_")]
    known, label = class_names(tuple(given if classes is None else classes)), out.get("label")
    for name in ("predicted_class", "label", "second_class"):
        if name in out:
            out[name] = _classes(out[name], known, name, rows)
    if "predicted_class" in out:
        empty = as_mask(out["predicted_class"].is_null())
        rows.refuse(empty, "predicted_class is empty, or reads as empty as `nan` and `none` do; name a class")
    if "second_class" in out:
        refuse_second(out["second_class"], out.get("predicted_class"), classes, rows)
    for name, low in (("confidence", 0.0), ("draw_probability", np.nextafter(0, 1))):
        if name in raw.columns:
            out[name] = _share(raw.columns[name], name, low, rows)
    names = given or classes
    lists = _lists(raw.columns, rows)
    if lists is not None:
        out["probabilities"] = _checked(lists, names, rows)
        if "predicted_class" not in out:
            rows.refuse(as_mask(lists.is_null()), "has neither a predicted_class nor probabilities; give one")
    kept = out if rows.good.all() else {name: column.filter(pa.array(rows.good)) for name, column in out.items()}
    if "probabilities" in kept:
        _fill_from_probabilities(kept, names)
    arrays = [kept.get(field.name, pa.nulls(int(rows.good.sum()), field.type)) for field in SCHEMA]
    table = pa.table(arrays, schema=SCHEMA)
    emptied = 0 if label is None else out["label"].null_count - label.null_count
    return Batch(table, rows.ordered(), raw.lines[rows.good], emptied)


def _classes(column: pa.Array, known: ClassNames, name: str, rows: Rows) -> pa.Array:
    """The names as the class list has them, null where one stands for no label; a variant of a class is refused.

    Each different name is looked at once.
    """
    coded = column.dictionary_encode()
    texts: list[str] = coded.dictionary.to_pylist()
    found = [label if (label := label_in(text, known)) is None else known.known(label) or label for text in texts]
    variants = [place for place, label in enumerate(found) if label is not None and known.variant(label)]
    if variants:
        rows.refuse(
            as_mask(pc.is_in(coded.indices, pa.array(variants, coded.indices.type))),
            lambda row: f"{name} {known.unknown(str(column[row].as_py())[:60])}",
        )
    return column if found == texts else pa.array(found, pa.string()).take(coded.indices)


def _lists(columns: Mapping[str, pa.Array], rows: Rows) -> pa.ListArray | None:
    """The probabilities as lists, whatever the file has; None if it has none."""
    if (column := columns.get("probabilities")) is None:
        parts = [_share(column, name, 0.0, rows) for name, column in columns.items() if name.startswith("p_")]
        return _stacked(parts) if parts else None
    if _is_text(column.type):
        return _parsed(_text(column, "probabilities"), rows)
    try:
        return column.cast(pa.list_(pa.float64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(f"probabilities is {column.type}; it must be a list of numbers, one per class") from None


def _stacked(columns: Sequence[pa.Array]) -> pa.ListArray:
    """One list per row; null where all are missing."""
    values = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
    offsets = np.arange(len(values) + 1, dtype=np.int32) * len(columns)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()), mask=pa.array(np.isnan(values).all(1)))


def _parsed(text: pa.Array, rows: Rows) -> pa.ListArray:
    """JSON lists of numbers."""
    trimmed = pc.utf8_trim_whitespace(text)
    enclosed = as_mask(pc.match_substring_regex(trimmed, r"^\[.*\]$"))
    rows.refuse(
        as_mask(text.is_valid()) & ~enclosed,
        lambda row: f"probabilities is {shown(text, row)}; it must be a JSON list of numbers, one per class",
    )
    inside = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(trimmed, 1, -1))
    inside = pc.if_else(pc.equal(inside, ""), pa.scalar(None, pa.string()), inside)
    parts = pc.split_pattern(inside, ",")
    numbers = _cast(pc.utf8_trim_whitespace(parts.flatten()), pa.float64(), _NUMBER)
    offsets = np.append(0, np.cumsum(parts.value_lengths().fill_null(0).to_numpy())).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), numbers, mask=text.is_null())


def _checked(lists: pa.ListArray, names: Sequence[str] | None, rows: Rows) -> pa.ListArray:
    """The same, after each row is one probability per class, to 0.01."""
    there = as_mask(lists.is_valid())
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    outside = ~((values >= -_SLACK) & (values <= 1 + _SLACK))
    astray, total = sums_of_rows(outside, lengths) > 0, sums_of_rows(values, lengths)
    if names is not None:
        classes = f"{by_number(len(names), 'is', 'are')} {counted(len(names), 'class')}"
        rows.refuse(
            there & (lengths != len(names)),
            lambda row: f"has {counted(lengths[row], 'probability')}, but there {classes}; give one per class",
        )
    rows.refuse(there & astray, "has a probability that is missing or outside 0 to 1; give one per class")
    off = there & ~(np.abs(total - 1) <= 0.01 + 1e-9)
    rows.refuse(off, lambda row: f"its probabilities sum to {total[row]:.4g}; they must sum to 1")
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    clipped = pa.array(np.clip(values, 0, 1))
    return pa.ListArray.from_arrays(pa.array(offsets), clipped, mask=pa.array(~there))


def _fill_from_probabilities(kept: dict[str, pa.Array], names: Sequence[str] | None) -> None:
    """The highest probability where confidence is missing, its class where the file has no predicted_class."""
    lists = kept["probabilities"]
    there = as_mask(lists.is_valid())
    values = lists.flatten().to_numpy(zero_copy_only=False)
    top = np.full(len(lists), np.nan)
    if there.any():
        starts = np.append(0, np.cumsum(lists.drop_null().value_lengths().to_numpy())[:-1])
        top[there] = np.maximum.reduceat(values, starts)
    highest = pa.array(top, mask=~there)
    kept["confidence"] = pc.coalesce(kept["confidence"], highest) if "confidence" in kept else highest
    if "predicted_class" not in kept and names is not None:
        best = values.reshape(-1, len(names)).argmax(axis=1)  # all rows have probabilities
        kept["predicted_class"] = pa.array(names, pa.string()).take(pa.array(best))
    if names is not None and len(names) > 1 and there.any():
        likely = next_likely(values.reshape(-1, len(names)), kept["predicted_class"].filter(pa.array(there)), names)
        places = np.zeros(len(lists), np.int64)
        places[there] = likely
        second = pa.array(names, pa.string()).take(pa.array(places, mask=~there))
        kept["second_class"] = pc.coalesce(kept["second_class"], second) if "second_class" in kept else second


def _is_text(kind: pa.DataType) -> bool:
    found: bool = any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))
    return found


def _text(column: pa.Array, name: str) -> pa.Array:
    """As text, null where empty; numbers too."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if not (_is_text(kind) or any(test(kind) for test in _WRITABLE)):
        raise DataError(f"{name} is {kind}; it must be text or numbers: convert it before it is written to the file")
    if pa.types.is_floating(kind):
        column = _without_nan(column)
    column = column.cast(pa.string())
    if pc.min(pc.binary_length(column)).as_py() != 0:
        return column
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _times(column: pa.Array, rows: Rows) -> pa.Array:
    kind = column.type
    if _is_text(kind):
        times = _parsed_times(_text(column, "occurred_at"), rows)
    elif pa.types.is_timestamp(kind) and kind.tz:
        times = column.cast(TIME, safe=kind.unit != "ns")  # nanoseconds are cut
        rows.refuse(as_mask(times.is_null()), f"occurred_at is empty; {_TIME_EXAMPLE}")
    else:
        raise DataError(f"occurred_at is {kind}; it must be a timestamp with a time zone, or text: {_TIME_EXAMPLE}")
    ticks = times.cast(pa.int64()).fill_null(0).to_numpy()
    rows.refuse((ticks < _YEARS[0]) | (ticks > _YEARS[1]), f"occurred_at is outside years 1 to 9999; {_TIME_EXAMPLE}")
    return times


def _refuse_implausible(times: pa.Array, rows: Rows, now: datetime) -> None:
    """A time that has not come yet, or is long gone, would make nights of its own."""
    ticks = times.cast(pa.int64()).fill_null(0).to_numpy()
    earliest, latest = (pa.scalar(one, TIME).cast(pa.int64()).as_py() for one in (now - LONG_AGO, now + CLOCKS_DIFFER))
    rows.refuse(
        ticks < earliest,
        lambda row: (
            f"time {times[row].as_py():%Y-%m-%d} is implausible: is it in milliseconds, or was the camera's clock "
            "reset? A row is at most 10 years old"
        ),
    )
    rows.refuse(
        ticks > latest,
        lambda row: (
            f"time {times[row].as_py():%Y-%m-%dT%H:%M:%SZ} is in the future, for it is {now:%Y-%m-%dT%H:%M:%SZ} now: "
            "are its time zone and the clock of the machine that predicted right?"
        ),
    )


def _parsed_times(text: pa.Array, rows: Rows) -> pa.Array:
    try:
        times = text.cast(TIME)
    except pa.ArrowInvalid:
        times = _cast(pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1"), TIME, _ISO)
    if times.null_count:
        unread = as_mask(times.is_null())
        zoneless = as_mask(pc.match_substring_regex(text, _ZONELESS + "$"))
        rows.refuse(as_mask(text.is_null()), f"occurred_at is empty; {_TIME_EXAMPLE}")
        rows.refuse(zoneless, lambda row: f"occurred_at {shown(text, row)} has no time zone; {_TIME_EXAMPLE}")
        rows.refuse(unread, lambda row: f"occurred_at {shown(text, row)} is no ISO 8601 time; {_TIME_EXAMPLE}")
    return times


def _cast(text: pa.Array, wanted: pa.DataType, pattern: str) -> pa.Array:
    """The texts' values, null where a text has none."""
    try:
        return text.cast(wanted)
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(text, pattern)
        return _cast_by_halves(pc.if_else(fits, text, pa.scalar(None, pa.string())), wanted)


def _cast_by_halves(text: pa.Array, wanted: pa.DataType) -> pa.Array:
    """For the few that fit the pattern and still have no value, such as the 30th of February."""
    try:
        return text.cast(wanted)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, wanted)
        middle = len(text) // 2
        return pa.concat_arrays([_cast_by_halves(part, wanted) for part in (text[:middle], text[middle:])])


def _numbers(column: pa.Array, name: str) -> tuple[pa.Array, np.ndarray]:
    """As float64, null where missing or NaN; and where there is a text that is no number."""
    text = _text(column, name) if _is_text(column.type) or pa.types.is_dictionary(column.type) else None
    text = None if text is None else pc.ascii_trim(text, " \t")  # as Arrow reads numbers of a CSV
    try:
        numbers = column.cast(pa.float64()) if text is None else _cast(text, pa.float64(), _NUMBER)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(f"{name} is {column.type}; it must be numbers: convert it before it is written") from None
    unread = np.zeros(len(column), bool) if text is None else as_mask(text.is_valid()) & as_mask(numbers.is_null())
    return _without_nan(numbers), unread


def _without_nan(column: pa.Array) -> pa.Array:
    nan = pc.is_nan(column)
    return pc.if_else(nan, pa.scalar(None, column.type), column) if pc.any(nan).as_py() else column


def _share(column: pa.Array, name: str, low: float, rows: Rows) -> pa.Array:
    """A column of numbers from `low` to 1."""
    numbers, unread = _numbers(column, name)
    values = numbers.to_numpy(zero_copy_only=False)
    allowed = "above 0 and at most 1" if low > 0 else "from 0 to 1"
    with np.errstate(invalid="ignore"):
        outside = (values < (low or -_SLACK)) | (values > 1 + _SLACK)
    rows.refuse(unread | outside, lambda row: f"{name} is {shown(column, row)}; it must be a number {allowed}")
    return pa.array(np.clip(values, 0, 1), mask=np.isnan(values))
