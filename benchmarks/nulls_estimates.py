"""Does the interval that people read cover the truth, and what are planned labels worth? (STATISTICS.md, check 6.)

    nice python benchmarks/nulls_estimates.py --runs 1000

Windows are of 2,000 items, at first 92 % right, with calibrated guesses: the seven levels of a good classifier, or
Beta(c m, c (1 - m)) with m = .08 and c = 1, 2, 5: the smaller c, the better guesses tell wrong answers from right ones.
Half of the classes are hard, half easy (odds of an error three times, and a third), and the guess does not know. *Label
shift*: hard classes go from 50 to 90 % of the items. *Covariate shift*: more items with high guesses, until 15 % are
wrong. *Confident concept shift*: 7 points more errors on all items alike. Labels are drawn by the plan as it comes.
"""

import argparse
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import beta

from leeway.checks.policy import Policy
from leeway.simulate.production import LEVEL_SHARES, LEVELS
from leeway.stats.allocation import Allocation, allocate
from leeway.stats.estimation import Estimate, post_stratified_error

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BEFORE, AFTER = 0.08, 0.15  # error rates
HARDER, EASIER = 3.0, 1 / 3  # odds of an error in the two halves of the classes
GUESSES = {"seven levels": None, "Beta 1": 1, "Beta 2": 2, "Beta 5": 5}
WORLDS = ("no shift", "label shift", "covariate shift", "confident concept shift")
MISSED = 0.07  # of the intervals that say 95 %: they are to cover 93 %
POWER, FALSE, WORST = 0.80, 0.01, 1 / 0.85  # labels beside those that the best plan needs
RUNS = 4_000


@dataclass(frozen=True)
class Window:
    """Cells of like predictions."""

    sizes: Ints  # (C,)
    guesses: Floats  # (C,)
    rates: Floats  # (C,) chance of an error

    @property
    def error_rate(self) -> float:
        return float(self.sizes @ self.rates) / int(self.sizes.sum())

    @cached_property
    def design(self) -> Allocation:
        return allocate(self.guesses, uniform_share=Policy().labels.uniform_share, sizes=self.sizes)


def raw_guesses(kind: str) -> tuple[Floats, Ints]:
    """Guesses before they are calibrated, and how many of 1,000 items each stands for."""
    concentration = GUESSES[kind]
    if concentration is None:
        return np.array(LEVELS), np.rint(1_000 * np.array(LEVEL_SHARES)).astype(np.int64)
    ranks = (np.arange(100) + 0.5) / 100
    return np.clip(beta.ppf(ranks, concentration * BEFORE, concentration * (1 - BEFORE)), 1e-6, 0.85), np.full(100, 10)


def usual_window(kind: str, *, halves: bool) -> Window:
    """2,000 items at 92 %, guesses calibrated. halves: half of the classes is hard, half easy, the guess knows not."""
    raw, sizes = raw_guesses(kind)
    odds = np.concatenate([raw / (1 - raw)] * 2) * np.repeat([HARDER, EASIER] if halves else [1.0, 1.0], len(raw))
    sizes = np.concatenate([sizes, sizes])

    def rates(log_scale: float) -> Floats:
        scaled: Floats = np.exp(log_scale) * odds
        return scaled / (1 + scaled)

    found = rates(brentq(lambda scale: float(sizes @ rates(scale)) / sizes.sum() - BEFORE, -20, 20))
    guesses = found.reshape(2, -1).mean(axis=0)
    return Window(sizes, np.concatenate([guesses, guesses]), found)


