"""Schema revisions, which Alembic loads by path."""
