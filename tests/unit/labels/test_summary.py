"""What an import says of each night: how far it is, and what happens with its labels next."""

from dataclasses import replace
from datetime import timedelta

from leeway.domain.records import Label
from leeway.epoch import Epoch
from leeway.labels.summary import conflicts_text, corrections_text, nights_text
from leeway.stores.opening import Stores
from production import begun, draws_of, epoch_of, known, label_all, live_morning, morning, night, send


def live(stores: Stores, numbers: range) -> None:
    for number in numbers:
        send(stores, number)
        live_morning(stores, number)


def asked_of(stores: Stores, number: int) -> list[str]:
    return sorted({one.prediction_id for one in draws_of(stores, f"colours/1/{night(number)}")})


def label(stores: Stores, ids: list[str], *, said: str = "red", labeler: str = "ann", number: int = 1) -> None:
    when = morning(number) + timedelta(hours=9)
    stores.ledger.record_labels([Label("colours", one, said, labeler, when) for one in ids])


def line(epoch: Epoch, ids: list[str]) -> str:
    [said] = nights_text(epoch, ids)
    return said.removeprefix("night of 2026-03-01, version 1: ")


def test_a_night_that_is_answered_is_counted_next_and_one_that_is_not_is_open_until_its_day(stores: Stores) -> None:
    live(stores, range(1, 2))
    ids = asked_of(stores, 1)
    label(stores, ids[:4])
    assert line(epoch_of(stores, 1), ids[:1]) == "4 of 10 answered: open until 2026-03-12"
    label(stores, ids[4:])
    assert (
        line(epoch_of(stores, 1), ids[:1])
        == "10 of 10 answered: counted with the next night that `leeway monitor` decides"
    )


def test_late_labels_are_told_until_a_late_plan_has_counted_them(stores: Stores) -> None:
    live(stores, range(1, 12))
    ids = asked_of(stores, 1)
    label(stores, ids[:3], number=11)
    said = line(epoch_of(stores, 11), ids)
    assert said.startswith(
        "3 of 10 answered, closed on 2026-03-12, 3 late: counted with the next night that `leeway monitor` decides, "
    )
    live(stores, range(12, 13))
    assert line(epoch_of(stores, 12), ids) == "3 of 10 answered, closed on 2026-03-12, 3 late: all counted"
    label(stores, ids[3:4], number=12)
    assert ", 1 late: " in line(epoch_of(stores, 12), ids)


def test_labels_of_a_version_that_serves_no_longer_are_said_to_measure_nothing(stores: Stores) -> None:
    live(stores, range(1, 2))
    ids = asked_of(stores, 1)
    stores.ledger.close_plan(f"colours/1/{night(1)}", closed_at=morning(2))
    begun(stores, version := known(epoch_of(stores, 1).version, 2), at=morning(2))
    label(stores, ids[:1], number=2)
    epoch = replace(epoch_of(stores, 3, version=version))
    assert line(epoch, ids).endswith("1 late: version 1 serves no longer; what comes now is kept, and measures nothing")


def test_what_nobody_asked_for_is_said_to_train_alone(stores: Stores) -> None:
    live(stores, range(1, 2))
    asked, rest = asked_of(stores, 1), [f"shot-v1-001-{place:04d}" for place in range(200)]
    other = sorted(set(rest) - set(asked))[:2]
    label(stores, [*asked, *other])
    [_, said] = nights_text(epoch_of(stores, 1), [*asked, *other])
    assert said == "2 labels that nobody asked for: kept, and measuring nothing"


def test_nights_come_in_order_and_a_conflict_says_who_said_what_and_when(stores: Stores) -> None:
    live(stores, range(1, 4))
    label_all(stores, 3)
    ids = [one for number in (3, 1) for one in asked_of(stores, number)]
    assert [one[9:19] for one in nights_text(epoch_of(stores, 3), ids)] == ["2026-03-01", "2026-03-03"]
    label(stores, ids[:1], said="mauve", labeler="bob", number=4)
    [said] = conflicts_text(stores.ledger, "colours")
    assert said.startswith(f"{ids[0]}: tester says ")
    assert said.endswith("bob says 'mauve' (2026-03-05 11:00 UTC)")


def test_corrections_say_whether_they_come_too_late() -> None:
    assert corrections_text(0, 0) == ""
    assert corrections_text(3, 0) == "3 corrected (the earlier label stays on record)"
    assert corrections_text(3, 2) == (
        "3 corrected (the earlier label stays on record); 2 of them were measured with their earlier label: what was "
        "concluded stays"
    )
    assert "1 of them was measured with its earlier label" in corrections_text(3, 1)
