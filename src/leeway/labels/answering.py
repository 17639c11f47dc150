"""Answering: which draws people answered lately, by which those of tonight are weighed."""

from datetime import date, timedelta

from leeway.checks.accuracy import MONTH
from leeway.checks.bets import answered_shares
from leeway.domain.records import NightLabels
from leeway.epoch import Epoch

LOWEST = 0.2  # answered share: an answer never stands for more than five draws


def answer_rates(epoch: Epoch, night: date) -> dict[str, float]:
    """Return r_h = (answered + 2) / (drawn + 2) of each stratum, at least .2, over plans of the 28 nights before.

    Of plans that are closed, since only then it is known what is not answered; a stratum without any is left out.
    What was answered later is unanswered here, for good: tonight's plan will be closed as those were, and r_h is the
    chance that one of its draws is answered by then. With late answers r_h were larger than that, and X_i, weighed by
    1 / r_h, too small in the mean: still no false alarm, and a later true one. The late answers are measured by plans
    of their own (`labels.late`).
    """
    shares = answered_shares(_recent(epoch, night)).items()
    return {stratum: max((answered + 2) / (drawn + 2), LOWEST) for stratum, (answered, drawn) in shares}


def seconded_share(epoch: Epoch, night: date) -> float:
    """Return r2 = seconded / (contradictions + 2): how many contradictions of the model a second person checked.

    Over the same plans; 0 where the policy asks nobody for a second opinion.
    """
    if epoch.policy.labels.second_opinion == "none":
        return 0.0
    draws = [one for labels in _recent(epoch, night) for one in labels.draws if not labels.given]
    seconded = sum(one.seconded for one in draws)
    return seconded / (sum(one.wrong or one.seconded for one in draws) + 2)


def _recent(epoch: Epoch, night: date) -> list[NightLabels]:
    first = night - timedelta(days=MONTH)
    return epoch.history.labels([one for one in epoch.history.closed_plans() if first <= one.night < night])
