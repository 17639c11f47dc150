"""Near-duplicates: finds images that show the same picture, by a perceptual hash and the distance of their pixels.

An image is compared by a grey thumbnail of 16 x 16, each pixel the mean of an area, so that it is the same at any size
and after another compression. Each row's and each column's mean is taken away first: two seascapes are not alike for
having a horizon in the same place. What is left is scaled to length 1, and the distance is 1 - correlation.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leeway.bundle.resize import ResizeRule
from leeway.data.progress import progress
from leeway.errors import DataError
from leeway.paramsfile import ParamsModel, setting

SIDE = 16  # pixels of the thumbnail; smaller images have too few to tell a duplicate from a similar thing
SAMPLED = 96  # pixels of the shorter side that are looked at: 36 for each of the thumbnail's, so that grain cancels out
LEAST_DETAIL = 2.0  # grey levels, standard deviation: below, a compression's noise would decide
HASH_TERMS = 24  # of the cosine transform: fewer leave more pairs to be confirmed, more make each comparison dearer
BLOCK = 512  # images compared at once: a block of products stays in the processor's cache
MOST_PAIRS = 10_000_000  # 160 MB; more show that all images are of one scene


class NearDuplicateParams(ParamsModel):
    """How alike two images are that must not stand on two sides of a split."""

    max_distance: float | None = setting(
        "images up to this distance apart (1 - correlation of grey thumbnails) are one group, which never crosses a "
        "split; `null`: near-duplicates are not looked for",
        "lower, or `null`, where different images look alike, as those of one fixed camera do",
        default=0.05,
        gt=0,
        le=0.5,
    )


def thumbnail(image: Image.Image) -> bytes | None:
    """SIDE x SIDE grey levels, a byte each; None for an image that is smaller."""
    shorter = min(image.size)
    if shorter < SIDE:
        return None
    step = shorter // SAMPLED
    if step > 1:
        image = image.resize((image.width // step, image.height // step), Image.Resampling.NEAREST)
    if image.mode not in ("L", "RGB"):  # as the model sees it
        image = Image.fromarray(ResizeRule(height=image.height, width=image.width).apply(image))
    return image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()


def near_pairs(thumbnails: NDArray[np.uint8], *, max_distance: float) -> NDArray[np.int64]:
    """(P, 2) all pairs of images at most so far apart, each as (earlier, later), by later and then earlier.

    `thumbnails` (N, SIDE * SIDE). None is missed: the hash is the lowest terms of the cosine transform (as in pHash,
    but not cut down to bits), and terms that are left out can only bring two images nearer. 60,000 images take seconds;
    the time grows with the square of their number. Raises DataError if there are more pairs than MOST_PAIRS.
    """
    pictures, detailed = _centred(thumbnails)
    hashes = _hashes(pictures)
    candidates = _near_hashes(hashes, max_distance=max_distance)
    starts = range(0, len(candidates), 100_000)
    confirmed = [_confirmed(pictures, candidates[start : start + 100_000], max_distance) for start in starts]
    pairs = detailed[np.concatenate([np.empty((0, 2), np.int64), *confirmed])]
    pairs.sort(axis=1)
    in_order: NDArray[np.int64] = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
    return in_order


def pairs_among(thumbnails: Sequence[bytes | None], *, max_distance: float | None) -> NDArray[np.int64]:
    """(P, 2) the same by place in a list of thumbnails; none of those that are None, nor with max_distance None."""
    there = np.array([place for place, one in enumerate(thumbnails) if one is not None], dtype=np.int64)
    if max_distance is None or len(there) < 2:
        return np.empty((0, 2), np.int64)
    pixels = np.frombuffer(b"".join(one for one in thumbnails if one is not None), np.uint8)
    return there[near_pairs(pixels.reshape(-1, SIDE * SIDE), max_distance=max_distance)]


def leaders(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) each image's leader: the earliest leader it is near to, or itself.

    An image joins by its nearness to the leader, not to some member: a film would otherwise become one group from its
    first picture to its last. What comes later never changes the leader of an image that is there. `pairs` as
    `near_pairs` gives them.
    """
    found = list(range(count))
    for earlier, later in pairs.tolist():
        if found[later] == later and found[earlier] == earlier:
            found[later] = earlier
    return np.array(found, dtype=np.int64)


def _centred(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(M, SIDE, SIDE) without row and column means, of length 1; and (M,) which of the (N,) images have any detail."""
    pictures = thumbnails.reshape(-1, SIDE, SIDE).astype(np.float32)
    pictures -= pictures.mean(axis=1, keepdims=True)
    pictures -= pictures.mean(axis=2, keepdims=True)
    lengths = np.sqrt((pictures**2).sum(axis=(1, 2)))
    detailed = np.flatnonzero(lengths >= LEAST_DETAIL * SIDE)
    return pictures[detailed] / lengths[detailed, None, None], detailed


def _hashes(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, HASH_TERMS) lowest terms of the orthonormal cosine transform, without those that centring makes 0."""
    from scipy.fft import dctn  # loads slowly: whoever looks for no duplicates needs none of it

    terms = sorted(np.ndindex(SIDE - 1, SIDE - 1), key=lambda term: (sum((one + 1) ** 2 for one in term), term))
    rows, columns = np.array(terms[:HASH_TERMS]).T + 1
    hashes: NDArray[np.float32] = dctn(pictures, axes=(1, 2), norm="ortho")[:, rows, columns]
    return hashes


def _near_hashes(hashes: NDArray[np.float32], *, max_distance: float) -> NDArray[np.int64]:
    """(P, 2) pairs with |a - b|^2 <= 2 max_distance, as a product of matrices: a.b - (|a|^2 + |b|^2) / 2 + d >= 0.

    Sorted by the first term, so that blocks whose first terms are too far apart are not compared.
    """
    order = np.argsort(hashes[:, 0], kind="stable")
    near = hashes[order]
    offset = ((near**2).sum(axis=1, keepdims=True) - max_distance) / 2 - 1e-6  # 1e-6: float32 rounds
    ones = np.ones_like(offset)
    left = np.hstack([near, -offset, -ones])
    right = np.ascontiguousarray(np.hstack([near, ones, offset]).T)
    found, pairs = [np.empty((0, 2), np.int64)], 0
    starts = range(0, len(near), BLOCK)
    for start in progress(starts, "comparing blocks of images", total=len(starts)):
        rows = left[start : start + BLOCK]
        end = int(np.searchsorted(near[:, 0], rows[-1, 0] + np.sqrt(2 * max_distance) + 1e-6, side="right"))
        for column in range(start, end, 4 * BLOCK):
            block = rows @ right[:, column : min(column + 4 * BLOCK, end)]
            if block.max() >= 0:
                one, other = np.nonzero(block >= 0)
                one, other = one + start, other + column
                found.append(np.column_stack([one, other])[one < other])
                pairs += len(found[-1])
        if pairs > MOST_PAIRS:
            raise DataError(
                f"more than {MOST_PAIRS:,} pairs of images are nearer than {max_distance:g}: they show one scene; "
                "lower data.near_duplicates.max_distance in params.yaml, or set it to null"
            )
    return order[np.concatenate(found)]


def _confirmed(pictures: NDArray[np.float32], pairs: NDArray[np.int64], max_distance: float) -> NDArray[np.int64]:
    correlation = np.einsum("phw,phw->p", pictures[pairs[:, 0]], pictures[pairs[:, 1]])
    near: NDArray[np.int64] = pairs[correlation >= 1 - max_distance]
    return near
