"""A small shop: 100 photos a night, one person who labels on Fridays, and the settings that `leeway init` writes."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from leeway.adapters.dvc.git import run_git
from leeway.bundle.predictor import Predictor
from leeway.data.digits_source import DigitsSource
from leeway.domain.records import Decision, Release
from leeway.jobs import epochs
from leeway.jobs.init import init_workspace
from leeway.jobs.nightly import Nightly, nightly
from leeway.jobs.releasing import approve, release_bundle
from leeway.jobs.retraining import retraining
from leeway.predictions.score import Incoming, score
from leeway.release.release import FOR_REVIEW
from leeway.simulate.world import Digit, DigitWorld, Labeler
from leeway.workspace import Workspace

FIRST_NIGHT = date(2026, 1, 5)  # a Monday
PHOTOS, FRIDAY = 100, 4
SOURCE = {"kind": "digits", "share": 0.8, "seed": 0}  # the rest of the digits is what production photographs


@dataclass
class Shop:
    """A workspace, the world that sends its photos, and what happened."""

    workspace: Workspace
    world: DigitWorld
    labeler: Labeler
    truths: dict[str, str] = field(default_factory=dict)
    right: dict[int, float] = field(default_factory=dict)  # accuracy as it was, by night from 1
    answered: int = 0
    decisions: list[Decision] = field(default_factory=list)
    releases: list[tuple[int, Release]] = field(default_factory=list)

    def live(self, nights: int) -> None:
        for number in range(1, nights + 1):
            self.serve(number)
            self.morning(number)
            day = FIRST_NIGHT + timedelta(days=number)
            if day.weekday() == FRIDAY:
                self.label(at(day, 10))

    def serve(self, number: int) -> None:
        shots = self.world.shots(number, count=PHOTOS)
        champion = epochs.champion(self.workspace, shots[0].occurred_at)
        predictor = Predictor.load(self.workspace.versions.bundle(champion.version.version))
        incoming = [Incoming(shot.id, shot.content, shot.occurred_at) for shot in shots]
        said = score(replace(champion, as_of=shots[-1].occurred_at), incoming, predictor)
        self.truths |= {shot.id: shot.truth for shot in shots}
        hits = [one.predicted_class == shot.truth for one, shot in zip(said, shots, strict=True)]
        self.right[number] = sum(hits) / len(hits)

    def morning(self, number: int) -> None:
        """At two the monitor looks, and runs what it asks for; at nine a person approves what was left for review."""
        now = at(FIRST_NIGHT + timedelta(days=number), 2)
        done: Nightly = nightly(self.workspace, now)
        done.failures.raise_first()
        self.decisions += [one.decision for morning in done.mornings if morning.decided_now for one in morning.nights]
        for request in done.requests:
            retraining(self.workspace, request.key, now)
        known = len(self.releases)
        fresh = self.workspace.ledger.releases(self.workspace.model)[known:]
        self.releases += [(number, one) for one in fresh]
        for made in fresh:
            if made.outcome == FOR_REVIEW:
                approved = approve(self.workspace, made.version, now + timedelta(hours=7), approved_by="the owner")
                self.releases.append((number, approved))

    def label(self, now: datetime) -> None:
        queue = self.workspace.ledger.label_queue(self.workspace.model)
        labels = [self.labeler.answer(one, self.truths[one.id], now=now) for _, one in queue]
        self.answered += self.workspace.ledger.record_labels(labels).new

    def accuracy(self, first: int, last: int) -> float:
        return float(np.mean([self.right[number] for number in range(first, last + 1)]))


def open_shop(workspace: Workspace, *, drift_night: int | None, seed: int = 0) -> Shop:
    """Take the first model into service."""
    workspace.repository.reproduce()
    made = release_bundle(workspace, at(FIRST_NIGHT, 0), reason="the first model")
    if made.outcome == FOR_REVIEW:
        made = approve(workspace, made.version, at(FIRST_NIGHT, 0), approved_by="the owner")
    assert made.outcome == "promoted", made
    digits = [Digit(one.origin, str(one.label), one.read()) for one in DigitsSource(share=0.8, seed=0).other_items()]
    world = DigitWorld(
        digits, seed=seed, first_night=FIRST_NIGHT, drift_night=drift_night, favours=False, tilt_degrees=-60.0
    )
    labeler = Labeler(sorted({one.label for one in digits}), slip=0.0, rng=np.random.default_rng(seed))
    shop = Shop(workspace, world, labeler)
    shop.releases = [(0, one) for one in workspace.ledger.releases(workspace.model)]
    return shop


def make_shop(folder: Path) -> None:
    """`leeway init`, and one line in params.yaml: where the images are."""
    init_workspace(folder)
    path, yaml = folder / "params.yaml", YAML()
    yaml.width = 120
    params = yaml.load(path)
    params["data"]["source"] = SOURCE
    yaml.dump(params, path)
    run_git(["commit", "--all", "--quiet", "-m", "Where the images are"], folder)


def at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)
