"""Check of what the images look like to the model, whatever it answers."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator
from pydantic import Field

from leeway.checks.registry import CHECKS, Evidence, Place, Then, details_of
from leeway.domain.image_night import ImageNight, ReferenceBet
from leeway.domain.records import CheckResult, Status
from leeway.domain.text import counted
from leeway.paramsfile import ParamsModel, setting
from leeway.stats import image_drift as images


@CHECKS.add
class ImageDrift(ParamsModel):
    """Do images look different from those of the first nights? An e-detector on embeddings (STATISTICS.md, check 11).

    What it takes for granted: nights differ no more than the reference nights differ among each other, and without
    waves of weeks. It alerts and never retrains; its false alerts have a budget of their own, 2 % a year.
    """

    name: ClassVar[str] = "image_drift"
    assumes: ClassVar[str] = (
        "nights differ no more than the reference nights differ among each other, and without waves of weeks"
    )
    order: ClassVar[int] = 65
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = ImageNight

    images: Annotated[
        int,
        Field(ge=0),
        setting(
            "images of each night that are embedded, drawn uniformly",
            "0 switches the check off; with fewer, a change is seen later",
        ),
    ] = 300
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def meaning(self, result: CheckResult) -> str:
        """How far the images have moved; its reason where that is unknown."""
        tonight = details_of(result, ImageNight)
        return moved_text(tonight) if tonight and tonight.bets else ""

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: the e-value M, against 365/.02; effect: how far images have moved, in sd; n: images.

        State: log M of the four bets against each reference, and which nights that is. M starts anew after 365 nights.
        """
        tonight, before = evidence.images, previous.state if previous else {}
        if not tonight.bets:
            details = _as_json(tonight)
            return CheckResult(
                self.name, Status.NO_VERDICT, tonight.reason, n=tonight.images, details=details, state=before
            )
        wealth = {size: _after(before, size, one) for size, one in tonight.bets.items()}
        e_value, threshold = images.e_value(*wealth.values()), images.threshold()
        return CheckResult(
            self.name,
            Status.FIRED if e_value >= threshold else Status.QUIET,
            f"{moved_text(tonight)} (e-value {e_value:,.3g}, an alarm at {threshold:,.0f}){_unreadable(tonight)}",
            statistic=e_value,
            threshold=threshold,
            effect=_last(tonight).shift,
            n=tonight.images,
            details=_as_json(tonight),
            state={size: _state(before, size, one, wealth[size]) for size, one in tonight.bets.items()},
        )


def _as_json(tonight: ImageNight) -> dict[str, Any]:
    """As the store gives it back: a list for each tuple."""
    details: dict[str, Any] = json.loads(json.dumps(asdict(tonight)))
    return details


def moved_text(tonight: ImageNight) -> str:
    """Say how far the images lie from those of the reference nights."""
    found = _last(tonight)
    return (
        f"tonight's images lie {found.shift:+.2f} sd from those of the reference nights ({found.since} to "
        f"{found.until}) in the direction in which the last 14 nights moved"
    )


def _last(tonight: ImageNight) -> ReferenceBet:
    """Against the reference of most nights."""
    return tonight.bets[max(tonight.bets, key=int)]


def _unreadable(tonight: ImageNight) -> str:
    return f"; {counted(tonight.unreadable, 'image')} drawn could not be read" if tonight.unreadable else ""


def _known(before: Mapping[str, Any], size: str, found: ReferenceBet) -> Mapping[str, Any]:
    """The detector's state, if it is of the same reference nights and of this year."""
    state = before.get(size, {})
    same = state and [state["since"], state["until"]] == [found.since, found.until]
    return state if same and state["nights"] < images.NIGHTS_PER_YEAR else {"nights": 0}


def _after(before: Mapping[str, Any], size: str, found: ReferenceBet) -> images.Floats:
    known = np.array(_known(before, size, found).get("log_wealth", images.START))
    return images.update(known, found.log_factors)


def _state(before: Mapping[str, Any], size: str, found: ReferenceBet, wealth: images.Floats) -> dict[str, Any]:
    nights = _known(before, size, found)["nights"] + 1
    return {"since": found.since, "until": found.until, "nights": nights, "log_wealth": wealth.tolist()}
