"""The Prefect server is asked over HTTP: against a server of the tests that answers as Prefect's does."""

import socket
import time
from pathlib import Path
from threading import Event

import pytest

from leeway.adapters.prefect.probe import Deployment, PrefectServer
from leeway.errors import WorkspaceError
from receivers import answering

VERSION = {"/api/admin/version": "3.8.9"}


def server(address: str, home: Path, **more: str) -> PrefectServer:
    return PrefectServer({"PREFECT_API_URL": address, "PREFECT_HOME": str(home), **more})


def test_no_address_is_known_where_neither_the_environment_nor_a_profile_names_one(tmp_path: Path) -> None:
    assert PrefectServer({"PREFECT_HOME": str(tmp_path)}).address == ""


def test_the_active_profile_names_the_server_and_the_environment_overrules_it(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(
        'active = "near"\n[profiles.near]\nPREFECT_API_URL = "http://near/api"\n'
        '[profiles.far]\nPREFECT_API_URL = "http://far/api"\n'
    )
    home = {"PREFECT_HOME": str(tmp_path)}
    assert PrefectServer(home).address == "http://near/api"
    assert PrefectServer({**home, "PREFECT_PROFILE": "far"}).address == "http://far/api"
    assert PrefectServer({**home, "PREFECT_API_URL": "http://here/api/"}).address == "http://here/api"


def test_profiles_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text("active = [")
    with pytest.raises(WorkspaceError, match=r"profiles\.toml"):
        PrefectServer({"PREFECT_HOME": str(tmp_path)})


def test_a_server_says_its_version_and_what_it_knows_of_a_deployment(tmp_path: Path) -> None:
    known = {
        "/api/deployments/name/monitoring/monitoring": {"status": "READY", "schedules": [{"active": True}]},
        "/api/deployments/name/training/training": {"status": "NOT_READY", "paused": True},
        "/api/deployments/name/other/other": {"status": "READY", "paused": False, "schedules": [{"active": False}]},
    }
    with answering(VERSION | known) as (address, _):
        asked = server(address, tmp_path)
        assert asked.version() == "3.8.9"
        assert asked.deployment("monitoring/monitoring") == Deployment(is_served=True, is_paused=False)
        assert asked.deployment("training/training") == Deployment(is_served=False, is_paused=True)
        assert asked.deployment("other/other") == Deployment(is_served=True, is_paused=True)
        assert asked.deployment("nobody/nobody") is None


def test_a_server_is_shown_the_login_of_the_environment(tmp_path: Path) -> None:
    with answering(VERSION) as (address, logins):
        server(address, tmp_path).version()
        server(address, tmp_path, PREFECT_API_KEY="k3y").version()
        server(address, tmp_path, PREFECT_API_AUTH_STRING="ada:pw").version()
    assert logins == ["", "Bearer k3y", "Basic YWRhOnB3"]


def test_a_server_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    hang, begun = Event(), time.monotonic()
    with answering(VERSION, hang=hang) as (address, _):
        asked = PrefectServer({"PREFECT_API_URL": address, "PREFECT_HOME": str(tmp_path)}, timeout_seconds=0.2)
        with pytest.raises(WorkspaceError, match="timed out"):
            asked.version()
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/api", "nonsense", "http://[::1/api", "http://a b/api"])
def test_an_address_at_which_nothing_answers_is_an_error_of_ours(address: str, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError):
        server(address, tmp_path).version()


def test_what_is_no_prefect_server_is_an_error_of_ours(tmp_path: Path) -> None:
    with answering({}) as (address, _), pytest.raises(WorkspaceError, match="404"):
        server(address, tmp_path).version()


def test_a_server_that_never_answers_is_waited_for_and_named() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
    with pytest.raises(WorkspaceError, match=address):
        PrefectServer({"PREFECT_API_URL": address}).wait(seconds=0)
