"""Pages due: says which pages of the last week are missing, and draws them; whatever fails stops nothing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from leeway.checks.windows import night_bounds, night_of
from leeway.domain.night_view import NightPage
from leeway.domain.ports import ImageStore, PageWriter
from leeway.domain.records import Action, WindowCounts
from leeway.errors import in_one_line
from leeway.monitor.night import RECENT_NIGHTS, Watch, draw_page
from leeway.monitor.night_facts import night_page

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
    images: ImageStore
    write: Callable[[Path, NightPage], None]
    write_evidently: PageWriter


def draw_missing(watch: Watch, tools: PageTools) -> list[Path]:
    """Returns the pages that were drawn. One that cannot be drawn is logged, and tried again by the next run."""
    return [due.path for due in pages_due(watch, tools.folder) if _is_drawn(watch, due, tools)]


def pages_due(watch: Watch, folder: Path) -> list[PageDue]:
    """Returns the missing pages of decided nights, oldest first: of the last week, and of alarms decided in it.

    A catch-up on many nights draws no page of those that were quiet and are long past.
    """
    zone, windows = watch.policy.zone, {one.night: one for one in watch.windows()}
    week = night_of(watch.as_of, zone) - timedelta(days=RECENT_NIGHTS)
    due = []
    for one in watch.decisions():
        own = one.nightly and one.version == watch.champion.version and one.night in windows
        if not own or night_bounds(one.night, zone)[1] > watch.as_of:
            continue
        alarm = one.action is Action.MORE_LABELS
        if one.night >= week or (alarm and night_of(one.made_at, zone) >= week):
            stem = f"{one.model}-{one.version}-{one.night}"
            due.append(PageDue(windows[one.night], folder / f"{stem}.html", by_evidently=False))
            if alarm:
                due.append(PageDue(windows[one.night], folder / f"{stem}-evidently.html", by_evidently=True))
    return sorted((one for one in due if not one.path.exists()), key=lambda one: (one.window.night, one.path))


def _is_drawn(watch: Watch, due: PageDue, tools: PageTools) -> bool:
    """Draws one page. It appears whole or not at all: a run that is killed leaves it to the next one."""
    part = due.path.with_name(f"{due.path.name}.part")
    try:
        if due.by_evidently:
            draw_page(watch, due.window, write=tools.write_evidently, path=part)
        else:
            tools.write(part, night_page(watch, due.window, tools.images))
        part.replace(due.path)
    except Exception as error:
        page = "Evidently's page" if due.by_evidently else "page"
        model, night = f"{due.window.model} version {due.window.version}", due.window.night
        log.warning("%s, night of %s: no %s: %s", model, night, page, in_one_line(error))
        return False
    return True
