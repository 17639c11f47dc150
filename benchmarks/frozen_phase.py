"""P4: five epochs with a frozen backbone, its features computed once, beside computing them in every epoch.

    python benchmarks/frozen_phase.py [--rounds 5] [--json FILE]

The backbone is ResNet-18 with weights that are random but fixed (pretrained ones cost the same). Both ways train the
same head on the same batches; they take turns, and CPU seconds are medians over the rounds. The cache is empty each
time.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from leeway.paramsfile import load_section
from leeway.training.backbones import Network, build
from leeway.training.datamodule import Pixels
from leeway.training.features import cached_features, train_head
from leeway.training.memory import keep_freed_memory
from leeway.training.optimization import rate_share
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams

PARAMS = Path(__file__).parents[1] / "params.yaml"
CLASSES = [str(number) for number in range(10)]
EPOCHS, IMAGES, VALIDATED, SIDE = 5, 640, 128, 64


@dataclass(frozen=True, slots=True)
class Run:
    """One way of training the head."""

    cpu_seconds: float
    val_accuracy: float


def made() -> tuple[TrainParams, Pixels]:
    """Digits at 64 pixels."""
    digits, total = load_digits(), IMAGES + VALIDATED
    small = (digits.images[:total] * 15.9).astype(np.uint8)
    pixels = np.repeat(np.kron(small, np.ones((1, SIDE // 8, SIDE // 8), np.uint8))[..., None], 3, axis=3)
    committed = load_section(PARAMS, "train", TrainParams)
    frozen = committed.frozen.model_copy(update={"epochs": EPOCHS})
    change = {"backbone": "resnet18", "image_size": SIDE, "frozen": frozen, "device": "cpu"}
    params = committed.model_copy(update=change)
    rows = TrainingRows(np.arange(IMAGES), np.arange(IMAGES, total))
    labels = digits.target[:total].astype(np.int64)
    return params, Pixels(pixels, labels, rows=rows, params=params, mean=(0.5,) * 3, std=(0.25,) * 3)


def once(params: TrainParams, data: Pixels) -> Run:
    """Leeway's frozen phase."""
    network = build(params, CLASSES)
    with tempfile.TemporaryDirectory() as cache:
        began = time.process_time()
        features = cached_features(network, data, dataset="digits", cache=Path(cache), device="cpu", bf16=False)
        history = train_head(network, data, features)
        return Run(time.process_time() - began, max(epoch["val_accuracy"] for epoch in history))


def each_epoch(params: TrainParams, data: Pixels) -> Run:
    """The same head on the same batches, through the whole network each time, as a frozen backbone usually runs."""
    network = build(params, CLASSES)
    began, best, done = time.process_time(), 0.0, 0
    rate = params.frozen.learning_rate
    optimizer = torch.optim.AdamW(network.head.parameters(), rate, weight_decay=params.weight_decay)
    for epoch in range(EPOCHS):
        for rows in data.order.epoch(epoch):
            optimizer.param_groups[0]["lr"] = rate * rate_share(done, EPOCHS * data.steps)
            embedding, labels = embedded(network, data, rows)
            loss = cross_entropy(network.head(embedding), labels, label_smoothing=params.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
        embedding, labels = embedded(network, data, data.rows.val)
        with torch.no_grad():
            best = max(best, float((network.head(embedding).argmax(dim=1) == labels).float().mean()))
    return Run(time.process_time() - began, best)


def embedded(network: Network, data: Pixels, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    parts = [data.on_after_batch_transfer(batch, 0) for batch in data.batches(rows)]
    with torch.no_grad():
        return torch.cat([network.embed(images) for images, _ in parts]), torch.cat([labels for _, labels in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    keep_freed_memory()
    params, data = made()
    pairs = [(once(params, data), each_epoch(params, data)) for _ in range(asked.rounds)]
    found = {
        "epochs": EPOCHS,
        "images": IMAGES,
        "cached_cpu_seconds": median(ours.cpu_seconds for ours, _ in pairs),
        "recomputed_cpu_seconds": median(theirs.cpu_seconds for _, theirs in pairs),
        "times_faster": median(theirs.cpu_seconds / ours.cpu_seconds for ours, theirs in pairs),
        "cached_accuracy": pairs[0][0].val_accuracy,
        "recomputed_accuracy": pairs[0][1].val_accuracy,
    }
    for name, value in found.items():
        print(f"{name:24} {value:.4g}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
