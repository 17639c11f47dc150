"""The flows as they are run: by hand with a temporary server, on schedules with a real one."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date, timedelta
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from battery import decision
from leeway.adapters.prefect.probe import Deployment, PrefectServer
from leeway.domain.records import Action, Decision, LabelPlan
from leeway.jobs.doctor.night import DEPLOYMENTS
from leeway.jobs.telling import TOLD
from leeway.stores.opening import open_stores
from processes import BIN, FLOWS, environment, running
from production import begun, morning, send
from receivers import receiving

AS_OF = morning(4) + timedelta(hours=1)
FLOW = f"""
import sys; sys.path.insert(0, {str(FLOWS)!r})
from datetime import datetime
from monitoring import monitoring
monitoring(as_of=datetime.fromisoformat({AS_OF.isoformat()!r}))
"""


def fill(workspace: Path) -> None:
    """Four nights in the workspace's log, the last of another mix; none is checked yet."""
    stores = open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}", secret="of the tests")
    begun(stores)
    for number in (1, 2, 3, 4):
        send(stores, number, mix=(0.7, 0.15, 0.15) if number == 4 else (1 / 3, 1 / 3, 1 / 3))
    stores.close()


def run(command: list[str], workspace: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = environment(workspace, **more)
    return subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, timeout=300)


def concluded(workspace: Path) -> tuple[list[Decision], list[Any], list[LabelPlan]]:
    stores = open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")
    found = stores.ledger.decisions("colours"), stores.ledger.results("colours", 1), stores.ledger.plans("colours", 1)
    stores.close()
    return found


def test_the_flow_and_the_command_conclude_the_same(workspace: Path) -> None:
    """Also that an alarm is printed, and that both draw the same pages."""
    fill(workspace)
    flow = run([sys.executable, "-c", FLOW], workspace)
    assert flow.returncode == 0, flow.stderr
    by_flow = concluded(workspace)
    (workspace / ".leeway" / "leeway.db").unlink()
    shutil.rmtree(workspace / ".leeway-ledger")  # begins anew on purpose
    fill(workspace)
    pages = list((workspace / "reports" / "nights").glob("*.html"))
    assert len(pages) == 5  # one of each night, and Evidently's of the alarm night
    assert any(page.name.endswith("-evidently.html") for page in pages)
    for page in pages:
        page.unlink()
    command = run([str(BIN / "leeway"), "monitor", "--as-of", AS_OF.strftime("%Y-%m-%dT%H:%M:%S")], workspace)
    assert command.returncode == 0, command.stderr
    assert concluded(workspace) == by_flow
    assert [one.action for one in by_flow[0]] == [Action.NOTHING] * 3 + [Action.MORE_LABELS]
    assert "! fired prediction_drift" in " ".join(command.stdout.split())
    assert "colours version 1, alarm" in command.stdout
    assert sorted((workspace / "reports" / "nights").iterdir()) == sorted(pages)


def test_in_the_flow_too_neither_a_broken_model_nor_a_page_stops_a_decision(workspace: Path) -> None:
    fill(workspace)
    (workspace / "monitoring" / "watched").mkdir()
    (workspace / "monitoring" / "watched" / "birds.yaml").write_text("acuracy: {}\n")
    (workspace / "reports").mkdir(exist_ok=True)
    (workspace / "reports" / "nights").write_text("no folder")
    with receiving() as (address, told):
        flow = run([sys.executable, "-c", FLOW], workspace, LEEWAY_ALERT_URLS=f"pigeon://loft json://{address}")
    assert flow.returncode == 1
    ended, note = flow.stderr.splitlines()[-2:]
    assert "ParamsError" in ended
    assert "acuracy" in ended
    assert note == TOLD
    decisions, _, plans = concluded(workspace)
    assert [one.action for one in decisions] == [Action.NOTHING] * 3 + [Action.MORE_LABELS]
    assert [one.asked > 0 for one in plans] == [True] * 4
    titles = [one["title"] for one in told]
    assert "leeway: the monitor could not look at birds" in titles
    assert not [title for title in titles if "flow" in title], "the job told it; the flow's hook does not repeat it"


def test_a_flow_that_fails_before_its_job_begins_tells_people_by_its_hook(workspace: Path) -> None:
    call = FLOW.replace(f"datetime.fromisoformat({AS_OF.isoformat()!r})", "'yesterday'")
    with receiving() as (address, told):
        flow = run([sys.executable, "-c", call], workspace, LEEWAY_ALERT_URLS=f"json://{address}")
    assert flow.returncode == 1
    [alert] = told
    assert alert["title"] == "leeway: the monitoring flow did not finish"
    assert "as_of" in alert["message"]
    assert "`leeway monitor`" in alert["message"]


