"""Lives through thirteen days at schema revision 0002 and dumps every row: ran once, at commit 686141e.

It wrote `schema_0002.jsonl.gz` beside it with the code of that commit (`PYTHONPATH=src python THIS_FILE`), through
ingest, the nightly job, releases and labels. It is kept to say where those rows come from; it need not run any more.
"""

import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from leeway.stores.sql import SqlStore, open_store
from leeway.stores.tables import metadata
from rows_of_686141e import (
    NIGHTS,
    PROMOTED,
    WITHDRAWN,
    Row,
    answer_fish,
    answer_pets,
    begin_pets,
    birds,
    fish,
    known_fish,
    late_fish,
    moments,
    morning,
    pet,
    send_pets,
    sha256,
    write_csv,
    write_jsonl,
)
from sqlalchemy import select

from leeway.checks.policy import Policy
from leeway.domain.records import Label, Verdict
from leeway.epoch import Epoch
from leeway.errors import AlertError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.monitor.alerts import deliver_alerts
from leeway.monitor.enrol import enrol, read_reference
from leeway.predictions.ingest import ingest
from leeway.release import retrain
from leeway.release.release import release, rollback
from leeway.release.versions import Versions
from leeway.stores.images import FolderImageStore

OUT = Path(__file__).with_name("schema_0002.jsonl.gz")
POLICIES = {
    "pets": {
        "prediction_drift": {"min_predictions": 50, "reference_nights": 3},
        "labels": {"per_night": 10, "burst_on_alarm": 40},
        "retrain": {"min_new_labels": 10},
        "promotion": {"mode": "auto", "gate_share": 0.3, "margin_points": 3},
    },
    "birds": {"prediction_drift": {"min_predictions": 50}},
    "fish": {"time_zone": "Europe/Zurich", "prediction_drift": {"min_predictions": 50}, "labels": {"per_night": 8}},
}


@dataclass
class Aliases:
    """What releases need of `leeway.domain.ports.Registry`."""

    held: dict[str, int] = field(default_factory=dict)

    def aliases(self, model: str) -> dict[str, int]:
        return dict(self.held)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.held[alias] = version

    def drop_alias(self, model: str, alias: str) -> None:
        self.held.pop(alias, None)

    def describe(self, model: str, version: int, *, text: str, tags: Any) -> None: ...

    def tags(self, model: str, version: int) -> dict[str, str]:
        return {"bundle_digest": sha256(f"pets bundle {version}")}


@dataclass
class Mailbox:
    """`leeway.domain.ports.Notifier`, which takes nothing while it is broken."""

    broken: bool = False

    def send(self, title: str, body: str) -> None:
        if self.broken:
            raise AlertError("the mail server does not answer")


def epochs(store: SqlStore, model: str, at: datetime, champion: int) -> list[Epoch]:
    """As leeway.monitor.fleet makes them."""
    policy, images = Policy.model_validate(POLICIES[model]), FolderImageStore(Path("no images"))
    policy = policy.shared_by(3)
    versions = store.versions(model)
    if model == "pets":
        return [Epoch(versions[champion - 1], policy, store, images, at)]
    firsts = [store.first_prediction_at(model, one.version) or at for one in versions]
    begun = [replace(one, serving_since=first) for one, first in zip(versions, firsts, strict=True)]
    made = [Epoch(one, policy, store, images, at) for one in begun]
    ends = [*(one.first_night for one in made[1:]), None]
    return [replace(one, until=until) for one, until in zip(made, ends, strict=True)]


