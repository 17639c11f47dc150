"""Claims a night, so that two monitors at once give one result and the second says who is at it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta

from leeway.domain.records import Claim
from leeway.epoch import Epoch
from leeway.errors import HeldError

LEASE = timedelta(minutes=30)  # by the clock: the largest night takes minutes


@contextmanager
def claimed(epoch: Epoch, night: date) -> Iterator[None]:
    """Around the work on a night; whatever happens, it is given back. Raises HeldError where somebody is at it."""
    claim = claim_night(epoch, night)
    try:
        yield
    finally:
        epoch.history.hold(None)
        epoch.ledger.give_back(claim)


def claim_night(epoch: Epoch, night: date) -> Claim:
    """Claim the night for this process, also from one on this machine that died; the epoch then writes under it."""
    now, holder = datetime.now(UTC), this_process()

    def take(instead_of: str = "") -> Claim:
        return epoch.ledger.claim_night(
            epoch.version, night, holder=holder, now=now, until=now + LEASE, instead_of=instead_of
        )

    try:
        claim = take()
    except HeldError as held:
        if not is_dead(held.holder):
            raise
        claim = take(instead_of=held.holder)
    epoch.history.hold(claim)
    return claim


def this_process() -> str:
    """Return how this process is called where it holds something."""
    return f"{socket.gethostname()} process {os.getpid()}"


def is_dead(holder: str) -> bool:
    """Return whether the holder was a process of this machine that is gone; of another machine nobody here knows."""
    host, separator, rest = holder.partition(" process ")
    if not separator or host != socket.gethostname():
        return False
    with suppress(PermissionError, ValueError, OverflowError):
        try:
            os.kill(int(rest), 0)
        except ProcessLookupError:
            return True
    return False
