"""Runs the migrations on the connection that leeway.stores.opening hands over. Alembic loads this file by path."""

from alembic import context

from leeway.stores import ledger_tables, log_tables  # noqa: F401 (their tables stand in the metadata)
from leeway.stores.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
