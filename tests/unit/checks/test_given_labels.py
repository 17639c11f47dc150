"""Labels that came with the log, each with its chance of coming: a fair bet, whichever of them come."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from leeway.checks.bets import ALL, CHANCES, bet_on, draws_of_night, fractions_of
from leeway.checks.class_bets import ClassLimits, class_factors
from leeway.domain.records import Draw, LabelledDraw, NightLabels
from made_nights import CLASSES, night

ROWS = ((0.05, False), (0.2, False), (0.8, True))  # (chance, whether it is wrong): of a night of three rows
LIMIT = 1 / 3  # as many are wrong


def came(rows: Sequence[tuple[float, bool]], *, least: float, same: float = 0.0) -> NightLabels:
    """A night of which these rows came, as a plan keeps them."""
    draws = tuple(
        LabelledDraw(
            Draw(f"d{at}", "plan", "m", f"p{at}", "measure", "0", 1 / 3 if same else chance / len(rows), 0.0),
            *(night(0), "dog" if wrong else "cat", "cat", "", ""),
        )
        for at, (chance, wrong) in enumerate(rows)
    )
    parts = {CHANCES: (len(rows), least, same, 1.0)} | {f"class {name}": (1, 1 / 3, 0.0, 1.0) for name in CLASSES}
    return NightLabels(night(0), 3, 0.0, draws, parts=parts, given=True)


def test_a_night_at_the_limit_multiplies_by_at_most_one_on_average_over_the_rows_that_come() -> None:
    mean = np.zeros(4)
    for comes in product((False, True), repeat=len(ROWS)):
        rows = [row for row, here in zip(ROWS, comes, strict=True) if here]
        chance = np.prod([p if here else 1 - p for (p, _), here in zip(ROWS, comes, strict=True)])
        labelled = came(rows, least=0.05)
        draws = draws_of_night(labelled)
        everything = np.ones(len(rows), dtype=bool)
        bet = bet_on(labelled, draws, everything, part=ALL, error_limit=LIMIT, spread=0.0)
        mean += chance * np.exp(bet.factor)
    assert (mean <= 1).all(), mean


@pytest.mark.parametrize(
    ("same", "least", "fractions"),
    [(0.0, 0.05, [0.25, 0.0625]), (0.0, 0.2, [1.0, 0.25]), (0.8, 0.8, [1.0, 1.0]), (0.8, 0.05, [0.0625, 0.0625])],
)
def test_each_row_weighs_by_the_smallest_chance_of_all_nights(
    same: float, least: float, fractions: list[float]
) -> None:
    labelled = came(ROWS[1:], least=least, same=same)
    assert fractions_of(labelled, draws_of_night(labelled)) == pytest.approx(np.array(fractions))


def test_a_plan_of_the_release_before_weighs_by_the_smallest_chance_of_its_night() -> None:
    plain = came(ROWS[1:], least=0.05)
    old = NightLabels(plain.night, 3, 0.0, plain.draws, given=True)
    assert fractions_of(old, draws_of_night(old)) == pytest.approx(np.array([1.0, 0.25]))


def test_what_is_missed_of_a_class_weighs_by_it_too() -> None:
    limits = {f"{way} {name}": 0.2 for name in CLASSES for way in ("precision", "recall")}
    held = ClassLimits(CLASSES, limits, np.full(3, 0.9))
    alone, rare = (class_factors(came(ROWS[2:], least=least), held)["recall cat"] for least in (0.8, 0.05))
    assert (rare < alone).all()
