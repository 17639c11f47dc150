"""Which drift is none, and when is one seen?  nice python benchmarks/nulls_drift.py --years 100

The rows of drift in the table of nulls (benchmarks/years.py runs them at full size), and its delays. Each is lived
through the engine of the product, `simulate.drift.SimulatedDrift`, under the policy as it comes.
"""

import math
from collections.abc import Callable

import numpy as np
from nulls import Delay, Row, try_out
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.checks.repeats import OFTEN, SAMPLE
from leeway.simulate.drift import SimulatedDrift
from leeway.simulate.production import classifier
from leeway.simulate.years import Limits
from leeway.stats import edetector

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Live = Callable[[int, int, Generator], Ints]  # (night, years, rng) -> (Y, 3K) counts

NIGHTS = 365
CHANGE, WAITED = 35, 60  # nights before a change, the longer reference among them, and nights waited for an alarm
BANDS = (0.15, 0.30, 0.55)  # of the confidence
POLICY = Policy()
LINE = math.log(edetector.threshold(POLICY.alpha(POLICY.check(PredictionDrift))))


def still_row(name: str, told: str, live_of: Callable[[int, Generator], Live], *, reported: bool = False) -> Row:
    """Return the row of a year of such nights; live_of(years, rng) says what a night is."""
    return Row(name, told, reported, lambda years, rng: first_alarms(live_of(years, rng), years, NIGHTS, rng))


def changed(
    name: str, told: str, target: int, before: Floats, after: Floats, predictions: int, *, change: int = CHANGE
) -> Delay:
    """Return the delay of a change of the shares (K,) of the classes."""
    usual, moved = in_bands(before), in_bands(after)

    def live(night: int, years: int, rng: Generator) -> Ints:
        return rng.multinomial(predictions, moved if night >= change else usual, size=years)

    return Delay(name, told, target, lambda years, rng: first_alarms(live, years, change + WAITED, rng), change)


def first_alarms(live: Live, years: int, nights: int, rng: Generator) -> Ints:
    """(Y,) night, from 0, of the first alarm of each year; -1 without one."""
    classes = live(0, 1, default_rng(0)).shape[1] // 3
    watcher = SimulatedDrift(years, classifier(predictions=1000, accuracy=0.9, classes=classes), POLICY, Limits())
    first = np.full(years, -1)
    for night in range(nights):
        alarmed = watcher.see_cells(live(night, years, rng)) >= LINE
        first = np.where((first < 0) & alarmed, night, first)
        if (first >= 0).all():
            break
    return first


# Worlds


def in_bands(shares: Floats) -> Floats:
    """(..., K) -> (..., 3K) shares, each class with the same confidences."""
    spread: Floats = (shares[..., None] * np.array(BANDS)).reshape(*shares.shape[:-1], -1)
    return spread


def same(classes: int = 10) -> Floats:
    return np.full(classes, 1 / classes)


def rare(share: float = 0.01) -> Floats:
    """Ten classes, one of which is rare."""
    return np.array([share, *[(1 - share) / 9] * 9])


def independent(predictions: int, shares: Floats) -> Live:
    return lambda _, years, rng: rng.multinomial(predictions, in_bands(shares), size=years)


def moving(predictions: int, shares_of: Callable[[int, int, Generator], Floats]) -> Live:
    """shares_of(night, years, rng) -> (Y, 3K) shares of the night."""
    return lambda night, years, rng: rng.multinomial(predictions, shares_of(night, years, rng))


def dirichlet(concentration: float, *, tilt: float = 0.0, shares: Floats | None = None) -> Callable[..., Floats]:
    """Days that differ, about a mean of which every other class is `tilt` up at weekends."""
    base = same() if shares is None else shares

    def shares_of(night: int, years: int, rng: Generator) -> Floats:
        return rng.dirichlet(concentration * in_bands(tilted(base, tilt, night)), size=years)

    return shares_of


def tilted(base: Floats, tilt: float, night: int) -> Floats:
    sign = np.where(np.arange(len(base)) % 2 == 0, 1.0, -1.0) * (night % 7 >= 5)
    moved: Floats = base * (1 + tilt * sign)
    return moved / moved.sum()


