"""Fleet: the models that are watched here, their policies, and the false-alarm budget that they share."""

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import yaml

from leeway import durable
from leeway.checks.accuracy import Accuracy
from leeway.checks.policy import Policy, load_policy
from leeway.data.classes import ClassParams
from leeway.domain.records import ModelVersion
from leeway.domain.stores import ImageStore, Ledger, PredictionLog
from leeway.epoch import Epoch
from leeway.errors import ParamsError
from leeway.paramsfile import parse_section, read_yaml
from leeway.settings import Settings

NEVER = datetime.min.replace(tzinfo=UTC)
log = logging.getLogger("leeway.fleet")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
WATCHED_HEADER = """\
# What watches {model}. Each key is explained in ../README.md. All models watched here share the false-alarm
# probability of ../policy.yaml: the one here counts for nothing.
"""


class Fleet:
    """The models that are watched here: the one that this workspace trains, if it does, and those known from files.

    Made anew for each command or request: what watches whom is read once.
    """

    def __init__(self, settings: Settings, log: PredictionLog, ledger: Ledger, images: ImageStore) -> None:
        self.settings, self.log, self.ledger, self.images = settings, log, ledger, images

    @cached_property
    def from_files(self) -> tuple[str, ...]:
        """Names of the models that are known from files."""
        return known_from_files(self.settings)

    @cached_property
    def shared_policy(self) -> Policy:
        """The workspace's policy, with one model's part of its yearly false-alarm budget."""
        return load_policy(self.settings.policy_path).shared_by(number_of_models(self.settings))

    @cached_property
    def own_classes(self) -> ClassParams:
        """What params.yaml says of the classes of the model that this workspace trains.

        A mistake in it is logged, and stops no night: labels then count by the names they were given.
        """
        if not trains(self.settings):
            return ClassParams()
        path = self.settings.workspace / "params.yaml"
        try:
            data = read_yaml(path).get("data")
            given = data.get("classes") if isinstance(data, dict) else None
            return parse_section(given or {}, ClassParams, where=path.name, prefix="data.classes")
        except ParamsError as mistake:
            log.warning("%s; until it is mended labels count by the names they were given", mistake)
            return ClassParams()

    def names(self, model: str | None = None) -> list[str]:
        """Return the names of all models watched here, the workspace's own first; or of `model` alone.

        Raises ParamsError for a name that is not watched.
        """
        own = [self.settings.model] if trains(self.settings) else []
        known = [*own, *(name for name in self.from_files if name not in own)]
        if model is not None and model not in known:
            raise ParamsError(
                f"no model '{model}' is watched here; known: {', '.join(known) or 'none'} "
                f"(`leeway watch init {model} ...`)"
            )
        return known if model is None else [model]

    def policy_of(self, model: str) -> Policy:
        """Return the model's policy, with its part of the workspace's yearly false-alarm budget."""
        if model not in self.from_files:
            return self.shared_policy
        own = load_policy(self.settings.watched / f"{model}.yaml")
        part = self.shared_policy.false_alarm_probability_per_year
        return own.model_copy(update={"false_alarm_probability_per_year": part})

    def epoch(self, version: ModelVersion, as_of: datetime, *, began_at: datetime | None = None) -> Epoch:
        """Return the epoch of this version; without `began_at` one that has not begun."""
        policy = self.policy_of(version.model)
        rule = self.own_classes if version.model == self.settings.model else ClassParams()
        return Epoch(version, policy, self.log, self.ledger, self.images, as_of, began_at, class_rule=rule)

    def last_epoch(self, model: str, as_of: datetime) -> Epoch:
        """Return the epoch of the last version that is recorded. Raises ParamsError for a model without one."""
        versions = self.ledger.versions(model)
        if not versions:
            known = ", ".join(self.from_files) or "none"
            raise ParamsError(f"no model '{model}' is watched here; known: {known}")
        return self.epoch(versions[-1], as_of)

    def serving_epoch(self, model: str, as_of: datetime) -> Epoch | None:
        """Return the open epoch of a model that is released here; None if no version of it serves."""
        serving = next((one for one in self.ledger.serving_periods(model) if one.ended_at is None), None)
        if serving is None:
            return None
        [version] = [one for one in self.ledger.versions(model) if one.version == serving.version]
        return replace(self.epoch(version, as_of, began_at=serving.began_at), champion=serving.version)

    def epochs_beside(self, serving: Epoch) -> list[Epoch]:
        """Return an epoch for each other version of a released model that ever answered, in order.

        A rollback's, a canary's, that of a service which kept the old version. It began when the version last began to
        serve, or with its first prediction.
        """
        began = {one.version: one.began_at for one in self.ledger.serving_periods(serving.model)}
        firsts = [(one, self._first_at(one)) for one in self.ledger.versions(serving.model)]
        return [
            replace(serving, version=one, began_at=began.get(one.version, first))
            for one, first in firsts
            if first is not None and one != serving.version
        ]

    def epochs_from_files(self, model: str, as_of: datetime) -> list[Epoch]:
        """Return an epoch for each version of a model known from files, last the one in use: whose rows came last.

        One begins with the version's first prediction, which may be older than the day when the model was enrolled. A
        mistake in its policy is said also before it has a version.
        """
        versions, policy = self.ledger.versions(model), self.policy_of(model)
        stores, firsts = (self.log, self.ledger, self.images), [self._first_at(one) for one in versions]
        epochs = [
            Epoch(one, policy, *stores, as_of, first or as_of)
            for one, first in zip(versions, firsts, strict=True)
            if first is not None or not one.named_by_log
        ]
        last = {one.version.version: self.log.last_at(one.version) or NEVER for one in epochs}
        return sorted(epochs, key=lambda one: (last[one.version.version], one.version.version))

    def _first_at(self, version: ModelVersion) -> datetime | None:
        """Return when the version first predicted: what is forgotten of it counts by its closed nights."""
        first, horizon = self.log.first_at(version), self.log.horizon(version.model)
        if horizon is None:
            return first
        this = (version.model, version.version)
        nights = {one.night for one in self.ledger.windows(*this) if one.total or one.foreign}
        starts = [start for night, (start, _) in self.ledger.window_bounds(*this).items() if night in nights]
        return min((one for one in (first, *starts) if one is not None), default=None)


