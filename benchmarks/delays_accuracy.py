"""How soon is a fall in accuracy seen?  nice python benchmarks/delays_accuracy.py --years 300

Delays of the accuracy check with their targets (STATISTICS.md, check 3), and against an oracle: CUSUM that knows the
true error rates before and after and how much nights differ, set to alarm falsely as often as the check does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from nulls import Delay, try_out
from nulls_accuracy import ALPHA, CERTAIN, CHECK, LIMIT, policy, traffic
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from leeway.checks.policy import Policy
from leeway.simulate.given import census, given_years
from leeway.simulate.production import classifier
from leeway.simulate.traffic import People, differing
from leeway.simulate.years import Limits, simulate_years

Floats = NDArray[np.float64]

MEASURED, SOONER, WAITED = 40, 14, 120  # nights before the change: the spread is measured, or not yet; and after it
EFFECTIVE = {2100: 0.067, 270: 0.084}  # limit that a reference of 97 % of so many gives: 3 points under its lower limit
SPREAD, NULL_YEARS, DROPS = 0.03, 4000, {0.03: 1.35, 0.05: 1.25, 0.10: 1.25, 0.20: 1.35}


EVERYBODY = People()


@dataclass(frozen=True, slots=True)
class Fall:
    """What accuracy falls from and to, and how it is watched."""

    before: float  # error rates
    after: float
    labels: int  # drawn a night; 0: a census of 1,000
    change: int = MEASURED
    limit: float = LIMIT
    spread: float = 0.0
    rules: Policy = CERTAIN
    people: People = EVERYBODY
    confident: bool = False  # whether what goes wrong anew does so in confident answers, too

    def first(self, years: int, rng: Generator) -> NDArray[np.int64]:
        """(Y,) night of the first alarm, -1 without one."""
        nights = self.change + WAITED
        if not self.labels:
            return given_years(
                census(1000, self.before), after=census(1000, self.after), change=self.change, limit=self.limit,
                alpha=ALPHA, years=years, rng=rng, nights=nights, deviation=differing(self.spread),
            )  # fmt: skip
        known = 1 - self.before if self.confident else None
        usual = classifier(predictions=2000, classes=10, accuracy=1 - self.before)
        fallen = classifier(predictions=2000, classes=10, accuracy=1 - self.after, before=known)
        lived = simulate_years(
            *(usual, self.rules), after=fallen, change=self.change, years=years, rng=rng, nights=nights,
            labels=self.labels, limits=Limits(accuracy=self.limit), watch=(CHECK,),
            traffic=traffic(self.spread, people=self.people)(years),
        )  # fmt: skip
        return lived.first_alarm[CHECK]

    def delay(self, name: str, told: str = "", *, target: float | None = None) -> Delay:
        return Delay(name, told, target, self.first, self.change)


def falls() -> Iterator[Delay]:
    ways = {20: "20 planned", 70: "70 planned", 0: "a census of 1,000"}
    targets: dict[str, Any] = {
        "the spread measured": ((23, 10, 5), {}),
        "the spread not measured yet": ((24, 14, 11), {"change": SOONER}),
        "nights of sd 3": ((26, 16, 12), {"spread": SPREAD}),
    }
    for told, (goals, options) in targets.items():
        for (labels, way), goal in zip(ways.items(), goals, strict=True):
            yield Fall(0.08, 0.15, labels, **options).delay(f"92 to 85 %, {told}, {way}", target=goal)
    for (labels, way), goal in zip(ways.items(), (42, 16, 9), strict=True):
        fall = Fall(0.03, 0.09, labels, limit=EFFECTIVE[2100])
        yield fall.delay(f"97 to 91 %, {way}", "a reference of 2,100", target=goal)
    yield Fall(0.03, 0.09, 20, limit=EFFECTIVE[270]).delay("97 to 91 %, a small reference", "of 270: never")
    others: dict[str, dict[str, Any]] = {
        "uniform": {"rules": policy(uniform=1.0)},
        "planned, as shipped (error_rate .01)": {"rules": Policy()},
        "planned, night_spread any": {"rules": policy(night_spread="any")},
        "planned, errors as confident as any answer": {"confident": True},
        "planned, 60 % answered": {"people": People(np.array([0.6]))},
    }
    for labels in (20, 70):
        for told, options in others.items():
            yield Fall(0.08, 0.15, labels, **options).delay(f"92 to 85 %, {labels} {told}")


DELAYS: tuple[Delay, ...] = tuple(falls())


@dataclass(frozen=True, slots=True)
class AgainstOracle:
    """Ours over the oracle's median delay, 20 uniform labels a night, nights of sd 3, from the floor down."""

    drop: float
    target: float

    @property
    def name(self) -> str:
        return f"{100 * self.drop:.0f} points under the floor"

    def run(self, years: int, rng: Generator) -> dict[str, float]:
        """Return medians and means of both, and how often each alarms falsely."""
        rules, nulls = policy(uniform=1.0, night_spread=SPREAD), _null(NULL_YEARS, SPREAD)
        fall = Fall(LIMIT, LIMIT + self.drop, 20, change=0, spread=SPREAD, rules=rules)
        ours = fall.delay(self.name).run(years, rng)
        theirs = oracle(LIMIT + self.drop, share=nulls, years=years, rng=rng)
        return {
            "ours": float(np.median(ours)),
            "oracle": float(np.median(theirs)),
            "ratio": float(np.median(ours) / np.median(theirs)),
            "ratio_of_means": float(ours.mean() / theirs.mean()),
            "false": nulls,
        }


