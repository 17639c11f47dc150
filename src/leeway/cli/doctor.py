"""The command `leeway doctor`: says how everything is that a workspace needs, and what mends what is not well."""

import logging
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.domain.text import counted
from leeway.errors import UnsoundError

if TYPE_CHECKING:
    from leeway.jobs.doctor.diagnosis import Examination


def doctor(
    send: Annotated[bool, typer.Option("--send", help="Send each alert channel a test.")] = False,
    as_json: Json = False,
) -> None:
    """Look at everything that leeway needs here, and say what mends what is not well: code 1 if something fails."""
    from leeway.jobs.doctor.examine import examine, read_surroundings

    logging.getLogger("leeway.fleet").setLevel(logging.ERROR)  # what is wrong in params.yaml has its line
    with answering(as_json=as_json) as answer:
        found = examine(read_surroundings(datetime.now(UTC)), send=send)
        answer.give(asdict(found))
        answer.say(screen(found))
        if found.failing:
            parts = counted(len(found.failing), "part")
            raise UnsoundError(f"{parts} to mend: {', '.join(found.failing)}; the lines above say how")


def screen(found: "Examination") -> str:
    """Return a line for each check, with its mend below it, and at the end how many are of each kind."""
    width = max(len(one.name) for one in found.checks)
    lines = []
    for one in found.checks:
        lines.append(f"{one.status:8}  {one.name:{width}}  {one.found}")
        lines += [f"{'':{width + 12}}-> {one.mend}"] if one.mend else []
    kinds = Counter(str(one.status) for one in found.checks)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("fail", "warn", "ok", "not used") if kinds[kind])
    return "\n".join([*lines, f"{counted(kinds.total(), 'line')}: {counts}"])
