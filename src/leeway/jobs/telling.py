"""Telling people: sends what waits in the outbox, and says what could not be done."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from leeway.domain.records import Alert
from leeway.errors import ParamsError, in_one_line
from leeway.jobs.claims import is_dead, this_process
from leeway.jobs.failures import Failures
from leeway.monitor.delivery import Courier, deliver_alerts
from leeway.workspace import Workspace, open_workspace

ADVICE = (
    "Until this is mended nobody watches what it concerns. Mend it, then run `leeway monitor`: it takes up the nights "
    "that are left, and says what still stops it."
)
BY_HAND = {"monitoring": "leeway monitor", "training": "leeway retrain"}  # flow -> command
TOLD = "people were told"  # a note of an error, so that whoever sees it next tells them no second time
log = logging.getLogger("leeway.alerts")


def tell_people(workspace: Workspace, as_of: datetime) -> list[str]:
    """Send what waits in the outbox; return what went wrong."""
    by = Courier(this_process(), clock=lambda: datetime.now(UTC), is_dead=is_dead)
    return deliver_alerts(workspace.ledger, workspace.notifier, now=as_of, by=by)


def tell_unfinished(workspace: Workspace, failures: Failures, as_of: datetime) -> None:
    """Tell people what a run could not finish, once a day for each model and for what belongs to none."""
    by_model: dict[str, list[str]] = {}
    for part in failures.parts:
        if not was_told(part.error):
            said = in_one_line(part.error)
            by_model.setdefault(part.model, []).append(said if part.what == part.model else f"{part.what}: {said}")
            part.error.add_note(TOLD)
    tell(workspace, [_of_monitor(model, "; ".join(parts), as_of) for model, parts in by_model.items()], as_of)


@contextmanager
def failure_told(workspace: Workspace, as_of: datetime, *, model: str | None) -> Iterator[None]:
    """Around the monitor's work: whatever ends it is told to people, and raised.

    A mistake beside a `model` that somebody named is told to whoever named it.
    """
    try:
        yield
    except Exception as error:
        if not was_told(error) and not (model and isinstance(error, ParamsError)):
            error.add_note(TOLD)
            tell(workspace, [_of_monitor(model or "", in_one_line(error), as_of)], as_of)
        raise


def tell_of_flow(flow: str, error: object, now: datetime) -> None:
    """Tell people that a flow run failed or crashed, unless what ended it was told by itself. For the flow's hooks.

    `error` is what it ended with, or the words that are known of it.
    """
    if isinstance(error, BaseException) and was_told(error):
        return
    said = in_one_line(error) if isinstance(error, Exception) else str(error)
    advice = f"The log of the run in Prefect says more; `{BY_HAND.get(flow, 'leeway status')}` does the same by hand."
    with open_workspace() as workspace:
        tell(workspace, [_unfinished(f"the {flow} flow", f"{said}\n{advice}", now)], now)


def was_told(error: BaseException) -> bool:
    """Return whether people were told of this error."""
    return TOLD in getattr(error, "__notes__", ())


def tell(workspace: Workspace, alerts: Sequence[Alert], as_of: datetime) -> None:
    """Tell people of these, each once: through the outbox or, where it cannot be written, directly.

    Whatever goes wrong here is a line in the log: it must not hide what people are told of.
    """
    try:
        new = [one for one in alerts if workspace.ledger.queue_alert(one)]
        if new:
            tell_people(workspace, as_of)
    except Exception as error:
        log.warning("the outbox cannot be used, people are told directly: %s", in_one_line(error))
        with Failures().kept("telling people"):
            for one in alerts:
                _tell_directly(workspace, one)


def _tell_directly(workspace: Workspace, alert: Alert) -> None:
    for channel in workspace.notifier.channels:
        try:
            channel.send(alert.title, alert.body)
        except Exception as error:
            log.warning("%s: not sent: %s", alert.key, in_one_line(error))


def _unfinished(who: str, body: str, as_of: datetime, *, model: str = "") -> Alert:
    about = f"{who} could not look at {model}" if model else f"{who} did not finish"
    key = f"unfinished/{model or who}/{as_of:%Y-%m-%d}"
    return Alert(key, f"leeway: {about}", body, as_of)


def _of_monitor(model: str, problem: str, as_of: datetime) -> Alert:
    return _unfinished("the monitor", f"{problem}\n{ADVICE}", as_of, model=model)
