"""Names that workspaces of the release before import: their flows, and what the README published.

They forward for one release; from then on `leeway upgrade` renews a workspace's flows. New code takes
`leeway.open_workspace` and `leeway.jobs`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leeway.domain.records import Decision, ModelVersion, Release, Verdict
from leeway.domain.stores import Ledger
from leeway.epoch import Epoch
from leeway.jobs import epochs, nightly, releasing, retraining, telling
from leeway.jobs.failures import Failures
from leeway.release import judge, release, retrain
from leeway.settings import Settings, read_settings
from leeway.workspace import Workspace as Places

log = logging.getLogger("leeway.wiring")


class Workspace(Places):
    """The workspace with the methods that it had in the release before."""

    @property
    def store(self) -> Ledger:
        return self.ledger

    def champion(self, now: datetime) -> ModelVersion:
        return epochs.champion(self, now).version

    def watches(self, as_of: datetime, model: str | None = None) -> list[Epoch]:
        failures = Failures()
        found = epochs.watched(self, as_of, failures, model=model)
        failures.raise_first()
        return found

    def draw_pages(self, at: Epoch, _window: object = None, *, alarm: bool = False) -> list[Path]:  # noqa: ARG002
        return nightly.draw_pages(self, at)

    def deliver_alerts(self, *, now: datetime) -> list[str]:
        return telling.tell_people(self, now)

    def claim(self, request: str | None, champion: ModelVersion, *, now: datetime) -> Decision | None:
        self._champion = self.fleet.epoch(champion, now)
        return retraining.claim(self, self._champion, request)

    @contextmanager
    def at_work(self, decision: Decision, *, now: datetime) -> Iterator[None]:
        with retraining.at_work(self, replace(self._champion, as_of=now), decision):
            yield

    def add_labels(self, champion: ModelVersion, decision: Decision) -> Path | None:
        epoch = self.fleet.epoch(champion, datetime.now(UTC))
        return retrain.add_labels(epoch, decision, self.repository, folder=self.feedback)

    def fetch_champion(self, decision: Decision) -> Path | None:
        return retrain.fetch_champion(self.versions, decision, self.repository, folder=self.start)

    def reproduce(self) -> None:
        retraining.reproduce(self)

    def register(self, *, reason: str) -> ModelVersion:
        commit = releasing.commit_made(self, reason=reason)
        return self.versions.register(self.bundle, reason=reason, commit=commit)

    def judge(self, challenger: ModelVersion, champion: ModelVersion | None) -> Verdict:
        now = datetime.now(UTC)
        serving = self.fleet.epoch(champion, now) if champion else None
        return judge.judge(self.fleet.epoch(challenger, now), serving, self.versions, releasing.grounds(self))

    def release(
        self, challenger: ModelVersion, _champion: ModelVersion | None, verdict: Verdict, *, now: datetime, **given: Any
    ) -> Release:
        return release.release(self.fleet.epoch(challenger, now), verdict, self.registry, **given)

    def finish(self, decision: Decision, challenger: ModelVersion, made: Release) -> None:
        retrain.finish(self.fleet.epoch(challenger, datetime.now(UTC)), decision, made)


@contextmanager
def open_workspace(settings: Settings | None = None) -> Iterator[Workspace]:
    """The workspace of these settings, by default of the current folder and LEEWAY_*; closed at the end."""
    log.warning("leeway.wiring was renamed: run `leeway upgrade` to renew flows; own code: leeway.open_workspace")
    workspace = Workspace(settings or read_settings())
    try:
        yield workspace
    finally:
        workspace.close()