ORACLES = tuple(AgainstOracle(drop, target) for drop, target in DROPS.items())


@cache
def _null(years: int, spread: float) -> float:
    """Share of years in which ours alarms at the floor, with a half added: it may be none."""
    rules, world = policy(uniform=1.0, night_spread=spread), classifier(predictions=2000, classes=2, accuracy=1 - LIMIT)
    lived = simulate_years(
        *(world, rules), years=years, rng=default_rng(3), labels=20, limits=Limits(accuracy=world.error_rate),
        watch=(CHECK,), traffic=traffic(spread)(years),
    )  # fmt: skip
    return (int((lived.first_alarm[CHECK] >= 0).sum()) + 0.5) / years


def oracle(after: float, *, share: float, years: int, rng: Generator, labels: int = 20) -> Floats:
    """(Y,) delays of CUSUM on the nights' error counts, whose threshold a share of the years at the floor exceeds."""
    likelihoods = [_chances(rate, labels) for rate in (LIMIT, after)]
    gain = np.log(likelihoods[1]) - np.log(likelihoods[0])
    highest = _walk(_counts(LIMIT, 4 * NULL_YEARS, 365, labels, rng), gain).max(axis=1)
    line = np.quantile(highest, 1 - share)
    path = _walk(_counts(after, years, 365, labels, rng), gain)
    reached = path > line
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


def _chances(rate: float, labels: int, points: int = 41) -> Floats:
    """(n + 1,) chance of each number of errors among n labels of a night whose rate is normal with sd 3 points."""
    rates = np.clip(rate + SPREAD * ndtri((np.arange(points) + 0.5) / points), 1e-6, 1 - 1e-6)
    found: Floats = binom.pmf(np.arange(labels + 1)[:, None], labels, rates).mean(axis=1)
    return found


def _counts(rate: float, years: int, nights: int, labels: int, rng: Generator) -> NDArray[np.int64]:
    return rng.binomial(labels, np.clip(rate + SPREAD * rng.standard_normal((years, nights)), 0, 1))


def _walk(counts: NDArray[np.int64], gain: Floats) -> Floats:
    """(Y, T) max(0, S + gain of the night's errors)."""
    path, now = np.empty(counts.shape), np.zeros(len(counts))
    for night in range(counts.shape[1]):
        now = np.maximum(now + gain[counts[:, night]], 0.0)
        path[:, night] = now
    return path


if __name__ == "__main__":
    try_out(__doc__, (), DELAYS)
