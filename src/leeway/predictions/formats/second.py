"""Checks the second class of each row, and takes it from the probabilities where a file has them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.predictions.formats.shapes import Rows, as_mask, shown


def refuse_second(second: pa.Array, predicted: pa.Array | None, classes: Sequence[str] | None, rows: Rows) -> None:
    """Refuse a row whose second class is none of the model's, or the answer again."""
    if classes is not None:
        rows.refuse(
            as_mask(second.is_valid()) & ~as_mask(pc.is_in(second, pa.array(classes, pa.string()))),
            lambda row: (
                f"second_class is {shown(second, row)}, which is no class of the model; name one, or leave it empty"
            ),
        )
    if predicted is not None:
        rows.refuse(
            as_mask(pc.equal(second, predicted)),
            lambda row: f"second_class is {shown(second, row)}, as predicted_class is; name the next likely class",
        )


def next_likely(values: np.ndarray, predicted: pa.Array, names: Sequence[str]) -> np.ndarray:
    """Return (N,) the place of the most probable class beside the answer, of the probabilities (N, K)."""
    answers = pc.index_in(predicted, pa.array(names, pa.string())).fill_null(-1).to_numpy(zero_copy_only=False)
    others = values.copy()
    known = np.flatnonzero(answers >= 0)
    others[known, answers[known]] = -1.0
    found: np.ndarray = others.argmax(axis=1)
    return found
