"""The data module: batches by index out of one uint8 array, made into floats on the device."""

from collections.abc import Callable, Iterator

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leeway.errors import TrainingError
from leeway.training.augmentation import augment, normalise
from leeway.training.imbalance import class_draws
from leeway.training.order import Order, Rows, TrainingRows, draw_seed, split_batch
from leeway.training.params import TrainParams

GIB = 2**30
DEVICE_SHARE = 0.5  # of what is free on the accelerator: the rest is the network's
VALIDATION_BATCH = 256
Batch = tuple[Tensor, Tensor, int]  # uint8 pixels (B, H, W, C), labels (B,), seed of its random draws


class Pixels(lightning.LightningDataModule):
    """Serves (B, C, H, W) float images, normalised, and (B,) labels.

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
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        """`pixels` (N, H, W, C), a memory map or an array; `labels` (N,) class indices. Raises TrainingError."""
        super().__init__()
        if len(rows.original) < 2 or len(rows.val) < 1:
            told = f"{len(rows.original)} training and {len(rows.val)} validation images"
            raise TrainingError(f"{told}: at least 2 and 1 are needed; add images or raise data.split in params.yaml")
        self.labels, self.rows, self.params = labels, rows, params
        self.parts = 1  # steps that one batch is cut into, where memory is short
        self._pixels = pixels
        self._store: Tensor | None = None
        self._mean, self._std = (torch.tensor(values) for values in (mean, std))
        self._augmentation = params.augmentation.resolved()
        self.order = Order(
            rows,
            labels,
            batch_size=params.batch_size,
            feedback_share=params.retraining.feedback_share,
            seed=params.seed,
            class_draws=class_draws(params, labels[rows.original], int(labels.max()) + 1),
        )

    @property
    def recipe(self) -> str:
        """What is done to an image before the network sees it, apart from augmentation."""
        return f"{self.shape} mean {self._mean.flatten().tolist()} std {self._std.flatten().tolist()}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        height, width, channels = self._pixels.shape[1:]
        return channels, height, width

    @property
    def mapped(self) -> bool:
        """Whether the pixels are read from disk."""
        return self._store is None and isinstance(self._pixels, np.memmap)

    @property
    def steps(self) -> int:
        """Updates of the weights in an epoch."""
        return self.order.batches

    def settle(self, device: str) -> None:
        """Puts the array where batches are cut from it: the device's memory, main memory, or mapped from the disk.

        Main memory if it has at most `train.cache_gib`; a single GPU's if it also has room there.
        """
        fits = self._pixels.nbytes <= self.params.cache_gib * GIB
        alone = self.params.devices * self.params.num_nodes == 1
        if fits and alone and device == "cuda" and self._pixels.nbytes < DEVICE_SHARE * torch.cuda.mem_get_info()[0]:
            self._store = torch.from_numpy(np.array(self._pixels)).cuda()
        elif fits and isinstance(self._pixels, np.memmap):
            self._pixels = np.array(self._pixels)

    def train_dataloader(self) -> "Batches":
        return Batches(self._training_batches, self._cut, length=self.steps * self.parts)

    def val_dataloader(self) -> "Batches":
        """This process's share of the validation rows."""
        trainer = self.trainer
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        return self.batches(self.rows.val[rank::world])

    def batches(self, rows: Rows) -> "Batches":
        """Of these rows, in their order."""
        size = VALIDATION_BATCH if self.parts == 1 else max(1, self.params.batch_size // self.parts)
        cut = [rows[start : start + size] for start in range(0, len(rows), size)]
        return Batches(lambda: ((one, 0) for one in cut), self._cut, length=len(cut))

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """uint8 (B, H, W, C) on the device to float (B, C, H, W), augmented while training, then normalised."""
        pixels, labels, seed = batch
        if self.trainer is not None and self.trainer.training:
            _seed_network(seed, pixels.device)
            pixels = augment(pixels, self._augmentation, generator=torch.Generator(pixels.device).manual_seed(seed))
        return normalise(pixels, self._mean, self._std), labels

    def _training_batches(self) -> Iterator[tuple[Rows, int]]:
        """(rows, seed) of each step that this process takes in the epoch that the trainer is at."""
        trainer = self.trainer
        epoch, world, rank = (trainer.current_epoch, trainer.world_size, trainer.global_rank) if trainer else (0, 1, 0)
        for step, batch in enumerate(self.order.epoch(epoch)):
            for part, rows in enumerate(split_batch(batch, world=world, rank=rank, parts=self.parts)):
                yield rows, draw_seed(self.params.seed, epoch, step, rank, part)

    def _cut(self, rows: Rows, seed: int) -> Batch:
        labels = torch.from_numpy(self.labels[rows])
        if self._store is not None:
            index = torch.from_numpy(rows).to(self._store.device)
            return self._store[index], labels, seed
        return torch.from_numpy(np.asarray(self._pixels[rows])), labels, seed


def _seed_network(seed: int, device: torch.device) -> None:
    """For what the network itself draws: dropout, mixing, dropped layers.

    (torch.manual_seed would note a stack trace for every accelerator that was not used yet, a tenth of a small step.)
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


class Batches:
    """What Lightning iterates over, once each epoch."""

    def __init__(
        self, rows: Callable[[], Iterator[tuple[Rows, int]]], cut: Callable[[Rows, int], Batch], *, length: int
    ) -> None:
        self._rows, self._cut, self._length = rows, cut, length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        return (self._cut(rows, seed) for rows, seed in self._rows())
