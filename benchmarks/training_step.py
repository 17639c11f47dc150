"""P3: a training step of Leeway, beside a bare PyTorch loop of the same work and a tutorial's loop.

    python benchmarks/training_step.py [--rounds 5] [--json FILE]

Leeway is `fit`, whole: Lightning, validation, checkpoints, early stopping's books. The bare loop does the same work by
hand (the same batches, augmentation, network, loss, optimiser, schedule and validation) in the best precision, found by
trying both. The tutorial's loop is fp32 over ImageFolder and DataLoader. They take turns within each round; CPU seconds
of all threads and worker processes, medians over the rounds. Epochs of two lengths tell what a step costs (the slope)
from what an epoch costs once (Lightning's validation loop, two checkpoints) and a training (its start).
"""

import argparse
import itertools
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from leeway.paramsfile import load_section
from leeway.training.backbones import build
from leeway.training.datamodule import Pixels
from leeway.training.fit import fit
from leeway.training.memory import keep_freed_memory
from leeway.training.optimization import make_optimizer, make_schedule
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams

PARAMS = Path(__file__).parents[1] / "params.yaml"
CLASSES = [str(number) for number in range(10)]


@dataclass(frozen=True, slots=True)
class Case:
    """What is trained, for how long."""

    backbone: str
    side: int  # pixels
    batch_size: int
    images: int  # of an epoch; a quarter of them in a short one
    epochs: int
    profile: str
    tutorial: bool = False

    @property
    def name(self) -> str:
        return f"{self.backbone}, {self.side} px, batches of {self.batch_size}"

    @property
    def trained(self) -> int:
        return self.images * self.epochs


CASES = [
    Case("small_cnn", 32, batch_size=32, images=1280, epochs=4, profile="digits"),
    Case("small_cnn", 32, batch_size=128, images=2048, epochs=3, profile="natural"),
    Case("resnet18", 224, batch_size=16, images=128, epochs=1, profile="natural", tutorial=True),
]


def params_of(case: Case, precision: str) -> TrainParams:
    committed = load_section(PARAMS, "train", TrainParams)
    return committed.model_copy(
        update={
            "backbone": case.backbone,
            "image_size": case.side,
            "batch_size": case.batch_size,
            "epochs": case.epochs,
            "patience": case.epochs + 1,
            "device": "cpu",
            "precision": precision,
            "augmentation": committed.augmentation.model_copy(update={"profile": case.profile}),
        }
    )


