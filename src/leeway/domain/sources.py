"""Sources: the part of the prediction log that knows which files went in, by a digest of each."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol


class Sources(Protocol):
    """Files of which every row is in the model's log: they need not be read again."""

    def known_source(self, model: str, digest: str) -> Mapping[str, Any] | None:
        """Return the report that was kept of a file with this digest; None if there is none."""

    def remember_source(self, model: str, digest: str, report: Mapping[str, Any], *, now: datetime) -> None:
        """Keep a report, as JSON knows it, of a file that is in the log; one that is kept already stays."""
