"""The data module: batches by index out of one uint8 array, made into floats on the device."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leeway.errors import TrainingError
from leeway.training.augmentation import augment
from leeway.training.params import TrainParams

Batch = tuple[Tensor, Tensor]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Row numbers of the pixel array, by what they are for."""

    original: Rows  # (n,) trained on
    val: Rows  # (v,) chosen by
    feedback: Rows = field(default_factory=lambda: np.empty(0, np.int64))  # (f,) labels from production, trained on


class Pixels(lightning.LightningDataModule):
    """Serves (B, 3, H, W) float images, normalised, and (B,) labels.

    Nothing is done per image in Python and no worker process is started: a batch is one indexing of the array, and
    augmentation runs on the whole batch on the device. Validation images are only normalised.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64],
        *,
        rows: TrainingRows,
        params: TrainParams,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        """`pixels` (N, H, W, 3), a memory map or an array; `labels` (N,) class indices. Raises TrainingError."""
        super().__init__()
        if len(rows.original) < 2 or len(rows.val) < 1:
            told = f"{len(rows.original)} training and {len(rows.val)} validation images"
            raise TrainingError(f"{told}: at least 2 and 1 are needed; add images or raise data.split in params.yaml")
        self._pixels, self._labels, self._rows, self._params = pixels, labels, rows, params
        self._mean, self._std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (mean, std))
        self._order = np.random.default_rng(params.seed)
        self._draws = torch.Generator().manual_seed(params.seed)

    def train_dataloader(self) -> "Batches":
        share = self._params.retraining.feedback_share
        make = MixedRows(self._rows, batch_size=self._params.batch_size, feedback_share=share, rng=self._order)
        return Batches(self._pixels, self._labels, make)

    def val_dataloader(self) -> "Batches":
        return Batches(self._pixels, self._labels, _cut(self._rows.val, 256))

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002
        """uint8 (B, H, W, 3) on the device to float (B, 3, H, W), augmented while training, then normalised."""
        pixels, labels = batch
        images = pixels.permute(0, 3, 1, 2).float() / 255
        if self.trainer is not None and self.trainer.training:
            images = augment(
                images,
                rotation_degrees=self._params.rotation_degrees,
                shift_share=self._params.shift_share,
                noise=self._params.noise,
                generator=self._draws,
            )
        return (images - self._mean.to(images)) / self._std.to(images), labels


class MixedRows:
    """One epoch of row numbers, drawn anew at each iteration: `feedback_share` of each batch is feedback.

    An epoch is as long as there are originals, in batches of nearly equal size (none of one image, which batch norm
    refuses). While there is no feedback every original comes once; otherwise feedback takes the place of some.
    """

    def __init__(self, rows: TrainingRows, *, batch_size: int, feedback_share: float, rng: np.random.Generator) -> None:
        self._rows, self._batch_size, self._rng = rows, batch_size, rng
        self._share = feedback_share if len(rows.feedback) else 0.0

    def __len__(self) -> int:
        return -(-len(self._rows.original) // self._batch_size)

    def __iter__(self) -> Iterator[Rows]:
        feedback = _endless(self._rows.feedback, self._rng)
        for batch in np.array_split(self._rng.permutation(self._rows.original), len(self)):
            drawn = np.array([next(feedback) for _ in range(round(self._share * len(batch)))], dtype=np.int64)
            yield np.concatenate([batch[: len(batch) - len(drawn)], drawn])


class Batches:
    """uint8 pixels (B, H, W, 3) and labels (B,) for each set of row numbers."""

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], rows: "MixedRows | list[Rows]") -> None:
        self._pixels, self._labels, self._rows = pixels, labels, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._rows:
            yield torch.from_numpy(np.asarray(self._pixels[rows])), torch.from_numpy(self._labels[rows])


def _cut(rows: Rows, size: int) -> list[Rows]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _endless(rows: Rows, rng: np.random.Generator) -> Iterator[int]:
    """All rows in random order, then all again in another."""
    while len(rows):
        yield from rng.permutation(rows)