def in_groups(predictions: int, size: int) -> Live:
    """Images come in groups of so many that are answered alike."""
    return lambda _, years, rng: size * rng.multinomial(predictions // size, in_bands(same()), size=years)


def with_copies(predictions: int, copies: int, *, known: bool) -> Live:
    """On one night of 30 one image comes so many times more; known, it counts once where a sample shows it."""

    def live(_: int, years: int, rng: Generator) -> Ints:
        cells = rng.multinomial(predictions, in_bands(same()), size=years)
        hit = np.flatnonzero(rng.random(years) < 1 / 30)
        seen = rng.hypergeometric(copies, predictions, min(SAMPLE, predictions + copies), len(hit)) >= OFTEN
        cells[hit, rng.integers(0, cells.shape[1], len(hit))] += np.where(known & seen, 1, copies)
        return cells

    return live


def by_volume(years: int, rng: Generator) -> Live:  # noqa: ARG001
    """From 10 to 10,000 predictions a night, one size as often as another in logarithms."""
    sizes = np.exp(rng.uniform(math.log(10), math.log(10_000), NIGHTS)).astype(int)
    return lambda night, some, own: own.multinomial(sizes[night], in_bands(same()), size=some)


def two_classes_at_weekends(night: int, years: int, rng: Generator) -> Floats:
    """One class is 40 % up at weekends, another 40 % down."""
    shares = same()
    shares[:2] *= np.array([1.4, 0.6]) if night % 7 >= 5 else 1.0
    return rng.dirichlet(800 * in_bands(shares), size=years)


def season(size: float) -> Callable[[int, int, Generator], Floats]:
    """Every other class is up to `size` up in summer and down in winter, the others the reverse."""

    def shares_of(night: int, years: int, rng: Generator) -> Floats:  # noqa: ARG001
        sign = np.where(np.arange(10) % 2 == 0, 1.0, -1.0)
        shares = same() * (1 + size * math.sin(2 * math.pi * night / 365) * sign)
        return np.broadcast_to(in_bands(shares), (years, 30))

    return shares_of


def waves(years: int, rng: Generator) -> Live:  # noqa: ARG001
    """Log shares that wander, AR(1) with .9 from night to night, as far as days of Dirichlet(800) differ."""
    state: list[Floats] = []

    def live(_: int, some: int, own: Generator) -> Ints:
        sd = math.sqrt((1 - 0.1) / (801 * 0.1))  # of a share of .1, relative
        new = own.normal(size=(some, 10))
        old = state[-1] if state and len(state[-1]) == some else new
        state.append(0.9 * old + math.sqrt(1 - 0.81) * new if state and len(state[-1]) == some else new)
        shares = same() * np.exp(sd * state[-1])
        return own.multinomial(2000, in_bands(shares / shares.sum(axis=1, keepdims=True)))

    return live


def still(live: Live) -> Callable[[int, Generator], Live]:
    """A world that keeps nothing from one night to the next."""
    return lambda _, __: live


def weekly(predictions: int, concentration: float = 800) -> Callable[[int, Generator], Live]:
    return still(moving(predictions, dirichlet(concentration, tilt=0.15)))


ROWS = (
    still_row("iid", "independent draws, 2,000 a night", still(independent(2000, same()))),
    still_row("iid 200", "independent draws, 200 a night", still(independent(200, same()))),
    *(
        still_row(f"weekly {n}", f"weekends 15 % up and down, days Dirichlet(800), {n:,} a night", weekly(n))
        for n in (2000, 20_000, 100_000)
    ),
    *(
        still_row(f"dirichlet {c}", f"days Dirichlet({c}), 20,000 a night", still(moving(20_000, dirichlet(c))))
        for c in (800, 400, 200)
    ),
    *(
        still_row(f"groups {size}", f"groups of {size} alike images, 2,000 a night", still(in_groups(2000, size)))
        for size in (10, 50)
    ),
    *(
        still_row(
            name,
            f"{copies:,} copies of one image on one night of 30, {words}, beside {n:,}",
            still(with_copies(n, copies, known=known)),
            reported=not known,
        )
        for name, words, n, copies, known in (
            ("copies", "not known as such", 2000, 300, False),
            ("copies known", "known by their hash", 2000, 300, True),
            ("few copies known", "known by their hash where a sample shows them", 20_000, 100, True),
        )
    ),
    still_row("volume", "10 to 10,000 predictions a night", by_volume),
    still_row(
        "two classes",
        "one class 40 % up at weekends, one 40 % down, days Dirichlet(800), 2,000 a night",
        still(moving(2000, two_classes_at_weekends)),
    ),
    still_row("rare class", "a class of 1 %, days Dirichlet(800)", still(moving(2000, dirichlet(800, shares=rare())))),
    still_row("100 classes at 200", "100 classes, 200 a night", still(independent(200, same(100)))),
    still_row("100 classes", "100 classes, 2,000 a night", still(independent(2000, same(100)))),
    still_row("season 10", "a season of 10 % up and down, 2,000 a night", still(moving(2000, season(0.10)))),
    still_row(
        "season 20", "a season of 20 % up and down, 2,000 a night", still(moving(2000, season(0.20))), reported=True
    ),
    still_row("AR(1)", "shares that wander for weeks (AR(1) .9), 2,000 a night", waves, reported=True),
)


def gains(moved: float, classes: int = 10) -> Floats:
    """One class gains so much of the predictions from the others alike."""
    return np.array([1 / classes + moved, *[(1 - 1 / classes - moved) / (classes - 1)] * (classes - 1)])


def vanished(shares: Floats, gone: int) -> Floats:
    left = np.where(np.arange(len(shares)) < gone, 0.0, shares)
    return left / left.sum()


DELAYS = (
    changed("tv .10 at 2000", "one class gains 10 points", 2, same(), gains(0.10), 2000),
    changed("tv .10 at 200", "one class gains 10 points", 8, same(), gains(0.10), 200),
    changed("tv .10 at 200 from 12", "the same from night 12 on", 20, same(), gains(0.10), 200, change=11),
    changed("tv .06 at 2000", "one class gains 6 points", 6, same(), gains(0.06), 2000),
    changed("1 % vanishes", "a class of 1 % vanishes", 6, rare(), vanished(rare(), 1), 2000),
    changed("40 of 100 vanish", "40 of 100 classes vanish", 2, same(100), vanished(same(100), 40), 2000),
)


if __name__ == "__main__":
    try_out(__doc__, ROWS, DELAYS)
