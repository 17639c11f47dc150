"""Runs the migrations on the connection that leeway.stores.database hands over. Alembic loads this file by path."""

from alembic import context

from leeway.stores.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
