"""`leeway upgrade` as it is typed: the difference first, then what it did, and the same as one JSON object."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from leeway.version import __version__

Leeway = Callable[..., tuple[int, str, str]]
POLICY = Path(__file__).parents[1] / "earlier_releases" / "686141e" / "policy.yaml"


@pytest.fixture
def earlier(workspace: Path) -> Path:
    """A workspace with the policy of the release before, which was last reproduced by an older version."""
    shutil.copyfile(POLICY, workspace / "monitoring" / "policy.yaml")
    (workspace / ".leeway-version").write_text("0.0.9\n")
    return workspace


def test_shows_the_difference_then_does_it_and_then_has_nothing_to_do(earlier: Path, leeway: Leeway) -> None:
    code, out, err = leeway(earlier, "upgrade")
    assert code == 1
    assert "+  answer_days: 10" in out
    assert "The next `dvc repro` trains again" in out
    assert "leeway upgrade --yes" in err
    assert (earlier / "monitoring" / "policy.yaml").read_text() == POLICY.read_text()
    assert leeway(earlier, "upgrade", "--yes")[0] == 0
    assert "answer_days: 10" in (earlier / "monitoring" / "policy.yaml").read_text()
    code, out, _ = leeway(earlier, "upgrade")
    assert code == 0
    assert out.startswith(f"This workspace is as version {__version__} has it: there is nothing to do.\n")


def test_says_the_same_as_one_object(earlier: Path, leeway: Leeway) -> None:
    code, out, _ = leeway(earlier, "upgrade", "--json")
    told = json.loads(out)
    assert code == 1
    assert (told["version"], told["recorded_version"]) == (__version__, "0.0.9")
    assert (told["needed"], told["done"], told["ledger"], told["unmerged"]) == (True, False, None, [])
    [file] = told["files"]
    assert (file["path"], file["action"]) == ("monitoring/policy.yaml", "merged")
    assert "labels.answer_days" in file["changes"][0]
    assert file["diff"].startswith("--- monitoring/policy.yaml\n+++ monitoring/policy.yaml\n")
    code, out, _ = leeway(earlier, "upgrade", "--json", "--yes")
    assert (code, json.loads(out)["done"]) == (0, True)
