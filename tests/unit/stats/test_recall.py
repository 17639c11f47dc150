"""Recall: fair for any night whose recall stands at its floor, and sooner where the misses have the class second."""

import numpy as np
import pytest

from leeway.stats.allocation import CONTROL_LIMIT, allocate, limited
from leeway.stats.edetector import CAP
from leeway.stats.recall import (
    DROPS,
    RecallDesign,
    recall_bets,
    recall_excess,
    recall_log_product,
    recall_spread,
)

LIMIT = 0.2
ITEMS = 600


def night(*, missed_by: str, lean: float = 0.0, answered: int = 96, second: int = 60):
    """A night of 600 items of which 100 are the class and 20 are missed; 16 of the 96 answers are wrong.

    Returns its design, (N,) chances of a draw, controls, and whether each is answered as the class, is it, is wrong.
    """
    rng = np.random.default_rng(3)
    said = np.arange(ITEMS) < answered
    is_second = ~said & (np.arange(ITEMS) < answered + second)
    guesses = np.sort(rng.beta(0.3, 2, ITEMS))[rng.permutation(ITEMS)]
    plan = allocate(guesses, uniform_share=0.2, suspicion=is_second + 0.1 * said, lean=lean)
    part = plan.part(said)
    control = np.where(said, limited(plan.control, weights=part.drawn / (part.items * plan.probability)), plan.control)
    seconds = plan.part(is_second)
    design = RecallDesign(
        ITEMS, part.items / ITEMS, part.drawn, part.mean_control, seconds.items / ITEMS, seconds.drawn
    )
    truth = said.copy()
    truth[rng.choice(answered, 16, replace=False)] = False
    others = np.flatnonzero(is_second if missed_by == "second answers" else ~said & ~is_second)
    truth[others[:20]] = True
    return design, plan.probability, control, said, truth


def factors(design, probability, control, said, truth, *, limit=LIMIT, precision=0.9):
    """(N, 4) the factor of one draw of each item, whose label contradicts it or not."""
    bets = recall_bets(design, error_limit=limit, precision=precision)
    excess = recall_excess(
        said != truth,
        belongs=truth,
        answered=said,
        weights=1 / (ITEMS * probability),
        control=control,
        mean_excess=design.mean_excess(limit),
        error_limit=limit,
    )
    assert (excess >= -design.lowest(limit) - 1e-12).all()
    return 1 + excess[:, None] * bets.lam


@pytest.mark.parametrize("missed_by", ["second answers", "the rest"])
@pytest.mark.parametrize("lean", [0.0, 0.6])
@pytest.mark.parametrize("precision", [0.9, 0.5])
def test_one_draw_is_fair_wherever_the_misses_are(missed_by, lean, precision):
    """Exactly: over every item that could be drawn its mean is 1 where a fifth of the class is missed."""
    design, probability, *rest = night(missed_by=missed_by, lean=lean)
    each = factors(design, probability, *rest, precision=precision)
    assert (each > 0).all()  # nobody loses all
    assert probability @ each == pytest.approx(np.ones(4), abs=1e-9)
    assert (probability @ np.minimum(each, np.exp(CAP)) <= 1 + 1e-9).all()  # the cap only lowers


def test_a_recall_over_its_floor_loses_and_one_under_it_gains():
    design, probability, *rest = night(missed_by="second answers")
    assert (probability @ factors(design, probability, *rest, limit=0.25) < 1).all()
    assert (probability @ factors(design, probability, *rest, limit=0.15) > 1).all()