def made_images(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Blurred noise with a bright patch whose place is the class; a sixteenth more, to validate on."""
    rng, total = np.random.default_rng(0), case.images + max(16, case.images // 16)
    coarse = rng.integers(0, 180, (total, 8, 8, 3), dtype=np.uint8)
    labels, patch = np.arange(total) % 10, case.side // 8
    pixels = np.stack([np.asarray(Image.fromarray(one).resize((case.side, case.side))) for one in coarse])
    for image, label in zip(pixels, labels, strict=True):
        image[:patch, label % 5 * patch : (label % 5 + 1) * patch] = 255 if label < 5 else 0
    return pixels, labels.astype(np.int64)


def data_of(case: Case, params: TrainParams, made: tuple[np.ndarray, np.ndarray]) -> Pixels:
    rows = TrainingRows(np.arange(case.images), np.arange(case.images, len(made[1])))
    return Pixels(*made, rows=rows, params=params, mean=(0.5,) * 3, std=(0.25,) * 3)


def leeway(case: Case, made: tuple[np.ndarray, np.ndarray], precision: str) -> float:
    """CPU seconds of fit, without what it does before the first batch."""
    params = params_of(case, precision)
    network, data = build(params, CLASSES), data_of(case, params, made)
    with tempfile.TemporaryDirectory() as folder:
        began = cpu_seconds()
        fit(network, data, params, log=silent, folder=Path(folder) / "run")
        return cpu_seconds() - began


def silent(metrics: dict[str, float], number: int) -> None:
    pass


class Clock:
    """Stands in the trainer's place: which epoch it is, in one process."""

    training, current_epoch, world_size, global_rank = True, 0, 1, 0


def bare(case: Case, made: tuple[np.ndarray, np.ndarray], precision: str) -> float:
    """The same work by hand."""
    params = params_of(case, precision)
    network, data, clock = build(params, CLASSES), data_of(case, params, made), Clock()
    began = cpu_seconds()
    optimizer = make_optimizer(network, params)
    schedule = make_schedule(optimizer, params, steps=case.epochs * data.steps)["scheduler"]
    for epoch in range(case.epochs):
        clock.current_epoch, clock.training, data.trainer = epoch, True, clock  # type: ignore[assignment]
        network.train()
        for batch in data.train_dataloader():
            images, labels = data.on_after_batch_transfer(batch, 0)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = cross_entropy(network(images), labels, label_smoothing=params.label_smoothing)
            if not torch.isfinite(loss):
                raise SystemExit("the bare loop's loss is not finite")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        clock.training = False
        network.eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            for batch in data.val_dataloader():
                images, labels = data.on_after_batch_transfer(batch, 0)
                cross_entropy(network(images), labels).item()
    return cpu_seconds() - began


def tutorial(case: Case, folder: Path, workers: int) -> float:
    """As tutorials have it: JPEG files, one decode and crop an image in Python, 32 bits."""
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(case.side),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.25,) * 3),
        ]
    )
    network = build(params_of(case, "32"), CLASSES).to(memory_format=torch.contiguous_format).train()
    began = cpu_seconds()
    loader = DataLoader(ImageFolder(str(folder), change), case.batch_size, shuffle=True, num_workers=workers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    for _ in range(case.epochs):
        for images, labels in loader:
            loss = cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return cpu_seconds() - began


def write_files(folder: Path, made: tuple[np.ndarray, np.ndarray], images: int) -> None:
    """The training images as JPEGs of 500 x 375, a folder for each class."""
    for number, (pixels, label) in enumerate(itertools.islice(zip(*made, strict=True), images)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((500, 375)).save(folder / str(label) / f"{number}.jpg", quality=90)


def cpu_seconds() -> float:
    """Of this process and its finished children."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + spent.ru_utime + spent.ru_stime


def measure(case: Case, rounds: int, folder: Path) -> dict[str, Any]:
    """Images per CPU second of each way, and Leeway's ratio to the others."""
    made = made_images(case)
    best = min(("32", "bf16"), key=lambda precision: bare(case, made, precision))
    short, step = replace(case, images=case.images // 4), case.trained - case.trained // 4
    some = tuple(np.concatenate([part[: short.images], part[case.images :]]) for part in made)
    ways: dict[str, Callable[[], float]] = {
        "leeway": lambda: leeway(case, made, best),
        "bare": lambda: bare(case, made, best),
        "leeway, short": lambda: leeway(short, some, best),
        "bare, short": lambda: bare(short, some, best),
    }
    if case.tutorial:
        write_files(folder, made, case.images)
        ways["tutorial, in process"] = lambda: tutorial(case, folder, 0)
        ways["tutorial, 2 workers"] = lambda: tutorial(case, folder, 2)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            spent[name].append(ways[name]())
    seconds = {name: median(found) for name, found in spent.items()}
    ours, theirs = ((seconds[name] - seconds[f"{name}, short"]) / step for name in ("leeway", "bare"))
    return {
        "case": case.name,
        **asdict(case),
        "precision": best,
        "images_per_cpu_second": {name: case.trained / found for name, found in seconds.items() if "short" not in name},
        "step_overhead_percent": 100 * (ours / theirs - 1),
        "epoch_overhead_seconds": (seconds["leeway, short"] - seconds["bare, short"]) / case.epochs,
        "times_tutorial": {name: found / seconds["leeway"] for name, found in seconds.items() if "tutorial" in name},
    }


def show(found: dict[str, Any]) -> None:
    print(f"\n{found['case']} ({found['precision']})")
    for name, rate in found["images_per_cpu_second"].items():
        print(f"  {name:28} {rate:10,.1f} images per CPU second")
    print(f"  overhead of a step           {found['step_overhead_percent']:10.1f} %")
    print(f"  overhead of a short epoch    {found['epoch_overhead_seconds']:10.3f} CPU seconds, start included")
    for name, times in found["times_tutorial"].items():
        print(f"  times {name:22} {times:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", type=int, help="number of a case, from 0")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    keep_freed_memory()  # for all of them
    found = []
    for case in CASES if asked.only is None else [CASES[asked.only]]:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(case, asked.rounds, Path(folder)))
        show(found[-1])
    if asked.json:
        asked.json.write_text(json.dumps({"threads": torch.get_num_threads(), "cases": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
