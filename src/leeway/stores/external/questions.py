"""Asks the log of one model, over our tables that its columns are mapped to, and makes records of its rows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Executable

from leeway.domain.identity import DIGEST
from leeway.domain.records import FILE, GIVEN, WATCHED, Label, ModelVersion, Prediction
from leeway.errors import DataError, LogError
from leeway.stores.external import queries
from leeway.stores.external.asking import Extent, Keeper
from leeway.stores.external.relation import (
    Mapped,
    VersionRule,
    given_labels_text,
    map_columns,
    predictions_text,
    renamed_text,
)
from leeway.stores.external.source import LogSource
from leeway.stores.external.table import as_utc


class Questions:
    """One model's log, its columns and its versions; `versions` returns those that the ledger has now."""

    def __init__(
        self,
        model: str,
        source: LogSource,
        keeper: Keeper,
        *,
        secret: str,
        versions: Callable[[], Sequence[ModelVersion]],
    ) -> None:
        self.model, self.source, self.keeper = model, source, keeper
        self._secret, self._versions = secret, versions

    def ask(self, query: Executable, extent: Extent) -> list[tuple[Any, ...]]:
        """Return the rows of a question over the relations `predictions`, `given_labels` and `renamed`."""
        return self.keeper.ask(query, self.relations, extent)

    def number(self, query: Executable, extent: Extent) -> int:
        """Return the answer to a question for a number."""
        return int(self.ask(query, extent)[0][0] or 0)

    def moment(self, query: Executable, extent: Extent) -> datetime | None:
        """Return the answer to a question for a moment."""
        return as_utc(self.ask(query, extent)[0][0])

    @cached_property
    def mapped(self) -> Mapped:
        """The columns that were found. Raises LogError for one that is missing or of another type."""
        try:
            return map_columns(self.keeper.columns(), self.source.columns, dialect=self.keeper.dialect)
        except DataError as error:
            raise LogError(f"the log of {self.model} at {self.source.address} {error}") from None

    def known(self) -> VersionRule:
        """Return how rows are told apart by version now."""
        recorded = self._versions()
        watched = [one for one in recorded if one.bundle_digest.startswith(WATCHED)]
        named = {one.bundle_digest.removeprefix(WATCHED): one.version for one in watched}
        enrolled = [one.version for one in recorded if not one.named_by_log] or [1]
        since = [(version, at.isoformat()) for version, at in sorted(self.source.since.items())]
        return VersionRule(named, [(min(enrolled), ""), *since])

    def names_of(self, version: ModelVersion) -> Collection[str] | None:
        """Return what rows of a version have in `model_version`, "" for none; None: their time decides, too."""
        known = self.known()
        if len(known.since) > 1:
            return None
        named = [name for name, number in known.named.items() if number == version.version]
        return [*named, *([""] if version.version == known.since[0][0] else [])]

    def relations(self, source: str, number: Callable[[str], str]) -> Mapping[str, str]:
        """Return our tables as queries of what is called `source`; see `asking.Relations`."""
        classes = {name for one in self._versions() for name in one.reference.classes}
        about = {"model": self.model, "secret": self._secret, "classes": classes, "number": number}
        return {
            "predictions": predictions_text(self.mapped, self.known(), source=source, **about),  # type: ignore[arg-type]
            "given_labels": given_labels_text(),
            "renamed": renamed_text(self.mapped, source, classes=classes),
        }

    def prediction(self, row: Sequence[Any]) -> Prediction:
        """Return the record of a row of `queries.SHOWN`."""
        values = dict(zip(queries.SHOWN, row, strict=True))
        image, confidence = values.pop("image"), values.pop("confidence")
        return Prediction(
            **values | {"occurred_at": as_utc(values["occurred_at"]), "version": int(values["version"])},
            model=self.model,
            image=image if DIGEST.fullmatch(image) else "",  # a path would be one of another machine
            confidence=None if confidence is None else float(confidence),
            probabilities=(),
            energy=None,
            latency_ms=None,
        )

    def label(self, name: str, label: str, at: datetime | None) -> Label:
        """Return the record of a label that came with a row of this moment."""
        assert at is not None
        return Label(self.model, name, label, FILE, at, GIVEN)
