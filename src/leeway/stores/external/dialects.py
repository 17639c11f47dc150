"""Turns the one text of a question into the SQL of a warehouse."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from leeway.errors import LogError

PLACEHOLDER = "PERMANENT_NUMBER"  # stands in the text where each dialect has its own way from hex to a number
NUMBER = {  # of `hashed`: the first 60 bits of its md5, as `domain.identity.permanent_number` has them
    "bigquery": "CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(hashed)), 1, 15)) AS INT64)",
    "snowflake": "TO_NUMBER(SUBSTR(MD5(hashed), 1, 15), 'XXXXXXXXXXXXXXX')",
    "trino": "FROM_BASE(SUBSTR(LOWER(TO_HEX(MD5(TO_UTF8(hashed)))), 1, 15), 16)",
    "databricks": "CAST(CONV(SUBSTR(MD5(hashed), 1, 15), 16, 10) AS BIGINT)",
    "spark": "CAST(CONV(SUBSTR(MD5(hashed), 1, 15), 16, 10) AS BIGINT)",
}
AS_OF = {  # behind the name of a table: as it was at a position
    "bigquery": "FOR SYSTEM_TIME AS OF TIMESTAMP '{position}'",
    "snowflake": "AT (TIMESTAMP => CAST('{position}' AS TIMESTAMPTZ))",
    "trino": "FOR VERSION AS OF {position}",
    "databricks": "VERSION AS OF {position}",
    "spark": "VERSION AS OF {position}",
}
MOMENT = {"trino": "TIMESTAMPTZ(6)"}  # else its moments are cut to milliseconds


def number_placeholder(text: str) -> str:
    """Return what `translate` makes the permanent number of; `text`: SQL."""
    return f"{PLACEHOLDER}({text})"


def translate(
    text: str, values: Sequence[Any], dialect: str, *, table: Sequence[str] = (), position: str | None = None
) -> str:
    """Return a PostgreSQL text in another dialect, with its values in it; `table` as it was at a position.

    Each driver has parameters of its own, so they are written into the text, each as the dialect has such a literal.
    Raises LogError where sqlglot is not installed.
    """
    exp, parse = _sqlglot()
    name = exp.table_(*reversed(table), quoted=True).sql(dialect) if table else ""
    behind = "" if position is None else AS_OF[dialect].format(position=position)

    def changed(node: Any) -> Any:
        if isinstance(node, exp.Parameter):
            return _literal(exp, values[int(node.name) - 1], dialect)
        if isinstance(node, exp.Anonymous) and node.name.upper() == PLACEHOLDER:
            hashed = node.expressions[0].transform(changed)
            number = parse(NUMBER[dialect], read=dialect)
            return number.transform(lambda one: hashed.copy() if isinstance(one, exp.Column) else one)
        if behind and isinstance(node, exp.Table) and [part.name for part in node.parts] == list(table):
            return parse(f"SELECT * FROM {name} {behind}", read=dialect).find(exp.Table)
        return node

    made: str = parse(text, read="postgres").transform(changed).sql(dialect, pretty=True)
    return made


def _literal(exp: Any, value: Any, dialect: str) -> Any:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
        kind = exp.DataType.build(MOMENT.get(dialect, "TIMESTAMPTZ"), dialect="postgres")
        return exp.Cast(this=exp.Literal.string(moment), to=kind)
    return exp.convert(value)


def _sqlglot() -> tuple[Any, Any]:
    try:
        import sqlglot
        from sqlglot import exp
    except ImportError:
        raise LogError("to read a warehouse takes sqlglot: pip install 'leeway[warehouse]'") from None
    return exp, sqlglot.parse_one
