"""Reopenings: what a person took back of nights that were decided, kept as it was."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "reopenings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("from_night", sa.Date, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
