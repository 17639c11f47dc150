"""Pages due: says which pages of the last week are missing, and draws them; whatever fails stops nothing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from leeway import durable
from leeway.checks.drift import PredictionDrift
from leeway.checks.windows import drift_reference, night_bounds, night_of
from leeway.domain.night_view import NightPage
from leeway.domain.ports import PageWriter
from leeway.domain.records import Action, Prediction, WindowCounts
from leeway.epoch import Epoch
from leeway.errors import in_one_line
from leeway.monitor.night import RECENT_NIGHTS
from leeway.monitor.night_facts import night_page

MOST_DRAWN = 20_000  # predictions of each side that Evidently's page looks at
log = logging.getLogger("leeway.page")


@dataclass(frozen=True, slots=True)
class PageDue:
    """A page of a decided night that is not there."""

    window: WindowCounts
    path: Path
    by_evidently: bool  # Evidently's page of an alarm night, beside the night's own


@dataclass(frozen=True, slots=True)
class PageTools:
    """What pages are drawn with."""

    folder: Path
    write: Callable[[Path, NightPage], None]
    write_evidently: PageWriter


def draw_missing(epoch: Epoch, tools: PageTools) -> list[Path]:
    """Draw the pages that are due; return those drawn. One that fails is logged, and tried again by the next run."""
    return [due.path for due in pages_due(epoch, tools.folder) if _is_drawn(epoch, due, tools)]


def pages_due(epoch: Epoch, folder: Path) -> list[PageDue]:
    """Return the missing pages of decided nights, oldest first: of the last week, and of alarms decided in it.

    A catch-up on many nights draws no page of those that were quiet and are long past.
    """
    zone, windows = epoch.policy.zone, {one.night: one for one in epoch.history.windows}
    week = night_of(epoch.as_of, zone) - timedelta(days=RECENT_NIGHTS)
    due = []
    for one in epoch.history.decisions:
        own = one.nightly and one.version == epoch.version.version and one.night in windows
        if not own or night_bounds(one.night, zone)[1] > epoch.as_of:
            continue
        alarm = one.action is Action.MORE_LABELS
        if one.night >= week or (alarm and night_of(one.made_at, zone) >= week):
            stem = f"{one.model}-{one.version}-{one.night}"
            due.append(PageDue(windows[one.night], folder / f"{stem}.html", by_evidently=False))
            if alarm:
                due.append(PageDue(windows[one.night], folder / f"{stem}-evidently.html", by_evidently=True))
    return sorted((one for one in due if not one.path.exists()), key=lambda one: (one.window.night, one.path))


def draw_page(epoch: Epoch, window: WindowCounts, *, write: PageWriter, path: Path) -> None:
    """Draw a decided night beside its reference nights; raises whatever the writer raises."""
    drift = epoch.policy.check(PredictionDrift)
    nights = drift_reference(
        [one for one in epoch.history.windows if one.night < window.night],
        epoch.alarmed_nights(),
        nights=drift.reference_nights,
        min_predictions=drift.min_predictions,
    )
    write(
        path,
        reference=[found for one in nights for found in _some_predictions(epoch, one, MOST_DRAWN // len(nights))],
        current=_some_predictions(epoch, window, MOST_DRAWN),
        classes=window.classes,
        title=f"{window.model}, version {window.version}, night of {window.night}",
        alarm_under_p=epoch.policy.alpha(drift) / 365,
    )


def _is_drawn(epoch: Epoch, due: PageDue, tools: PageTools) -> bool:
    """Draw one page. It appears whole or not at all: a run that is killed leaves it to the next one."""
    try:
        with durable.replacing_file(due.path) as part:
            if due.by_evidently:
                draw_page(epoch, due.window, write=tools.write_evidently, path=part)
            else:
                tools.write(part, night_page(epoch, due.window))
    except Exception as error:
        page = "Evidently's page" if due.by_evidently else "page"
        model, night = f"{due.window.model} version {due.window.version}", due.window.night
        log.warning("%s, night of %s: no %s: %s", model, night, page, in_one_line(error))
        return False
    return True


def _some_predictions(epoch: Epoch, window: WindowCounts, most: int) -> list[Prediction]:
    """Return those of a night, or of a large one as many as are drawn, uniformly."""
    return epoch.log.sample(epoch.version, *epoch.bounds(window.night), most, stream="page", upto=window.position)
