"""The gather stage: params.yaml and images in, data/shards out, one line for a failure."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from leeway import __version__
from leeway.stages import gather

PARAMS = "data:\n  source: {kind: folder, path: photos}\n  split: {val: 0.3, test: 0.3}\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    for label, shade in (("cat", 0), ("dog", 100)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (8, 8), shade + number).save(tmp_path / "photos" / label / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_makes_the_shards_and_says_what_it_found(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "leeway")
    assert gather.main([]) == 0
    assert gather.main([]) == 0
    assert sorted(path.name for path in Path("data/shards").iterdir()) == [
        *("listing.parquet", "part-00000.parquet", "source.json")
    ]
    assert caplog.messages == [
        "gather: looking through folder 'photos'",
        "gather: 6 files, 6 inspected now, 0 gone, 0 unusable; data/shards updated",
        "gather: looking through folder 'photos'",
        "gather: 6 files, 0 inspected now, 0 gone, 0 unusable; data/shards unchanged",
    ]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (PARAMS.replace("photos", "phtos"), "gather: folder 'phtos' does not exist; params.yaml, data.source.path"),
        (PARAMS.replace("folder", "flickr"), "gather: params.yaml: data.source: got "),
        (PARAMS.replace("split", "splits"), "gather: params.yaml: data.split: is missing"),
        ("train: {}\n", "gather: params.yaml: section 'data' is missing"),
        (None, "gather: params.yaml: no such file"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_2(
    workspace: Path, capsys: pytest.CaptureFixture[str], params: str | None, told: str
) -> None:
    Path("params.yaml").unlink()
    if params is not None:
        Path("params.yaml").write_text(params)
    assert gather.main([]) == 2
    failure = capsys.readouterr().err
    assert failure.startswith(told)
    assert failure.count("\n") == 1
    assert not Path("data/shards").exists()


def test_records_the_version_once(workspace: Path) -> None:
    assert gather.main(["--record-version", "data/leeway-version"]) == 0
    written = Path("data/leeway-version").stat().st_mtime_ns
    assert gather.main(["--record-version", "data/leeway-version"]) == 0
    assert Path("data/leeway-version").read_text() == f"{__version__}\n"
    assert Path("data/leeway-version").stat().st_mtime_ns == written


def test_runs_as_a_module(workspace: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "leeway.stages.gather"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1].endswith("data/shards updated")
    assert len(done.stderr.splitlines()) == 2  # no progress bar where nobody watches
