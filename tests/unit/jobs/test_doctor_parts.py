"""What doctor says of packages, disks, clocks, channels and schedules, where no machine need be broken for it."""

import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leeway.errors import AlertError
from leeway.jobs.doctor import environment, machine, night
from leeway.jobs.doctor.diagnosis import Diagnosis, Health, Installed, Patient, Surroundings, read_installed
from leeway.jobs.doctor.examine import examine
from leeway.settings import Settings
from leeway.workspace import Workspace
from memory_ports import MemoryNotifier
from receivers import answering

GIB = 2**30
ACTIVE = [{"active": True}]
VERSION = {"/api/admin/version": "3.8.9"}
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
REQUIRES = {
    "leeway": [
        "numpy>=2.0",
        "sqlalchemy<2.1,>=2.0",
        "torch>=2.11; extra == 'train'",
        "torchvision>=0.26; extra == 'train'",
        "mlflow<3.18,>=3.17; extra == 'pipeline'",
        "dvc<4,>=3.67; extra == 'pipeline'",
        "mlflow<3.18,>=3.17; extra == 'all'",
    ]
}
VERSIONS = {
    **{"leeway": "0.1.0", "numpy": "2.1", "sqlalchemy": "2.0.44", "torch": "2.14.1", "torchvision": "0.29.2"},
    **{"mlflow": "3.17.2", "dvc": "3.70"},
}


def around(
    versions: Mapping[str, str] = VERSIONS,
    *,
    requires: Mapping[str, list[str]] = REQUIRES,
    python: str = ">=3.11",
    free: int = 100 * GIB,
    now: datetime = NOON,
    variables: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
) -> Surroundings:
    installed = Installed(python, lambda name: requires.get(name, []), versions.get)
    return Surroundings(folder, now, variables or {}, installed, lambda _: free)


def by_name(found: Any) -> dict[str, Diagnosis]:
    return {one.name: one for one in found}


def the(found: Any) -> Diagnosis:
    [one] = found
    return one


# Packages


def test_packages_within_their_bounds_are_well_by_extra() -> None:
    found = by_name(environment.packages(around()))
    assert {name: one.status for name, one in found.items()} == dict.fromkeys(
        ("leeway", "packages", "packages for train", "packages for pipeline"), Health.OK
    )
    assert "sqlalchemy 2.0.44" in found["packages"].found


@pytest.mark.parametrize(
    ("package", "version", "name", "mend"),
    [
        ("sqlalchemy", "2.1.0", "packages", "'leeway'"),
        ("numpy", "1.26.4", "packages", "'leeway'"),
        ("mlflow", "3.18.0", "packages for pipeline", "'leeway[pipeline]'"),
    ],
)
def test_a_package_outside_its_bounds_fails_and_they_are_named(
    package: str, version: str, name: str, mend: str
) -> None:
    found = by_name(environment.packages(around({**VERSIONS, package: version})))
    [failed] = [one for one in found.values() if one.status is Health.FAIL]
    assert failed.name == name
    assert f"{package} {version}" in failed.found
    assert mend in failed.mend


def test_a_package_of_the_base_that_is_missing_fails_and_one_of_an_extra_warns() -> None:
    versions = {name: version for name, version in VERSIONS.items() if name not in ("numpy", "dvc")}
    found = by_name(environment.packages(around(versions)))
    assert (found["packages"].status, found["packages"].found) == (Health.FAIL, "not installed: numpy")
    assert found["packages for pipeline"].status is Health.WARN
    assert "not installed: dvc" in found["packages for pipeline"].found


def test_an_extra_of_which_nothing_is_installed_is_not_used_and_its_install_is_named() -> None:
    versions = {name: version for name, version in VERSIONS.items() if name not in ("mlflow", "dvc")}
    found = by_name(environment.packages(around(versions)))
    assert found["packages for pipeline"].status is Health.NOT_USED
    assert "leeway[pipeline]" in found["packages for pipeline"].mend


def test_a_leeway_that_is_only_on_the_path_has_no_bounds_to_hold_anything_against() -> None:
    found = the(environment.packages(around({}, requires={})))
    assert (found.name, found.status, found.mend) == ("leeway", Health.WARN, "pip install leeway")


