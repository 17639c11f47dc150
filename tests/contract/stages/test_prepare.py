"""The prepare stage: data/shards and data/feedback in, data/dataset out."""

import logging
import re
from pathlib import Path

import pytest

from leeway.data.digits_source import DigitsSource
from leeway.data.feedback import FeedbackImage, write_feedback_shard
from leeway.data.manifest import read_manifest
from leeway.stages import gather, prepare

DATA = "data:\n  source: {kind: digits, share: 0.1}\n  split: {val: 0.3, test: 0.3}\n"
ROOT = Path(__file__).parents[3]
PARAMS = DATA + (ROOT / "params.yaml").read_text()[(ROOT / "params.yaml").read_text().index("train:\n") :]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_makes_a_dataset_version_and_says_which(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "leeway.stages.prepare")
    assert gather.main([]) == 0
    assert prepare.main() == 0
    manifest = read_manifest(Path("data/dataset"))
    assert len(manifest.table) == 180
    assert caplog.messages[-1].startswith(f"prepare: dataset {manifest.digest[:12]}: 180 images (train ")


def test_feedback_becomes_part_of_the_next_version(workspace: Path) -> None:
    gather.main([])
    prepare.main()
    before = read_manifest(Path("data/dataset"))
    unseen = DigitsSource(share=0.1).other_items()[0]
    image = FeedbackImage(unseen.read(), str(unseen.label), origin="prediction 1", labeler="ann")
    write_feedback_shard(Path("data/feedback/batch-1.parquet"), [image])
    assert prepare.main() == 0
    after = read_manifest(Path("data/dataset"))
    assert len(after.table) == len(before.table) + 1
    assert after.digest != before.digest


def test_a_class_missing_in_a_split_is_a_warning(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path("params.yaml").write_text(PARAMS.replace("0.1}", "0.05}").replace("val: 0.3", "val: 0.1"))
    assert gather.main([]) == 0
    assert prepare.main() == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    counts = read_manifest(Path("data/dataset")).counts("original")
    gaps = [(name, split) for split, images in counts.items() for name, count in images.items() if not count]
    assert gaps
    (told,) = (one for one in warnings if one.startswith("prepare: without any image: "))
    assert all(f"'{name}' in {split}" in told for name, split in gaps)


def test_classes_with_few_test_images_are_one_warning_with_the_width_of_their_interval(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path("params.yaml").write_text(PARAMS.replace("0.1}", "1.0}"))
    assert gather.main([]) == 0
    assert prepare.main() == 0
    (warning,) = (one for one in caplog.messages if "test images" in one)
    assert re.match(
        r"prepare: under 100 test images: '\d' \d\d, .* and 5 more; of '\d' a recall of 90% would be known as "
        r"7\d% to 9\d% only, 1\d points wide",
        warning,
    )


def test_unusual_shares_are_a_warning(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    gather.main([])
    assert prepare.main() == 0
    assert "prepare: data.split.val is 0.3; usual is 0.1 to 0.15, with 0.7 to 0.8 for training" in caplog.messages


def test_without_shards_it_says_what_to_run_and_keeps_what_was_there(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/dataset").mkdir(parents=True)
    Path("data/dataset/dataset.json").write_text("{}")
    assert prepare.main() == 2
    assert capsys.readouterr().err.startswith("prepare: data/shards: no listing.parquet; run `dvc repro gather`")
    assert Path("data/dataset/dataset.json").read_text() == "{}"
