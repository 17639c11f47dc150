"""Identity of a prediction: the number by which it is drawn (`u`), and the one by which it is recognised (`h`)."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leeway.domain.arrow import (
    LONGEST,
    arrow_codes,
    arrow_matches,
    arrow_numbers,
    arrow_words,
    is_arrow,
    moments,
)
from leeway.domain.columns import PredictionColumns

BITS = 60  # of `u`: a signed 64-bit integer on every database, with room for sums
WHOLE = 1 << BITS
STREAMS = ("plan", "gate", "images", "shadow", "page")  # who draws; their order is fixed for ever
DIGEST = re.compile("[0-9a-f]{64}")
_ODD = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_NOTHING = np.uint64(0x9E3779B97F4A7C15)  # where there is no value


def permanent_number(prediction_id: str, secret: str) -> int:
    """Return `u`, 0 to 2**60: the first 60 bits of md5(secret + id), so that no client chooses who is drawn."""
    digest = hashlib.md5(f"{secret}{prediction_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8]) >> (64 - BITS)


def stream_offset(stream: str) -> int:
    """Return where on the circle of all `u` this stream begins: stream i of S at i/S."""
    return STREAMS.index(stream) * WHOLE // len(STREAMS)


def stream_order(u: int, stream: str) -> int:
    """Return the place of `u` in the stream: the smallest are drawn first."""
    return (u - stream_offset(stream)) % WHOLE


def stream_limit(wanted: int, total: int) -> int:
    """Return a place in the stream below which `wanted` of `total` predictions lie, but for once in a billion.

    The number below it is binomial with mean wanted + 6 sqrt(wanted) + 12; who finds too few doubles the limit.
    """
    return min(WHOLE, int((wanted + 6 * wanted**0.5 + 12) / max(total, 1) * WHOLE))


def content_hashes(version: int, given: PredictionColumns) -> NDArray[np.int64]:
    """Return (N,) `h` of each row, signed 64 bits: the same for the same content, whatever file it came from.

    Hashed are version, time in microseconds, class, confidence as eight bytes, slice, group, and the digest of the
    image; not the path of an image, since files move, nor what is measured beside the answer.
    """
    state = mixed(np.full(len(given.ids), version, np.uint64)) ^ moments(given.occurred_at).view(np.uint64)
    for hashed in (
        name_hash(given.predicted),
        _number_hash(given.confidence),
        name_hash(given.slices),
        text_hash(given.groups if len(given.groups) else given.ids),
        text_hash(_digests(given.images)),
    ):
        state = mixed(mixed(state) ^ (hashed if len(hashed) else _NOTHING))
    return state.view(np.int64)


def text_hash(texts: Sequence[str | None]) -> NDArray[np.uint64]:
    """Return (N,) hashes of the texts, eight bytes at a time; None differs from every text. An Arrow column, too."""
    sizes, words, absent = (arrow_words if is_arrow(texts) else _words)(texts)
    state, shortest = mixed(sizes), int(sizes.min(initial=LONGEST))
    for place, word in enumerate(words.T):  # what a longer text beside it is padded with does not count
        longer = mixed(state ^ word)
        state = longer if shortest > 8 * place else np.where(sizes > 8 * place, longer, state)
    return np.where(absent, _NOTHING, state)


def name_hash(names: Sequence[str | None]) -> NDArray[np.uint64]:
    """Return `text_hash` of texts that come again and again: of an Arrow column each different one is hashed once."""
    if not is_arrow(names):
        return text_hash(names)
    different, places = arrow_codes(names)
    return np.append(text_hash(different), _NOTHING)[places]


def mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each number through the finaliser of SplitMix64: a one-to-one map in which every bit counts for all."""
    for shift, odd in zip((30, 27), _ODD, strict=True):
        state = state ^ (state >> np.uint64(shift))
        state *= odd
    made: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return made


def _words(texts: Sequence[str | None]) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
    """Return (N,) sizes in bytes, (N, W) words of eight bytes, padded with zeros, and (N,) where there is no text."""
    encoded = [_shortened(text.encode()) if text is not None else b"" for text in texts]
    sizes = np.fromiter(map(len, encoded), np.uint64, len(encoded))
    words = max(-(-int(sizes.max(initial=1)) // 8), 1)
    values = np.array(encoded, f"S{8 * words}").view(np.uint64).reshape(len(encoded), words)
    return sizes, values, np.fromiter((text is None for text in texts), bool, len(encoded))


def _number_hash(numbers: Sequence[float | None]) -> NDArray[np.uint64]:
    values = arrow_numbers(numbers) if is_arrow(numbers) else np.array(numbers, np.float64)  # None is NaN
    values = values + 0.0  # no -0.0
    return np.where(np.isnan(values), _NOTHING, mixed(values.view(np.uint64)))


def _digests(images: Sequence[str]) -> Sequence[str | None]:
    """The images that are named by their content; nothing where none is."""
    found: Sequence[str | None]
    if is_arrow(images):
        found = arrow_matches(images, f"^{DIGEST.pattern}$")
        return found
    found = [image if DIGEST.fullmatch(image) else None for image in images]
    return found if any(found) else ()


def _shortened(text: bytes) -> bytes:
    return text if len(text) <= LONGEST else hashlib.sha256(text).hexdigest().encode()
