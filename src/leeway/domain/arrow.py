"""Arrow columns as numpy arrays, without a Python object per row. Arrow is loaded when a column of it comes."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 256  # bytes of a text that are hashed as they are; of a longer one its sha256


def is_arrow(column: object) -> bool:
    """Return whether a column is one of Arrow, without loading Arrow to know."""
    return hasattr(column, "null_count")


def moments(times: Any) -> NDArray[np.int64]:
    """Return (N,) microseconds since 1970 of times in UTC: texts, or an Arrow column of texts or timestamps."""
    if not is_arrow(times):
        return np.array(times, "datetime64[us]").astype(np.int64)
    import pyarrow as pa

    texts = pa.types.is_string(times.type)
    ticks: NDArray[np.int64] = (times.cast(pa.timestamp("us")) if texts else times).cast(pa.int64()).to_numpy()
    return ticks


def arrow_numbers(column: Any) -> NDArray[np.float64]:
    """Return (N,) numbers, NaN where there is none."""
    import pyarrow as pa

    numbers: NDArray[np.float64] = whole(column.cast(pa.float64())).to_numpy(zero_copy_only=False)
    return numbers


def arrow_codes(column: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return the different texts of a column, as an Arrow array, and (N,) the place of each row's; -1 for none."""
    coded = whole(column)
    coded = coded if hasattr(coded, "dictionary") else coded.dictionary_encode()
    return coded.dictionary, coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)


def arrow_matches(column: Any, pattern: str) -> Any:
    """Return the texts that a pattern matches, null in place of the others; nothing where it matches none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    matches = pc.match_substring_regex(column, pattern)
    return pc.if_else(matches, column, pa.scalar(None, pa.string())) if pc.any(matches).as_py() else ()


def arrow_words(column: Any) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
    """Return (N,) sizes of texts in bytes, (N, W) words of eight bytes, padded with zeros, and (N,) where is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = whole(column).cast(pa.string())
    absent = text.is_null().to_numpy(zero_copy_only=False)
    text = text.fill_null("") if text.null_count else text
    sizes = pc.binary_length(text).to_numpy()
    if (long := sizes > LONGEST).any():
        digests = [hashlib.sha256(row.as_buffer()).hexdigest() for row in text.filter(pa.array(long))]
        text = pc.replace_with_mask(text, pa.array(long), pa.array(digests, pa.string()))
        sizes = pc.binary_length(text).to_numpy()
    width = 8 * max(-(-int(sizes.max(initial=1)) // 8), 1)
    if not len(text):
        return sizes.astype(np.uint64), np.zeros((0, 1), np.uint64), absent
    text = text if sizes.min() == width else pc.ascii_rpad(text, width, "\0")
    _, offsets, letters = text.buffers()
    first = int(np.frombuffer(offsets, np.int32, 1, 4 * text.offset)[0])
    values = np.frombuffer(letters, np.uint64, len(text) * width // 8, first)
    return sizes.astype(np.uint64), values.reshape(len(text), -1), absent


def whole(column: Any) -> Any:
    """Return a column as one array."""
    if not hasattr(column, "num_chunks"):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
