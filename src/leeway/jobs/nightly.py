"""The nightly job: closes, checks and decides every night that is over, plans labels, tells people, draws pages."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from leeway.checks.windows import night_bounds
from leeway.domain.records import CheckResult, Decision, ModelVersion, Release
from leeway.domain.text import counted
from leeway.domain.upkeep import Rolled
from leeway.epoch import Epoch
from leeway.errors import HeldError, in_one_line
from leeway.jobs import epochs
from leeway.jobs.claims import claimed
from leeway.jobs.failures import Failures
from leeway.jobs.hiding import hide_reports
from leeway.jobs.step import RunStep, call
from leeway.jobs.telling import failure_told, tell_people, tell_unfinished
from leeway.labels.answers import close_overdue, take_given_answers
from leeway.labels.queue import LabelQueue, find_queue
from leeway.monitor import night as nights
from leeway.monitor.due import Due, due_nights, tell_doubt, tell_late
from leeway.monitor.first_nights import first_nights_text
from leeway.monitor.image_night import image_night
from leeway.monitor.pages_due import PageTools, draw_missing
from leeway.monitor.words import headline
from leeway.release.waiting import is_due
from leeway.workspace import Workspace

log = logging.getLogger("leeway.nightly")


@dataclass(frozen=True, slots=True)
class DecidedNight:
    """A night with its results and what they led to."""

    night: date
    results: tuple[CheckResult, ...]
    decision: Decision
    headline: str = ""  # what the night means for people
    first_nights: str = ""  # what is watched already, and what not yet


@dataclass(frozen=True, slots=True)
class Morning:
    """What one run of the monitor did for one model version."""

    version: ModelVersion
    nights: tuple[DecidedNight, ...]  # decided now; the last one that was decided before, if none is due
    decided_now: bool
    labels_asked: Mapping[date, int]
    held: str = ""  # who is at it, if somebody else is
    queue: LabelQueue | None = None  # what waits for people after it
    due: Due = field(default_factory=Due)  # which nights were due, which gaps are left out, and what is in doubt


@dataclass(slots=True)
class Nightly:
    """What a run of the job did, and what failed in it."""

    mornings: list[Morning] = field(default_factory=list)
    pages: dict[tuple[str, int], list[Path]] = field(default_factory=dict)  # drawn now, by model and version
    requests: list[Decision] = field(default_factory=list)  # open retraining requests
    failures: Failures = field(default_factory=Failures)


def nightly(
    workspace: Workspace,
    as_of: datetime,
    *,
    model: str | None = None,
    confirmed: bool = False,
    run: RunStep = call,
    show: Callable[[Morning], object] = lambda _: None,
) -> Nightly:
    """Look at every model that is watched here, or at `model` alone; `confirmed`: a person said what time it is.

    `run` runs a step: plainly, or as a Prefect task. `show` is given each morning as soon as it is over. What fails
    for one model stops no other one: people are told, and it is kept in `failures`, to be raised once all is done.
    Pages come last, since they decide nothing. Raises ParamsError for a model that is not watched, RegistryError where
    there is nothing to look at yet.
    """
    with failure_told(workspace, as_of, model=model):
        return _nightly(workspace, as_of, model=model, confirmed=confirmed, run=run, show=show)


def _nightly(
    workspace: Workspace,
    as_of: datetime,
    *,
    model: str | None,
    confirmed: bool,
    run: RunStep,
    show: Callable[[Morning], object],
) -> Nightly:
    done = Nightly()
    with done.failures.kept("rolling the prediction log"):
        run(roll_log, workspace, as_of)
    found = epochs.watched(workspace, as_of, done.failures, model=model)
    watched = [replace(one, embedder=workspace.embedder) for one in found]
    for epoch in watched:
        looked = look(epoch, done.failures, confirmed=confirmed, run=run)
        if looked is not None:
            done.mornings.append(looked)
            with done.failures.kept("showing it"):
                show(looked)
            if looked.decided_now and not looked.version.watched_only and not epoch.is_beside:
                with done.failures.kept("comparing the champion with MLflow"):
                    run(epochs.reconcile, workspace, as_of)
                with done.failures.kept("judging the challenger that waits for labels"):
                    run(judge_waiting, workspace, as_of)
    with done.failures.kept("alerts"):
        run(tell_people, workspace, as_of)
    with done.failures.kept("retraining requests"):
        done.requests = run(nights.request_retraining, workspace.ledger, workspace.model, workspace.trigger)
    tell_unfinished(workspace, done.failures, as_of)
    for epoch in watched:
        done.pages[epoch.model, epoch.version.version] = run(draw_pages, workspace, epoch)
    return done


def roll_log(workspace: Workspace, as_of: datetime) -> Rolled:
    """Turn what the prediction log received on days that are over into files that never change."""
    rolled: Rolled = workspace.log.roll(as_of)
    if rolled.segments:
        log.info("%s of the prediction log rolled over", counted(rolled.rows, "row"))
    return rolled


def look(
    epoch: Epoch,
    failures: Failures,
    *,
    confirmed: bool = False,
    run: RunStep = call,
) -> Morning | None:
    """Close, check and decide every night that is due, and plan labels: also of a night before one that fails.

    Each night is claimed first; one that somebody else is at is left to them. None where something failed before a
    night was decided.
    """
    decided: list[DecidedNight] = []
    last: list[DecidedNight] = []
    labels: dict[date, int] = {}
    queue: LabelQueue | None = None
    before, name, held, due = len(failures.errors), f"{epoch.model} version {epoch.version.version}", "", Due()
    try:
        with failures.kept(name, besides=HeldError, model=epoch.model):
            nights.give_up_on_the_dead(epoch)
            nights.tend_requests(epoch)
            due = due_nights(epoch, confirmed=confirmed)
            tell_doubt(epoch, due)
            for night in due.nights:
                with claimed(epoch, night):
                    if not nights.is_decided(epoch, night):
                        decided.append(decide(epoch, night, run=run))
            tell_late(epoch, [one.night for one in decided])
            last = decided or _last(epoch)
        with failures.kept(f"{name}, its labels", besides=HeldError, model=epoch.model):
            for night in nights.nights_to_plan(epoch):
                with claimed(epoch, night):
                    labels[night] = run(nights.plan_labels, epoch, night).asked
            close_overdue(epoch)
            run(take_given_answers, epoch.log, epoch.ledger, epoch.model)
            queue = find_queue(epoch)
    except HeldError as error:
        held = str(error)
        log.warning("%s", held)
    if not decided and len(failures.errors) > before:
        return None
    return Morning(epoch.version, tuple(decided or last), bool(decided), labels, held, queue, due)


def decide(epoch: Epoch, night: date, *, run: RunStep = call) -> DecidedNight:
    """Take one night from the labels that are in to a stored decision."""
    run(nights.close_labels, epoch, night)
    window = run(nights.close_window, epoch, night)
    images = run(image_night, epoch, window)
    results = run(nights.run_checks, epoch, window, images)
    decision = run(nights.conclude, epoch, window, results)
    return _told(epoch, decision, tuple(results))


def judge_waiting(workspace: Workspace, as_of: datetime) -> Release | None:
    """Judge the challenger again that was refused for want of gate labels, once they are in; None if none is due."""
    champion = epochs.find_champion(workspace, as_of)
    due = is_due(champion) if champion is not None else None
    if due is None:
        return None
    from leeway.jobs.releasing import judge_again  # loads ONNX Runtime, which no other morning needs

    return judge_again(workspace, due.version, as_of)


def draw_pages(workspace: Workspace, epoch: Epoch) -> list[Path]:
    """Draw what is missing of the last week's pages, alarm nights by Evidently too; return the pages drawn.

    Whatever fails is logged, and stops nothing.
    """
    try:
        from leeway.pages.night import write_night_page

        hide_reports(workspace)
        return draw_missing(epoch, PageTools(workspace.night_pages, write_night_page, workspace.page_writer))
    except Exception as error:
        log.warning("%s version %d: no pages: %s", epoch.model, epoch.version.version, in_one_line(error))
        return []


def _last(epoch: Epoch) -> list[DecidedNight]:
    """Return the last night of this epoch that was over by then and is decided; empty without one."""
    decided = [one for one in epoch.history.decided if night_bounds(one, epoch.policy.zone)[1] <= epoch.as_of]
    if not decided:
        return []
    this = (epoch.version.version, decided[-1])
    decision = next(one for one in epoch.history.decisions if one.nightly and (one.version, one.night) == this)
    results = tuple(result for _, result in epoch.history.results([decided[-1]]))
    return [_told(epoch, decision, results)]


def _told(epoch: Epoch, decision: Decision, results: tuple[CheckResult, ...]) -> DecidedNight:
    """With what it means for people."""
    means, night = headline(decision, results, epoch.policy), decision.night
    return DecidedNight(night, results, decision, means, first_nights_text(epoch, night))
