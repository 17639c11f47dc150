"""Versions that a prediction log names: those of the registry, those that are known by name, new ones."""

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from leeway.domain.records import NAMED_BY_LOG, WATCHED, ModelVersion
from leeway.domain.stores import Ledger, PredictionLog
from leeway.domain.text import name_text
from leeway.errors import ConflictError

REGISTERED = re.compile(r"(?:version|v)?[ _-]?(\d{1,9})", re.IGNORECASE)  # as a service names a version of the registry
BEYOND = 1_000_000  # above every version of a registry: of versions that a log names and nobody registered
logger = logging.getLogger("leeway.ingest")


class NewVersionError(Exception):
    """A log names a version that is not known yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def unnamed_version(log: PredictionLog, ledger: Ledger, versions: Sequence[ModelVersion]) -> int:
    """Return the version of rows that name none: the one that serves; where nothing is released, the last in use."""
    serving = [one.version for one in ledger.serving_periods(versions[-1].model) if one.ended_at is None]
    registered = [one for one in versions if not one.watched_only]
    return serving[0] if serving else _in_use(log, registered or versions)[-1].version


def version_called(versions: Sequence[ModelVersion], name: str) -> int:
    """Return the version of the registry that is named, or the one called so. Raises NewVersionError without one."""
    number = REGISTERED.fullmatch(name)
    registered = [one.version for one in versions if number and not one.watched_only]
    if number and int(number[1]) in registered:
        return int(number[1])
    known = [one.version for one in versions if one.bundle_digest == f"{WATCHED}{name}"]
    if not known:
        raise NewVersionError(name)
    return known[0]


def with_version(ledger: Ledger, model: str, name: str) -> list[ModelVersion]:
    """Return the model's versions with the one of this name; of two that make one at once the second finds it."""
    while True:
        versions = ledger.versions(model)
        if any(one.bundle_digest == f"{WATCHED}{name}" for one in versions):
            return versions
        registered = [one for one in versions if not one.watched_only]
        last, digest = (registered or versions)[-1], f"{WATCHED}{name}"
        number = max(versions[-1].version, BEYOND if registered else 0) + 1
        with suppress(ConflictError):
            ledger.record_model(replace(last, version=number, bundle_digest=digest, dataset_digest=NAMED_BY_LOG))
            logger.info("%s: model_version %s is new, with the reference of the last", model, name_text(name))


def _in_use(log: PredictionLog, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """The versions but for those that a log named of which nothing went in."""
    return [one for one in versions if not one.named_by_log or log.first_at(one) is not None] or list(versions)
