"""Prospects: which labels will come under a policy, and what they can show. Closed forms, and no night is lived."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from leeway.checks.accuracy import LOOKS_PER_YEAR, MONTH
from leeway.checks.attribution import AttributionOfShift
from leeway.checks.monthly_drop import MonthlyDrop
from leeway.checks.policy import Policy
from leeway.domain.text import counted
from leeway.release.rules import FIRST_ATTEMPT
from leeway.simulate.production import Floats, Production, classifier
from leeway.simulate.situation import Situation
from leeway.stats.allocation import Allocation, allocate
from leeway.stats.estimation import FEWEST, post_stratified_error
from leeway.stats.paired import Pairs, lower_limit, power_of_gain, power_of_non_inferiority, score_statistic

LEVEL, FAIR = 0.95, 0.8  # of the test of harm; the chance from which something counts as shown
ALPHA = FIRST_ATTEMPT.original  # of the other tests, of an epoch's first challenger at its first look
GAINS = ((0.75, 0.90), (0.85, 0.95))  # of the accuracy on recent images: what a retraining may bring back
MOST_LABELS, LONGEST = 20_000, 365 * 5
SAMPLES, SEED = 200, 0  # of the labels after an alarm
DAYS_PER_MONTH = 365 / 12


@dataclass(frozen=True, slots=True)
class Labels:
    """What people are asked, and what their answers are good for."""

    per_night: int  # asked for
    answered_per_night: float
    per_month: float  # asked for, the gate's included
    burst: int  # asked for on top, in all, after an alarm
    burst_nights: int
    most_leaning: float  # share of the nightly draws that can go where the evidence gathers
    nights_to_retraining: int | None  # from the alarm to labels enough to train on; None: never
    training: float  # labels that may train, once the burst is in
    retrainings_per_year: float  # at most
    excludes_drop: float | None  # that the labels after an alarm exclude in half of the cases; None: too few labels
    tolerated_drop: float
    stands_down: float  # chance that they exclude a larger drop than that, while nothing is wrong
    monthly_drop: float | None  # the smallest that two months of labels show in 80 % of cases; None: none
    attribution_nights: int  # whose predictions `attribution` looks at together


@dataclass(frozen=True, slots=True)
class Improvement:
    """A better model on recent images, and when the gate's labels show that it is better in 80 % of cases."""

    before: float  # accuracy of the champion
    after: float  # of the challenger; the two err independently
    labels: int | None  # gate labels that it takes
    nights: int | None  # from the first gate label on, without an alarm; None: not within five years
    nights_after_alarm: int | None  # of nights from the alarm on alone


@dataclass(frozen=True, slots=True)
class Gate:
    """What a challenger will be judged on."""

    candidates: float  # groups a night that are the gate's
    per_night: float  # labels that come of them
    per_burst_night: float  # on each of the burst's nights
    gains: tuple[Improvement, ...]
    test_images: int
    effective_images: float  # that are not alike and say as much, where a group of images changes as a whole
    margin: float
    disagreement: float  # share of the test images on which two equal models are taken to differ in being right
    equal_models_pass: float  # chance that equal models pass the margin on the frozen test split
    margin_shown: float | None  # the margin that they pass in 80 % of cases
    class_loss_shown: float | None  # smallest loss of the smallest class that the test split can show to be harm
    first_model_passes: float | None  # chance that a model as good as the reference passes as a first one
    promotes: str  # who has the last word

    @property
    def images_text(self) -> str:
        """The test images and, where some are alike, how many they are worth."""
        if self.effective_images > self.test_images - 0.5:
            return counted(self.test_images, "test image")
        worth = f"{self.effective_images:,.0f} that are not alike, if each group changes as a whole"
        return f"{counted(self.test_images, 'test image')} (in groups: as much as {worth})"


