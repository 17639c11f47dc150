"""The key of a request's next run: a run that ended keeps its key for ever, so another one gets the next."""

import pytest

from leeway.adapters.prefect.trigger import free_key


@pytest.mark.parametrize(
    ("ended", "key"),
    [([], "m/1/x"), (["m/1/x"], "m/1/x#2"), (["m/1/x", "m/1/x#2"], "m/1/x#3"), (["m/1/x#2"], "m/1/x")],
)
def test_the_first_key_whose_run_has_not_ended_is_taken(ended: list[str], key: str) -> None:
    assert free_key("m/1/x", lambda one: one in ended) == key
