"""A training in the log of cron says now and then how far it is; on a terminal Lightning's bar does."""

import logging
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from leeway.training.journal import Journal
from leeway.training.params import TrainParams


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture, params: TrainParams, *, bar: object, epoch: int = 0) -> list[str]:
    """What 90 batches of a second each say, the first of them in this epoch of 10."""
    clock = Clock()
    ten = params.model_copy(update={"epochs": 10})
    journal = Journal(lambda metrics, number: None, ten, shares=np.full(2, 0.5), clock=clock)
    trainer = cast(Any, SimpleNamespace(progress_bar_callback=bar, num_training_batches=30, current_epoch=epoch))
    with caplog.at_level(logging.INFO, logger="leeway.progress"):
        journal.on_train_start(trainer, cast(Any, None))
        for number in range(90):
            clock.now += 1
            journal.on_train_batch_end(trainer, cast(Any, None), None, None, number % 30)
    return caplog.messages


def test_without_a_bar_a_line_every_half_minute_says_how_far_it_is(
    caplog: pytest.LogCaptureFixture, params: TrainParams
) -> None:
    assert lines(caplog, params, bar=None) == [
        "training: 10% (30 of 300), 1.0 a second, 4 min left",
        "training: 20% (60 of 300), 1.0 a second, 4 min left",
        "training: 30% (90 of 300), 1.0 a second, 4 min left",
    ]


def test_a_resumed_training_begins_where_it_was(caplog: pytest.LogCaptureFixture, params: TrainParams) -> None:
    assert lines(caplog, params, bar=None, epoch=5)[0] == "training: 60% (180 of 300), 1.0 a second, 2 min left"


def test_beside_a_bar_there_is_no_line(caplog: pytest.LogCaptureFixture, params: TrainParams) -> None:
    assert lines(caplog, params, bar=object()) == []