def labels_to_come(situation: Situation, policy: Policy) -> Labels:
    """Return what people will be asked of such nights, and what it is good for."""
    labels, world = policy.labels, usual_nights(situation)
    design = allocate(world.guesses, uniform_share=labels.uniform_share, sizes=world.sizes)
    wanted = labels.wanted(situation.predictions)
    more, _ = gate_share_of_burst(situation, policy)
    given = situation.answered
    answers = [_different(design, given * draws) * (1 - policy.promotion.gate_share) for draws in (wanted, more)]
    training = policy.retrain.label_nights * answers[0] + labels.burst_nights * answers[1]
    excluded = _excluded_drops(design, world, round(given * more * labels.burst_nights))
    month = _error(design, world, given * wanted * MONTH)
    return Labels(
        per_night=wanted,
        answered_per_night=given * wanted,
        per_month=(wanted + _asked(situation, policy, policy.promotion.gate_per_night)) * DAYS_PER_MONTH,
        burst=labels.burst_on_alarm,
        burst_nights=labels.burst_nights,
        most_leaning=(1 - labels.uniform_share) * labels.lean,
        nights_to_retraining=_nights_to_retraining(policy, training, nightly=answers[0]),
        training=training,
        retrainings_per_year=365 / max(policy.retrain.cooldown_days, labels.burst_nights),
        excludes_drop=float(np.median(excluded)) if len(excluded) else None,
        tolerated_drop=policy.retrain.tolerated_drop,
        stands_down=float(np.mean(excluded <= policy.retrain.tolerated_drop)) if len(excluded) else 0.0,
        monthly_drop=_monthly_drop(policy, month, accuracy=situation.accuracy, labels=given * wanted * MONTH),
        attribution_nights=math.ceil(policy.check(AttributionOfShift).min_predictions / situation.predictions),
    )


def gate_to_come(situation: Situation, policy: Policy) -> Gate:
    """Return what a challenger will be judged on: labels of production, and the frozen test split."""
    settings, test = policy.promotion, situation.test
    nightly = settings.gate_per_night
    _, burst = gate_share_of_burst(situation, policy)
    per_night, in_burst = (situation.answered * _asked(situation, policy, draws) for draws in (nightly, burst))
    images, margin, apart = sum(test), settings.margin_points / 100, max(1 - situation.accuracy, 0.5 / (sum(test) + 1))
    equal = Pairs(round(images * apart / 2), round(images * apart / 2), images, situation.alike)
    rates = per_night, in_burst, policy.labels.burst_nights
    return Gate(
        candidates=situation.groups * settings.gate_share,
        per_night=per_night,
        per_burst_night=in_burst,
        gains=tuple(_gain(before, after, *rates) for before, after in GAINS),
        test_images=images,
        effective_images=images / situation.alike,
        margin=margin,
        disagreement=apart,
        equal_models_pass=power_of_non_inferiority(equal, margin=margin, level=1 - ALPHA) if images else 0.0,
        margin_shown=_margin_shown(images, apart, situation.alike),
        class_loss_shown=_class_loss_shown(situation, limit=settings.harm_points / 100),
        first_model_passes=None if situation.serves else _first_model(situation, policy),
        promotes="a person" if settings.mode == "review" else "the gate",
    )


def usual_nights(situation: Situation) -> Production:
    """Return nights like those of the situation, of a good classifier whose classes are all as frequent."""
    return classifier(
        predictions=situation.predictions, accuracy=situation.accuracy, classes=max(len(situation.classes), 2)
    )


def gate_share_of_burst(situation: Situation, policy: Policy) -> tuple[int, int]:
    """Return (draws that measure, draws for the gate) of one of the burst's nights; the gate gets half of what is more.

    Of a model that is only watched all that people answer measures.
    """
    labels = policy.labels
    tonight = labels.burst_on_alarm // labels.burst_nights
    wanted = labels.wanted(situation.predictions)
    if situation.watched_only:
        return wanted + tonight, 0
    return wanted + tonight - tonight // 2, policy.promotion.gate_per_night + tonight // 2


def labels_for_gain(before: float, after: float) -> int | None:
    """Return how many gate labels show this gain in 80 % of cases; None for no gain, or more than 20,000."""
    gained, lost = (1 - before) * after, before * (1 - after)
    if gained <= lost:
        return None
    low, high = 0, 8
    while power_of_gain(high, gained=gained, lost=lost, alpha=ALPHA) < FAIR:
        low, high = high, 2 * high
        if low >= MOST_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        shown = power_of_gain(middle, gained=gained, lost=lost, alpha=ALPHA) >= FAIR
        low, high = (low, middle) if shown else (middle, high)
    return high


def _asked(situation: Situation, policy: Policy, draws: int) -> float:
    """Gate labels asked for in a night that wants `draws`: one of each of the gate's groups, as many as it has."""
    if situation.watched_only:
        return 0.0
    more = binom.sf(np.arange(draws), round(situation.groups), policy.promotion.gate_share)  # P(candidates > i)
    return float(more.sum())


def _gain(before: float, after: float, per_night: float, in_burst: float, burst_nights: int) -> Improvement:
    needed = labels_for_gain(before, after)
    if needed is None:
        return Improvement(before, after, None, None, None)
    burst = burst_nights * in_burst
    later = math.inf if not per_night else burst_nights + max(needed - burst, 0.0) / per_night
    alarmed = later if needed > burst else needed / in_burst
    plain = needed / per_night if per_night else math.inf
    return Improvement(before, after, needed, *(math.ceil(one) if one <= LONGEST else None for one in (plain, alarmed)))


