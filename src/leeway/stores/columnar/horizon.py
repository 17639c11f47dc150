"""Horizon: the moment up to which a model's log was forgotten; older rows are refused when they come again."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select, update

from leeway.stores.columnar.parts import TIME, rows_of
from leeway.stores.columnar.source import Staging
from leeway.stores.log_tables import log_heads


def horizon_of(connection: Connection, model: str) -> datetime | None:
    """Return the model's horizon; it stands in the ledger's database, whatever segments there are."""
    horizon: datetime | None = connection.scalar(select(log_heads.c.horizon).where(log_heads.c.model == model))
    return horizon


def move_horizon(connection: Connection, model: str, before: datetime) -> datetime:
    """Let the model's log begin here; return where it begins, since a horizon never moves back."""
    this = log_heads.c.model == model
    known = connection.execute(select(log_heads.c.horizon).where(this)).one_or_none()
    if known is None:
        connection.execute(insert(log_heads).values(model=model, seq=0, given=0, horizon=before))
        return before
    horizon: datetime = max(before, known.horizon or before)
    connection.execute(update(log_heads).where(this).values(horizon=horizon))
    return horizon


def rows_before(stagings: Sequence[Staging], horizon: datetime | None, rows: int) -> NDArray[np.bool_]:
    """Return (N,) which of a source's rows occurred before the horizon."""
    found = np.zeros(rows, bool)
    for one in stagings:
        first = one.staged.part.first_at
        if horizon is None or first is None or first >= horizon:
            continue
        at = one.first
        for table in rows_of(one.staged.path, ["occurred_at"]):
            older = pc.less(table["occurred_at"], pa.scalar(horizon, TIME))
            found[at : at + table.num_rows] = older.to_numpy()
            at += table.num_rows
    return found
