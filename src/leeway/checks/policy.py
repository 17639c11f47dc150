"""Policy: what is promised about alarms, labels, retraining and promotion (monitoring/policy.yaml)."""

import hashlib
import json
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, create_model, field_validator, model_validator

import leeway.checks.builtin  # noqa: F401 registers the checks
from leeway.checks.registry import CHECKS, Check
from leeway.paramsfile import Count, ParamsModel, Share, load_section, setting

Occasion = Literal["alarm", "alert", "retrain", "stand_down", "no_verdict", "release"]
C = TypeVar("C", bound=Check)


class LabelPlanning(ParamsModel):
    """How many labels are asked for, and how they are drawn."""

    per_night: Annotated[
        Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)],
        setting(
            "labels asked for each night: a number, or a share of the predictions such as 0.05",
            "70 instead of 20 halves the delay of an alarm",
        ),
    ] = 20
    uniform_share: Annotated[
        float, setting("part drawn whatever the model thinks", "higher where confident mistakes are feared", gt=0, le=1)
    ] = 0.2
    lean: Annotated[
        float, setting("most of the non-uniform draws that follow suspicion", "0: every night alike", ge=0, lt=1)
    ] = 0.6
    burst_on_alarm: Annotated[
        Count,
        setting(
            "labels asked for after an alarm, in all, on top of the nightly ones; half are for the gate",
            "what people can label in the burst's nights",
        ),
    ] = 150
    burst_nights: Annotated[Count, setting("nights over which the burst is spread, and waited for")] = 2
    answer_days: Annotated[
        Count,
        setting(
            "days for which people may answer what a night asked; it counts once all is answered, or then",
            "7 where somebody labels every week; fewer decide sooner on what is answered",
        ),
    ] = 10
    error_rate: Annotated[
        float,
        setting(
            "share of the labels that are wrong at most, from 0 to under .5",
            "what gold items show; 0 where the truth is beyond doubt",
            ge=0,
            lt=0.5,
        ),
    ] = 0.01
    second_opinion: Annotated[
        Literal["none", "errors"],
        setting(
            "`errors`: a label that contradicts the model goes to a second person, who does not know it",
            "`errors` where two people label: wrong labels hardly count then",
        ),
    ] = "none"

    def wanted(self, predictions: int) -> int:
        """Labels asked for of a night with so many predictions."""
        return self.per_night if isinstance(self.per_night, int) else math.ceil(self.per_night * predictions)


class Retraining(ParamsModel):
    """When an alarm may become a retraining."""

    cooldown_days: Annotated[float, setting("days before the next retraining, or the same alarm", ge=0)] = 7
    min_new_labels: Annotated[Count, setting("new training labels without which a retraining waits")] = 50
    label_nights: Annotated[
        int,
        setting(
            "nights before the alarm whose labels train too; all older ones wait for the calendar retraining",
            "shorter where the world changes fast",
            ge=0,
        ),
    ] = 7
    tolerated_drop: Annotated[Share, setting("drop in accuracy that labels must exclude to stand down, 0 to 1")] = 0.02


class Promotion(ParamsModel):
    """What a challenger has to show, and who has the last word."""

    mode: Annotated[
        Literal["auto", "review"],
        setting("`review`: a person approves; `auto`: passing the gate is enough", "auto once the gate is trusted"),
    ] = "review"
    margin_points: Annotated[
        float,
        setting(
            "points of original test accuracy that may be at risk",
            "small test splits can only show a wide margin",
            gt=0,
            le=20,
        ),
    ] = 1.0
    harm_points: Annotated[float, setting("points a class may lose", ge=0, le=100)] = 5.0
    gate_share: Annotated[
        float, setting("share of groups labelled for the gate only", "larger where few groups are served", ge=0, lt=1)
    ] = 0.1
    gate_per_night: Annotated[
        int,
        setting(
            "gate labels asked for every night, on top of labels.per_night and the burst",
            "more: the next version is judged sooner; 0: after an alarm only",
            ge=0,
        ),
    ] = 3
    min_accuracy: Annotated[Share, setting("floor of a first model, 0 to 1")] = 0.90
    min_class_recall: Annotated[
        Share,
        setting(
            "recall that a class of a first model or a new class must reach, and no other be shown to be under, 0 to 1"
        ),
    ] = 0.75


class Alerting(ParamsModel):
    """What people are told about."""

    about: Annotated[
        tuple[Occasion, ...], setting("what people are told: alarm, alert, retrain, stand_down, no_verdict, release")
    ] = ("alarm", "alert", "retrain", "stand_down", "release")


class _Promise(ParamsModel):
    """What holds for all checks together."""

    time_zone: Annotated[
        str, setting("nights are local calendar days here", "set it to where the images come from")
    ] = "UTC"
    false_alarm_probability_per_year: Annotated[
        float,
        setting(
            "chance of any false alarm in 365 nights, of all models together",
            "lower it with many models; detection takes a little longer",
            gt=0,
            lt=1,
        ),
    ] = 0.05


def _sections() -> dict[str, Any]:
    """Type and default of each check's section: the check itself. A check without settings has none."""
    kinds: dict[str, Any] = {name: CHECKS.kind(name) for name in CHECKS.names()}
    return {name: (kind, kind()) for name, kind in kinds.items() if kind.model_fields}


if TYPE_CHECKING:
    _Checked = _Promise
else:
    _Checked = create_model("_Checked", __base__=_Promise, **_sections())


class Policy(_Checked):
    """The whole file. Between the promise and the labels stands a section of each check, by its name."""

    labels: LabelPlanning = LabelPlanning()
    retrain: Retraining = Retraining()
    promotion: Promotion = Promotion()
    alerts: Alerting = Alerting()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"no time zone is called '{name}'; use an IANA name such as Europe/Zurich or UTC"
            ) from None
        return name

    @model_validator(mode="after")
    def _within_budget(self) -> Self:
        shares = {name: check.budget_share for name, check in self.checks.items() if check.budget_share}
        if sum(shares.values()) > 1 + 1e-9:
            listed = ", ".join(f"{name} {share:g}" for name, share in shares.items())
            raise ValueError(
                f"the checks' budget_share sum to {sum(shares.values()):g}, at most 1 is allowed: {listed}"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @cached_property
    def checks(self) -> dict[str, Check]:
        """Every registered check by name, in their order; one without a section here has its defaults."""
        own = type(self).model_fields
        return {name: getattr(self, name) if name in own else CHECKS.build(name) for name in CHECKS.names()}

    def check(self, kind: type[C]) -> C:
        """The check of this class, with the settings it has here."""
        return cast(C, self.checks[kind.name])

    @cached_property
    def alarming(self) -> frozenset[str]:
        """Names of the checks that may alarm: those with a part of the false-alarm budget."""
        return frozenset(name for name, check in self.checks.items() if check.budget_share)

    def alpha(self, check: Check) -> float:
        """Probability that this check alarms falsely within 365 nights."""
        return self.false_alarm_probability_per_year * check.budget_share

    def shared_by(self, models: int) -> "Policy":
        """The same with this model's part of the yearly budget, where so many models share one."""
        part = self.false_alarm_probability_per_year / max(models, 1)
        return self.model_copy(update={"false_alarm_probability_per_year": part})


def load_policy(path: Path) -> Policy:
    """The policy in this file. Raises ParamsError with the key's path."""
    return load_section(path, None, Policy)


def policy_digest(policy: Policy) -> str:
    """sha256 of the settings, defaults included: comments and the order of keys do not matter."""
    content = json.dumps(policy.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
