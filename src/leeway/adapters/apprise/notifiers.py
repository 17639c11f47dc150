"""Tells people: over Apprise (mail, chat, webhooks), or on the screen."""

from collections.abc import Sequence

from apprise import Apprise

from leeway.errors import AlertError, ParamsError

WEBHOOKS = ("json", "jsons", "form", "forms", "xml", "xmls")  # what follows :// is a host; elsewhere often a token


class AppriseNotifier:
    """`leeway.domain.ports.Notifier` to every address. A channel waits 4 s for its receiver (`?rto=` in the address).

    Raises ParamsError for an address that Apprise does not know. Secrets in addresses are never told.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._channels = [
            (_name(url, number), _channel(url, number=number, of=len(urls))) for number, url in enumerate(urls, start=1)
        ]

    def send(self, title: str, body: str) -> None:
        """All channels are tried. Raises AlertError with the names of those that failed; the log says why."""
        failed = [name for name, channel in self._channels if not channel.notify(body=body, title=title)]
        if failed:
            raise AlertError(
                f"alert '{title}' was not taken by {', '.join(failed)} "
                f"({len(failed)} of {len(self._channels)} addresses in LEEWAY_ALERT_URLS)"
            )


class PrintNotifier:
    """`leeway.domain.ports.Notifier` where no address is configured: the alert is printed."""

    def send(self, title: str, body: str) -> None:
        print(f"{title}\n{body}", flush=True)


def _channel(url: str, *, number: int, of: int) -> Apprise:
    channel = Apprise()
    if not channel.add(url):
        raise ParamsError(
            f"LEEWAY_ALERT_URLS: address {number} of {of} ({_schema(url)}) is not one that Apprise knows, "
            "or lacks a part; an example: json://127.0.0.1:8000 (see https://github.com/caronc/apprise/wiki)"
        )
    return channel


def _name(url: str, number: int) -> str:
    """`json://host:port` for a plain webhook; otherwise schema and place in the list."""
    schema = _schema(url)
    if schema not in WEBHOOKS:
        return f"{schema} (address {number})"
    host = url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]
    return f"{schema}://{host}"


def _schema(url: str) -> str:
    schema, found, _ = url.strip().partition("://")
    return schema.lower() if found else "no schema://"
