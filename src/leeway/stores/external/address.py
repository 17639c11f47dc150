"""The address of a prediction log that lies elsewhere: which kind it is, where, and what is wrong with one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from leeway.errors import ParamsError

FILES, S3 = "files", "s3"
# Kinds of tables, and where each takes its password or token from.
LOGINS = {
    "bigquery": "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`",
    "snowflake": "SNOWFLAKE_PASSWORD, or SNOWFLAKE_PRIVATE_KEY_FILE",
    "trino": "TRINO_PASSWORD",
    "databricks": "DATABRICKS_TOKEN",
    "postgresql": "PGPASSWORD, or ~/.pgpass",
    "duckdb": "nothing: it is a file",
}
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what else the AWS tools use"
EXAMPLES = {
    "bigquery": "bigquery://project.dataset.table",
    "snowflake": "snowflake://user@account/database.schema.table?warehouse=WH",
    "trino": "trino://user@host:443/catalog.schema.table",
    "databricks": "databricks://host/catalog.schema.table?http_path=/sql/1.0/warehouses/ID",
    "postgresql": "postgresql://user@host/database?table=schema.table",
    "duckdb": "duckdb://path/to/file.duckdb?table=main.predictions",
}
NAME = re.compile(r"[\w$-]+")
PARTS = {"bigquery": (3,), "snowflake": (3,), "trino": (3,), "databricks": (3,), "postgresql": (1, 2), "duckdb": (1, 2)}


@dataclass(frozen=True, slots=True)
class LogAddress:
    """Where a log lies, in its parts."""

    text: str  # as it was given
    kind: str  # FILES, S3, or one of LOGINS
    path: str = ""  # of files: a pattern, absolute; of a DuckDB file; else the database
    table: tuple[str, ...] = ()  # its name with those that it stands in
    host: str = ""
    port: int | None = None
    user: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def parse_address(text: str, folder: Path) -> LogAddress:
    """Return the parts of an address; a relative path starts at `folder`. Raises ParamsError with an example."""
    scheme, mark, rest = text.partition("://")
    if not mark or scheme == "file":
        path = Path(rest if mark else text).expanduser()
        return LogAddress(text, FILES, path=str(folder / path))
    if scheme == S3:
        _refuse_login(text, rest, KEYS)
        return LogAddress(text, S3, path=rest)
    if scheme not in LOGINS:
        known = ", ".join(f"{one}://" for one in (S3, *LOGINS))
        raise ParamsError(f"--log: got '{text}'; write a folder or a pattern of Parquet files, or one of {known}")
    _refuse_login(text, rest, LOGINS[scheme])
    return _table(text, scheme, folder)


def _table(text: str, scheme: str, folder: Path) -> LogAddress:
    url = urlsplit(text)
    options = dict(parse_qsl(url.query))
    path = unquote(url.path.lstrip("/"))
    name = options.pop("table", "") if scheme in ("postgresql", "duckdb") else path
    if scheme == "bigquery":
        name = url.netloc
    elif scheme == "duckdb":
        path = str(folder / unquote(text.partition("://")[2].partition("?")[0]))
    table = tuple(name.split("."))
    if len(table) not in PARTS[scheme] or not all(map(NAME.fullmatch, table)):
        raise ParamsError(f"--log: got '{text}'; it must name the whole table, as {EXAMPLES[scheme]} does")
    host = "" if scheme in ("bigquery", "duckdb") else url.hostname or ""
    if scheme not in ("bigquery", "duckdb", "postgresql") and not host:
        raise ParamsError(f"--log: got '{text}'; it must name the host, as {EXAMPLES[scheme]} does")
    return LogAddress(
        text,
        scheme,
        path=path,
        table=table,
        host=host,
        port=url.port,
        user=unquote(url.username or ""),
        options=options,
    )


def _refuse_login(text: str, rest: str, instead: str) -> None:
    """An address is kept in a file that is committed, and printed."""
    login, mark, _ = rest.partition("/")[0].rpartition("@")
    words = {name.lower() for name, _ in parse_qsl(urlsplit(text).query)}
    if (mark and ":" in login) or words & {"password", "token", "secret", "access_token", "secret_key"}:
        raise ParamsError(f"--log: the address holds a password or token; leave it out and set {instead}")
