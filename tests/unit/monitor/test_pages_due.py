"""Pages are drawn of the last week's decided nights, once each; whatever fails is logged and made up for later."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from leeway.domain.night_view import NightPage
from leeway.domain.records import Action
from leeway.epoch import Epoch
from leeway.monitor.pages_due import PageTools, draw_missing, pages_due
from leeway.pages.night import write_night_page
from leeway.stores.opening import Stores, open_stores
from production import begun, epoch_of, folder_of_images, live_morning, morning, night, send

TILTED = (0.7, 0.15, 0.15)


def written(path: Path, *_: Any, **__: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("page")


def raising(error: BaseException) -> Callable[..., None]:
    """A writer that has begun its file when it fails."""

    def write(path: Path, *_: Any, **__: Any) -> None:
        written(path)
        raise error

    return write


class BurningImages:
    """An image store with a fault of its own."""

    def read(self, image: str) -> bytes:
        raise RuntimeError("no store")

    def put(self, content: bytes) -> str:
        raise RuntimeError("no store")

    def holds(self, image: str) -> bool:
        raise RuntimeError("no store")


def tools(folder: Path, **changed: Any) -> PageTools:
    given: dict[str, Any] = {"write": written, "write_evidently": written}
    return PageTools(folder / "nights", **(given | changed))


def names(paths: list[Path]) -> list[str]:
    return [path.name.removeprefix("colours-1-2026-03-") for path in paths]


@pytest.fixture
def alarm(stores: Stores, tmp_path: Path) -> Epoch:
    """The morning after four nights, the last of which alarmed."""
    for number in range(1, 5):
        send(stores, number, mix=TILTED if number == 4 else (1 / 3,) * 3)
        live_morning(stores, number)
    assert stores.ledger.decisions("colours")[-1].action is Action.MORE_LABELS
    return epoch_of(stores, 4, images=folder_of_images(tmp_path))


ALL = ["01.html", "02.html", "03.html", "04-evidently.html", "04.html"]


def test_each_decided_night_gets_its_page_once_and_an_alarm_evidentlys_too(alarm: Epoch, tmp_path: Path) -> None:
    assert names(draw_missing(alarm, tools(tmp_path))) == ALL
    assert draw_missing(alarm, tools(tmp_path)) == []
    (tmp_path / "nights" / "colours-1-2026-03-02.html").unlink()
    assert names(draw_missing(alarm, tools(tmp_path))) == ["02.html"]


@pytest.mark.parametrize("error", [TypeError("ufunc 'isinf'\nnot supported"), OSError("no room"), KeyError("x")])
def test_a_writer_that_raises_anything_is_logged_in_one_line_and_tried_again(
    alarm: Epoch, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    drawn = draw_missing(alarm, tools(tmp_path, write_evidently=raising(error)))
    assert names(drawn) == [one for one in ALL if "evidently" not in one]
    [line] = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert line.startswith("colours version 1, night of 2026-03-04: no Evidently's page: ")
    assert type(error).__name__ in line
    assert "\n" not in line
    assert names(draw_missing(alarm, tools(tmp_path))) == ["04-evidently.html"]


def test_a_page_that_a_kill_cut_short_is_made_whole_by_the_next_run(alarm: Epoch, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw_missing(alarm, tools(tmp_path, write=raising(KeyboardInterrupt())))
    assert not list((tmp_path / "nights").glob("*.html"))
    assert names(draw_missing(alarm, tools(tmp_path))) == ALL
    assert not list((tmp_path / "nights").glob(".*.partial"))


def test_an_image_store_that_raises_leaves_a_page_without_pictures(alarm: Epoch, tmp_path: Path) -> None:
    drawn = draw_missing(replace(alarm, images=BurningImages()), tools(tmp_path, write=write_night_page))
    assert names(drawn) == ALL


def test_pages_are_drawn_of_a_database_that_refuses_writes(tmp_path: Path) -> None:
    stores = open_stores(f"sqlite:///{tmp_path / 'leeway.db'}", lock_timeout_seconds=0.1)
    begun(stores)
    send(stores, 1)
    live_morning(stores, 1)
    with closing(sqlite3.connect(tmp_path / "leeway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        drawn = draw_missing(
            epoch_of(stores, 1, images=folder_of_images(tmp_path)), tools(tmp_path, write=write_night_page)
        )
    stores.close()
    assert names(drawn) == ["01.html"]


def test_after_a_long_catch_up_only_the_last_week_and_alarms_get_a_page(stores: Stores, tmp_path: Path) -> None:
    for number in range(1, 13):
        send(stores, number, mix=TILTED if number == 4 else (1 / 3,) * 3)
    live_morning(stores, 12)
    at = epoch_of(stores, 12, images=folder_of_images(tmp_path))
    alarms = {one.night.day for one in stores.ledger.decisions("colours") if one.action is Action.MORE_LABELS}
    assert 4 in alarms
    due = pages_due(at, tmp_path)
    assert sorted(one.window.night.day for one in due if not one.by_evidently) == [4, *range(6, 13)]
    assert {one.window.night.day for one in due if one.by_evidently} == alarms
    later = epoch_of(stores, 25, images=folder_of_images(tmp_path))
    assert pages_due(later, tmp_path) == []


def test_a_look_at_an_earlier_morning_draws_no_night_that_was_not_over_then(alarm: Epoch, tmp_path: Path) -> None:
    at = replace(alarm, as_of=morning(2))
    assert [one.window.night for one in pages_due(at, tmp_path)] == [night(1), night(2)]


def test_a_page_drawn_days_later_shows_what_it_would_have_shown_then(stores: Stores, tmp_path: Path) -> None:
    shown: dict[date, NightPage] = {}

    def keep(path: Path, page: NightPage) -> None:
        written(path)
        first = shown.setdefault(page.night, page)
        assert (page.decision, page.results, page.evidence) == (first.decision, first.results, first.evidence)

    for number in range(1, 6):
        send(stores, number)
        live_morning(stores, number)
        draw_missing(epoch_of(stores, number, images=folder_of_images(tmp_path)), tools(tmp_path / "now", write=keep))
    draw_missing(epoch_of(stores, 5, images=folder_of_images(tmp_path)), tools(tmp_path / "later", write=keep))
    assert len(shown) == 5
