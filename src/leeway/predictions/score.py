"""Scores production images: the champion's answers, recorded with the images they are about."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leeway.bundle.predictor import Predictor
from leeway.bundle.resize import decode
from leeway.data.image_files import read_file
from leeway.data.progress import advancing, progress
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import ModelVersion, Prediction, Recorded
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.errors import DataError, LeewayError, RefusedError

FILES_AT_ONCE = 256
WRITERS = 32  # images stored at once: most of the time each waits for the disk, which takes many in one go
log = logging.getLogger("leeway.score")


@dataclass(frozen=True, slots=True)
class Incoming:
    """An image that production sends."""

    id: str  # of the prediction; the same id again changes nothing
    content: bytes  # encoded
    occurred_at: datetime
    group: str | None = None  # images of one thing share it; None: a group of its own
    slice: str | None = None  # camera, site


def score(epoch: Epoch, incoming: Sequence[Incoming], predictor: Predictor) -> list[Prediction]:
    """Answer and record what production sends; return the predictions, in the order of `incoming`.

    They are received at `epoch.as_of`. Images are stored before the rows that name them.

    Raises DataError, with nothing recorded, if an image cannot be decoded; ConflictError for an id that is recorded
    with another content.
    """
    if not incoming:
        return []
    started = time.perf_counter()
    answers = predictor.predict([one.content for one in incoming])
    latency_ms = (time.perf_counter() - started) * 1000 / len(incoming)
    classes = predictor.contents.classes
    digests = _store(epoch, [one.content for one in incoming])
    found = [
        Prediction(
            id=one.id,
            model=epoch.model,
            version=epoch.version.version,
            occurred_at=one.occurred_at,
            image=digest,
            predicted_class=classes[index],
            confidence=max(probabilities),
            probabilities=tuple(probabilities),
            energy=energy,
            latency_ms=latency_ms,
            group=one.group or hashlib.sha256(one.content).hexdigest(),
            slice=one.slice,
            second_class=second_of(probabilities, classes),
        )
        for one, digest, index, probabilities, energy in zip(
            *(incoming, digests),
            *(answers.indices.tolist(), answers.probabilities.tolist(), answers.energy.tolist()),
            strict=True,
        )
    ]
    record(epoch, found)
    return found


def _store(epoch: Epoch, contents: Sequence[bytes]) -> list[str]:
    """The digest of each image, now safely in the store."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(epoch.images.put, contents))


def record(epoch: Epoch, predictions: Sequence[Prediction]) -> Recorded:
    """Record predictions of the epoch's version. Raises ConflictError for an id that is recorded with other content."""
    columns = PredictionColumns.of(predictions)
    batches = [(epoch.version.version, columns)]
    return epoch.log.record(epoch.model, batches, received_at=epoch.as_of, strict=True)


def second_of(probabilities: Sequence[float], classes: Sequence[str]) -> str | None:
    """Return the class with the second largest probability; None where there is one class only."""
    ordered = sorted(range(len(classes)), key=lambda index: probabilities[index], reverse=True)
    return classes[ordered[1]] if len(ordered) > 1 else None


def score_files(epoch: Epoch, paths: Sequence[Path], *, bundle: Path) -> list[tuple[Path, Prediction]]:
    """Score image files, and those in folders, with the version's bundle; they count as production of `epoch.as_of`.

    A file that the champion has answered before (same path, same content) keeps its prediction; its stored image is
    mended if it was damaged. A file that is no image is named in the log and left out. Raises DataError if a path does
    not exist, RefusedError if no file is an image.
    """
    usable, refused = _images_in(paths)
    if not usable:
        raise RefusedError(
            f"none of {counted(len(refused), 'file')} is a usable image; the first: {(refused or ['none'])[0]}"
        )
    ids = {path: _file_id(path, content, epoch.version) for path, content in usable}
    known = {one.id: one for one in epoch.log.by_ids(epoch.model, ids.values())}
    new = [Incoming(ids[path], content, epoch.as_of) for path, content in usable if ids[path] not in known]
    _store(epoch, [content for path, content in usable if ids[path] in known])
    predictor = Predictor.load(bundle, threads=os.cpu_count() or 1)
    for answered in _scored(epoch, new, predictor):
        known |= {one.id: one for one in answered}
    return [(path, known[ids[path]]) for path, _ in usable]


def _scored(epoch: Epoch, new: Sequence[Incoming], predictor: Predictor) -> Iterator[list[Prediction]]:
    """Answer and record some images at a time."""
    with advancing("scoring images", total=len(new)) as advance:
        for start in range(0, len(new), FILES_AT_ONCE):
            some = new[start : start + FILES_AT_ONCE]
            try:
                answered = score(epoch, some, predictor)
            except LeewayError:
                if start:
                    again = "the same command again answers the rest"
                    log.warning("%d of %d images are recorded; %s", start, len(new), again)
                raise
            yield answered
            advance(len(some))


def _images_in(paths: Sequence[Path]) -> tuple[list[tuple[Path, bytes]], list[str]]:
    """(path, content) of files that can be decoded, and what is wrong with the others."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise DataError(f"no such file or folder: {', '.join(missing)}; nothing was scored")
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    usable, refused = [], []
    for file in progress(dict.fromkeys(files), "reading images", total=len(files)):
        if file.is_dir():
            continue
        try:
            content = read_file(file)
            decode(content)
            usable.append((file, content))
        except DataError as error:
            refused.append(f"{file}: {error}")
            log.warning("left out: %s", refused[-1])
    if usable and refused:
        log.warning("%d of %d files are no usable images and left out; they are named above", len(refused), len(files))
    return usable, refused


def _file_id(path: Path, content: bytes, champion: ModelVersion) -> str:
    digest = hashlib.sha256(content).hexdigest()
    named = f"{champion.model}/{champion.version}/{path.resolve()}/{digest}"
    written = named.encode("utf-8", "surrogateescape")  # a file's name need not be text
    return f"file-{hashlib.sha256(written).hexdigest()[:24]}"