def window_of(kind: str, world: str, *, halves: bool) -> Window:
    usual = usual_window(kind, halves=halves)
    if world == "label shift":
        hard = np.repeat([1.8, 0.2], len(usual.sizes) // 2)
        return replace(usual, sizes=np.rint(usual.sizes * hard).astype(np.int64))
    if world == "covariate shift":
        return replace(usual, sizes=tilted(usual.sizes, usual.rates, np.log(usual.guesses), mean=AFTER))
    if world == "confident concept shift":
        return replace(usual, rates=np.clip(usual.rates + AFTER - BEFORE, 0, 1))
    return usual


def tilted(sizes: Ints, rates: Floats, slope: Floats, *, mean: float) -> Ints:
    """Sizes in proportion to sizes x exp(t slope), with t such that the rates have this mean; total as before."""

    def weights(tilt: float) -> Floats:
        unscaled = sizes * np.exp(tilt * (slope - slope.max()))
        found: Floats = unscaled / unscaled.sum()
        return found

    tilt = brentq(lambda one: float(weights(one) @ rates) - mean, -3, 3)
    rounded: Ints = np.rint(sizes.sum() * weights(tilt)).astype(np.int64)
    return rounded


def estimated(window: Window, labels: int, *, nights: int, rng: Generator) -> tuple[Estimate, float]:
    """Return the estimate from so many labels over these nights, and the error rate of the nights' own items."""
    design, items = window.design, int(window.sizes.sum())
    drawn = rng.choice(len(window.sizes), size=(nights, labels // nights), p=design.probability * window.sizes)
    errors = rng.binomial(window.sizes, window.rates, size=(nights, len(window.sizes)))
    realised = np.take_along_axis(errors, drawn, axis=1) / window.sizes[drawn]
    wrong, drawn = (rng.random(drawn.shape) < realised).ravel(), drawn.ravel()
    found = post_stratified_error(
        wrong,
        weights=1 / (items * design.probability[drawn]),
        guesses=design.control[drawn],
        strata=design.stratum[drawn],
        shares=design.shares,
    )
    assert found is not None
    return found, float(errors.sum()) / (items * nights)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Intervals of 95 % that miss the truth."""

    guesses: str
    world: str
    labels: int
    nights: int
    reported: bool = False
    budget: float = MISSED
    full: int = RUNS

    @property
    def name(self) -> str:
        over = f"{self.labels} labels" if self.nights == 1 else f"{self.nights} x {self.labels // self.nights} labels"
        return f"guesses {self.guesses}, {self.world}, {over}"

    def run(self, runs: int, rng: Generator) -> tuple[int, int]:
        """Return (intervals that miss, all of them)."""
        window = window_of(self.guesses, self.world, halves=True)
        found = [estimated(window, self.labels, nights=self.nights, rng=rng) for _ in range(runs)]
        return sum(not one.low <= truth <= one.high for one, truth in found), runs

    def width(self, runs: int, rng: Generator) -> tuple[float, float]:
        """Return (mean width, width of the central 95 % of the estimates about the truth)."""
        window = window_of(self.guesses, self.world, halves=True)
        found = [estimated(window, self.labels, nights=self.nights, rng=rng) for _ in range(runs)]
        apart = np.array([one.value - truth for one, truth in found])
        return float(np.mean([one.high - one.low for one, _ in found])), float(
            np.ptp(np.quantile(apart, [0.025, 0.975]))
        )


ROWS = tuple(
    Coverage(guesses, world, labels, nights)
    for guesses in GUESSES
    for world in WORLDS
    for labels, nights in ((100, 1), (100, 5), (200, 1), (500, 1))
)


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Labels that show a fall from 92 to 85 %, by the plan and by the best one, by the variances of both."""

    guesses: str
    world: str
    target: float = round(WORST, 3)

    @property
    def name(self) -> str:
        return f"labels for 92 to 85 %, guesses {self.guesses}, {self.world}"

    def run(self, runs: int, rng: Generator) -> dict[str, float]:  # noqa: ARG002
        """Return labels that the plan and the best plan need, and their ratio. Nothing is drawn."""
        found = [deviations(window_of(self.guesses, world, halves=False)) for world in ("no shift", self.world)]
        gap = AFTER - BEFORE
        uniform, planned, best = (
            (ndtri(1 - FALSE) * a + ndtri(POWER) * b) ** 2 / gap**2 for a, b in zip(*found, strict=True)
        )
        ratio = float(planned / best)
        return {
            "ours": float(planned),
            "oracle": float(best),
            "uniform": float(uniform),
            "ratio": ratio,
            "ratio_of_means": ratio,
        }


def deviations(window: Window) -> tuple[float, float, float]:
    """Standard deviation that one label is worth: uniform, by the plan, and with Neyman's allocation over all kinds."""
    design, share = window.design, window.sizes / window.sizes.sum()
    weight, drawn, wrong = (
        np.bincount(design.stratum, weights=one)
        for one in (share, design.probability * window.sizes, share * window.rates)
    )
    weight, drawn, wrong = weight[drawn > 0], drawn[drawn > 0], wrong[drawn > 0]
    planned = float((wrong * (weight - wrong) / drawn).sum())
    best = float(share @ np.sqrt(window.rates * (1 - window.rates)))
    return float(np.sqrt(window.error_rate * (1 - window.error_rate))), float(np.sqrt(planned)), best


ORACLES = tuple(
    Efficiency(guesses, world) for guesses in GUESSES for world in ("covariate shift", "confident concept shift")
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    asked = parser.parse_args()
    for row in ROWS:
        if asked.only in row.name:
            missed, runs = row.run(asked.runs, default_rng(1))
            width, central = row.width(asked.runs, default_rng(2))
            print(f"{row.name:60} covers {1 - missed / runs:.1%}, width {width:.3f}, {width / central:.2f} of 95 %")
    for one in ORACLES:
        print(one.name, one.run(0, default_rng(0)))


if __name__ == "__main__":
    main()
