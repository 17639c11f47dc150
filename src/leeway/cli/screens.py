"""What a run of the monitor prints: for people, and as facts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leeway.cli import schemas
from leeway.cli.label_facts import queue_facts
from leeway.domain.records import SHOWN_ONLY, Action, CheckResult, Decision, Status
from leeway.domain.text import sentence
from leeway.labels.queue import queue_text
from leeway.monitor.due import doubt_text

if TYPE_CHECKING:
    from leeway.jobs.nightly import Morning

SHOWN = 3
DOUBT = "no prediction came after them, or the clock is wrong; `leeway monitor --as-of TIME` decides them on purpose"
MARKS = {Status.FIRED: "! fired", Status.QUIET: "  quiet", Status.NO_VERDICT: "? no verdict"}
FINDING = f"i {SHOWN_ONLY}"


def screen(morning: "Morning") -> str:
    """Return what people read: of each night every check with its sentence, then why it concluded what it did."""
    version = f"{morning.version.model}  version {morning.version.version}"
    doubts = [
        *(f"no row from {first} to {last}: these nights are left out" for first, last in morning.due.skipped),
        *([f"{doubt_text(morning.due.doubtful)}: {DOUBT}"] if morning.due.doubtful else []),
    ]
    if not morning.nights and (morning.held or doubts):
        return "\n".join([f"{version}  {line}" for line in filter(None, [morning.held, *doubts])])
    if not morning.nights:
        return f"{version}  no night is over yet: predictions of a day are checked after its end"
    lines = [version + ("" if morning.decided_now else "  no night is due; the last one that was decided:")]
    for decided in morning.nights:
        if decided.decision.action is Action.NOTHING and decided is not morning.nights[-1]:
            lines.append(f"night of {decided.night}  {decided.decision.reason}")
            continue
        lines.append(f"night of {decided.night}  {sentence(decided.headline)}")
        lines += [f"  {_mark(result):13} {result.check:17} {result.reason}" for result in decided.results]
        lines += [f"  {decided.first_nights}"] if decided.first_nights else []
        lines.append(f"  -> {decided.decision.action}: {decided.decision.reason}")
    asked = queue_text(morning.queue) if morning.queue else ""
    labels = [f"labels: {sentence(asked)}"] if asked else []
    return "\n".join([*lines, *labels, *doubts, *([morning.held] if morning.held else [])])


def pages_text(pages: Sequence[Path]) -> str:
    """Return which pages of a model were drawn, as people read it; many as their number and their folder."""
    if len(pages) > SHOWN:
        return f"{len(pages)} pages in {pages[0].parent}"
    return "\n".join(f"page {path}" for path in pages)


def as_object(morning: "Morning", pages: Sequence[Path]) -> schemas.MorningFacts:
    """Return the facts: `checks` and `decision` of the last night, all `nights` of this run, the pages that it drew."""
    nights = [
        schemas.NightFacts(
            night=decided.night,
            headline=decided.headline,
            checks=[check_facts(result) for result in decided.results],
            decision=decision_facts(decided.decision),
        )
        for decided in morning.nights
    ]
    last = nights[-1] if nights else None
    return schemas.MorningFacts(
        model=morning.version.model,
        version=morning.version.version,
        decided_now=morning.decided_now,
        night=last["night"] if last else None,
        headline=last["headline"] if last else "",
        checks=last["checks"] if last else [],
        decision=last["decision"] if last else None,
        skipped=list(morning.due.skipped),
        doubtful=morning.due.doubtful,
        labels_asked=dict(morning.labels_asked),
        labels_waiting=queue_facts(morning.queue) if morning.queue else None,
        pages=list(pages),
        nights=nights,
    )


def check_facts(result: CheckResult) -> schemas.CheckFacts:
    """Return a check's result."""
    return schemas.CheckFacts(
        check=result.check,
        status=result.answer,
        reason=result.reason,
        statistic=result.statistic,
        threshold=result.threshold,
        effect=result.effect,
        n=result.n,
        details=dict(result.details),
    )


def decision_facts(decision: Decision) -> schemas.DecisionFacts:
    """Return a decision."""
    return schemas.DecisionFacts(
        key=decision.key, action=str(decision.action), reason=decision.reason, state=str(decision.state)
    )


def _mark(result: CheckResult) -> str:
    return FINDING if result.answer == SHOWN_ONLY else MARKS[result.status]
