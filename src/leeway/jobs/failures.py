"""Failures: keeps what fails for one model from stopping the others, and raises it when they are finished."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from leeway.errors import LeewayError, in_one_line

log = logging.getLogger("leeway.failures")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A part of a run that failed."""

    what: str
    error: Exception
    model: str = ""  # whose part it was; empty: no model's


class Failures:
    """Collects the errors of a run that goes on without what failed."""

    def __init__(self) -> None:
        self.parts: list[Unfinished] = []

    @property
    def errors(self) -> list[Exception]:
        return [one.error for one in self.parts]

    @contextmanager
    def kept(self, what: str, *, besides: type[Exception] | tuple[()] = (), model: str = "") -> Iterator[None]:
        """Logs and keeps whatever is raised inside, `besides` one kind; `what` names the part that is not finished."""
        try:
            yield
        except besides:
            raise
        except Exception as error:
            log.error("%s: not finished: %s", what, in_one_line(error))
            self.parts.append(Unfinished(what, error, model))

    def raise_first(self) -> None:
        """Raises the first error, an unexpected one before ours: nothing but its traceback says where it is from."""
        if self.parts:
            raise min(self.errors, key=lambda one: isinstance(one, LeewayError))
