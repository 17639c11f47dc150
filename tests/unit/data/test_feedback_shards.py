"""Feedback shards: one immutable file for each batch of labelled production images."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leeway.data.feedback import FeedbackImage, read_feedback, read_feedback_thumbnails, write_feedback_shard
from leeway.errors import DataError


def test_a_batch_is_read_back_as_it_was_written(tmp_path: Path, picture) -> None:
    image = FeedbackImage(picture(1), "cat", origin="prediction 7", labeler="ann", group="digit 3", slice="hall")
    write_feedback_shard(tmp_path / "feedback" / "batch-1.parquet", [image])
    expected = {
        **{"asset": hashlib.sha256(picture(1)).hexdigest(), "label": "cat", "group": "digit 3", "slice": "hall"},
        **{"origin": "prediction 7", "labeler": "ann", "shard": "batch-1.parquet", "row": 0},
        **{"width": 12, "height": 9},
    }
    assert read_feedback(tmp_path / "feedback") == [expected]
    assert pq.read_table(tmp_path / "feedback" / "batch-1.parquet")["bytes"].to_pylist() == [picture(1)]


def test_batches_are_read_in_the_order_they_came(tmp_path: Path, picture) -> None:
    for name in ("b", "c", "a"):
        images = [FeedbackImage(picture(n), name, origin=str(n), labeler="ann") for n in range(2)]
        write_feedback_shard(tmp_path / f"{name}.parquet", images)
    assert [(row["shard"], row["row"]) for row in read_feedback(tmp_path)] == [
        *(("b.parquet", 0), ("b.parquet", 1), ("c.parquet", 0), ("c.parquet", 1), ("a.parquet", 0), ("a.parquet", 1))
    ]


def test_a_shard_of_an_earlier_version_is_read_without_sizes(tmp_path: Path, picture) -> None:
    write_feedback_shard(tmp_path / "new.parquet", [FeedbackImage(picture(1), "cat", origin="1", labeler="ann")])
    columns = ["asset", "bytes", "label", "group", "slice", "origin", "labeler"]
    old = pq.read_table(tmp_path / "new.parquet", columns=columns).replace_schema_metadata(None)
    pq.write_table(old, tmp_path / "old.parquet")
    assert [(row["shard"], row["width"]) for row in read_feedback(tmp_path)] == [
        *(("old.parquet", None), ("new.parquet", 12))
    ]
    assert read_feedback_thumbnails(tmp_path) == [None, None]  # the other is smaller than a thumbnail


def test_a_folder_that_is_not_there_holds_no_feedback(tmp_path: Path) -> None:
    assert read_feedback(tmp_path / "none") == []


def test_the_same_batch_again_changes_nothing(tmp_path: Path, picture) -> None:
    path, images = tmp_path / "a.parquet", [FeedbackImage(picture(1), "cat", origin="1", labeler="ann")]
    write_feedback_shard(path, images)
    written = path.stat().st_mtime_ns
    write_feedback_shard(path, images)
    assert path.stat().st_mtime_ns == written
    assert list(tmp_path.iterdir()) == [path]


def test_another_batch_under_a_used_name_is_refused(tmp_path: Path, picture) -> None:
    path = tmp_path / "a.parquet"
    write_feedback_shard(path, [FeedbackImage(picture(1), "cat", origin="1", labeler="ann")])
    with pytest.raises(DataError, match="a feedback shard is never changed"):
        write_feedback_shard(path, [FeedbackImage(picture(1), "dog", origin="1", labeler="ann")])
    assert read_feedback(tmp_path)[0]["label"] == "cat"


@pytest.mark.parametrize("label", ["", "  ", None, 3])
def test_a_label_that_is_no_name_is_refused(tmp_path: Path, picture, label: object) -> None:
    image = FeedbackImage(picture(1), label, origin="prediction 7", labeler="ann")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="feedback prediction 7: label"):
        write_feedback_shard(tmp_path / "a.parquet", [image])
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="feedback prediction 7: cannot be decoded"):
        write_feedback_shard(tmp_path / "a.parquet", [FeedbackImage(b"x", "cat", origin="prediction 7", labeler="ann")])
