"""The outbox on SQLite and PostgreSQL: alerts, and how far each is on its way to each channel."""

from collections.abc import Collection, Sequence
from datetime import datetime

from leeway.domain.records import Alert, Delivery
from leeway.stores import ledger_queries as queries
from leeway.stores import ledger_tables as tables
from leeway.stores import ledger_writes as writes
from leeway.stores import rows
from leeway.stores.database import Database
from leeway.stores.rows import batches


class SqlOutbox:
    """`leeway.domain.outbox.Outbox` in SQL: a part of the ledger."""

    database: Database

    def queue_alert(self, alert: Alert) -> bool:
        with self.database.transaction(writes=True) as connection:
            return writes.insert_new(connection, tables.alerts, [rows.values_of(alert)]) == 1

    def pending_alerts(self) -> list[Alert]:
        return [rows.record_from(Alert, row, rows.ALERT) for row in self.database.all(queries.unsent_alerts())]

    def mark_alert(self, key: str, *, sent_at: datetime | None, error: str = "") -> None:
        values = {"sent_at": sent_at, "error": error}
        self.database.change(tables.alerts, tables.alerts.c.key == key, values, named=key)

    def deliveries(self) -> list[Delivery]:
        found = self.database.all(queries.deliveries_of_unsent())
        return [rows.record_from(Delivery, row, rows.DELIVERY) for row in found]

    def claim_deliveries(
        self,
        keys: Sequence[str],
        channel: str,
        *,
        holder: str,
        now: datetime,
        until: datetime,
        instead_of: Collection[str] = (),
    ) -> list[str]:
        new = [rows.values_of(Delivery(key, channel)) | {"until": now} for key in sorted(keys)]
        claimed: list[str] = []
        with self.database.transaction(writes=True) as connection:
            writes.insert_new(connection, tables.deliveries, new)
            for some in batches(keys):
                query = queries.free_deliveries(some, channel, now=now, instead_of=instead_of)
                free = list(connection.scalars(query))
                connection.execute(queries.taken_deliveries(free, channel, holder=holder, until=until))
                claimed += free
        return claimed

    def conclude_deliveries(
        self, keys: Sequence[str], channel: str, *, holder: str, at: datetime, error: str = ""
    ) -> None:
        with self.database.transaction(writes=True) as connection:
            for some in batches(keys):
                done = queries.concluded_deliveries(some, channel, holder=holder, at=at, error=error)
                connection.execute(done)
