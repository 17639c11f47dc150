"""Progress where there is no terminal: a line now and then, by a clock that is handed in, and none of short work."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest

from leeway.data.progress import EVERY_SECONDS, Lines, advancing, progress


class Clock:
    """Goes on by what it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, logger="leeway.progress"):
        yield


def work(lines: Lines, clock: Clock, *, steps: int, seconds: float) -> None:
    for _ in range(steps):
        clock.now += seconds
        lines.advance()


def test_short_work_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    work(Lines("inspecting images", total=299, clock=clock), clock, steps=299, seconds=0.1)
    assert caplog.messages == []


def test_long_work_says_every_half_minute_how_far_it_is_how_fast_and_how_long_it_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    work(Lines("inspecting images", total=1_900, clock=clock), clock, steps=1_900, seconds=0.0625)
    assert EVERY_SECONDS == 30
    assert caplog.messages == [
        "inspecting images: 25% (480 of 1,900), 16 a second, 89 s left",
        "inspecting images: 51% (960 of 1,900), 16 a second, 59 s left",
        "inspecting images: 76% (1,440 of 1,900), 16 a second, 29 s left",
    ]


def test_a_step_that_takes_minutes_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    work(Lines("cross-validating", total=5, clock=clock), clock, steps=2, seconds=4_000)
    assert caplog.messages == [
        "cross-validating: 20% (1 of 5), 4000.0 s each, 4.4 h left",
        "cross-validating: 40% (2 of 5), 4000.0 s each, 3.3 h left",
    ]


def test_without_a_total_it_says_how_many_and_how_fast(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lines = Lines("monday.csv", clock=clock)
    clock.now += 40
    lines.advance(1_000_000, note="a note")
    assert caplog.messages == ["monday.csv: 1,000,000, 25,000 a second; a note"]


def test_what_was_done_before_does_not_count_for_the_speed(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lines = Lines("training", total=1_000, done=900, clock=clock)
    clock.now += 50
    lines.advance(50)
    assert caplog.messages == ["training: 95% (950 of 1,000), 1.0 a second, 50 s left"]


def test_more_than_was_foreseen_takes_no_negative_time(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lines = Lines("training", total=10, clock=clock)
    clock.now += 100
    lines.advance(20)
    assert caplog.messages == ["training: 200% (20 of 10), 5.0 s each, 0 s left"]


def test_nothing_done_yet_is_no_division_by_zero(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lines = Lines("reading", total=10, clock=clock)
    clock.now += 100
    lines.advance(0)
    assert caplog.messages == []


def test_the_elements_come_through_and_stderr_stays_empty_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(progress(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    with advancing("rows") as advance:
        advance(5)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_and_no_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert "letters" in screen.getvalue()
    assert caplog.messages == []
