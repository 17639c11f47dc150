"""Why a retraining was asked for, and the gate labels that a refused version waits for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("decisions", sa.Column("cause", TEXT, nullable=False, server_default=""))
    op.add_column("releases", sa.Column("wanted", sa.Integer, nullable=False, server_default="0"))
    op.add_column("releases", sa.Column("wanted_since", sa.Date))
