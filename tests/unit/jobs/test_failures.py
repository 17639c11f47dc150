"""A failure of one part is kept, the others are finished, and the worst one is raised at the end."""

import pytest

from leeway.errors import LeewayError, StoreError
from leeway.jobs.failures import Failures


def test_what_fails_is_logged_by_name_in_one_line_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    failures, finished = Failures(), []
    for name in ("birds", "pets"):
        with failures.kept(name):
            if name == "birds":
                raise StoreError("two\nlines")
            finished.append(name)
    assert finished == ["pets"]
    assert [one.getMessage() for one in caplog.records] == ["birds: not finished: two lines"]


def test_an_unexpected_error_is_raised_before_one_of_ours() -> None:
    failures = Failures()
    failures.raise_first()
    for error in (StoreError("first"), KeyError("second"), LeewayError("third")):
        with failures.kept("a model"):
            raise error
    with pytest.raises(KeyError, match="second"):
        failures.raise_first()


def test_a_run_that_is_ended_from_outside_is_not_kept() -> None:
    failures = Failures()
    with pytest.raises(KeyboardInterrupt), failures.kept("a model"):
        raise KeyboardInterrupt
    assert failures.errors == []
