"""Web servers of the tests: they receive alerts, or answer what they are asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@contextmanager
def receiving(
    status: int = 200, hang: Event | None = None, *, port: int = 0
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
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

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", got
        finally:
            if hang is not None:
                hang.set()
            server.shutdown()
            thread.join()


@contextmanager
def answering(answers: dict[str, Any], *, hang: Event | None = None) -> Iterator[tuple[str, list[str]]]:
    """Address of a server that gives these answers as JSON, else 404; and the logins that it was shown."""
    logins: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            logins.append(self.headers.get("Authorization", ""))
            if hang is not None:
                hang.wait(10)
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path, "")).encode())

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api", logins
        finally:
            if hang is not None:
                hang.set()
            server.shutdown()
            thread.join()
