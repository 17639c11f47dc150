"""A stage that is stopped with Ctrl-C says so, and says how it goes on."""

import pytest

from leeway.stages.running import run_stage


def test_an_interrupted_stage_says_how_it_goes_on_and_is_no_failure_of_the_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    assert run_stage("train", work) == 130
    said = capsys.readouterr().err
    assert said.startswith("train: interrupted")
    assert "dvc repro" in said
    assert len(said.splitlines()) == 1
