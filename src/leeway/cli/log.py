"""Commands about the prediction log: whether its files are those that were written."""

from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.options import Group
from leeway.domain.text import by_number, counted
from leeway.errors import ParamsError, UnsoundError

if TYPE_CHECKING:
    from leeway.domain.upkeep import LogProblem

log_app = typer.Typer(cls=Group, help="Look after the prediction log.", no_args_is_help=True, rich_markup_mode=None)


@log_app.command("check")
def log_check(
    model: Annotated[str | None, typer.Option(metavar="NAME", help="One model's files; default: all.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only whether they are there, with their size.")] = False,
    as_json: Json = False,
) -> None:
    """Compare every file of the prediction log with what was written: code 1 if one is missing or damaged."""
    from leeway.cli.log_schemas import LogCheckFacts, LogProblemFacts
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace(reading=True) as workspace:
        if model is not None and not workspace.ledger.versions(model):
            raise ParamsError(f"--model {model}: nothing is recorded of it here; leeway status lists the models")
        problems = workspace.log.check(model, quick=quick)
        lost = sum(one.lost for one in problems)
        facts = [
            LogProblemFacts(
                file=one.file,
                problem=one.problem,
                model=one.model,
                rows=one.rows,
                first_at=one.first_at,
                last_at=one.last_at,
                lost=one.lost,
            )
            for one in problems
        ]
        answer.give(LogCheckFacts(problems=facts, lost=lost))
        answer.say(*map(problem_text, problems))
        if lost:
            files = f"{counted(lost, 'file')} {by_number(lost, 'is', 'are')}"
            raise UnsoundError(f"{files} missing or damaged: copy them back from a backup; the lines above name them")
        answer.say("every file of the prediction log is as it was written")


def problem_text(problem: "LogProblem") -> str:
    """Return a line that says which file it is, what is wrong with it and what stands in it."""
    holds = ""
    if problem.rows is not None and problem.first_at is not None and problem.last_at is not None:
        span = f"{problem.first_at:%Y-%m-%d} to {problem.last_at:%Y-%m-%d}"
        holds = f"; it holds {counted(problem.rows, 'row')} of {problem.model}, {span}"
    return f"{problem.file} {problem.problem}{holds}"