def test_what_is_installed_here_is_read_from_its_metadata() -> None:
    installed = read_installed()
    assert installed.version_of("no-such-package") is None
    assert list(installed.requires_of("no-such-package")) == []
    assert any(line.startswith("numpy") for line in installed.requires_of("leeway"))
    assert installed.requires_python.startswith(">=3")


@pytest.mark.parametrize(
    ("torch", "torchvision", "status", "said"),
    [
        ("2.14.1", "0.29.2", Health.OK, "built for each other"),
        ("2.14.1+cpu", "0.29.2+cpu", Health.OK, "built for each other"),
        ("2.14.1", "0.28.0", Health.FAIL, "torch 2.14 goes with torchvision 0.29"),
        ("2.15.0", "0.29.2", Health.FAIL, "torch 2.15 goes with torchvision 0.30"),
        ("2.14.1+cu130", "0.29.2+cpu", Health.FAIL, "cu130"),
        (None, "0.29.2", Health.FAIL, "without its other half"),
        (None, None, Health.NOT_USED, "not installed"),
    ],
)
def test_a_torch_and_a_torchvision_that_are_no_pair_are_noticed(
    torch: str | None, torchvision: str | None, status: Health, said: str
) -> None:
    versions = {name: version for name, version in (("torch", torch), ("torchvision", torchvision)) if version}
    found = the(environment.torch(around(versions)))
    assert found.status is status
    assert said in found.found
    assert bool(found.mend) == (status is not Health.OK)


def test_a_torchvision_that_names_its_torch_is_believed() -> None:
    found = the(environment.torch(around(requires={"torchvision": ["numpy", "torch (==2.14.0)"]})))
    assert found.status is Health.FAIL
    assert "needs torch ==2.14.0" in found.found


# Python and variables


def test_a_python_that_leeway_does_not_support_fails() -> None:
    found = the(environment.python(around(python=">=9")))
    assert (found.status, ">=9" in found.found) == (Health.FAIL, True)


