"""Asking Prefect: what happens where it is not there. With a real server it is asked in tests/flows."""

import time
from pathlib import Path

import pytest

from battery import decision
from leeway.adapters.prefect.trigger import PrefectTrigger, open_trigger
from leeway.errors import WorkspaceError


def test_without_a_configured_server_there_is_no_trigger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert open_trigger() is None


def test_a_server_that_does_not_answer_leaves_the_decision_open_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "http://127.0.0.1:9/api"  # nothing listens on the discard port
    monkeypatch.setenv("PREFECT_API_URL", address)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    trigger = open_trigger()
    assert isinstance(trigger, PrefectTrigger)
    began = time.monotonic()
    with pytest.raises(WorkspaceError, match=r"did not take .*stays open.*leeway retrain"):
        trigger.request(decision())
    assert time.monotonic() - began < 60
