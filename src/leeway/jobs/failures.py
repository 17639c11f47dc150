"""Failures: keeps what fails for one model from stopping the others, and raises it when they are finished."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from leeway.errors import LeewayError, in_one_line

log = logging.getLogger("leeway.failures")


class Failures:
    """Collects the errors of a run that goes on without what failed."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    @contextmanager
    def kept(self, what: str, *, besides: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Logs and keeps whatever is raised inside, `besides` one kind; `what` names the part that is not finished."""
        try:
            yield
        except besides:
            raise
        except Exception as error:
            log.error("%s: not finished: %s", what, in_one_line(error))
            self.errors.append(error)

    def raise_first(self) -> None:
        """Raises the first error, an unexpected one before ours: nothing but its traceback says where it is from."""
        if self.errors:
            raise min(self.errors, key=lambda one: isinstance(one, LeewayError))
