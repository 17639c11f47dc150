"""Queue: in which order people are asked, so that whoever answers a part of it completes whole nights."""

import hashlib
from collections.abc import Iterable
from datetime import date

from leeway.domain.records import Prediction


def in_queue_order(waiting: Iterable[tuple[date, str, Prediction]]) -> list[tuple[str, Prediction]]:
    """Return (plan id, prediction) of what waits as (night, plan id, prediction), each prediction once.

    The newest night comes first. Inside a night the order is that of a hash of the prediction: fixed, and it shows
    nothing of why one was drawn. Of several plans that drew a prediction that of the newest night is named.
    """
    queue: dict[str, tuple[str, Prediction]] = {}
    for _, plan_id, one in sorted(waiting, key=lambda one: (-one[0].toordinal(), _shuffled(one[2]))):
        queue.setdefault(one.id, (plan_id, one))
    return list(queue.values())


def _shuffled(prediction: Prediction) -> bytes:
    return hashlib.sha256(f"queue/{prediction.model}/{prediction.id}".encode()).digest()
