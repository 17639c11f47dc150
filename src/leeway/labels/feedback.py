"""Feedback: labelled images of production, as a shard that the next version trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leeway.data.feedback import FeedbackImage, read_feedback, write_feedback_shard
from leeway.domain.records import Label, Prediction
from leeway.domain.stores import ImageStore
from leeway.labels.images import LeftOut, read_images


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of labelled images that are to train."""

    shard: Path | None  # None: there was nothing new to write
    new: int = 0  # labels that no shard had yet, those left out included
    left_out: tuple[LeftOut, ...] = ()  # whose image is not to be had


def add_feedback(
    labels: Sequence[tuple[Label, Prediction]], images: ImageStore, *, folder: Path, name: str
) -> Feedback:
    """Write one more shard into `folder` with the labelled images that no shard there has yet, if there are any.

    A label whose image is gone, empty or no image is left out and listed; the others are written. A shard of this name
    that is there already, from a run that was cut short, stays unchanged.
    """
    path = folder / f"{name}.parquet"
    if path.exists():
        return Feedback(path)
    given = {prediction.id: label for label, prediction in labels}
    new = sorted(not_stored(labels, folder), key=lambda one: one.id)
    read, left_out = read_images(new, images)
    if read:
        write_feedback_shard(path, [_feedback(content, given[one.id], one) for one, content in read])
    return Feedback(path if read else None, len(new), tuple(left_out))


def not_stored(labels: Sequence[tuple[Label, Prediction]], folder: Path) -> list[Prediction]:
    """Return the labelled predictions that no shard in `folder` holds yet."""
    stored = {row["origin"] for row in read_feedback(folder)}
    return [one for _, one in labels if one.id not in stored]


def _feedback(content: bytes, label: Label, prediction: Prediction) -> FeedbackImage:
    return FeedbackImage(
        content=content,
        label=label.label,
        origin=prediction.id,
        labeler=label.labeler,
        group=prediction.group,
        slice=prediction.slice,
    )
