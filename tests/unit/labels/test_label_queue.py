"""What waits for people, until when, and what closed without an answer: in one sentence wherever it is said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import Action, Label, ServingPeriod
from leeway.errors import RefusedError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.labels.exchange import export_labels
from leeway.labels.queue import ClosedNight, LabelQueue, OpenNight, find_queue, queue_text
from leeway.monitor.night_facts import night_page
from leeway.stores.opening import Stores
from production import (
    POLICY,
    draws_of,
    epoch_of,
    folder_of_images,
    known,
    label_all,
    live_morning,
    morning,
    night,
    record,
    send,
)

NOW = datetime(2026, 3, 12, 10, tzinfo=UTC)
COMMAND = "leeway labels export DIR"


def live(stores: Stores, numbers: Sequence[int], *, policy: Policy = POLICY) -> None:
    for number in numbers:
        send(stores, number, count=30)  # of which ten draws take several twice
        live_morning(stores, number, policy=policy)


def asked_of(stores: Stores, number: int) -> set[str]:
    return {one.prediction_id for one in draws_of(stores, f"colours/1/{night(number)}")}


def answer(stores: Stores, ids: Sequence[str], number: int) -> None:
    when = morning(number) + timedelta(hours=9)
    stores.ledger.record_labels([Label("colours", one, "red", "ann", when) for one in ids])


def opened(day: int, images: int, *, closes: datetime, second_opinions: int = 0) -> OpenNight:
    return OpenNight(date(2026, 3, day), 1, images, second_opinions, closes)


def waiting(*nights: OpenNight, closed: tuple[ClosedNight, ...] = (), **more: int | str) -> LabelQueue:
    made = LabelQueue("colours", NOW, nights, closed, command=COMMAND)
    return replace(made, **more)  # type: ignore[arg-type]


# Who comes on Fridays


def test_each_night_waits_the_newest_first_with_its_images_until_it_closes(stores: Stores) -> None:
    live(stores, range(1, 6))
    queue = find_queue(epoch_of(stores, 5))
    images = {number: len(asked_of(stores, number)) for number in range(1, 6)}
    assert sum(images.values()) < 50  # fewer than draws
    assert [(one.night, one.images, one.closes_at) for one in queue.open_nights] == [
        (night(number), images[number], morning(number) + timedelta(days=10)) for number in range(5, 0, -1)
    ]
    assert (queue.images, queue.second_opinions, queue.closed_unanswered) == (sum(images.values()), 0, 0)


def test_what_is_answered_waits_no_more_and_what_is_not_closes_and_is_said_to_have(stores: Stores) -> None:
    live(stores, range(1, 13))
    answer(stores, sorted(asked_of(stores, 12) | asked_of(stores, 4)), 12)
    queue = find_queue(epoch_of(stores, 12))
    assert [one.night for one in queue.open_nights] == [night(number) for number in (11, 10, 9, 8, 7, 6, 5, 3)]
    assert [(one.night, one.images, one.closed_at) for one in queue.closed_nights] == [
        (night(2), len(asked_of(stores, 2)), morning(12)),
        (night(1), len(asked_of(stores, 1)), morning(11)),
    ]
    offered = {one.id for _, one in stores.ledger.label_queue("colours")}
    assert not offered & (asked_of(stores, 1) | asked_of(stores, 2))
    answer(stores, sorted(asked_of(stores, 1)), 12)  # late, and no longer unanswered
    assert [one.night for one in find_queue(epoch_of(stores, 12)).closed_nights] == [night(2)]


def test_what_closed_is_said_for_a_week(stores: Stores) -> None:
    live(stores, range(1, 12))
    later = replace(epoch_of(stores, 11), as_of=morning(18))
    assert [one.night for one in find_queue(later).closed_nights] == [night(1)]
    assert find_queue(replace(later, as_of=morning(18) + timedelta(hours=1))).closed_nights == ()


def test_an_export_says_what_waits_and_one_of_nothing_what_closed(stores: Stores, tmp_path: Path) -> None:
    images = folder_of_images(tmp_path)
    send(stores, 1, count=30, images=images)
    live_morning(stores, 1)
    epoch = epoch_of(stores, 1, images=images)
    made = export_labels(epoch, tmp_path / "tasks", show_answer=False)
    assert made.queue == find_queue(epoch)
    assert made.queue.images == made.tasks == len(asked_of(stores, 1))
    readme = (tmp_path / "tasks" / "README.txt").read_text()
    assert "In time until 12 March at 02:00 UTC." in readme
    for number in range(2, 12):
        live_morning(stores, number)  # nights without a prediction
    count = len(asked_of(stores, 1))
    with pytest.raises(RefusedError, match=f"{count} images of the night of 1 March closed unanswered in the last 7"):
        export_labels(epoch_of(stores, 11, images=images), tmp_path / "again", show_answer=False)


def test_images_that_cannot_be_shown_are_said_and_not_counted_as_waiting(stores: Stores, tmp_path: Path) -> None:
    images = folder_of_images(tmp_path)
    send(stores, 1, count=30, images=images)
    live_morning(stores, 1)
    asked = [one for _, one in stores.ledger.label_queue("colours")]
    gone = asked[0].image
    (tmp_path / "images" / gone[:2] / gone).write_bytes(b"no image")
    lost = sum(one.image == gone for one in asked)
    queue = find_queue(epoch_of(stores, 1, images=images))
    assert (queue.images, queue.unreadable) == (len(asked) - lost, lost)
    exported = export_labels(epoch_of(stores, 1, images=images), tmp_path / "tasks", show_answer=False)
    assert exported.queue == queue


def test_what_came_without_an_image_is_called_a_prediction(stores: Stores) -> None:
    rows = [replace(one, id=f"bare-{at}", image="") for at, one in enumerate(send(stores, 2, count=30))]
    record(stores, [replace(one, occurred_at=one.occurred_at - timedelta(days=1)) for one in rows])
    live_morning(stores, 1)
    queue = find_queue(epoch_of(stores, 1))
    assert queue.unreadable == 0
    assert queue_text(queue).startswith(f"{queue.images} predictions of the night of 1 March wait for a label until ")


def test_what_was_asked_of_a_version_that_serves_no_longer_waits_until_its_time_is_over(stores: Stores) -> None:
    live(stores, range(1, 3))
    second = known(epoch_of(stores, 2).version, 2)
    stores.ledger.record_model(second)
    stores.ledger.begin_epoch(ServingPeriod("colours", 2, morning(2), "the test"))
    for number in (3, 11, 12):
        epoch = epoch_of(stores, number, version=second)
        look(epoch, Failures(), confirmed=True)
        nights = [one.night for one in find_queue(epoch).open_nights]
        assert nights == {3: [night(2), night(1)], 11: [night(2)], 12: []}[number]


def test_the_page_of_a_night_says_nothing_of_later_nights(stores: Stores) -> None:
    live(stores, range(1, 4))
    epoch = epoch_of(stores, 3)
    said = [night_page(epoch, window).labels_asked for window in epoch.history.windows]
    first = len(asked_of(stores, 1))
    assert said[0].startswith(f"{first} images of the night of 1 March wait for a label until 12 March at 02:00 UTC")
    assert said[1].startswith(f"{first + len(asked_of(stores, 2))} images of 2 nights (1 to 2 March) wait for a label")
    assert said[2] == queue_text(find_queue(epoch))


def test_the_alert_of_an_alarm_says_what_waits_already_and_until_when_its_own_may_be_answered(stores: Stores) -> None:
    for number in range(1, 6):
        send(stores, number, mix=(0.8, 0.1, 0.1) if number == 5 else (1 / 3,) * 3)
        before = replace(epoch_of(stores, number), as_of=morning(number))
        waits = queue_text(find_queue(before), command=False)
        made = live_morning(stores, number)
    assert made.action is Action.MORE_LABELS
    [alert] = [one for one in stores.ledger.pending_alerts() if one.key.endswith("/alarm")]
    assert f"Asked before: {waits}." in alert.body
    assert "those of the first night can be answered until 16 March at 02:00 UTC" in alert.body


# One sentence


def test_the_sentence_says_how_many_of_which_nights_until_when_and_what_closes_first() -> None:
    asked = ((10, 8, 9), (3, 5, 2), (2, 4, 1))  # night, images, days left
    nights = [opened(day, count, closes=NOW.replace(hour=2) + timedelta(days=left)) for day, count, left in asked]
    assert queue_text(waiting(*nights)) == (
        "17 images of 3 nights (2 to 10 March) wait for a label until 21 March at 02:00 UTC, 4 of them, of the night "
        f"of 2 March, only until 13 March at 02:00 UTC, when they close unanswered: `{COMMAND}`"
    )


def test_nights_that_close_on_one_day_are_said_once() -> None:
    closes = NOW.replace(hour=2) + timedelta(days=3)
    queue = waiting(opened(10, 8, closes=closes + timedelta(seconds=20)), opened(9, 7, closes=closes))
    assert queue_text(queue, command=False) == (
        "15 images of 2 nights (9 to 10 March) wait for a label until 15 March at 02:00 UTC, when they close unanswered"
    )


def test_one_image_waits_and_closes_and_one_contradicts() -> None:
    one = opened(10, 1, closes=NOW + timedelta(days=3), second_opinions=1)
    closed = (ClosedNight(date(2026, 2, 28), 1, 1, NOW),)
    assert queue_text(waiting(one, closed=closed, unreadable=1)) == (
        f"1 image of the night of 10 March waits for a label until 15 March at 10:00 UTC, when it closes unanswered: "
        f"`{COMMAND}`; 1 image more cannot be shown (`{COMMAND}` says why); 1 contradicts the model and waits for a "
        f"second person: `{COMMAND} --labeler NAME`; 1 image of the night of 28 February closed unanswered in the last "
        "7 days"
    )


def test_what_is_past_its_time_closes_with_the_next_run_of_the_monitor() -> None:
    nights = (opened(9, 8, closes=NOW + timedelta(days=7)), opened(1, 5, closes=NOW - timedelta(hours=1)))
    assert ", 5 of them, of the night of 1 March, only until the next `leeway monitor`, when" in queue_text(
        waiting(*nights)
    )
    assert queue_text(waiting(nights[1]), command=False) == (
        "5 images of the night of 1 March wait for a label until the next `leeway monitor`, when they close unanswered"
    )


def test_where_nothing_waits_and_nothing_closed_nothing_is_said() -> None:
    assert queue_text(waiting()) == ""


def test_times_are_those_of_the_policys_time_zone(stores: Stores) -> None:
    policy = POLICY.model_copy(update={"time_zone": "Asia/Tokyo"})
    live(stores, range(1, 3), policy=policy)
    label_all(stores, 2)
    live(stores, range(3, 4), policy=policy)
    queue = find_queue(epoch_of(stores, 3, policy=policy))
    assert {one.closes_at.tzinfo for one in queue.open_nights} == {ZoneInfo("Asia/Tokyo")}
    assert "until 14 March at 11:00 JST, when" in queue_text(queue)
