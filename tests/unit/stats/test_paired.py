"""Two models on the same images: McNemar, Tango's interval, losses of classes."""

import numpy as np
import pytest
from scipy.stats import binomtest

from leeway.stats.paired import (
    Pairs,
    class_losses,
    lower_limit,
    mcnemar,
    pairs_of,
    power_of_non_inferiority,
    score_statistic,
)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (12, 3), (3, 12), (40, 40)])
def test_mcnemar_is_the_exact_binomial_tail(gained, lost):
    expected = binomtest(gained, gained + lost, alternative="greater").pvalue if gained + lost else 1.0
    assert mcnemar(Pairs(gained, lost, 200)) == pytest.approx(expected)


@pytest.mark.parametrize("pairs", [Pairs(12, 2, 50), Pairs(3, 9, 135), Pairs(0, 4, 40)], ids=str)
@pytest.mark.parametrize("difference", [-0.3, -0.02, 0.05, 0.4])
def test_the_score_statistic_uses_the_most_likely_loss_rate(pairs, difference):
    """Tango's closed form against a search of the constrained likelihood."""
    b, c, n = pairs.gained, pairs.lost, pairs.total
    loss = np.linspace(max(0, -difference), (1 - difference) / 2, 200_001)[1:-1]
    likelihood = b * np.log(loss + difference) + c * np.log(loss) + (n - b - c) * np.log(1 - 2 * loss - difference)
    best = loss[likelihood.argmax()]
    expected = (b - c - n * difference) / np.sqrt(n * (2 * best + difference - difference**2))
    assert score_statistic(pairs, difference) == pytest.approx(expected, rel=1e-3)


def test_the_limit_is_where_the_score_statistic_is_the_normal_quantile():
    pairs = Pairs(12, 2, 50)
    assert score_statistic(pairs, lower_limit(pairs, level=0.975)) == pytest.approx(1.959964, abs=1e-4)


@pytest.mark.parametrize("total", [1, 20, 270, 5000])
def test_the_limit_stays_sane_without_any_disagreement(total):
    z = 1.6448536
    assert lower_limit(Pairs(0, 0, total)) == pytest.approx(-(z**2) / (total + z**2))


@pytest.mark.parametrize("pairs", [Pairs(0, 10, 10), Pairs(10, 0, 10), Pairs(5, 5, 10), Pairs(0, 1, 1), Pairs(0, 0, 0)])
def test_the_limit_exists_at_every_corner(pairs):
    assert -1 <= lower_limit(pairs) <= pairs.difference


def test_the_lower_limit_errs_in_one_case_of_twenty():
    rng = np.random.default_rng(0)
    missed, repeats = 0, 1500
    for gained, lost, _ in rng.multinomial(270, [0.04, 0.06, 0.9], size=repeats):
        missed += lower_limit(Pairs(int(gained), int(lost), 270)) > -0.02
    assert 0.03 <= missed / repeats <= 0.07


def test_power_needs_about_six_disagreements_over_margin_squared():
    disagreement, margin = 0.05, 0.02
    n = round(6.2 * disagreement / margin**2)
    pairs = Pairs(round(n * disagreement / 2), round(n * disagreement / 2), n)
    assert power_of_non_inferiority(pairs, margin=margin) == pytest.approx(0.8, abs=0.02)
    assert power_of_non_inferiority(Pairs(0, 0, 50), margin=0.03) == 0.0


def test_a_class_that_collapses_is_harmed_and_one_without_images_is_not():
    losses = class_losses([Pairs(0, 30, 40), Pairs(2, 1, 40), Pairs(0, 0, 0)], limit=0.05)
    assert [one.harmed for one in losses] == [True, False, False]
    assert losses[0].value == 0.75
    assert losses[0].lower > 0.5


def test_thirty_images_without_a_loss_do_not_block():
    assert not any(one.harmed for one in class_losses([Pairs(0, 0, 30)] * 10, limit=0.05))


def test_many_classes_ask_for_more_evidence_than_one():
    alone, among = (
        class_losses([Pairs(0, 8, 40)], limit=0.05),
        class_losses([Pairs(0, 8, 40)] + [Pairs(0, 0, 40)] * 99, limit=0.05),
    )
    assert alone[0].harmed
    assert not among[0].harmed


def test_one_image_a_group_is_plain_mcnemar_and_groups_vote_with_their_net_change():
    change = np.array([1] * 9 + [-1] * 2 + [0] * 20)
    assert mcnemar(pairs_of(change, np.arange(31))) == mcnemar(Pairs(9, 2, 31))
    assert mcnemar(Pairs(9, 2, 31, net=(1,) * 9 + (-1,) * 2)) == pytest.approx(mcnemar(Pairs(9, 2, 31)))
    assert mcnemar(pairs_of(np.ones(15, dtype=int), np.arange(15) // 5)) == pytest.approx(1 / 8)  # three groups gain
    assert mcnemar(Pairs(5, 1, 6, net=(5, -1))) == pytest.approx(1 / 2)  # 5 - 1, 5 + 1 of four
    assert mcnemar(Pairs(2, 2, 9, net=(0, 0))) == 1


def test_groups_are_exchanged_with_the_models():
    pairs = pairs_of(np.array([1, 1, 0, -1]), np.array([0, 0, 1, 1]))
    assert pairs.net == (2, -1)
    assert pairs.reversed.net == (-2, 1)
    assert (pairs.reversed.gained, pairs.reversed.lost, pairs.reversed.design_effect) == (1, 2, pairs.design_effect)


@pytest.mark.parametrize("sizes", [[5] * 60, [1] * 60 + [4] * 30 + [20] * 6], ids=["fives", "unequal"])
@pytest.mark.parametrize("share", [0.5, 1.0], ids=["half of a group agrees", "all of it"])
def test_an_equal_model_on_images_in_groups_gains_as_rarely_as_it_may(sizes, share):
    """Without groups the test errs in about a fifth of cases."""
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(len(sizes)), sizes)
    grouped, alone = [], []
    for _ in range(1000):
        own = rng.choice([1, -1, 0], size=len(groups), p=[0.1, 0.1, 0.8])
        shared = rng.choice([1, -1, 0], size=len(sizes), p=[0.1, 0.1, 0.8])[groups]
        change = np.where(rng.random(len(groups)) < share, shared, own)
        grouped.append(mcnemar(pairs_of(change, groups)) < 0.0304)
        alone.append(mcnemar(pairs_of(change, None)) < 0.0304)
    assert np.mean(grouped) < 0.05
    assert np.mean(alone) > np.mean(grouped)
    assert share < 1 or np.mean(alone) > 0.1
