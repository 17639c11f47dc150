"""What a log that lies elsewhere leaves to whoever keeps it: rows that are added or removed, and its files."""

from datetime import datetime
from typing import NoReturn

from leeway.domain.upkeep import LogProblem, Rolled
from leeway.errors import LogError
from leeway.stores.external.source import LogSource


class KeptElsewhere:
    """The writing half of `leeway.domain.stores.PredictionLog`, which refuses."""

    source: LogSource

    def record(self, model: str, *_: object, **__: object) -> NoReturn:
        """Raises LogError: whoever keeps the log writes it."""
        raise LogError(
            f"the predictions of {model} are read where they lie, at {self.source.address}: nothing is recorded here; "
            "whoever keeps that log adds rows to it"
        )

    forget = forget_ids = remember_source = record

    def horizon(self, model: str) -> None:
        """None: nothing of it was ever forgotten here."""

    def known_source(self, model: str, digest: str) -> None:
        """None: no file goes into it from here."""

    def roll(self, now: datetime) -> Rolled:
        del now
        return Rolled()

    def check(self, model: str | None = None, *, quick: bool = False) -> list[LogProblem]:
        """Nothing: `leeway doctor` looks at it where it lies."""
        del model, quick
        return []
