"""Bootstrap: how far a figure would move on another test split of the same kind.

Each figure of the report is a function of sums over images, so a resampled test split is a row of weights and all
figures of all draws come from one product of matrices. Images that share a group (a patient, a burst of photos) are not
independent: then whole groups are drawn; otherwise images are, within their true class. Efron and Tibshirani (1993),
"An introduction to the bootstrap"; for groups Field and Welsh (2007), JRSS B 69:369.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leeway.evaluation.intervals import Interval, share

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
DRAWS_AT_ONCE = 100  # bounds the memory: weights of 100 draws of 10,000 images are 8 MB
ENDS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Resample:
    """Sums of named columns: over each unit that is drawn as one, over all images, and over each resampled split."""

    units: Mapping[str, Floats]  # (U, C) each; a unit is an image, or a group where images share one
    draws: Mapping[str, Floats]  # (D, C) each
    grouped: bool

    def total(self, column: str) -> Floats:
        """(C,) the sum over all images."""
        sums: Floats = self.units[column].sum(axis=0)
        return sums

    def shares(self, hits: str, of: str) -> tuple[Interval | None, ...]:
        """(C,) sums of `hits` over sums of `of`, with intervals; None where there is nothing to divide by.

        Wilson's, since it keeps its width where nothing was missed and the bootstrap's shrinks to a point. Where images
        share groups, at the size of a simple sample that would vary as much: the count over its design effect
        (bootstrap variance over binomial variance; Korn and Graubard 1998, Survey Methodology 24:193).
        """
        found, size = self.total(hits), self.total(of)
        scale = 1 / self._design_effects(hits, of) if self.grouped else np.ones(len(size))
        return tuple(
            share(float(hit * k), float(n * k)) if n else None for hit, n, k in zip(found, size, scale, strict=True)
        )

    def _design_effects(self, hits: str, of: str) -> Floats:
        """(C,) 1 where groups do not matter, to what it is if a group's images are all right or all wrong."""
        found, size = self.total(hits), np.maximum(self.total(of), 1)
        p, most = found / size, (self.units[of] ** 2).sum(axis=0) / size  # Kish: sum m^2 / sum m
        binomial = p * (1 - p) / size
        drawn = self.draws[hits] / np.maximum(self.draws[of], 1)
        varies = drawn.var(axis=0) / np.where(binomial > 0, binomial, 1)
        effects: Floats = np.clip(np.where(binomial > 0, varies, most), 1, np.maximum(most, 1))
        return effects


def resample(
    columns: Mapping[str, NDArray[np.generic]],
    *,
    truth: Indices,
    groups: Sequence[str] | None,
    draws: int,
    rng: np.random.Generator,
) -> Resample:
    """Columns (N,) or (N, C) that add up over images; truth (N,) class indices; groups (N,) names, or None."""
    named = {name: np.asarray(values, dtype=float).reshape(len(truth), -1) for name, values in columns.items()}
    stacked = np.hstack(list(named.values()))
    _, members = np.unique(np.asarray(groups if groups is not None else np.arange(len(truth))), return_inverse=True)
    size = int(members.max()) + 1
    grouped = size < len(truth)
    if grouped:
        units = np.zeros((size, stacked.shape[1]))
        np.add.at(units, members, stacked)
        strata = np.zeros(size, dtype=np.int64)  # a group may hold several classes
    else:
        units, strata = stacked, truth
    drawn = np.concatenate([_weights(strata, n, rng) @ units for n in _chunks(draws)])
    edges = np.cumsum([values.shape[1] for values in named.values()])[:-1]
    return Resample(
        dict(zip(named, np.split(units, edges, axis=1), strict=True)),
        dict(zip(named, np.split(drawn, edges, axis=1), strict=True)),
        grouped,
    )


def percentile_interval(value: float, drawn: Floats, *, unbiased: bool = True) -> Interval:
    """Percentile interval of a figure; drawn (D,), NaN where a draw cannot tell.

    `unbiased` False: for a figure that noise can only raise, such as a calibration error, what resampling adds on top
    is taken off. The value itself always lies inside.
    """
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Interval(value, value, value)
    low, high = (float(end) for end in np.quantile(known, ENDS))
    if not unbiased:
        added = float(known.mean()) - value
        low, high = max(low - added, 0.0), high - added
    return Interval(value, min(low, value), max(high, value))


def _weights(strata: Indices, draws: int, rng: np.random.Generator) -> Floats:
    """(draws, U) how often each unit was drawn; as many from each stratum as it has."""
    weights = np.empty((draws, len(strata)))
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        size = len(inside)
        picked = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
        weights[:, inside] = np.bincount(picked.ravel(), minlength=draws * size).reshape(draws, size)
    return weights


def _chunks(draws: int) -> list[int]:
    return [min(DRAWS_AT_ONCE, draws - start) for start in range(0, draws, DRAWS_AT_ONCE)]
