"""What a notifier keeps its word on, against real receivers on this machine."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Event
from typing import Any

import pytest

from leeway.adapters.apprise.notifiers import AppriseNotifier, PrintNotifier
from leeway.domain.ports import Channel
from leeway.errors import AlertError, ParamsError
from receivers import receiving

# Apprise imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

Receiver = Callable[..., tuple[str, list[dict[str, Any]]]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with ExitStack() as running:
        yield lambda status=200, hang=None: running.enter_context(receiving(status, hang))


def channel(url: str) -> Channel:
    [made] = AppriseNotifier([url]).channels
    return made


def test_an_alert_arrives_with_title_and_body(receiver: Receiver) -> None:
    address, got = receiver()
    channel(f"json://{address}").send("Accuracy fell", "0.71, 95 % 0.62–0.79\n<b>see</b> the report")
    assert [(message["title"], message["message"]) for message in got] == [
        ("Accuracy fell", "0.71, 95 % 0.62–0.79\n<b>see</b> the report")
    ]


def test_names_the_channel_that_answered_with_an_error_but_none_of_its_secrets(receiver: Receiver) -> None:
    address, got = receiver(status=500)
    broken = channel(f"json://ada:hunter2@{address}/t0ken?+X-Key=k3y")
    with pytest.raises(AlertError) as told:
        broken.send("Accuracy fell", "0.71")
    assert f"alert 'Accuracy fell' was not taken by {broken.name} (address 1 of 1" in str(told.value)
    assert broken.name.startswith(f"json://{address}#")
    assert not any(secret in str(told.value) for secret in ("ada", "hunter2", "t0ken", "k3y"))
    assert len(got) == 1


SECRET = ["slack://T0ken/B0ken/c0ken", "mailto://ada:hunter2@mail.example", "json://ada:hunter2@host/path", "s3cret"]


def test_a_channel_keeps_its_name_wherever_its_address_stands_and_tells_no_secret_in_it() -> None:
    names = [one.name for one in AppriseNotifier(SECRET).channels]
    again = [one.name for one in AppriseNotifier([SECRET[2], *SECRET[:2], *SECRET]).channels]
    assert sorted(again) == sorted(names)
    assert len(set(names)) == len(SECRET)
    assert [name.partition("#")[0] for name in names] == ["slack", "mailto", "json://host", "no schema://"]
    assert not [word for word in ("T0ken", "ada", "hunter2", "path", "s3cret") if word in " ".join(names)]


@pytest.mark.parametrize("url", ["tgram://s3cret", "slack://s3cret", "s3cret://s3cret"])
def test_an_address_that_lacks_a_part_is_written_to_no_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ParamsError) as told:
        channel(url).check()
    assert "s3cret" not in f"{told.value} {caplog.text}".replace("(s3cret)", ""), "the schema alone is told"


def test_looking_at_an_address_sends_nothing(receiver: Receiver) -> None:
    address, got = receiver()
    channel(f"json://{address}").check()
    assert got == []


def test_a_message_that_is_too_long_for_the_channel_arrives_in_several(receiver: Receiver) -> None:
    address, got = receiver()
    channel(f"json://{address}").send("Accuracy fell", "0.71 " * 10_000)
    assert len(got) == 2
    assert sum(message["message"].count("0.71") for message in got) == 10_000


def test_a_refused_connection_is_an_alert_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AlertError, match=f"json://{address}"):
            channel(f"json://{address}").send("Accuracy fell", "0.71")


def test_a_receiver_that_hangs_is_given_up_after_the_time_in_its_address(receiver: Receiver) -> None:
    still_hanging = Event()
    address, got = receiver(hang=still_hanging)
    with pytest.raises(AlertError, match=f"json://{address}"):
        channel(f"json://{address}?rto=0.2").send("Accuracy fell", "0.71")
    assert len(got) == 1
    assert not still_hanging.is_set()


@pytest.mark.parametrize("url", ["pigeon://s3cret/loft", "s3cret", "", "json://", "slack://s3cret"])
def test_an_address_that_apprise_does_not_know_is_refused_without_telling_it_and_silences_no_other(
    url: str, receiver: Receiver
) -> None:
    address, got = receiver()
    whole, unknown = AppriseNotifier([f"json://{address}", url]).channels
    with pytest.raises(ParamsError, match="LEEWAY_ALERT_URLS: address 2 of 2") as told:
        unknown.send("Accuracy fell", "0.71")
    assert "s3cret" not in str(told.value)
    whole.send("Accuracy fell", "0.71")
    assert len(got) == 1


def test_prints_the_alert_where_no_address_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    [screen] = PrintNotifier().channels
    screen.send("Accuracy fell", "0.71")
    assert capsys.readouterr().out == "Accuracy fell\n0.71\n"
