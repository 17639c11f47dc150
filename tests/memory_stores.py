"""Both stores kept in memory: what the SQL is held against, and what tests of steps may use in its place."""

from dataclasses import dataclass, field

from leeway.domain.stores import Ledger, PredictionLog
from memory_ledger import MemoryLedger
from memory_log import MemoryLog

__all__ = ["MemoryLedger", "MemoryLog", "MemoryStores"]


@dataclass(frozen=True)
class MemoryStores:
    """As `leeway.stores.opening.open_stores` returns them; the types say that they keep to the protocols."""

    log: PredictionLog = field(default_factory=MemoryLog)
    ledger: Ledger = field(default_factory=MemoryLedger)

    def close(self) -> None: ...
