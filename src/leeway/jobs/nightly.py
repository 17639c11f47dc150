"""Morning: one model's nights from closing to label plan, and what came of it on a screen or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from leeway.checks.windows import night_bounds
from leeway.domain.records import Action, CheckResult, Decision, ModelVersion, Status
from leeway.jobs.failures import Failures
from leeway.monitor import night as watch
from leeway.monitor.night import Watch
from leeway.release import release
from leeway.workspace import Workspace

SHOWN = 3
MARKS = {Status.FIRED: "! fired", Status.QUIET: "  quiet", Status.NO_VERDICT: "? no verdict"}


@dataclass(frozen=True, slots=True)
class Night:
    """A night that was decided."""

    night: date
    results: tuple[CheckResult, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Morning:
    """What one run of the monitor did for one model version."""

    version: ModelVersion
    nights: tuple[Night, ...]  # decided now; the last one that was decided before, if none is due
    decided_now: bool
    labels_asked: Mapping[date, int]


def watches(workspace: Workspace, as_of: datetime, failures: Failures, model: str | None = None) -> list[Watch]:
    """As the workspace's own, with epochs begun; a model that cannot be looked at (its policy) stops no other one."""
    names = workspace.models(model)
    if len(names) == 1:
        return [_begun(at) for at in workspace.watches(as_of, model)]
    found: list[Watch] = []
    for name in names:
        with failures.kept(name):
            found += [_begun(at) for at in workspace.watches_of(name, as_of)]
    return found if found or failures.errors else workspace.watches(as_of, model)


def _begun(at: Watch) -> Watch:
    return replace(at, champion=release.with_epoch(at.champion, at.store, now=at.as_of))


def live_through(at: Watch, failures: Failures) -> Morning | None:
    """Closes, checks and decides every night that is due, and plans labels: the nightly flow's steps.

    Labels are planned of the nights that could be decided, also where a later one fails; None if none was.
    """
    nights: list[Night] = []
    labels: dict[date, int] = {}
    before = len(failures.errors)
    with failures.kept(name_of(at)):
        watch.give_up_on_the_dead(at)
        for night in watch.nights_due(at):
            watch.close_labels(at, night)
            window = watch.close_window(at, night)
            results = watch.run_checks(at, window)
            nights.append(Night(night, tuple(results), watch.conclude(at, window, results)))
    with failures.kept(f"{name_of(at)}, its labels"):
        for night in watch.nights_to_plan(at):
            labels[night] = len(watch.plan_labels(at, night).draws)
    if not nights and len(failures.errors) > before:
        return None
    return Morning(at.champion, tuple(nights or _last(at)), bool(nights), labels)


def name_of(at: Watch) -> str:
    return f"{at.champion.model} version {at.champion.version}"


def screen(morning: Morning) -> str:
    """What people read: of each night every check with its sentence, then why it concluded what it did."""
    version = f"{morning.version.model}  version {morning.version.version}"
    if not morning.nights:
        return f"{version}  no night is over yet: predictions of a day are checked after its end"
    lines = [version + ("" if morning.decided_now else "  no night is due; the last one that was decided:")]
    for one in morning.nights:
        if one.decision.action is Action.NOTHING and one is not morning.nights[-1]:
            lines.append(f"night of {one.night}  {one.decision.reason}")
            continue
        lines.append(f"night of {one.night}")
        lines += [f"  {MARKS[told.status]:13} {told.check:17} {told.reason}" for told in one.results]
        lines.append(f"  -> {one.decision.action}: {one.decision.reason}")
    asked = [f"{count} labels are asked for of {night}" for night, count in morning.labels_asked.items() if count]
    if len(asked) > SHOWN:
        asked = [f"{sum(morning.labels_asked.values())} labels are asked for of {len(asked)} nights"]
    return "\n".join([*lines, *asked])


def pages_text(pages: Sequence[Path]) -> str:
    """Which pages of a model were drawn, as people read it; many as their number and their folder."""
    if len(pages) > SHOWN:
        return f"{len(pages)} pages in {pages[0].parent}"
    return "\n".join(f"page {path}" for path in pages)


def as_object(morning: Morning, pages: Sequence[Path]) -> dict[str, Any]:
    """JSON: `checks` and `decision` of the last night, all `nights` of this run, the pages that it drew."""
    nights = [
        {
            "night": one.night.isoformat(),
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
    last: dict[str, Any] = nights[-1] if nights else {"night": None, "checks": [], "decision": None}
    return {
        "model": morning.version.model,
        "version": morning.version.version,
        "decided_now": morning.decided_now,
        **last,
        "labels_asked": {night.isoformat(): count for night, count in morning.labels_asked.items()},
        "pages": [str(path) for path in pages],
        "nights": nights,
    }


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check,
        "status": str(result.status),
        "reason": result.reason,
        "statistic": result.statistic,
        "threshold": result.threshold,
        "effect": result.effect,
        "n": result.n,
        "details": dict(result.details),
    }


def _last(at: Watch) -> list[Night]:
    """The last night of this epoch that was over by then and is decided."""
    found = [(night, result) for night, result in at.results() if night_bounds(night, at.policy.zone)[1] <= at.as_of]
    if not found:
        return []
    night = found[-1][0]
    this = (at.champion.version, night)
    decision = next(one for one in at.decisions() if one.nightly and (one.version, one.night) == this)
    return [Night(night, tuple(result for on, result in found if on == night), decision)]
