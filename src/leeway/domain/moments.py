"""Moments: the part of the prediction log that says when which version predicted."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from leeway.domain.records import ModelVersion


class Moments(Protocol):
    """When versions predicted: each answer is found in an index; see `leeway.domain.stores.PredictionLog`."""

    def first_at(self, version: ModelVersion, *, since: datetime | None = None) -> datetime | None:
        """Return when the version first predicted, or first from a moment on; None if it did not."""

    def last_at(self, version: ModelVersion, *, before: datetime | None = None) -> datetime | None:
        """Return when the version last predicted, or last before a moment; None if it did not."""

    def rows_by_version(self, model: str, versions: Collection[int], start: datetime, end: datetime) -> dict[int, int]:
        """Count the predictions of a window by version, of these versions; those without any are left out."""