@dataclass
class Life:
    """The three models in one database, day after day."""

    store: SqlStore
    folder: Path
    registry: Aliases = field(default_factory=Aliases)
    mailbox: Mailbox = field(default_factory=Mailbox)

    def take(self, model: str, path: Path, at: datetime) -> None:
        ingested = ingest(self.store, model, path, columns={}, now=at)
        assert not ingested.bad, (path, ingested.bad)

    def champion(self, at: datetime) -> Epoch:
        return epochs(self.store, "pets", at, self.registry.held.get("champion", 1))[0]

    def begin(self) -> None:
        begin_pets(self.store)
        release(self.champion(morning(0, -8)), Verdict(True, "passed", ["97.8% is over the floor"], {}), self.registry)  # type: ignore[arg-type]
        for model, rows, name in (("birds", birds(0, 400), None), ("fish", known_fish(), "2026.1")):
            reference = read_reference(write_csv(self.folder / f"{model}.csv", rows), columns={})
            enrol(self.store, model, reference, Policy.model_validate(POLICIES[model]), name=name)

    def release(self, number: int) -> None:
        if number == 5:
            second = replace(self.champion(PROMOTED), version=self.store.versions("pets")[1])
            better = Verdict(True, "passed", ["no class lost", "98.3% against 97.8%"], {}, against=1)
            release(second, better, self.registry)  # type: ignore[arg-type]
        if number == 9:
            versions = Versions("pets", self.registry, self.store, self.folder)  # type: ignore[arg-type]
            rollback(self.champion(WITHDRAWN), versions)

    def send(self, number: int) -> None:
        """Of night 5 ten birds come late; those of the last night come when everything is over."""
        send_pets(self.store, number)
        self.take("fish", write_jsonl(self.folder / "fish" / f"{number}.jsonl", fish(number)), morning(number, 1))
        if number < NIGHTS:
            self.take("birds", write_csv(self.folder / f"birds-{number}.csv", birds(number, 88)), morning(number, 1))
        if number == 8:
            late = write_csv(self.folder / "late.csv", birds(5, 10, name="late"))
            self.take("birds", late, morning(number, 1.5))

    def look(self, number: int) -> None:
        """On morning 11 only at the birds, on morning 12 at the others: their last two plans are open."""
        names = {11: ["birds"], 12: ["pets", "fish"]}.get(number, ["pets", "birds", "fish"])
        at, failures = morning(number), Failures()
        for epoch in [one for name in names for one in epochs(self.store, name, at, self.registry.held["champion"])]:
            look(epoch, failures)
        failures.raise_first()
        self.mailbox.broken = number == NIGHTS
        deliver_alerts(self.store, self.mailbox, now=morning(number, 2.5))

    def answer(self, number: int) -> None:
        """After night 8 a retraining fails; of night 10 three predictions come late."""
        if number != 11:
            answer_pets(self.store, number)
            answer_fish(self.store, number)
        if number == 8:
            [asked] = [one for one in self.store.decisions("pets") if one.state == "open"]
            assert self.store.claim_decision(asked.key, now=morning(number, 3))
            self.store.finish_decision(asked.key, failed=True, outcome="dvc repro ended with exit code 1")
        if number == 10:
            late = [pet(10, 200 + place, moments(10, 90)[place], np.random.default_rng(place)) for place in range(3)]
            self.store.record_predictions(late, received_at=morning(number, 20))

    def end(self) -> None:
        """What no nightly job has seen: files that came afterwards, and a retraining that a person asks for."""
        of_night_3 = self.store.predictions("fish", 1, morning(2, 0), morning(3, 0))
        undrawn = next(one for one in of_night_3 if not one.slice)
        self.store.record_labels([Label(undrawn.id, "eel", "ada", morning(NIGHTS, 12))])
        self.take("birds", write_csv(self.folder / "birds-12.csv", birds(12, 88)), morning(NIGHTS, 13))
        self.take("birds", write_csv(self.folder / "later.csv", birds(9, 3, name="later")), morning(NIGHTS, 13))
        late = write_jsonl(self.folder / "fish" / "late.jsonl", late_fish(self.store))
        self.take("fish", late, morning(NIGHTS, 14))
        retrain.request(self.champion(morning(NIGHTS, 15)), asked_by="ada")


def live(store: SqlStore, folder: Path) -> None:
    life = Life(store, folder)
    life.begin()
    for number in range(1, NIGHTS + 1):
        life.release(number)
        life.send(number)
        life.look(number)
        life.answer(number)
    life.end()


def rows_of(store: SqlStore, folder: Path) -> Iterator[Row]:
    """Every row, in the order of its table's key; the pictures' folder becomes /data/fish."""
    with store._transaction() as connection:
        for table in metadata.sorted_tables:
            found = connection.execute(select(table).order_by(*table.primary_key.columns))
            for row in found.mappings():
                values = {name: _plain(value) for name, value in row.items()}
                if values.get("image", "").startswith("/"):
                    values["image"] = values["image"].replace(str((folder / "fish").resolve()), "/data/fish")
                yield {"table": table.name, "row": values}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(f"sqlite:///{sys.argv[1] if sys.argv[1:] else folder / 'leeway.db'}")
        live(store, folder)
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows_of(store, folder)]
        store.close()
    with OUT.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
