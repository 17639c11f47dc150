"""Tells people: over Apprise (mail, chat, webhooks), or on the screen."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from apprise import Apprise, OverflowMode

from leeway.errors import AlertError, ParamsError

WEBHOOKS = ("json", "jsons", "form", "forms", "xml", "xmls")  # what follows :// is a host; elsewhere often a token


class AppriseNotifier:
    """`leeway.domain.ports.Notifier` with a channel for every address; one that is written twice counts once.

    An address that Apprise does not know is a channel that takes nothing: it does not silence the others.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.channels = [
            AppriseChannel(url, place=f"address {number} of {len(urls)}")
            for number, url in enumerate(urls, start=1)
            if url not in urls[: number - 1]
        ]


class AppriseChannel:
    """`leeway.domain.ports.Channel` at an Apprise address. Waits 4 s for its receiver (`?rto=` in the address).

    A message that is too long for the channel goes in several, unless its address says `overflow=`.
    Secrets in the address are never told.
    """

    def __init__(self, url: str, *, place: str) -> None:
        self.name = _name(url)
        self._url, self._place = url, place

    def send(self, title: str, body: str) -> None:
        """Raises AlertError if it was not taken, and the log says why; ParamsError for an address of no kind."""
        if not self._opened().notify(body=body, title=title):
            raise AlertError(f"alert '{title}' was not taken by {self.name} ({self._place} in LEEWAY_ALERT_URLS)")

    def check(self) -> None:
        """Sends nothing. Raises ParamsError for an address of no kind."""
        self._opened()

    def _opened(self) -> Apprise:
        with _unlogged():
            service = Apprise.instantiate(self._url)
        if not service:
            raise ParamsError(
                f"LEEWAY_ALERT_URLS: {self._place} ({_schema(self._url)}) is not one that Apprise knows, "
                "or lacks a part; an example: json://127.0.0.1:8000 (see https://github.com/caronc/apprise/wiki)"
            )
        if "overflow=" not in self._url:
            service.overflow_mode = OverflowMode.SPLIT
        channel = Apprise()
        channel.add(service)
        return channel


class PrintNotifier:
    """`leeway.domain.ports.Notifier` where no address is configured: the alert is printed."""

    def __init__(self) -> None:
        self.channels = [Screen()]


class Screen:
    """`leeway.domain.ports.Channel` that prints."""

    name = "screen"

    def send(self, title: str, body: str) -> None:
        print(f"{title}\n{body}", flush=True)

    def check(self) -> None:
        """It can always print."""


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep Apprise's log shut: it writes down an address that it does not know, with the token in it."""
    shut = logging.Filter("nobody")  # lets through what a logger of this name says
    logging.getLogger("apprise").addFilter(shut)
    try:
        yield
    finally:
        logging.getLogger("apprise").removeFilter(shut)


def _name(url: str) -> str:
    """`json://host:port#1f3a5c7e` for a plain webhook, `slack#1f3a5c7e` for any other; at its end a hash of it all."""
    schema, mark = _schema(url), hashlib.sha256(url.encode()).hexdigest()[:8]
    if schema not in WEBHOOKS:
        return f"{schema}#{mark}"
    host = url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]
    return f"{schema}://{host}#{mark}"


def _schema(url: str) -> str:
    schema, found, _ = url.strip().partition("://")
    return schema.lower() if found else "no schema://"
