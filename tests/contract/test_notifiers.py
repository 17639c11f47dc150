"""What a notifier keeps its word on, against real receivers on this machine."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from leeway.adapters.apprise.notifiers import AppriseNotifier, PrintNotifier
from leeway.errors import AlertError, ParamsError

# Apprise imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

Receiver = Callable[..., tuple[str, list[dict[str, Any]]]]


@contextmanager
def serving(status: int, hang: Event | None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """host:port of a web server that answers everything with `status`, and the messages that it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if hang is not None:
                hang.wait(10)
                return
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", got
        finally:
            if hang is not None:
                hang.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with ExitStack() as running:
        yield lambda status=200, hang=None: running.enter_context(serving(status, hang))


def test_an_alert_arrives_with_title_and_body(receiver: Receiver) -> None:
    address, got = receiver()
    AppriseNotifier([f"json://{address}"]).send("Accuracy fell", "0.71, 95 % 0.62–0.79\n<b>see</b> the report")
    assert [(message["title"], message["message"]) for message in got] == [
        ("Accuracy fell", "0.71, 95 % 0.62–0.79\n<b>see</b> the report")
    ]


def test_names_the_channel_that_answered_with_an_error_but_none_of_its_secrets(receiver: Receiver) -> None:
    address, got = receiver(status=500)
    notifier = AppriseNotifier([f"json://ada:hunter2@{address}/t0ken?+X-Key=k3y"])
    with pytest.raises(AlertError) as told:
        notifier.send("Accuracy fell", "0.71")
    assert f"alert 'Accuracy fell' was not taken by json://{address} (1 of 1 addresses" in str(told.value)
    assert not any(secret in str(told.value) for secret in ("ada", "hunter2", "t0ken", "k3y"))
    assert len(got) == 1


def test_a_channel_that_fails_does_not_keep_the_others_from_being_told(receiver: Receiver) -> None:
    (broken, _), (whole, got) = receiver(status=500), receiver()
    with pytest.raises(AlertError, match=rf"not taken by json://{broken} \(1 of 2"):
        AppriseNotifier([f"json://{broken}", f"json://{whole}"]).send("Accuracy fell", "0.71")
    assert len(got) == 1


def test_a_refused_connection_is_an_alert_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AlertError, match=f"json://{address}"):
            AppriseNotifier([f"json://{address}"]).send("Accuracy fell", "0.71")


def test_a_receiver_that_hangs_is_given_up_after_the_time_in_its_address(receiver: Receiver) -> None:
    still_hanging = Event()
    address, got = receiver(hang=still_hanging)
    with pytest.raises(AlertError, match=f"json://{address}"):
        AppriseNotifier([f"json://{address}?rto=0.2"]).send("Accuracy fell", "0.71")
    assert len(got) == 1
    assert not still_hanging.is_set()


@pytest.mark.parametrize("url", ["pigeon://s3cret/loft", "s3cret", "", "json://", "slack://s3cret"])
def test_an_address_that_apprise_does_not_know_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ParamsError, match="LEEWAY_ALERT_URLS: address 2 of 2") as told:
        AppriseNotifier(["json://127.0.0.1:9", url])
    assert "s3cret" not in str(told.value)


def test_prints_the_alert_where_no_address_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    PrintNotifier().send("Accuracy fell", "0.71")
    assert capsys.readouterr().out == "Accuracy fell\n0.71\n"
