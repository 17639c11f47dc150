"""Night: what makes the monitor run, whether it did, and whether anybody would hear of it."""

from collections.abc import Iterator
from datetime import datetime

from leeway.adapters.prefect.probe import PrefectServer
from leeway.adapters.prefect.trigger import DEPLOYMENT
from leeway.domain.text import counted, without_login
from leeway.errors import LeewayError, WorkspaceError, first_few, in_one_line
from leeway.jobs.doctor.diagnosis import Diagnosis, Patient, fail, not_used, ok, warn
from leeway.monitor.fleet import Fleet
from leeway.monitor.heartbeat import listen, watched_epochs

SHOWN = 3
DEPLOYMENTS = ("monitoring/monitoring", DEPLOYMENT)
SERVE = "python flows/deploy.py, in the workspace, and keep it running"
TITLE = "leeway: a test"
BODY = "`leeway doctor --send` was run in {folder}: alerts of this workspace arrive here. There is nothing to do."


def schedule(patient: Patient) -> Iterator[Diagnosis]:
    """Was every night that is over looked at in time?"""
    fleet, now = patient.workspace.fleet, patient.now
    if not _is_watching(fleet, now):
        found = "nothing is watched here yet: no version serves, and no model is known from files"
        yield not_used("schedule", found, "leeway release, or leeway watch init NAME --reference FILE")
        return
    heard = listen(fleet, now)
    if heard.late:
        mend = "mend what it names; leeway monitor decides what is left; then see what runs it, cron or flows/deploy.py"
        yield fail("schedule", "; ".join(heard.late), mend)
    else:
        yield ok("schedule", f"every night that is over was looked at; {first_few(heard.on_time, SHOWN, by='; ')}")


def prefect(patient: Patient) -> Iterator[Diagnosis]:
    """Where a Prefect server is configured: does it answer, and does somebody serve the two flows?"""
    server = PrefectServer(patient.surroundings.environment)
    if not server.address:
        found = "no Prefect server is configured: cron runs `leeway monitor`, which retrains by itself"
        yield not_used("prefect", found, "to use one: prefect server start, then PREFECT_API_URL=http://HOST:4200/api")
        return
    try:
        version = server.version()
    except WorkspaceError as error:
        mend = "prefect server start, or mend or unset PREFECT_API_URL"
        yield fail("prefect", f"the Prefect server does not answer: {in_one_line(error)}", mend)
        return
    yield ok("prefect", f"the Prefect server at {without_login(server.address)} answers, version {version}")
    yield from (_deployment(server, name) for name in DEPLOYMENTS)


def _is_watching(fleet: Fleet, now: datetime) -> bool:
    """Whether a version is watched, or a model that cannot be looked at, which the heartbeat then says."""
    try:
        return any(watched_epochs(fleet, model, now) for model in fleet.names())
    except LeewayError:
        return True


def _deployment(server: PrefectServer, name: str) -> Diagnosis:
    deployment = server.deployment(name)
    if deployment is None:
        return fail("prefect", f"the Prefect server has no deployment {name}: nothing runs it", SERVE)
    if deployment.is_paused:
        found = f"the deployment {name} is paused, or no schedule of it is active: it runs at no time"
        return fail("prefect", found, "resume it on its page in Prefect")
    if not deployment.is_served:
        return fail("prefect", f"no process serves the deployment {name}: its runs wait", SERVE)
    return ok("prefect", f"the deployment {name} is served")


def channels(patient: Patient) -> Iterator[Diagnosis]:
    """Is every address of LEEWAY_ALERT_URLS one to which something can be sent?"""
    if not patient.settings.alert_urls.split():
        found = "no channel is configured: alerts are printed by whatever runs the monitor"
        yield not_used("channels", found, "set LEEWAY_ALERT_URLS to addresses of Apprise, such as slack://...")
        return
    for channel in patient.workspace.notifier.channels:
        try:
            channel.check()
        except LeewayError as error:
            yield fail("channels", in_one_line(error), "mend this address in LEEWAY_ALERT_URLS")
        else:
            yield ok("channels", f"{channel.name} is an address that can be sent to; `leeway doctor --send` tries it")


def send_test(patient: Patient) -> Iterator[Diagnosis]:
    """Send each channel a test, and say what became of it."""
    if not patient.settings.alert_urls.split():
        yield from channels(patient)
        return
    for channel in patient.workspace.notifier.channels:
        try:
            channel.send(TITLE, BODY.format(folder=patient.folder))
        except Exception as error:  # a library for each kind of channel: whatever one raises concerns this one alone
            yield fail("channels", in_one_line(error), "mend this address in LEEWAY_ALERT_URLS, or see to its receiver")
        else:
            yield ok("channels", f"{channel.name} took the test: see whether it arrived")


def outbox(patient: Patient) -> Iterator[Diagnosis]:
    """Does an alert wait that a channel did not take?"""
    waiting = patient.workspace.ledger.pending_alerts()
    refused = [one for one in waiting if one.error]
    if not waiting:
        yield ok("outbox", "no alert waits to be sent")
        return
    oldest = min(one.made_at for one in waiting)
    found = f"{counted(len(waiting), 'alert')} not sent yet, the oldest of {oldest:%Y-%m-%d %H:%M} UTC"
    why = f"; the last error: {refused[-1].error}" if refused else ""
    yield warn("outbox", f"{found}{why}", "leeway doctor --send tries each channel; leeway monitor sends what waits")