def test_the_bets_grow_fastest_for_the_recall_they_are_made_for():
    """Against a grid: the slope is halved to the maximum."""
    design = RecallDesign(1000, 0.1, 0.06, 0.04, 0.1, 0.4)
    bets = recall_bets(design, error_limit=LIMIT, precision=0.92)
    seconds, rest = 0.1 / 0.4, 0.8 / 0.54
    least = float(design.mean_excess(LIMIT))
    values = least + np.array([-0.1 / 0.06 * LIMIT * 0.04, 0.1 / 0.06 * LIMIT * 0.96, seconds * 0.8, rest * 0.8, 0.0])
    for drop, lam in zip(DROPS, bets.lam, strict=True):
        recall = 1 - LIMIT - drop
        missed = 0.092 * (1 - recall) / recall
        chances = np.array([0.06 * 0.92, 0.06 * 0.08, 0.7 * missed / seconds, 0.3 * missed / rest])
        chances = np.append(chances, 1 - chances.sum())
        assert chances @ values == pytest.approx(0.092 / recall * (drop), rel=1e-6)  # what is missed over the limit
        grid = np.linspace(0, 0.95 / float(design.lowest(LIMIT)), 20_001)[1:]
        growth = np.log1p(grid[:, None] * values) @ chances
        assert lam == pytest.approx(grid[growth.argmax()], rel=1e-3)


def test_draws_among_second_answers_make_larger_bets():
    """What is drawn there says much: its weight is small, and so is what one draw can win."""
    plain = recall_bets(RecallDesign(1000, 0.1, 0.1, 0.04), error_limit=LIMIT, precision=0.9)
    leaning = recall_bets(RecallDesign(1000, 0.1, 0.06, 0.04, 0.1, 0.5), error_limit=LIMIT, precision=0.9)
    assert (leaning.lam > 1.5 * plain.lam).all()


def test_a_class_that_is_never_answered_is_still_looked_for():
    design = RecallDesign(1000, 0.0, 0.0, 0.0)
    assert float(design.mean_excess(LIMIT)) == 0.0
    bets = recall_bets(design, error_limit=LIMIT, precision=0.9)
    missed = recall_excess(
        np.array([True]),
        belongs=np.array([True]),
        answered=np.array([False]),
        weights=np.ones(1),
        control=np.zeros(1),
        mean_excess=design.mean_excess(LIMIT),
        error_limit=LIMIT,
    )
    share = design.share(error_limit=LIMIT, precision=0.9)
    assert (bets.lam < 0.95 * 1000 / LIMIT).all(), "no larger than if one item were answered so"
    spread = recall_spread(bets, draws=20, share=share, spread=0.03)
    assert (recall_log_product(missed, bets, spread=spread) > 0.3).all()


def test_many_classes_at_once_are_each_as_alone():
    answered, drawn = np.array([0.1, 0.4, 0.0]), np.array([0.2, 0.3, 0.0])
    limits = np.array([0.2, 0.1, 0.5])
    many = recall_bets(RecallDesign(500, answered, drawn, 0.03), error_limit=limits, precision=np.full(3, 0.9))
    for at in range(3):
        alone = RecallDesign(500, answered[at], drawn[at], 0.03)
        bets = recall_bets(alone, error_limit=limits[at], precision=0.9)
        assert many.lam[at] == pytest.approx(bets.lam)
        assert many.loss[at] == pytest.approx(bets.loss)


def test_a_night_without_labels_multiplies_by_one_and_none_by_more_than_twelve():
    bets = recall_bets(RecallDesign(100, 0.1, 0.1, 0.0), error_limit=LIMIT, precision=0.9)
    assert recall_log_product(np.zeros(0), bets).tolist() == [0, 0, 0, 0]
    assert recall_log_product(np.full(50, 0.8), bets) == pytest.approx([CAP] * 4)


def test_the_more_draws_err_together_the_less_each_counts():
    bets = recall_bets(RecallDesign(1000, 0.1, 0.1, 0.04), error_limit=LIMIT, precision=0.9)
    share = np.asarray(0.115)
    alone = recall_spread(bets, draws=1, share=share, spread=0.03)
    few, many = (recall_spread(bets, draws=n, share=share, spread=0.03) for n in (20, 200))
    assert alone.tolist() == [1, 1, 1, 1]
    assert (few > 1).all()
    assert (few < many).all()
    assert recall_spread(bets, draws=20, share=share, spread=0.0, alike=2.5).tolist() == [2.5] * 4


def test_the_control_is_never_more_than_the_bets_allow_for():
    design, probability, control, said, _ = night(missed_by="the rest", lean=0.6)
    weights = 1 / (ITEMS * probability[said])
    assert (weights * control[said]).max() <= CONTROL_LIMIT * min(1, design.answered / design.answered_drawn) + 1e-12
