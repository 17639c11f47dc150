"""Workspaces made by the release before go on: their copied flows run, and what its README published works."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from leeway.domain.records import Action, Decision
from leeway.stores.opening import open_stores
from made_workspace import make_workspace, registry
from processes import environment
from production import begun, morning, send
from tiny_bundle import write_tiny_bundle

FLOWS = Path(__file__).parent / "release_before"
AS_OF = morning(4) + timedelta(hours=1)
PUBLISHED = """
from datetime import UTC, datetime
from leeway.domain.records import Label
from leeway.wiring import open_workspace

with open_workspace() as workspace:
    for plan, prediction in workspace.ledger.label_queue(workspace.model):
        workspace.ledger.record_labels([Label(prediction.model, prediction.id, "red", "ada", datetime.now(UTC))])
    print(workspace.ledger.label_counts())
"""


def python(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def run_flow(name: str, arguments: str, folder: Path) -> str:
    return python(
        f"import sys; sys.path.insert(0, {str(FLOWS)!r})\nfrom {name} import {name}\n{name}({arguments})", folder
    )


def decisions(folder: Path) -> list[Decision]:
    with closing(open_stores(f"sqlite:///{folder / '.leeway' / 'leeway.db'}")) as stores:
        return stores.ledger.decisions("colours")


def test_its_monitoring_flow_decides_and_draws_and_its_snippet_labels(workspace: Path) -> None:
    with closing(open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")) as stores:
        begun(stores)
        for number in (1, 2, 3, 4):
            send(stores, number, mix=(0.7, 0.15, 0.15) if number == 4 else (1 / 3, 1 / 3, 1 / 3))
    said = run_flow(
        "monitoring", f"as_of=__import__('datetime').datetime.fromisoformat({AS_OF.isoformat()!r})", workspace
    )
    assert "leeway upgrade" in said
    assert [one.action for one in decisions(workspace)] == [Action.NOTHING] * 3 + [Action.MORE_LABELS]
    assert len(list((workspace / "reports" / "nights").glob("*.html"))) == 5
    assert "{'colours': " in python(PUBLISHED, workspace)


@pytest.mark.parametrize("outcome", ["refused", "is the champion already"])
def test_its_training_flow_takes_a_request_to_its_end(outcome: str, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "colours")
    if outcome == "refused":  # another bundle, without a checklist
        write_tiny_bundle(folder / "models" / "bundle", temperature=0.1)
    code = """
from leeway import open_workspace
from leeway.jobs import epochs
from leeway.release.retrain import request
from datetime import UTC, datetime
with open_workspace() as workspace:
    print(request(epochs.champion(workspace, datetime.now(UTC)), asked_by="hand").key)
"""
    key = python(code, folder).splitlines()[0]
    run_flow("training", f"request={key!r}", folder)
    [decision] = decisions(folder)
    assert decision.state.value == "done"
    assert outcome in decision.outcome
    assert registry(folder).aliases("colours")["champion"] == 1


def test_its_deployment_says_that_it_needs_a_server(workspace: Path) -> None:
    command = [sys.executable, str(FLOWS / "deploy.py")]
    done = subprocess.run(command, cwd=workspace, env=environment(workspace), capture_output=True, text=True)
    assert done.returncode == 2
    assert "leeway upgrade" in done.stderr
    assert "prefect server start" in done.stderr
