"""Runs a step of a job as a Prefect task: it gets a name, a state and a log of its own in the flow run."""

from collections.abc import Callable
from functools import cache
from typing import Any


def as_task(step: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Run the step as a task of the current flow run; return what it returns.

    Arguments are quoted: Prefect would otherwise walk through all that they hold, in search of futures.
    """
    from prefect.utilities.annotations import quote

    return _task(step)(*map(quote, arguments), **{name: quote(value) for name, value in named.items()})


@cache
def _task(step: Callable[..., Any]) -> Callable[..., Any]:
    from prefect import Task
    from prefect.cache_policies import NO_CACHE

    return Task(step, name=step.__name__.replace("_", " "), cache_policy=NO_CACHE)