def test_a_flow_run_that_crashed_is_told_as_the_process_that_serves_it_calls_the_hook(workspace: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(FLOWS)!r})
from monitoring import monitoring
from training import training
from prefect.states import Crashed
for flow in (monitoring, training):
    [hook] = flow.on_crashed_hooks
    hook(flow=flow, flow_run=None, state=Crashed(message="exited with status code: -9"))
"""
    with receiving() as (address, told):
        done = run([sys.executable, "-c", code], workspace, LEEWAY_ALERT_URLS=f"json://{address}")
    assert done.returncode == 0, done.stderr
    assert [one["title"] for one in told] == [
        f"leeway: the {flow} flow did not finish" for flow in ("monitoring", "training")
    ]
    assert all("exited with status code: -9" in one["message"] for one in told)


def test_schedules_are_refused_without_a_server_and_the_message_says_how_to_start_one(workspace: Path) -> None:
    done = run([sys.executable, str(FLOWS / "deploy.py")], workspace)
    assert done.returncode == 2
    assert "prefect server start" in done.stderr
    assert "Traceback" not in done.stderr


def test_served_flows_get_scheduled_runs_and_take_each_request_once(
    workspace: Path, prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(workspace, PREFECT_API_URL=prefect_server)
    with running([sys.executable, str(FLOWS / "deploy.py")], env, tmp_path / "deploy.log") as serving:
        runs: list[dict[str, Any]] = []
        end = time.monotonic() + 90
        while not runs or _names_of_deployments(prefect_server) != {"monitoring", "training"}:
            assert serving.poll() is None, (tmp_path / "deploy.log").read_text()
            assert time.monotonic() < end, f"no run was scheduled: {(tmp_path / 'deploy.log').read_text()}"
            time.sleep(1)
            runs = [one for one in _flow_runs(prefect_server) if one["auto_scheduled"]]
        assert {one["expected_start_time"][11:16] for one in runs} <= {"02:00", "04:00"}
        _doctor_sees_them_served(prefect_server, tmp_path, end)
        first, again = _ask(workspace, prefect_server, times=2)
        assert first == again
        own = [one for one in _flow_runs(prefect_server) if one["idempotency_key"] == decision().key]
        assert len(own) == 1
        assert own[0]["parameters"]["request"] == decision().key


def test_a_request_whose_run_was_cancelled_before_it_claimed_gets_another_run(
    workspace: Path, prefect_server: str
) -> None:
    """Prefect never frees a key: the request would be lost for ever."""
    flow = _post(prefect_server, "flows/", {"name": "training"})
    _post(prefect_server, "deployments/", {"name": "training", "flow_id": flow["id"]})
    first, again = _ask(workspace, prefect_server, times=2, night="2026-04-01")
    assert first == again
    key = decision(date(2026, 4, 1)).key
    [run] = _runs_of(prefect_server, key)
    cancelled = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
    _post(prefect_server, f"flow_runs/{run['id']}/set_state", cancelled)
    another, same = _ask(workspace, prefect_server, times=2, night="2026-04-01")
    assert another == same != first
    [second] = _runs_of(prefect_server, f"{key}#2")
    assert second["parameters"]["request"] == key
    assert second["state_type"] == "SCHEDULED"


def _doctor_sees_them_served(address: str, home: Path, end: float) -> None:
    """What the probe asks is what Prefect's own server answers."""
    server = PrefectServer({"PREFECT_API_URL": address, "PREFECT_HOME": str(home)})
    assert server.version() == version("prefect")
    assert server.deployment("nobody/nobody") is None
    served = Deployment(is_served=True, is_paused=False)
    while {server.deployment(name) for name in DEPLOYMENTS} != {served}:  # until the process has asked for its runs
        assert time.monotonic() < end
        time.sleep(1)


def _runs_of(address: str, key: str) -> list[dict[str, Any]]:
    return [one for one in _flow_runs(address) if one["idempotency_key"] == key]


def _ask(workspace: Path, address: str, *, times: int, night: str = "") -> list[str]:
    """What the trigger says each time, asked by a process of its own as the monitoring flow is one."""
    code = f"""
from datetime import date
from leeway.adapters.prefect.trigger import open_trigger
from battery import decision
asked, trigger = decision({f"date.fromisoformat('{night}')" if night else ""}), open_trigger()
for _ in range({times}):
    print(trigger.request(asked))
"""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    done = run([sys.executable, "-c", code], workspace, PREFECT_API_URL=address, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _post(address: str, path: str, content: dict[str, Any], *, again: int = 5) -> Any:
    request = urllib.request.Request(
        f"{address}/{path}", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE or not again:  # its SQLite is busy with another request
            raise
    time.sleep(1)
    return _post(address, path, content, again=again - 1)


def _flow_runs(address: str) -> list[dict[str, Any]]:
    return _post(address, "flow_runs/filter", {"limit": 200})


def _names_of_deployments(address: str) -> set[str]:
    return {one["name"] for one in _post(address, "deployments/filter", {})}
