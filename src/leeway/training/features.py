"""Features: what a frozen backbone makes of each image, computed once; the head is trained on them."""

import copy
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leeway import durable
from leeway.data.progress import advancing
from leeway.training.backbones import Network
from leeway.training.datamodule import Pixels
from leeway.training.optimization import rate_share
from leeway.training.order import Rows
from leeway.training.troubles import with_less_memory

KEPT = 3  # cached arrays
Epoch = dict[str, float]


def cached_features(network: Network, data: Pixels, *, dataset: str, cache: Path, device: str, bf16: bool) -> np.memmap:
    """(N, E) float32, by the rows of the pixel array: the embedding of every image that is trained on or chosen by.

    Without augmentation and in evaluation mode, so that one pass serves every epoch. Read from a file in `cache` that
    belongs to this dataset (`dataset` names its rows and their order), these weights, this preprocessing and precision.
    """
    told = f"{dataset} {_digest(network.body)} {data.recipe} bf16={bf16} {device} {torch.__version__}"
    path = cache / f"features-{hashlib.sha256(told.encode()).hexdigest()[:32]}.npy"
    rows = np.sort(np.concatenate([data.rows.original, data.rows.feedback, data.rows.val]))
    if not path.exists():
        _write(path, network, data, rows=rows, device=device, bf16=bf16)
    os.utime(path)
    durable.keep_newest(cache, "features-*.npy", kept=KEPT)
    found: np.memmap = np.load(path, mmap_mode="r")
    return found


def train_head(
    network: Network, data: Pixels, features: np.ndarray, *, class_weights: np.ndarray | None = None
) -> list[Epoch]:
    """Trains the head alone on `features` (N, E) for `train.frozen.epochs` epochs; gives the numbers of each.

    AdamW with the same short warm-up and cosine as the rest; the epoch of the lowest validation loss is kept.
    """
    params, head = data.params, network.head
    optimizer = torch.optim.AdamW(head.parameters(), params.frozen.learning_rate, weight_decay=params.weight_decay)
    weights = None if class_weights is None else torch.from_numpy(class_weights).float()
    steps, done, history = params.frozen.epochs * data.steps, 0, list[Epoch]()
    best = (float("inf"), copy.deepcopy(head.state_dict()))
    for epoch in range(params.frozen.epochs):
        losses = []
        for batch in data.order.epoch(epoch):
            optimizer.param_groups[0]["lr"] = params.frozen.learning_rate * rate_share(done, steps)
            inputs, labels = _tensors(features, batch, data)
            loss = cross_entropy(head(inputs), labels, weight=weights, label_smoothing=params.label_smoothing)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.detach())
            done += 1
        val_loss, val_accuracy = _validated(head, features, data, weights)
        rate = float(optimizer.param_groups[0]["lr"])
        told = {"train_loss": float(torch.stack(losses).mean()), "val_loss": val_loss, "val_accuracy": val_accuracy}
        history.append({"epoch": epoch, **told, "lr": rate})
        if val_loss < best[0]:
            best = (val_loss, copy.deepcopy(head.state_dict()))
    head.load_state_dict(best[1])
    return history


def _validated(head: nn.Module, features: np.ndarray, data: Pixels, weights: Tensor | None) -> tuple[float, float]:
    """Loss and accuracy."""
    inputs, labels = _tensors(features, data.rows.val, data)
    with torch.inference_mode():
        logits = head(inputs)
        loss = cross_entropy(logits, labels, weight=weights)
    return float(loss), float((logits.argmax(dim=1) == labels).float().mean())


def _tensors(features: np.ndarray, rows: Rows, data: Pixels) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.asarray(features[rows])), torch.from_numpy(data.labels[rows])


def _write(path: Path, network: Network, data: Pixels, *, rows: Rows, device: str, bf16: bool) -> None:
    """One pass over the images, smaller batches if memory is short; the file is complete or not there."""
    network.to(device).eval()

    def compute(parts: int, partial: Path) -> None:
        data.parts, size = parts, network.head.in_features
        array = np.lib.format.open_memmap(partial, "w+", np.float32, (len(data.labels), size))
        start = 0
        working = advancing("computing features of images", total=len(rows))
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16), working as advance:
            for batch in data.batches(rows):
                moved = (batch[0].to(device), batch[1], batch[2])
                found = network.embed(data.on_after_batch_transfer(moved, 0)[0])
                array[rows[start : start + len(found)]] = found.float().cpu().numpy()
                start += len(found)
                advance(len(found))
        array.flush()

    try:
        with durable.replacing_file(path) as partial:
            with_less_memory(lambda parts: compute(parts, partial), batch_size=data.params.batch_size)
    finally:
        data.parts = 1


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