def known_from_files(settings: Settings) -> tuple[str, ...]:
    """Return the names of the models that have a policy in monitoring/watched/."""
    return tuple(sorted(path.stem for path in settings.watched.glob("*.yaml")))


def trains(settings: Settings) -> bool:
    """Return whether this workspace makes a model of its own."""
    return (settings.workspace / "params.yaml").is_file()


def number_of_models(settings: Settings) -> int:
    """Return how many models share the yearly false-alarm budget."""
    return len(known_from_files(settings)) + trains(settings)


def watched_policy(settings: Settings, model: str, *, source: Path | None, floor: float | None) -> Policy:
    """The policy that a watched model is to have: `source`, what it has, or the workspace's, with this floor.

    Raises ParamsError for a name that is no file name, or a policy that cannot be read.
    """
    if not NAME.fullmatch(model):
        raise ParamsError(f"'{model}' is no name of a model; allowed are letters, digits, - and _, 64 at most")
    own = settings.watched / f"{model}.yaml"
    given = source or (own if own.exists() else settings.policy_path)
    content = read_yaml(given)
    if floor is not None:
        section = content.get(Accuracy.name) or {}
        content[Accuracy.name] = {**section, "floor": floor} if isinstance(section, dict) else section
    return parse_section(content, Policy, where=given.name)


def write_watched_policy(settings: Settings, model: str, policy: Policy) -> Path:
    """Puts it where the monitor looks for it: from then on the model is watched, and shares the yearly budget."""
    path = settings.watched / f"{model}.yaml"
    content = yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False)
    durable.write_text(path, WATCHED_HEADER.format(model=model) + content)
    return path
