"""The command that removes predictions which are older than the workspace keeps them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.errors import ParamsError, RefusedError

if TYPE_CHECKING:
    from leeway.cli.label_schemas import PrunedModelFacts
    from leeway.jobs.pruning import Pruning


def prune(
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="NIGHT",
            help="First night that is kept; default: as many days back as `retention.predictions_days` says.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="One model; default: all that are watched here.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it only says what it would do.")] = False,
    as_json: Json = False,
) -> None:
    """Remove predictions, and the labels that came with them, that are older than you keep them: for good."""
    from leeway.cli.label_schemas import PruneFacts
    from leeway.domain.text import counted
    from leeway.jobs.pruning import plan_pruning, pruning_text
    from leeway.jobs.pruning import prune as prune_model
    from leeway.workspace import open_workspace

    acts = yes and not dry_run
    with answering(as_json=as_json) as answer, open_workspace(reading=not acts) as workspace:
        now, names = datetime.now(UTC), workspace.fleet.names(model)
        night = before.date() if before else None
        found = [plan_pruning(workspace, name, night, now) for name in names]
        plans = [one for one in found if one is not None]
        if not plans:
            raise ParamsError(
                f"{', '.join(names)}: predictions are kept for ever; say --before NIGHT, or set "
                "retention.predictions_days in monitoring/policy.yaml (in monitoring/watched/NAME.yaml of a model that "
                "is known from files)"
            )
        facts = [_facts(one) for one in plans]
        answer.give(PruneFacts(models=facts))
        answer.say(*map(pruning_text, plans))
        if dry_run or not any(one.rows for one in plans):
            return
        if not yes:
            raise RefusedError("nothing was changed; the same with --yes removes these predictions for good")
        for planned, fact in zip(plans, facts, strict=True):
            removed = prune_model(workspace, planned, now)
            fact["pruned"], fact["predictions"], fact["labels"] = True, removed.rows, removed.labels
            labels = f", and {counted(removed.labels, 'label')} that came with them" if removed.labels else ""
            answer.say(f"{planned.model}: removed {counted(removed.rows, 'prediction')}{labels}")


def _facts(planned: "Pruning") -> "PrunedModelFacts":
    from leeway.cli.label_schemas import PrunedModelFacts

    return PrunedModelFacts(
        model=planned.model,
        asked=planned.asked,
        first_kept=planned.first_kept,
        pruned=False,
        predictions=planned.rows,
        labels=None,
        nights=planned.nights,
        bytes=planned.bytes,
        kept=list(planned.kept),
    )
