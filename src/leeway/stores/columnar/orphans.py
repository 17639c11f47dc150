"""Orphans: files in the folders of the log that nothing names, left by processes that were killed."""

import time
from pathlib import Path

from leeway import durable
from leeway.stores.columnar.manifest import LogManifest
from leeway.stores.columnar.segments import remove_segment

KEPT_SECONDS = 7 * 24 * 3600  # a file that belongs to a ledger which was put back from a backup is not lost at once


def find_orphans(manifest: LogManifest, parts: Path, live: Path) -> list[Path]:
    """Return the parts and segments that the manifest does not name, and what was left half written a day ago."""
    files, segments = sorted(parts.glob("*.parquet")), sorted(live.glob("*.db"))
    named = manifest.files() | set(manifest.read("")[1])
    half = [one for one in sorted(parts.glob(".*.partial")) if _age(one) > durable.ABANDONED_SECONDS]
    # What was made a moment ago is going to be named.
    return [one for one in [*files, *segments] if one.name not in named and _age(one) > 3600] + half


def remove_orphans(manifest: LogManifest, parts: Path, live: Path) -> None:
    """Remove what was rolled, what was left half written a day ago, and what nothing has named for a week."""
    rolled = manifest.rolled()
    for path in live.glob("*.db"):
        if path.name in rolled:
            remove_segment(live, path.name)
    durable.remove_abandoned(parts)
    for path in find_orphans(manifest, parts, live):
        if _age(path) > KEPT_SECONDS:
            if path.parent == live:
                remove_segment(live, path.name)
            else:
                path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # it was removed meanwhile
        return 0.0
