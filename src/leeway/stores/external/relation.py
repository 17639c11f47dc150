"""Maps the columns of somebody else's log to ours, as one SQL text that every question is asked over."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from leeway.domain.class_names import NOTHING
from leeway.errors import DataError, first_few
from leeway.stores.external.source import OPTIONAL, REQUIRED

NAMES = ("predicted_class", "label")  # in which a word such as `nan` stands for none
NUMBERS = ("confidence", "draw_probability")
SLACK = 1e-6  # a float32 softmax oversteps 0..1 by less
# The first 60 bits of md5(text), as `domain.identity.permanent_number` has them, of the dialects that need no sqlglot.
NUMBER = {
    "postgres": "CAST(CAST('x' || substr(md5({text}), 1, 15) AS bit(60)) AS bigint)",
    "duckdb": "CAST('0x' || substr(md5({text}), 1, 15) AS bigint)",
}
NUMERIC = ("int", "float", "double", "decimal", "numeric", "number", "real", "hugeint", "bignumeric", "long")
TEXTUAL = ("varchar", "char", "text", "string", "enum", "uuid", "bpchar", "name")
# How a dialect calls a moment whose zone is known; any other timestamp has none.
ZONED = {
    "duckdb": ("timestamp with time zone", "timestamptz"),
    "postgres": ("timestamp with time zone",),
    "bigquery": ("timestamp",),
    "snowflake": ("timestamp_tz", "timestamp_ltz"),
    "trino": ("with time zone",),
    "databricks": ("timestamp", "timestamp_ltz"),
}
EXAMPLE = "a timestamp with a time zone"


@dataclass(frozen=True, slots=True)
class VersionRule:
    """How rows are told apart by version: by the name in `model_version`, and without one by when they occurred."""

    named: Mapping[str, int]
    since: Sequence[tuple[int, str]] = ((1, ""),)  # (version, ISO time in UTC), in order; the first is of all before


@dataclass(frozen=True, slots=True)
class Mapped:
    """The columns of a log that were found, by our name: what it calls each."""

    names: Mapping[str, str]

    @property
    def has_versions(self) -> bool:
        return "model_version" in self.names

    @property
    def has_labels(self) -> bool:
        return "label" in self.names


def map_columns(kinds: Mapping[str, str], columns: Mapping[str, str], *, dialect: str) -> Mapped:
    """Find our columns among a log's (name -> type). Raises DataError for one that is missing or of another type."""
    by_case = {name.casefold(): name for name in kinds}
    names = {}
    for ours in (*REQUIRED, *OPTIONAL):
        theirs = columns.get(ours, ours)
        found = theirs if theirs in kinds else by_case.get(theirs.casefold())
        if found is not None:
            names[ours] = found
        elif ours in REQUIRED or ours in columns:
            near = difflib.get_close_matches(theirs, list(kinds), n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"has no column {theirs!r}, only {first_few(list(kinds), 20)}; name what it has with "
                f"--log-columns {ours}=their_name.{meant}"
            )
    problems = [_problem(ours, theirs, kinds[theirs].casefold(), dialect) for ours, theirs in names.items()]
    if wrong := [one for one in problems if one]:
        raise DataError("; ".join(wrong))
    return Mapped(names)


def _problem(ours: str, theirs: str, kind: str, dialect: str) -> str:
    """What is wrong with a column's type; empty if nothing is."""
    called = ours if ours == theirs else f"{ours} ({theirs})"
    if ours == "occurred_at":
        return "" if is_zoned(kind, dialect) else f"{called} is {kind}; it must be {EXAMPLE}: make a view that has one"
    if ours in NUMBERS:
        return "" if kind.startswith(NUMERIC) else f"{called} is {kind}; it must be a number from 0 to 1"
    fits = kind.startswith((*TEXTUAL, *NUMERIC))
    return "" if fits else f"{called} is {kind}; it must be text or a whole number"


def is_zoned(kind: str, dialect: str) -> bool:
    """Whether a type's moments have a known zone."""
    plain = kind.casefold().partition("(")[0].strip() if dialect not in ("trino",) else kind.casefold()
    known = ZONED[dialect]
    return any(one in plain for one in known) if dialect == "trino" else plain in known


def predictions_text(
    mapped: Mapped,
    versions: VersionRule,
    *,
    source: str,
    model: str,
    secret: str,
    classes: Collection[str],
    number: Callable[[str], str],
) -> str:
    """Return the query that gives the log as our table `predictions`, with its labels; PostgreSQL's SQL, or DuckDB's.

    `source`: the quoted name of what it reads; `number`: SQL of a text -> SQL of its permanent number. Rows without an
    id, a time or an answer are left out.
    """
    return f"""\
SELECT {quoted(model)} AS model, id, {_version(versions)} AS version, occurred_at,
  coalesce(image, '') AS image, predicted_class, second_class,
  CASE WHEN confidence BETWEEN {-SLACK:f} AND {1 + SLACK:f} THEN confidence END AS confidence,
  coalesce("group", id) AS "group", slice, label,
  CASE WHEN draw_probability > 0 AND draw_probability <= {1 + SLACK:f} THEN draw_probability END AS draw_probability,
  {number(f"{quoted(secret)} || id")} AS u
FROM ({renamed_text(mapped, source, classes=classes)}) AS columns_of_log
WHERE id IS NOT NULL AND occurred_at IS NOT NULL AND predicted_class IS NOT NULL"""


def given_labels_text() -> str:
    """Return the query that gives the labels of `predictions` as our table `given_labels`."""
    return """\
SELECT model, id, version, occurred_at, predicted_class, slice, label, draw_probability, nullif("group", id) AS "group"
FROM predictions WHERE label IS NOT NULL"""


def renamed_text(mapped: Mapped, source: str, *, classes: Collection[str]) -> str:
    """Return the query that gives the log's columns by our names, rows that cannot be right among them."""
    columns = []
    for ours in (*REQUIRED, *OPTIONAL):
        name = {"prediction_id": "id", "group": '"group"'}.get(ours, ours)
        columns.append(f"{_column(ours, mapped.names.get(ours), classes)} AS {name}")
    return f"SELECT {', '.join(columns)} FROM {source}"


def _column(ours: str, theirs: str | None, classes: Collection[str]) -> str:
    """SQL of one of our columns, null where the log has none."""
    kind = {"occurred_at": "TIMESTAMPTZ"}.get(ours, "DOUBLE PRECISION" if ours in NUMBERS else "VARCHAR")
    if theirs is None:
        return f"CAST(NULL AS {kind})"
    if ours == "occurred_at":
        return identifier(theirs)
    text = f"CAST({identifier(theirs)} AS {kind})"
    if ours in NAMES:
        words = sorted(NOTHING - {one.casefold() for one in classes})
        return f"CASE WHEN lower({text}) NOT IN ({', '.join(map(quoted, words))}) THEN {text} END"
    return f"nullif({text}, '')" if ours == "prediction_id" else text


def _version(versions: VersionRule) -> str:
    """SQL of a row's version; 0, which is no version's, where `model_version` is a name that is not known yet."""
    unnamed = str(versions.since[0][0])
    for version, since in versions.since[1:]:
        unnamed = f"CASE WHEN occurred_at >= CAST({quoted(since)} AS TIMESTAMPTZ) THEN {version} ELSE {unnamed} END"
    known = "".join(f" WHEN model_version = {quoted(name)} THEN {number}" for name, number in versions.named.items())
    return f"CASE WHEN coalesce(model_version, '') = '' THEN {unnamed}{known} ELSE 0 END"


def quoted(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(*names: str) -> str:
    """Return a name, with those that it stands in, as SQL has it."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
