"""Outbox: the part of the ledger that holds what people are to be told, until every channel has it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from leeway.domain.records import Alert, Delivery


class Outbox(Protocol):
    """Alerts in the order in which they were made, and how far each is on its way to each channel."""

    def queue_alert(self, alert: Alert) -> bool:
        """False if an alert with this key is known."""

    def pending_alerts(self) -> list[Alert]:
        """Return those that some channel still lacks, in order of made_at."""

    def mark_alert(self, key: str, *, sent_at: datetime | None, error: str = "") -> None:
        """Say that every channel has it by now, or what went wrong last."""

    def deliveries(self) -> list[Delivery]:
        """Return how far the pending alerts are, for each channel that was ever tried."""

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
        """Claim the sending of these alerts to a channel; return the keys that nobody else holds or has sent.

        `instead_of` names holders that are known to be dead. What a holder does not conclude is free after `until`.
        """

    def conclude_deliveries(
        self, keys: Sequence[str], channel: str, *, holder: str, at: datetime, error: str = ""
    ) -> None:
        """Say that the channel took these alerts or, with an error, that it did not; then nobody holds them."""
