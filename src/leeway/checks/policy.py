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
        float,
        setting(
            "share drawn uniformly, whatever the model says", "higher where confident mistakes are feared", gt=0, le=1
        ),
    ] = 0.2
    lean: Annotated[
        float,
        setting(
            "share of the other draws, at most, that goes to classes and slices under suspicion",
            "0: every night alike",
            ge=0,
            lt=1,
        ),
    ] = 0.6
    burst_on_alarm: Annotated[
        Count,
        setting(
            "labels asked for after an alarm, in all, on top of the nightly ones; half are for the gate",
            "to what people can label in `burst_nights`",
        ),
    ] = 150
    burst_nights: Annotated[Count, setting("nights over which the burst is spread, and waited for")] = 2
    answer_days: Annotated[
        Count,
        setting(
            "days for which people may answer about a night, which is counted once all is answered, or after them",
            "7 where somebody labels every week; fewer: decisions come sooner, from fewer answers",
        ),
    ] = 10
    error_rate: Annotated[
        float,
        setting(
            "share of wrong labels, at most, from 0 to under .5",
            "to how often people are wrong about images of a known class; 0 where the truth is certain",
            ge=0,
            lt=0.5,
        ),
    ] = 0.01
    second_opinion: Annotated[
        Literal["none", "errors"],
        setting(
            "`errors`: a label that contradicts the model goes to a second person, who is not told so; or `none`",
            "`errors` where two people label: wrong labels then hardly count",
        ),
    ] = "none"

    def wanted(self, predictions: int) -> int:
        """Labels asked for of a night with so many predictions."""
        return self.per_night if isinstance(self.per_night, int) else math.ceil(self.per_night * predictions)


class Retraining(ParamsModel):
    """When an alarm may become a retraining."""

    cooldown_days: Annotated[float, setting("days until the next retraining, or the same alarm, at least", ge=0)] = 7
    min_new_labels: Annotated[Count, setting("new training labels that a retraining waits for")] = 50
    label_nights: Annotated[
        int,
        setting(
            "nights before the alarm whose labels train, too; older labels wait for the calendar retraining",
            "shorter where the world changes fast",
            ge=0,
        ),
    ] = 7
    tolerated_drop: Annotated[
        Share, setting("drop in accuracy, 0 to 1, that labels must exclude for an alarm to stand down")
    ] = 0.02


class Promotion(ParamsModel):
    """What a challenger has to show, and who has the last word."""

    mode: Annotated[
        Literal["auto", "review"],
        setting("`review`: a person approves; `auto`: passing the gate is enough", "`auto` once the gate is trusted"),
    ] = "review"
    margin_points: Annotated[
        float,
        setting(
            "points of original test accuracy that a new version may put at risk",
            "larger with a small test split, which can only show a wide margin",
            gt=0,
            le=20,
        ),
    ] = 1.0
    harm_points: Annotated[float, setting("points that a class may lose", ge=0, le=100)] = 5.0
    gate_share: Annotated[
        float,
        setting(
            "share of the groups that are labelled for the gate only", "larger where few groups are served", ge=0, lt=1
        ),
    ] = 0.1
    gate_per_night: Annotated[
        int,
        setting(
            "gate labels asked for every night, on top of `labels.per_night` and the burst",
            "more: the next version is judged sooner; 0: asked for after an alarm only",
            ge=0,
        ),
    ] = 3
    min_accuracy: Annotated[Share, setting("accuracy that a first model must reach, 0 to 1")] = 0.90
    min_class_recall: Annotated[
        Share,
        setting(
            "recall, 0 to 1, that each class of a first model and each new class must reach; no other may be shown "
            "to miss it"
        ),
    ] = 0.75


class Alerting(ParamsModel):
    """What people are told about."""

    about: Annotated[
        tuple[Occasion, ...],
        setting("what people are alerted to: `alarm`, `alert`, `retrain`, `stand_down`, `no_verdict`, `release`"),
    ] = ("alarm", "alert", "retrain", "stand_down", "release")


class Retention(ParamsModel):
    """How long the prediction log is kept."""

    predictions_days: Annotated[
        Count | None,
        setting(
            "days for which `leeway prune` keeps predictions, and labels that came with them; null: none is removed",
            "where the disk, or a rule of your house, limits how long they may be kept",
        ),
    ] = None


class _Promise(ParamsModel):
    """What holds for all checks together."""

    time_zone: Annotated[
        str, setting("a night is a calendar day of this time zone", "to where the images come from")
    ] = "UTC"
    false_alarm_probability_per_year: Annotated[
        float,
        setting(
            "chance of any false alarm within 365 nights, all models together",
            "lower with many models; alarms then come a little later",
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
    retention: Retention = Retention()

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
            absent = [name for name in shares if name not in self.model_fields_set]
            mend = f"; {', '.join(absent)} not in the file; `leeway upgrade` writes what is missing" if absent else ""
            raise ValueError(
                f"the checks' budget_share sum to {sum(shares.values()):g}, at most 1 is allowed: {listed}{mend}"
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
    """sha256 of the settings that decide, defaults included: comments and the order of keys do not matter."""
    content = json.dumps(policy.model_dump(mode="json", exclude={"retention"}), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
