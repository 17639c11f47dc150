"""Writer: takes predictions one by one, from many threads, and has each safely on disk before it says so.

This is serving's side of the log in columns. On PostgreSQL the same belongs over the tables of
`leeway.stores.prediction_log.SqlPredictionLog`, and comes with serving itself.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from leeway.domain.records import Prediction, utc_text
from leeway.errors import ConflictError, LeewayError, StoreError, in_one_line
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.own_segment import Coming, OwnSegment

MOST, SECONDS = 500, 0.005  # rows of a group, and how long its first one waits for others
CHECKPOINT = 40  # groups after which the write-ahead log is taken over: so often that it takes as long as one group
IDLE_SECONDS = 1.0  # after which a writer that got nothing looks whether the day is over


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prediction, and who waits for it."""

    coming: Coming
    received_at: datetime
    since: float  # by the monotonic clock
    done: Future[bool] = field(default_factory=Future)


class SegmentWriter:
    """Fills a segment of its own; one to a process. `clock` says what time it is, with a zone.

    Rows wait for each other 5 ms at most, 500 at once share one write to the disk. After midnight UTC it goes on in a
    new segment. Whether an id was there before is known of what live segments hold: today's, and earlier ones that are
    not rolled over yet.
    """

    def __init__(self, log: ColumnarLog, *, clock: Callable[[], datetime], lock_timeout_seconds: float = 30.0) -> None:
        self._log, self._clock, self._wait = log, clock, lock_timeout_seconds
        self._queue = SimpleQueue[Waiting | None]()
        self._is_full = Event()  # what waits is enough for a group, or all that comes
        self._closing, self._closed = Lock(), False
        self._segment: OwnSegment | None = None
        self._groups = 0  # since the last checkpoint
        self._thread = Thread(target=self._run, name="leeway segment writer", daemon=True)
        self._thread.start()

    def append(self, prediction: Prediction) -> Future[bool]:
        """Return a future that is done when the prediction is safely on disk: True; False if it was there before.

        It raises ConflictError for an id that is there with other content, or one from before the model's horizon;
        StoreError where nothing could be written. Raises StoreError for what cannot be stored, or a writer that is
        closed.
        """
        now = self._clock()
        utc_text(now)  # raises for one without a zone
        waiting = Waiting(Coming.of(prediction, now, self._log.secret), now, time.monotonic())
        with self._closing:
            if self._closed:
                raise StoreError("the writer of predictions is closed; nothing of this was written")
            self._queue.put(waiting)
        if self._queue.qsize() >= MOST:
            self._is_full.set()
        return waiting.done

    def close(self) -> None:
        """Write all that was appended, and let others have the segment."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
                self._is_full.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                for some in _by_day(group):
                    self._write(some)
        finally:
            self._leave()

    def _next_group(self) -> list[Waiting] | None:
        """Return what is to be written at once; None at the end."""
        first = self._first()
        if first is None:
            return None
        self._is_full.wait(max(first.since + SECONDS - time.monotonic(), 0))
        self._is_full.clear()
        group = [first]
        with suppress(Empty):
            while len(group) < MOST:
                one = self._queue.get_nowait()
                if one is None:  # nothing comes after it
                    self._queue.put(None)
                    break
                group.append(one)
        return group

    def _first(self) -> Waiting | None:
        while True:
            try:
                return self._queue.get(timeout=IDLE_SECONDS)
            except Empty:
                if self._segment is not None and self._segment.day < _day(self._clock()):
                    self._leave()

    def _write(self, group: Sequence[Waiting]) -> None:
        try:
            verdicts = self._of_day(group[0].received_at).write([one.coming for one in group])
        except Exception as error:
            for one in group:
                one.done.set_exception(_as_ours(error))
            return
        for one, verdict in zip(group, verdicts, strict=True):
            if isinstance(verdict, ConflictError):
                one.done.set_exception(verdict)
            else:
                one.done.set_result(verdict)
        self._groups += 1
        if self._groups >= CHECKPOINT and self._segment is not None:
            self._groups = 0
            self._segment.checkpoint()

    def _of_day(self, moment: datetime) -> OwnSegment:
        day = _day(moment)
        if self._segment is None or self._segment.day < day:
            self._leave()
            self._segment = OwnSegment(self._log.manifest, self._log.segments, day, lock_timeout_seconds=self._wait)
        return self._segment

    def _leave(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None


def _by_day(group: Sequence[Waiting]) -> list[list[Waiting]]:
    days = dict[date, list[Waiting]]()
    for one in group:
        days.setdefault(_day(one.received_at), []).append(one)
    return list(days.values())


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _as_ours(error: Exception) -> LeewayError:
    if isinstance(error, LeewayError):
        return error
    return StoreError(f"the prediction log cannot be written ({in_one_line(error)}); nothing of this was written")
