"""Command that records prediction logs: from files, folders, globs and S3, each file by itself."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.files import stop_if_refused
from leeway.cli.watch import Columns, columns_named
from leeway.data.progress import advancing
from leeway.domain.text import counted
from leeway.errors import ConflictError, DataError, LeewayError

if TYPE_CHECKING:
    from leeway.predictions.ingested import Ingested


@dataclass(slots=True)
class Taken:
    """What became of all files: how long each took, and what is wrong with those that failed."""

    files: list[tuple["Ingested", float]] = field(default_factory=list)  # with seconds
    failed: dict[str, LeewayError] = field(default_factory=dict)  # by what was named

    def attempt(self, name: str, act: Callable[[], None]) -> None:
        """Do something with what is named; what is wrong with it is kept."""
        try:
            act()
        except (DataError, ConflictError) as error:  # another, such as a full disk, ends the command
            self.failed[name] = error

    def raise_failed(self, *, alone: bool) -> None:
        """Raise what went wrong: of a single file its own error, of several how many failed."""
        if not self.failed:
            return
        if alone:
            raise next(iter(self.failed.values()))
        for error in self.failed.values():
            print(error, file=sys.stderr)
        others = f"; {counted(len(self.files), 'other file')} did not wait for them" if self.files else ""
        raise DataError(f"{counted(len(self.failed), 'input')} could not be taken, as said above{others}")


def ingest(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="CSV, JSON Lines or Parquet, also .gz and .zst; folders, globs, s3://bucket/key or s3://.../*.parquet.",
        ),
    ],
    model: Annotated[str, typer.Option(metavar="NAME", help="Name of the watched model.")],
    columns: Columns = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take all rows of a file, or none.")] = False,
    as_json: Json = False,
) -> None:
    """Record prediction logs of a watched model.

    A second time adds nothing; rows that cannot be read are reported with their line number and skipped. A file that
    fails does not keep the others out.
    """
    from leeway.cli.ingest_report import all_files_line, file_lines, ingest_facts
    from leeway.jobs.elsewhere import refuse_ingest
    from leeway.jobs.epochs import reconcile_once
    from leeway.labels.answers import take_given_answers
    from leeway.predictions.ingest import ingest as take
    from leeway.predictions.ingest import watched_versions
    from leeway.predictions.inputs import fetched
    from leeway.predictions.summary import sum_up, summary_lines
    from leeway.workspace import open_workspace

    taken = Taken()

    def take_file(name: str) -> None:
        into, began = (workspace.log, workspace.ledger, model), time.perf_counter()
        with advancing(name.rpartition("/")[2]) as advance, fetched(name) as path:
            done = take(*into, path, columns=named, now=now, zone=zone, strict=strict, progress=advance, name=name)
        seconds = time.perf_counter() - began
        answer.say(*file_lines(done, seconds))
        taken.files.append((done, seconds))

    with answering(as_json=as_json) as answer:
        named, now = columns_named(columns), datetime.now(UTC)
        with open_workspace() as workspace:
            refuse_ingest(workspace, model)
            reconcile_once(workspace, now)
            watched_versions(workspace.ledger, model)
            zone, before = workspace.fleet.policy_of(model).zone, workspace.log.position(model)
            names = _inputs(files, taken)
            for name in names:
                taken.attempt(name, partial(take_file, name))
            done = [one for one, _ in taken.files]
            summary = sum_up(workspace.log, workspace.ledger, model, done, before=before, zone=zone)
            if len(names) > 1:
                answer.say(all_files_line(taken.files))
            answer.say(*summary_lines(summary))
            answered = take_given_answers(workspace.log, workspace.ledger, model).new
            answer.give(ingest_facts(model, taken.files, summary, answered=answered, failed=taken.failed))
            if answered:
                which = "1 of the labels answers" if answered == 1 else f"{answered:,} of the labels answer"
                answer.say(f"{which} what people were asked: nobody needs to label that any more")
            taken.raise_failed(alone=len(files) == 1 and len(names) <= 1)
            stop_if_refused([one.source for one in done if one.refused])


def _inputs(named: Sequence[str], taken: Taken) -> list[str]:
    """All files that are named, each once."""
    from leeway.predictions.inputs import find_inputs

    found: dict[str, None] = {}

    def find(one: str) -> None:
        found.update(dict.fromkeys(find_inputs(one)))

    for one in named:
        taken.attempt(one, partial(find, one))
    return list(found)
