"""Connections to databases and warehouses, each by its own driver, imported when such an address is used."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from leeway.errors import LogError
from leeway.stores.external.address import LogAddress

SECONDS = 30  # until a host that does not answer is given up


@dataclass(frozen=True, slots=True)
class Warehouse:
    """How one kind is reached, and what it can be asked."""

    dialect: str
    connect: Callable[[LogAddress], Any]  # by its driver's DB-API
    columns: str  # (name, type) of the table's columns; {0}, {1}, {2}: its name, last part last
    snapshot: str = ""  # one row: what the table is now, and can be read as later; empty: it keeps no past
    parameters: bool = False  # whether values are handed over beside the text: else they stand in it


def _driver(module: str, package: str) -> Any:
    """Import a driver. Raises LogError that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise LogError(f"to read this log takes the driver {package}: pip install {package}") from None


def _bigquery(address: LogAddress) -> Any:
    return _driver("google.cloud.bigquery.dbapi", "google-cloud-bigquery").connect(_bigquery_client(address))


def _bigquery_client(address: LogAddress) -> Any:
    """A client with the application's default credentials; `?billing=PROJECT` pays, else the table's project."""
    project, location = address.options.get("billing", address.table[0]), address.options.get("location")
    return _driver("google.cloud.bigquery", "google-cloud-bigquery").Client(project=project, location=location)


def bytes_of(address: LogAddress, text: str) -> int:
    """Return what a query would read, as BigQuery says without running it."""
    settings = _driver("google.cloud.bigquery", "google-cloud-bigquery").QueryJobConfig(
        dry_run=True, use_query_cache=False
    )
    read: int = _bigquery_client(address).query(text, job_config=settings).total_bytes_processed
    return read


def _snowflake(address: LogAddress) -> Any:
    driver = _driver("snowflake.connector", "snowflake-connector-python")
    secret = {"password": os.environ.get("SNOWFLAKE_PASSWORD"), "token": os.environ.get("SNOWFLAKE_TOKEN")}
    key = {"private_key_file": os.environ.get("SNOWFLAKE_PRIVATE_KEY_FILE")}
    return driver.connect(
        account=address.host,
        user=address.user or os.environ.get("SNOWFLAKE_USER"),
        database=address.table[0],
        schema=address.table[1],
        login_timeout=SECONDS,
        session_parameters={"TIMEZONE": "UTC", "QUERY_TAG": "leeway"},
        **{name: value for name, value in (secret | key | dict(address.options)).items() if value},
    )


def _trino(address: LogAddress) -> Any:
    driver = _driver("trino", "trino")
    password, user = os.environ.get("TRINO_PASSWORD"), address.user or os.environ.get("TRINO_USER", "leeway")
    return driver.dbapi.connect(
        host=address.host,
        port=address.port or 443,
        user=user,
        catalog=address.table[0],
        schema=address.table[1],
        http_scheme=address.options.get("scheme", "https"),
        auth=driver.auth.BasicAuthentication(user, password) if password else None,
        timezone="UTC",
    )


def _databricks(address: LogAddress) -> Any:
    driver = _driver("databricks.sql", "databricks-sql-connector")
    return driver.connect(
        server_hostname=address.host,
        http_path=address.options.get("http_path"),
        access_token=os.environ.get("DATABRICKS_TOKEN"),
        session_configuration={"timezone": "UTC"},
    )


def _postgresql(address: LogAddress) -> Any:
    driver = _driver("psycopg", "psycopg[binary]")
    given = {"host": address.host, "port": address.port, "user": address.user, "dbname": address.path}
    known = {name: value for name, value in (given | dict(address.options)).items() if value}
    connection = driver.connect(
        **({"connect_timeout": SECONDS} | known),
        cursor_factory=driver.RawCursor,
        options="-c timezone=UTC -c default_transaction_read_only=on",
    )
    connection.isolation_level = driver.IsolationLevel.REPEATABLE_READ
    connection.adapters.register_dumper(str, _driver("psycopg.types.string", "psycopg").StrDumper)  # else of no type
    return connection


def _duckdb(address: LogAddress) -> Any:
    import duckdb

    if not os.path.exists(address.path):  # noqa: PTH110 - DuckDB would make it
        raise LogError(f"{address.text}: there is no file {address.path}")
    connection = duckdb.connect(address.path, read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


WAREHOUSES = {
    "bigquery": Warehouse(
        "bigquery",
        _bigquery,
        "SELECT column_name, data_type FROM `{0}`.`{1}`.INFORMATION_SCHEMA.COLUMNS WHERE table_name = '{2}'",
        "SELECT CAST(CURRENT_TIMESTAMP() AS STRING)",
    ),
    "snowflake": Warehouse(
        "snowflake",
        _snowflake,
        'SELECT column_name, data_type FROM "{0}".INFORMATION_SCHEMA.COLUMNS '
        "WHERE table_schema = '{1}' AND table_name = '{2}' ORDER BY ordinal_position",
        "SELECT TO_VARCHAR(CURRENT_TIMESTAMP(), 'YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM')",
    ),
    "trino": Warehouse(
        "trino",
        _trino,
        'SELECT column_name, data_type FROM "{0}".information_schema.columns '
        "WHERE table_schema = '{1}' AND table_name = '{2}' ORDER BY ordinal_position",
        'SELECT CAST(snapshot_id AS VARCHAR) FROM "{0}"."{1}"."{2}$snapshots" ORDER BY committed_at DESC LIMIT 1',
    ),
    "databricks": Warehouse(
        "databricks",
        _databricks,
        "SELECT column_name, full_data_type FROM `{0}`.information_schema.columns "
        "WHERE table_schema = '{1}' AND table_name = '{2}' ORDER BY ordinal_position",
        "DESCRIBE HISTORY `{0}`.`{1}`.`{2}` LIMIT 1",
    ),
    "postgresql": Warehouse(
        "postgres",
        _postgresql,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass('{whole}') AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        parameters=True,
    ),
    "duckdb": Warehouse("duckdb", _duckdb, "SELECT column_name, column_type FROM (DESCRIBE {whole})", parameters=True),
}
