"""What a window holds of images that came often; nights that were closed before count every prediction, as ever."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("windows", sa.Column("repeats", sa.JSON(), nullable=False, server_default="[]"))