def _different(design: Allocation, draws: float) -> float:
    """Different predictions among so many draws of a night: one may be drawn twice."""
    return float(design.sizes @ (1 - (1 - design.probability) ** draws))


def _error(design: Allocation, world: Production, draws: float) -> float:
    """Standard error of the post-stratified accuracy from so many draws; inf without any."""
    strata = np.arange(len(design.shares))
    inside = design.stratum[None, :] == strata[:, None]
    items: Floats = inside @ design.sizes
    rates = (inside @ (design.sizes * world.error_rates)) / np.maximum(items, 1)
    drawn = draws * (inside @ (design.sizes * design.probability))
    if draws <= 0:
        return math.inf
    return math.sqrt(float((design.shares**2 * rates * (1 - rates) / np.where(drawn > 0, drawn, 1.0)).sum()))


def _excluded_drops(design: Allocation, world: Production, draws: int) -> Floats:
    """(R,) drop that an interval from so many draws excludes, of 200 samples; empty where they are too few for one."""
    if draws < FEWEST:
        return np.empty(0)
    rng, found = np.random.default_rng(SEED), []
    chances = design.probability * design.sizes / (design.probability @ design.sizes)
    weights = 1 / (design.sizes.sum() * design.probability)
    for cells in rng.choice(len(design.sizes), size=(SAMPLES, draws), p=chances):
        error = post_stratified_error(
            rng.random(draws) < world.error_rates[cells],
            weights=weights[cells],
            guesses=design.control[cells],
            strata=design.stratum[cells],
            shares=design.shares,
        )
        found.append(error.high - world.error_rate if error else math.inf)
    return np.array(found)


def _nights_to_retraining(policy: Policy, training: float, *, nightly: float) -> int | None:
    missing = policy.retrain.min_new_labels - training
    if missing <= 0:
        return policy.labels.burst_nights
    return policy.labels.burst_nights + math.ceil(missing / nightly) if nightly > 0 else None


def _monthly_drop(policy: Policy, error: float, *, accuracy: float, labels: float) -> float | None:
    if labels < FEWEST:
        return None
    both, sure = math.sqrt(2) * error, float(ndtri(1 - 0.05 / LOOKS_PER_YEAR))
    chance = float(ndtri(FAIR))
    drop = max((sure + chance) * both, policy.check(MonthlyDrop).min_drop + chance * both)
    return drop if drop < accuracy else None


def _margin_shown(images: int, apart: float, alike: float) -> float | None:
    """The margin that equal models pass in 80 % of cases: sqrt(7.4 d / n), but no less than without disagreement.

    n: images, over the design effect of their groups.
    """
    if not images:
        return None
    least = -lower_limit(Pairs(0, 0, images, alike), level=1 - ALPHA)
    return max(least, float(ndtri(1 - ALPHA) + ndtri(FAIR)) * math.sqrt(apart * alike / images))


def _class_loss_shown(situation: Situation, *, limit: float) -> float | None:
    """The smallest loss that the class with the fewest images, as far as they are not alike, can show to be harm."""
    classes = [(count / alike, count, alike) for count, alike in _of_classes(situation) if count]
    if not classes or limit >= 1:
        return None
    level = float(ndtri(1 - (1 - LEVEL) / len(classes)))
    _, images, alike = min(classes)
    for lost in range(math.ceil(limit * images), images + 1):
        pairs = Pairs(gained=lost, lost=0, total=images, design_effect=alike)
        if score_statistic(pairs, max(limit, 1e-9)) > level:
            return lost / images
    return None


def _of_classes(situation: Situation) -> list[tuple[int, float]]:
    """(images, design effect) of each class of the test split."""
    return list(zip(situation.test, situation.class_alike or [1.0] * len(situation.test), strict=True))


def _first_model(situation: Situation, policy: Policy) -> float | None:
    settings, right, images = policy.promotion, situation.accuracy, sum(situation.test)
    if situation.watched_only or not images:
        return None
    recalls = [_reaches(settings.min_class_recall, count / alike, right) for count, alike in _of_classes(situation)]
    return _reaches(settings.min_accuracy, images / situation.alike, right) * math.prod(recalls)


def _reaches(floor: float, images: float, right: float) -> float:
    """Chance that so many images, of which each is right with this chance, reach the floor."""
    count = round(images)
    return float(binom.sf(math.ceil(floor * count - 1e-9) - 1, count, right))
