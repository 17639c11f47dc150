"""Success is kept for each channel: an alert on its way to one of them. Alerts that were sent stay sent."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("key", TEXT, sa.ForeignKey("alerts.key"), primary_key=True, nullable=False),
        sa.Column("channel", TEXT, primary_key=True, nullable=False),
        sa.Column("sent_at", TIME),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("tried_at", TIME),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("until", TIME, nullable=False),
    )
