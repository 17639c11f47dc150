"""How a job runs its steps: plainly, or as whoever starts the job wants it."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger("leeway.steps")


class RunStep(Protocol):
    """Runs one step of a job: a plain call, or a Prefect task."""

    def __call__(self, step: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any: ...


def call(step: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Run the step here and now."""
    log.debug("%s.%s", step.__module__, step.__qualname__)
    return step(*arguments, **named)
