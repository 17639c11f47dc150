"""When versions were seen first and last in a table: nobody looks through all of it again to know."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leeway import durable

NEWS = timedelta(hours=1)  # by which the last moment has to move to be written down again


class SeenMoments:
    """First and last moments by version, in a small file of the workspace; `of`: what they are moments of."""

    def __init__(self, path: Path | None, *, of: str, writing: bool) -> None:
        self._path, self._of, self._writing = path, of, writing
        self._seen: dict[str, datetime] = self._recalled()

    def first(self, version: int) -> datetime | None:
        return self._seen.get(f"first {version}")

    def last(self, version: int) -> datetime | None:
        return self._seen.get(f"last {version}")

    def learn(self, version: int, *, first: datetime | None = None, last: datetime | None = None) -> None:
        """Keep what was seen; where this process only reads, for itself."""
        found = {f"{kind} {version}": at for kind, at in (("first", first), ("last", last)) if at is not None}
        is_news = any(
            abs(at - self._seen.get(name, datetime.min.replace(tzinfo=UTC))) > NEWS for name, at in found.items()
        )
        self._seen |= found
        if is_news and self._writing and self._path is not None:
            seen = {name: at.isoformat() for name, at in self._seen.items()}
            durable.make_folder(self._path.parent)
            durable.write_text(self._path, json.dumps({"of": self._of, "seen": seen}))

    def _recalled(self) -> dict[str, datetime]:
        """What was kept of this very log; nothing if that cannot be read."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
            seen = stored["seen"] if stored.get("of") == self._of else {}
            return {name: datetime.fromisoformat(at) for name, at in seen.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
