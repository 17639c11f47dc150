"""Read: who looked at the test split, for which bundle, and how often.

A test split that decided between models has stopped being one; so every look at it is counted, and the count is shown.
"""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from leeway import durable

LEDGER = Path(".leeway/test_reads.jsonl")  # in the workspace
EVALUATE, GATE = "evaluate", "gate"
log = logging.getLogger("leeway.evaluation")


def record_read(ledger: Path, bundle_digest: str, *, by: str, at: datetime) -> tuple[str, ...]:
    """Writes down that `by` reads the test split now for this bundle; gives all who ever did, this one last.

    One line is appended in one write, so that two who read at once are both counted. A second evaluation of the same
    bundle is warned about.
    """
    durable.append_line(ledger, json.dumps({"bundle": bundle_digest, "by": by, "at": at.isoformat(timespec="seconds")}))
    readers = readers_of(ledger, bundle_digest)
    if by == EVALUATE and readers.count(EVALUATE) > 1:
        told = "choose between models by their validation figures, or the test figures flatter the one chosen"
        log.warning("bundle %.12s: the test split was %s; %s", bundle_digest, told_reads(readers), told)
    return readers


def readers_of(ledger: Path, bundle_digest: str) -> tuple[str, ...]:
    """Who read the test split for this bundle, in order; empty if nobody did."""
    try:
        lines = ledger.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    found = [_parsed(line) for line in lines]
    return tuple(one["by"] for one in found if one.get("bundle") == bundle_digest and "by" in one)


def told_reads(readers: Sequence[str]) -> str:
    """As in `read 3 times (evaluate 2, gate)`."""
    if not readers:
        return "never read"
    counts = Counter(readers)
    named = ", ".join(f"{by} {count}" if count > 1 else by for by, count in counts.items())
    return f"read {'once' if len(readers) == 1 else f'{len(readers)} times'} ({named})"


def _parsed(line: str) -> dict[str, str]:
    """A line that a full disk cut off counts for nothing, rather than stopping every later evaluation."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
