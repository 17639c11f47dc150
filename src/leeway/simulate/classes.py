"""Classes: check 4 in every simulated year at once, with the bets, the limits and the leaning of the check."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leeway.checks.class_accuracy import SUSPECTS, suspicion_strength
from leeway.checks.class_bets import MOST_CHARGED, RECALL_SPREAD
from leeway.checks.policy import Policy
from leeway.labels.leaning import FEWEST_LEANING, lean
from leeway.simulate.accuracy import clustering_of_rows
from leeway.simulate.production import Floats, Ints, Production
from leeway.stats import edetector, recall
from leeway.stats.allocation import Part, guesses_at, limited
from leeway.stats.spread import SHARE_OF_LIMIT

if TYPE_CHECKING:
    from leeway.simulate.years import Limits, Night

Flags = NDArray[np.bool_]


class SimulatedClasses:
    """Check 4 in every year: precision and recall of each class, and each slice."""

    def __init__(self, years: int, production: Production, policy: Policy, limits: "Limits") -> None:
        self.error, self.precision = policy.labels.error_rate, limits.precision
        ways = [f"{way} {k}" for k in range(production.classes) for way in ("precision", "recall")]
        slices = [f"slice {s}" for s in np.unique(production.slice) if s >= 0]
        classes = {name: limits.single.get(name, limits.classes) for name in ways}
        self.limits = classes | {name: limits.single.get(name, limits.slices) for name in slices}
        self.wealth = {name: np.tile(edetector.START, (years, 1)) for name in self.limits}
        self.likely: dict[str, tuple[Production, Floats]] = {}
        self.split: dict[str, Floats] = {}  # (Y,) 1 where tonight's second answers of a recall's class are told apart

    def see(self, night: "Night") -> Floats:
        """(Y,) log M after this night: a night without a draw changes nothing."""
        looked_at = np.asarray(night.labelled.answered.any(axis=1))[:, None]
        for name, before in self.wealth.items() if night.drawn.shape[1] else ():
            factor = self._recall(name, night) if name.startswith("recall ") else self._part(name, night)
            self.wealth[name] = np.where(looked_at, np.logaddexp(0.0, before) + factor, before)
        groups = [[name for name in self.limits if name.startswith("slice ") is sliced] for sliced in (False, True)]
        means = [self._log_mean(group) for group in groups if group]
        mean: Floats = np.logaddexp.reduce(means, axis=0) - np.log(len(means))
        return mean

    def leaning(self, production: Production, *, line: float) -> tuple[Floats, Floats]:
        """(Y, C) appeal of each kind of item, (Y,) the part of the leaning draws that follows it.

        line: log M from which the check alarms. As the night's suspicion of the check: the ten detectors with the most
        evidence, and second answers only where enough of the draws would go there.
        """
        logs = np.stack([edetector.log_mixture(one) for one in self.wealth.values()])  # (detectors, Y)
        total = np.logaddexp.reduce(logs, axis=0)
        shares = np.exp(logs - np.where(np.isfinite(total), total, 0.0))
        strength = suspicion_strength(logs.max(axis=0), detectors=len(logs), line=line)
        least = np.sort(shares, axis=0)[-min(SUSPECTS, len(shares))]
        suspects = {name: np.where(one >= least, one, 0.0) for name, one in zip(self.limits, shares, strict=True)}
        nowhere = np.zeros_like(strength)
        for name, one in suspects.items():
            if name.startswith("recall "):
                enough = one * strength >= FEWEST_LEANING
                nowhere += np.where(enough, 0.0, one)
                suspects[name] = np.where(enough, one, 0.0)
                if production.second is not None:
                    self.split[name] = enough.astype(float)
        appeal, part = lean(suspects | {"recall -1": nowhere}, production.sizes, members_of(production, self.limits))
        return appeal, strength * part

    def _log_mean(self, group: Sequence[str]) -> Floats:
        logs = [edetector.log_mixture(self.wealth[name]) for name in group]
        mean: Floats = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return mean

    def _part(self, name: str, night: "Night") -> Floats:
        """(Y, 4) log factors of a precision or a slice, as in check 3 on the draws that fall there."""
        production, design, seen = night.production, night.design, night.labelled
        kinds = members_of(production, [name])[f"class {name.split()[1]}" if name.startswith("precision") else name]
        limit = self.limits[name] + self.error * (1 - night.seconded) + night.seconded * self.error**2
        part = design.part(kinds, likely=self._likely(name, night, kinds)) if kinds.any() else None
        if part is None or not part.items:
            return np.zeros((len(night.drawn), len(edetector.DROPS)))
        inside = kinds[night.drawn]
        weights = _weights(night) * (int(design.sizes.sum()) * np.asarray(part.drawn)[..., None] / part.items)
        count = inside.sum(axis=1)
        deflation = edetector.design_effect(
            draws=count,
            clustering=_clustering(seen.group, inside),
            spread=SHARE_OF_LIMIT * self.limits[name],
            variance=part.variance * limit * (1 - limit),
        )
        factor = edetector.night_factor(
            seen.wrong,
            weights=weights * seen.answered,
            guesses=limited(_of(design.control, night.drawn), weights=weights),
            mean_guess=part.mean_control,
            error_limit=limit,
            deflation=deflation,
            counts=inside.astype(np.int64),
        )
        return np.where(np.asarray((inside & seen.answered).any(axis=1))[:, None], factor, 0.0)

    def _recall(self, name: str, night: "Night") -> Floats:
        """(Y, 4) log factors of a recall."""
        production, seen, k = night.production, night.labelled, int(name.split()[1])
        members, base = members_of(production, [name]), self.limits[name]
        part, second = night.design.part(members[f"class {k}"]), Part(0, 0.0, 0.0, 1.0)
        if name in self.split:
            second = night.design.part(members[f"second {k}"])
        items, draws = int(night.design.sizes.sum()), night.drawn.shape[1]
        design = recall.RecallDesign(
            predictions=items,
            answered=part.items / items,
            answered_drawn=part.drawn,
            mean_control=part.mean_control,
            second=self.split.get(name, 0.0) * second.items / items,
            second_drawn=self.split.get(name, 0.0) * np.asarray(second.drawn),
            answer_rate=_of(night.design.answered, night.drawn).mean(axis=1),
        )
        share = np.minimum(design.share(error_limit=base, precision=self.precision), 1.0)
        noise = recall.recall_noise(self.error, share=share, classes=production.classes, seconded=night.seconded)
        limit = np.minimum(base + noise, MOST_CHARGED)
        bets = recall.recall_bets(design, error_limit=limit, precision=self.precision)
        spread = recall.recall_spread(
            bets,
            draws=draws,
            share=share,
            spread=RECALL_SPREAD * base,
            alike=clustering_of_rows(seen.group, night.drawn.shape),
        )
        weights = _weights(night)
        thinned = items * np.asarray(part.drawn)[..., None] / max(part.items, 1)
        excess = recall.recall_excess(
            seen.wrong,
            belongs=night.truth == k,
            answered=production.predicted[night.drawn] == k,
            weights=weights * seen.answered,
            control=limited(_of(night.design.control, night.drawn), weights=np.maximum(weights * thinned, 1e-12)),
            mean_excess=design.mean_excess(limit),
            error_limit=limit,
        )
        heard = np.asarray(base + noise < MOST_CHARGED)[..., None]
        return np.where(heard, recall.recall_log_product(excess, bets, spread=spread), 0.0)

    def _likely(self, name: str, night: "Night", kinds: Flags) -> Floats:
        """(C',) chances of an error where the part stands at its limit; kept while the production is the same."""
        known = self.likely.get(name)
        if known is None or known[0] is not night.production:
            design = night.design
            found = guesses_at(design.guesses[kinds], design.sizes[kinds], limit=self.limits[name])
            known = self.likely[name] = night.production, found
        return known[1]


def members_of(production: Production, detectors: Sequence[str] | Mapping[str, float]) -> dict[str, Flags]:
    """Return which kinds (C,) belong to the classes, second classes and slices of these detectors."""
    found: dict[str, Flags] = {}
    for way, _, which in (name.partition(" ") for name in detectors):
        if way == "slice":
            found[f"slice {which}"] = production.slice == int(which)
            continue
        found[f"class {which}"] = production.predicted == int(which)
        if production.second is not None and way == "recall":
            found[f"second {which}"] = production.second == int(which)
    return found


def _weights(night: "Night") -> Floats:
    """(Y, n) 1 / (N q_i r_i)."""
    design = night.design
    items = int(design.sizes.sum())
    weights: Floats = 1 / (items * _of(design.probability, night.drawn) * _of(design.answered, night.drawn))
    return weights


def _clustering(group: Ints | None, inside: Flags) -> Floats:
    """(Y,) sum_g k_g^2 / n of the groups among the draws inside (Y, n); 1 where none is known."""
    if group is None:
        return np.ones(len(inside))
    count = inside.sum(axis=1)
    alone = np.where(inside, group, -1 - np.arange(inside.shape[1]))  # each draw outside is its own group
    pairs = clustering_of_rows(alone, inside.shape) * inside.shape[1] - (~inside).sum(axis=1)
    clustering: Floats = np.where(count > 0, pairs / np.maximum(count, 1), 1.0)
    return clustering


def _of(values: Floats, drawn: Ints) -> Floats:
    """(Y, n) of the kinds drawn; values are (C,) or (Y, C)."""
    return values[drawn] if values.ndim == 1 else np.take_along_axis(values, drawn, axis=-1)