def test_an_environment_that_is_not_activated_is_noticed_with_the_line_that_does(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    here = str(Path(sys.executable).parent)
    assert the(environment.python(around(variables={"PATH": here}))).status is Health.OK
    for path in (str(tmp_path), ""):
        found = the(environment.python(around(variables={"PATH": path})))
        assert found.status is Health.WARN
        assert here in found.mend
        assert not path or path in found.found


def test_a_variable_that_nothing_reads_is_named_with_the_one_that_is_meant() -> None:
    given = {"LEEWAY_ALERT_URL": "json://h", "LEEWAY_MODEL": "pets", "HOME": "/"}
    found = the(environment.variables(around(variables=given)))
    assert found.status is Health.WARN
    assert "LEEWAY_ALERT_URL (did you mean LEEWAY_ALERT_URLS?)" in found.found
    assert "LEEWAY_MODEL" not in found.found
    del given["LEEWAY_ALERT_URL"]
    assert the(environment.variables(around(variables=given))).status is Health.OK


# Disk and clock


@pytest.mark.parametrize(
    ("free", "status"), [(6 * GIB, Health.OK), (4 * GIB, Health.WARN), (GIB // 8, Health.FAIL), (0, Health.FAIL)]
)
def test_a_disk_that_runs_full_warns_and_then_fails(free: int, status: Health) -> None:
    found = the(machine.temporary_disk(around(free=free)))
    assert found.status is status
    assert bool(found.mend) == (status is not Health.OK)


def test_places_on_one_disk_have_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    found = [*machine.disk(patient(tmp_path))]
    assert len(found) == len({Path(one).stat().st_dev for one in (tmp_path, tempfile.gettempdir())})
    assert "the workspace, the images" in found[0].found


@pytest.mark.parametrize("wrong", [1970, 2000, 2106])
def test_a_clock_of_an_impossible_year_fails(wrong: int, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    now = NOON.replace(year=wrong)
    for found in (the(machine.year(around(now=now))), the(machine.clock(patient(tmp_path, now=now)))):
        assert found.status is Health.FAIL
        assert f"{wrong}-12-01" in found.found


def test_a_clock_behind_the_files_of_the_workspace_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    written = datetime.fromtimestamp((tmp_path / "params.yaml").stat().st_mtime, UTC)
    assert the(machine.clock(patient(tmp_path, now=written))).status is Health.OK
    found = the(machine.clock(patient(tmp_path, now=written.replace(year=2026, month=1))))
    assert (found.status, "params.yaml" in found.found) == (Health.WARN, True)


# Channels


class Refusing(MemoryNotifier):
    def send(self, title: str, body: str) -> None:
        raise RuntimeError("a library of some channel")


class Channels:
    """Three channels: one takes everything, one nothing, one raises what nobody expects."""

    def __init__(self) -> None:
        self.channels = [
            MemoryNotifier(name="good"),
            MemoryNotifier(broken=True, name="bad"),
            Refusing(name="worse"),
            MemoryNotifier(name="last"),
        ]


def test_a_test_goes_to_each_channel_and_the_answer_is_told_of_each(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    examined, channels = patient(tmp_path, alert_urls="any"), Channels()
    examined.workspace.__dict__["notifier"] = channels
    found = list(night.send_test(examined))
    assert [one.status for one in found] == [Health.OK, Health.FAIL, Health.FAIL, Health.OK]
    assert ["good" in found[0].found, "RuntimeError" in found[2].found, "last" in found[3].found] == [True] * 3
    assert all("LEEWAY_ALERT_URLS" in one.mend for one in found[1:3])
    [(title, body)] = channels.channels[0].sent
    assert title == "leeway: a test"
    assert str(tmp_path) in body


def test_without_send_no_channel_is_sent_anything(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    examined, channels = patient(tmp_path, alert_urls="any"), Channels()
    examined.workspace.__dict__["notifier"] = channels
    assert [one.status for one in night.channels(examined)] == [Health.OK] * 4
    assert [one.sent for one in channels.channels] == [[]] * 4


# Prefect


@pytest.mark.parametrize(
    ("deployment", "status", "said", "mend"),
    [
        (None, Health.FAIL, "no deployment", "flows/deploy.py"),
        ({"status": "NOT_READY", "schedules": ACTIVE}, Health.FAIL, "no process serves", "flows/deploy.py"),
        ({"status": "READY", "paused": True, "schedules": ACTIVE}, Health.FAIL, "paused", "resume it"),
        ({"status": "READY", "paused": False, "schedules": ACTIVE}, Health.OK, "is served", ""),
    ],
)
def test_a_deployment_that_does_not_run_is_noticed(
    deployment: dict[str, Any] | None, status: Health, said: str, mend: str, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    path = "/api/deployments/name/monitoring/monitoring"
    with answering(VERSION | ({path: deployment} if deployment else {})) as (address, _):
        variables = {"PREFECT_API_URL": address, "PREFECT_HOME": str(tmp_path)}
        server, monitoring, _training = night.prefect(patient(tmp_path, variables=variables))
    assert (server.status, "3.8.9" in server.found) == (Health.OK, True)
    assert (monitoring.status, said in monitoring.found, mend in monitoring.mend) == (status, True, True)


# A check that raises


def test_a_check_that_raises_is_itself_a_finding_and_the_others_are_made() -> None:
    def broken(_: str) -> str | None:
        raise AlertError("the metadata cannot be read")

    installed = Installed("", lambda _: [], broken)
    found = by_name(examine(Surroundings(Path("/nowhere"), NOON, {}, installed, lambda _: 1 // 0)).checks)
    assert (found["packages"].status, found["packages"].found) == (Health.FAIL, "the metadata cannot be read")
    assert (found["disk"].status, "ZeroDivisionError" in found["disk"].found) == (Health.FAIL, True)
    assert "bug" in found["disk"].mend
    assert found["variables"].status is Health.OK


def patient(
    folder: Path, *, now: datetime = NOON, alert_urls: str = "", variables: Mapping[str, str] | None = None
) -> Patient:
    settings = Settings(workspace=folder, alert_urls=alert_urls).resolved()
    return Patient(around(now=now, folder=folder, variables=variables), Workspace(settings, reading=True))
