"""A workspace with a champion, and a Prefect server that the tests start themselves."""

import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from leeway import cli
from leeway.adapters.mlflow.registry import open_registry
from leeway.jobs.init import init_workspace
from processes import BIN, environment, running
from tiny_bundle import write_tiny_bundle

Leeway = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `leeway init` makes, with a tiny bundle as version 1 and champion, and a policy for small nights."""
    folder = tmp_path_factory.mktemp("template") / "colours"
    init_workspace(folder)
    path, yaml = folder / "monitoring" / "policy.yaml", YAML()
    policy = yaml.load(path)
    policy["prediction_drift"] |= {
        "min_predictions": 50,
        "reference_nights": 3,
        "trigger": "chi_square",
    }  # of one night
    policy["labels"] |= {"per_night": 10, "burst_on_alarm": 40}
    yaml.dump(policy, path)
    write_tiny_bundle(folder / "models" / "bundle")
    registry = open_registry(f"sqlite:///{folder / '.leeway' / 'mlflow.db'}")
    registry.register(folder / "models" / "bundle", model="colours", tags={})
    registry.set_alias("colours", "champion", 1)
    return folder


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "colours"
    shutil.copytree(template, folder, symlinks=True)
    return folder


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Prefect server."""
    home = tmp_path_factory.mktemp("prefect")
    (home / ".leeway").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, environment(home), home / "server.log") as server:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, (home / "server.log").read_text()
                time.sleep(0.2)
        else:
            pytest.fail(f"no server after 2 minutes: {(home / 'server.log').read_text()}")
        yield address


@pytest.fixture
def leeway(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Leeway:
    """Runs the command in a folder; gives exit code, stdout and stderr."""

    def run(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("LEEWAY_MODEL", "colours")
        monkeypatch.setenv("PREFECT_HOME", str(folder))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["leeway", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        told = capfd.readouterr()
        return int(stopped.value.code or 0), told.out, told.err

    return run
