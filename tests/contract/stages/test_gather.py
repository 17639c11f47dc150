"""The gather stage: params.yaml and images in, data/shards out, one line for a failure."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from leeway import __version__
from leeway.stages import gather

DATA = "data:\n  source: {kind: folder, path: photos}\n  split: {val: 0.3, test: 0.3}\n"
ROOT = Path(__file__).parents[3]
PARAMS = DATA + (ROOT / "params.yaml").read_text()[(ROOT / "params.yaml").read_text().index("train:\n") :]


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
        (PARAMS.replace("split:", "splits:"), "gather: params.yaml: data.splits: unknown key. Did you mean split?"),
        (
            PARAMS.replace("epochs: 25", "epocs: 25"),
            "gather: params.yaml: train.epocs: unknown key. Did you mean e",
        ),
        (PARAMS.replace("ema: 0", "ema: x"), "gather: params.yaml: train.ema: "),
        (PARAMS.replace("bins: ", "bin: "), "gather: params.yaml: evaluate.bin: unknown key. Did you mean bins?"),
        (PARAMS.replace("evaluate:", "evalute:"), "gather: params.yaml: section 'evaluate' is missing"),
        (
            re.sub("  (ema|mixup|optimizer): .*\n", "", PARAMS),
            "gather: params.yaml: train.optimizer, train.mixup, train.ema: are missing; `leeway upgrade` writes",
        ),
        (PARAMS.replace("path: photos", ""), "gather: params.yaml: data.source.folder.path: is missing\n"),
        ("train: {}\n", "gather: params.yaml: section 'data' is missing"),
        (PARAMS.replace("weights: null", "weights: mine.pth"), "gather: params.yaml: train.weights: mine.pth: no such"),
        (
            PARAMS.replace("weights: null", "weights: champion"),
            "gather: params.yaml: train.weights is champion, but models/start/champion holds none",
        ),
        (
            PARAMS.replace("backbone: small_cnn", "backbone: resnet19"),
            "gather: params.yaml: train.backbone: no torchvision classifier is called 'resnet19'. Did you mean resnet",
        ),
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


def test_a_typo_in_the_policy_is_found_before_the_source_is_listed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("monitoring").mkdir()
    Path("monitoring/policy.yaml").write_text("accuracy: {flor: 0.9}\n")
    assert gather.main([]) == 2
    assert capsys.readouterr().err.startswith("gather: policy.yaml: accuracy.flor: unknown key. Did you mean floor?")
    assert not Path("data/shards").exists()


def test_weights_that_cannot_be_had_are_named_with_their_file_and_folder(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    params = PARAMS.replace("weights: null", "weights: DEFAULT").replace("backbone: small_cnn", "backbone: resnet18")
    Path("params.yaml").write_text(params)
    assert gather.main([]) == 2
    said = capsys.readouterr().err
    assert f"DEFAULT of resnet18 is not in {tmp_path / 'torch' / 'hub' / 'checkpoints'}" in said
    assert "Put resnet18-f37072fd.pth into that folder" in said
    assert not Path("data/shards").exists()


def test_weights_that_are_in_the_cache_are_not_read_yet(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth").touch()
    params = PARAMS.replace("weights: null", "weights: DEFAULT").replace("backbone: small_cnn", "backbone: resnet18")
    Path("params.yaml").write_text(params)
    assert gather.main([]) == 0


def test_a_network_of_our_own_is_validated_without_loading_torch(workspace: Path) -> None:
    code = "import sys; from leeway.stages.gather import main; sys.exit(main([]) or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
