"""Embedder: encoded images in, their embeddings by the bundle of a model version out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leeway.domain.records import ModelVersion
from leeway.errors import DataError, in_one_line

Embed = Callable[[Sequence[bytes]], NDArray[np.float32]]  # encoded images -> (n, E)


@dataclass(frozen=True, slots=True)
class Embedder:
    """What images are embedded with, and the folder in which embeddings lie: one file a night, made whole or not."""

    folder: Path
    load: Callable[[ModelVersion], Embed]  # of the version's bundle; raises where there is none
    _loaded: dict[tuple[str, int], Embed | str] = field(default_factory=dict)

    def of(self, version: ModelVersion) -> Embed:
        """Load the bundle once. Raises DataError, each time, where that failed."""
        key = version.model, version.version
        if key not in self._loaded:
            try:
                self._loaded[key] = self.load(version)
            except Exception as error:  # of whatever registry: the night goes on
                self._loaded[key] = in_one_line(error)
        found = self._loaded[key]
        if isinstance(found, str):
            raise DataError(f"0 images were embedded: the bundle of version {version.version}: {found}")
        return found

    def path(self, version: ModelVersion, night: date) -> Path:
        return self.folder / f"{version.model}-{version.version}" / f"{night}.npz"
