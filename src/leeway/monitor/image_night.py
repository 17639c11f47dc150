"""Image night: how a night's images lie beside those of the reference nights; what fails is its reason, no error."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from leeway.bundle.embedder import Embedder
from leeway.checks.image_drift import ImageDrift
from leeway.domain.image_night import ImageNight, MovedImage, ReferenceBet
from leeway.domain.records import WindowCounts
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.errors import DataError, in_one_line
from leeway.monitor.embeddings import NightEmbeddings, embed_night, read_embeddings, write_embeddings
from leeway.stats import image_drift as images

SHOWN = 8  # images that moved most
Kept = Sequence[tuple[date, NightEmbeddings]]
log = logging.getLogger("leeway.images")


def image_night(epoch: Epoch, window: WindowCounts) -> ImageNight:
    """Embed the night's sample, keep it, and compare it. Nothing that fails here stops the night."""
    size = epoch.policy.check(ImageDrift).images
    if not size:
        return ImageNight("0 images are embedded (image_drift.images: 0)")
    if epoch.embedder is None or epoch.version.watched_only:
        return ImageNight("0 images were embedded: there is no bundle of a model that is known from files")
    try:
        return _compared(epoch, window, epoch.embedder, size=size)
    except DataError as missing:
        return ImageNight(str(missing))
    except Exception as error:  # of whatever image, graph or disk: a night without this check is still a night
        log.warning("night of %s: images were not compared: %s", window.night, in_one_line(error))
        return ImageNight(f"0 images were compared: {in_one_line(error)}")


def _compared(epoch: Epoch, window: WindowCounts, embedder: Embedder, *, size: int) -> ImageNight:
    earlier = _earlier(epoch, window, embedder)
    alarmed = epoch.alarmed_nights() | {one.night for one in epoch.history.fired if one.check == ImageDrift.name}
    usable = [(night, one) for night, one in earlier if night not in alarmed and one.images is not None]
    most = max(images.REFERENCES)
    tonight = _tonight(epoch, window, embedder, size=size, whole=len(usable) < most)
    found = ImageNight("", len(tonight.ids), tonight.unreadable, min(len(usable), most))
    references = {number: usable[:number] for number in images.REFERENCES if len(usable) >= number}
    if not references:
        told = f"{len(usable)} of {min(images.REFERENCES)} reference nights have images; {found.images} tonight"
        return replace(found, reason=told)
    recent = np.mean([one.mean for _, one in earlier[-images.RECENT_NIGHTS :]], axis=0)
    return _with_bets(found, tonight, references, recent=recent)


def _with_bets(
    found: ImageNight, tonight: NightEmbeddings, references: Mapping[int, Kept], *, recent: images.Floats
) -> ImageNight:
    assert tonight.images is not None
    bets, scores = {}, None
    for number, nights in references.items():
        reference = images.reference_of([one.images for _, one in nights if one.images is not None])
        bet = images.bet(reference, tonight.images, recent_mean=recent)
        if bet:
            since, until = nights[0][0].isoformat(), nights[-1][0].isoformat()
            bets[str(number)] = ReferenceBet(since, until, tuple(bet.log_factors.tolist()), bet.shift)
            scores = bet.scores
    if scores is None:
        return replace(
            found, reason=f"{counted(found.images, 'image')}, and all embeddings of the reference nights are alike"
        )
    first = np.argsort(-scores, kind="stable")[:SHOWN]
    moved = tuple(MovedImage(tonight.ids[at], round(float(scores[at]), 3)) for at in first.tolist())
    return replace(found, bets=bets, moved=moved)


def _earlier(epoch: Epoch, window: WindowCounts, embedder: Embedder) -> list[tuple[date, NightEmbeddings]]:
    """Return what is kept of closed nights of the epoch before this one, as they were counted, in order."""
    before = [one for one in epoch.history.windows if one.night < window.night]
    kept = [(one, read_embeddings(embedder.path(epoch.version, one.night))) for one in before]
    return [(one.night, found) for one, found in kept if found is not None and found.position == str(one.position)]


def _tonight(epoch: Epoch, window: WindowCounts, embedder: Embedder, *, size: int, whole: bool) -> NightEmbeddings:
    """Embed the night, and keep its images where it may become a reference night (`whole`), else its mean alone.

    A night that was embedded by a run that was killed is read, if its images were kept.
    """
    path = embedder.path(epoch.version, window.night)
    known = read_embeddings(path)
    if known is not None and known.images is not None and known.position == str(window.position):
        return known
    made = embed_night(epoch, window, embedder, size=size)
    write_embeddings(path, made if whole else replace(made, images=None))
    return made
