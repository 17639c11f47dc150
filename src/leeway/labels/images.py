"""Reads the images of predictions; one that is not to be had is listed, and stops none of the others."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from leeway.domain.records import LabelledDraw, Prediction
from leeway.domain.stores import ImageStore
from leeway.domain.text import by_number, counted
from leeway.errors import DataError, first_few, in_one_line

SHOWN = 3  # problems in a sentence
log = logging.getLogger("leeway.labels")
Asked = TypeVar("Asked", Prediction, LabelledDraw)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A prediction whose image is gone, is empty or cannot be decoded."""

    prediction_id: str
    problem: str


def read_images(asked: Iterable[Asked], images: ImageStore) -> tuple[list[tuple[Asked, bytes]], list[LeftOut]]:
    """Return those whose image can be read, each with its bytes, in their order; and what is wrong with the others."""
    left_out: list[LeftOut] = []
    return list(_read(asked, images, left_out.append)), left_out


def can_be_shown(prediction: Prediction, images: ImageStore) -> bool:
    """Whether people can be asked about it: by its image, if that is there, or by its id if it came without one."""
    try:
        return not prediction.image or images.holds(prediction.image)
    except Exception as error:  # of whatever image store: what waits is said all the same
        log.info("%s: its image cannot be looked for: %s", prediction.id, in_one_line(error))
        return False


def count_readable(asked: Iterable[Asked], images: ImageStore, *, most: int) -> int:
    """Return how many of the images can be read, at most `most`: no more than need be are looked at."""
    readable = _read(asked, images, lambda _: None)
    return sum(1 for _ in zip(range(most), readable, strict=False))


def left_out_text(left_out: Sequence[LeftOut], *, of: int) -> str:
    """Return in a sentence how many of how many images are left out, which are the first, and why."""
    named = first_few([f"{one.prediction_id}: {one.problem}" for one in left_out], SHOWN, by="; ")
    are = by_number(len(left_out), "is", "are")
    return f"{len(left_out):,} of {counted(of, 'image')} cannot be read and {are} left out: {named}"


def _read(
    asked: Iterable[Asked], images: ImageStore, leave_out: Callable[[LeftOut], object]
) -> Iterator[tuple[Asked, bytes]]:
    for one in asked:
        name = one.id if isinstance(one, Prediction) else one.draw.prediction_id
        try:
            if not one.image:
                raise DataError("no image was kept of it")
            yield one, images.read(one.image)
        except DataError as error:
            leave_out(LeftOut(name, str(error)))
