"""Runs a stage as a program: log lines on stderr, a failure as one line, exit code 2."""

import logging
import sys
from collections.abc import Callable

from leeway.errors import LeewayError


def run_stage(name: str, work: Callable[[], None]) -> int:
    """The exit code: 0, or 2 after a LeewayError, which is told as `name: message` on stderr, 130 after Ctrl-C.

    Any other exception is a mistake of ours and keeps its traceback.
    """
    logging.basicConfig(stream=sys.stderr, format="%(message)s")  # only if nobody configured logging before
    logging.getLogger("leeway").setLevel(logging.INFO)
    try:
        work()
    except LeewayError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"{name}: interrupted; `dvc repro` begins this stage again, and training where it stopped", file=sys.stderr
        )
        return 130
    return 0
