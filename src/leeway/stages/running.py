"""Runs a stage as a program: log lines on stderr, a failure as one line, exit code 2."""

import logging
import sys
from collections.abc import Callable

from leeway.errors import LeewayError


def run_stage(name: str, work: Callable[[], None]) -> int:
    """The exit code: 0, or 2 after a LeewayError, which is told as `name: message` on stderr.

    Any other exception is a mistake of ours and keeps its traceback.
    """
    logging.basicConfig(stream=sys.stderr, format="%(message)s")  # only if nobody configured logging before
    logging.getLogger("leeway").setLevel(logging.INFO)
    try:
        work()
    except LeewayError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0
