"""What a run of the monitor prints: for people, and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leeway.domain.records import SHOWN_ONLY, Action, CheckResult, Status
from leeway.domain.text import sentence
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
    for one in morning.nights:
        if one.decision.action is Action.NOTHING and one is not morning.nights[-1]:
            lines.append(f"night of {one.night}  {one.decision.reason}")
            continue
        lines.append(f"night of {one.night}  {sentence(one.headline)}")
        lines += [f"  {_mark(result):13} {result.check:17} {result.reason}" for result in one.results]
        lines += [f"  {one.first_nights}"] if one.first_nights else []
        lines.append(f"  -> {one.decision.action}: {one.decision.reason}")
    asked = [f"{count} labels are asked for of {night}" for night, count in morning.labels_asked.items() if count]
    if len(asked) > SHOWN:
        asked = [f"{sum(morning.labels_asked.values())} labels are asked for of {len(asked)} nights"]
    return "\n".join([*lines, *asked, *doubts, *([morning.held] if morning.held else [])])


def pages_text(pages: Sequence[Path]) -> str:
    """Return which pages of a model were drawn, as people read it; many as their number and their folder."""
    if len(pages) > SHOWN:
        return f"{len(pages)} pages in {pages[0].parent}"
    return "\n".join(f"page {path}" for path in pages)


def as_object(morning: "Morning", pages: Sequence[Path]) -> dict[str, Any]:
    """Return JSON: `checks` and `decision` of the last night, all `nights` of this run, the pages that it drew."""
    nights = [
        {
            "night": one.night.isoformat(),
            "headline": one.headline,
            "checks": [_check(result) for result in one.results],
            "decision": {
                "key": one.decision.key,
                "action": str(one.decision.action),
                "reason": one.decision.reason,
                "state": str(one.decision.state),
            },
        }
        for one in morning.nights
    ]
    last: dict[str, Any] = nights[-1] if nights else {"night": None, "headline": "", "checks": [], "decision": None}
    return {
        "model": morning.version.model,
        "version": morning.version.version,
        "decided_now": morning.decided_now,
        **last,
        "skipped": [[str(one) for one in gap] for gap in morning.due.skipped],
        "doubtful": [str(one) for one in morning.due.doubtful] if morning.due.doubtful else None,
        "labels_asked": {night.isoformat(): count for night, count in morning.labels_asked.items()},
        "pages": [str(path) for path in pages],
        "nights": nights,
    }


def _mark(result: CheckResult) -> str:
    return FINDING if result.answer == SHOWN_ONLY else MARKS[result.status]


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check,
        "status": result.answer,
        "reason": result.reason,
        "statistic": result.statistic,
        "threshold": result.threshold,
        "effect": result.effect,
        "n": result.n,
        "details": dict(result.details),
    }
