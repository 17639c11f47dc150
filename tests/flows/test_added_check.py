"""A check in one place: a file with one decorated class is all that it takes to be set, run, stored and shown."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prediction_logs import answers, reference, write_log
from processes import environment

CROWD = '''
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from leeway.checks.registry import CHECKS, Place, no_verdict
from leeway.domain.records import CheckResult, Status
from leeway.paramsfile import ParamsModel, setting


@dataclass(frozen=True, slots=True)
class CrowdDetails:
    most: int


@CHECKS.add
class Crowd(ParamsModel):
    """Are there more predictions than the service is made for?"""

    name: ClassVar[str] = "crowd"
    assumes: ClassVar[str] = "nothing"
    order: ClassVar[int] = 55
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = CrowdDetails

    most: Annotated[int, setting("predictions of a night", ge=1)] = 1000
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[str] = "alert"

    def run(self, evidence, previous, *, alpha, rng):
        total = evidence.window.total
        if not total:
            return no_verdict(self.name, "0 predictions", n=0)
        return CheckResult(
            self.name,
            Status.FIRED if total > self.most else Status.QUIET,
            f"{total} predictions, {self.most} at most",
            statistic=float(total),
            threshold=float(self.most),
            n=total,
            details=asdict(CrowdDetails(self.most)),
        )
'''
# The folder stands for leeway/checks: what lies in it is found as if it lay there.
LEEWAY = """
import sys, leeway.checks
leeway.checks.__path__.append(sys.argv.pop(1))
from leeway.cli import main
main()
"""


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that only watches, with two nights of `pets`, and a file with a check."""
    folder = tmp_path_factory.mktemp("ingested")
    (folder / "checks").mkdir()
    (folder / "none").mkdir()
    (folder / "checks" / "crowd.py").write_text(CROWD)
    (folder / "policy.yaml").write_text("crowd: {most: 250}\n")
    reference(folder / "reference.csv")
    write_log(folder / "log.csv", answers(300, nights=2))
    leeway(folder, "watch", "init", "pets", "--reference", "reference.csv", "--policy", "policy.yaml")
    leeway(folder, "ingest", "log.csv", "--model", "pets")
    return folder


@pytest.fixture
def pets(ingested: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ingested, tmp_path / "pets")


def leeway(folder: Path, *arguments: str, checks: str = "checks", code: int = 0) -> str:
    """What the command printed, with the checks of that folder beside the built-in ones."""
    command = [sys.executable, "-c", LEEWAY, str(folder / checks), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def monitored(folder: Path, as_of: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(
        leeway(folder, "monitor", "--model", "pets", "--as-of", as_of, "--json").strip()
    )
    return content


def test_a_check_in_one_file_is_set_by_the_policy_run_stored_and_shown(pets: Path) -> None:
    night = monitored(pets, "2026-03-03T02:00:00")
    names = [one["check"] for one in night["checks"]]
    assert names[4:7] == ["class_accuracy", "crowd", "monthly_drop"]
    assert night["checks"][5] == {
        "check": "crowd",
        "status": "fired",
        "reason": "300 predictions, 250 at most",
        "statistic": 300.0,
        "threshold": 250.0,
        "effect": None,
        "n": 300,
        "details": {"most": 250},
    }
    again = monitored(pets, "2026-03-03T02:00:00")
    assert (again["decided_now"], again["checks"]) == (False, night["checks"])
    assert "crowd: 300 predictions, 250 at most" in leeway(pets, "status")
    *_, page = [Path(path).read_text() for path in night["pages"] if "evidently" not in path]
    assert re.search(r"▲ fired</span></td><td class=\"name\">crowd</td><td>300 predictions, 250 at most", page)
    path = page.partition("<h3>crowd</h3>")[2].partition("</figure>")[0]
    assert path.count('class="dot fired"') == 2


def test_a_mistake_in_the_section_of_an_added_check_is_named_with_its_key(pets: Path) -> None:
    (pets / "bad.yaml").write_text("crowd: {mots: 250}\n")
    error = leeway(pets, "backtest", "--policy", "bad.yaml", "--model", "pets", code=2)
    assert "bad.yaml: crowd.mots: unknown key. Did you mean most? Known here: most" in error


def test_when_the_file_is_gone_its_section_is_refused_and_its_results_can_still_be_read(pets: Path) -> None:
    monitored(pets, "2026-03-04T02:00:00")  # no prediction came in the night before
    error = leeway(pets, "status", checks="none", code=2)
    assert "pets.yaml: crowd: unknown key" in error
    assert "Known here: accuracy, " in error
    (pets / "monitoring" / "watched" / "pets.yaml").write_text("{}\n")
    assert "no prediction since 2 March" in leeway(pets, "status", checks="none")
