"""Progress: a bar on a terminal; where there is none, as in the log of cron, a line now and then."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

EVERY_SECONDS = 30  # between two lines, and before the first: of short work none is printed
Element = TypeVar("Element")
log = logging.getLogger("leeway.progress")


class Advance(Protocol):
    """Counts so many more as done."""

    def __call__(self, count: int = 1) -> None: ...


class Lines:
    """Logs how far a piece of work is, at most one line in EVERY_SECONDS."""

    def __init__(
        self, title: str, *, total: int | None = None, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`done` of `total` are so before it begins, as in a training that is resumed."""
        self._title, self._total, self._first, self._done, self._clock = title, total, done, done, clock
        self._began = self._said = clock()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count so many more as done; `note` is added to the line, if one is due."""
        self._done += count
        now = self._clock()
        if now - self._said >= EVERY_SECONDS and self._done > self._first:
            self._said = now
            log.info("%s", "; ".join(filter(None, [self._line(now - self._began), note])))

    def _line(self, seconds: float) -> str:
        rate = (self._done - self._first) / seconds
        pace = _pace(rate)
        if not self._total:
            return f"{self._title}: {self._done:,}, {pace}"
        left = _duration(max(self._total - self._done, 0) / rate)
        return f"{self._title}: {self._done / self._total:.0%} ({self._done:,} of {self._total:,}), {pace}, {left} left"


def progress(elements: Iterable[Element], title: str, *, total: int) -> Iterator[Element]:
    """Yield the elements, each of which is done when the next one is asked for."""
    with advancing(title, total=total) as advance:
        for element in elements:
            yield element
            advance()


@contextmanager
def advancing(title: str, *, total: int | None = None) -> Iterator[Advance]:
    """Yield a function to call with how many more are done."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield Lines(title, total=total).advance
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    counted = TextColumn("{task.description} {task.completed:,.0f}")
    behind = [BarColumn(), TimeRemainingColumn()] if total else []
    columns = (SpinnerColumn(), counted, *behind, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count=1: bar.advance(task, count)


def _pace(rate: float) -> str:
    """`4,096 a second`, `2.5 a second`, `3.2 s each`."""
    if rate < 1:
        return f"{1 / rate:.1f} s each"
    return f"{rate:,.0f} a second" if rate >= 10 else f"{rate:.1f} a second"


def _duration(seconds: float) -> str:
    """`43 s`, `7 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
