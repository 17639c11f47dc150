"""CIFAR-10 from scratch on a CPU: what accuracy, for how much work?  Writes docs/cifar10.md.

    mkdir -p /tmp/w/cifar10 && tar xzf ../shared/data/cifar10-jpeg.tar.gz -C /tmp/w/cifar10
    python benchmarks/cifar10.py --images /tmp/w/cifar10 --work /tmp/w/cifar10-run --out docs/cifar10.md

A workspace as `leeway init` makes it, with the recipe below in its params.yaml and the official test split, is
reproduced; beside it runs a tutorial's loop, long enough to know its speed. Some 10 minutes on two quiet cores. Where
others use the machine set OMP_NUM_THREADS=1: the CPU seconds then stay what they are, and only the clock runs on.
"""

import argparse
import csv
import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workspace_run import Cost, Numbers, history, machine, make_workspace, metrics, reproduce

VALIDATION_EVERY = 25  # so 2,000 of the 50,000 training images
RECIPE: Mapping[str, Any] = MappingProxyType(
    {
        "data.source": {"kind": "csv", "path": "cifar10.csv"},
        "train.backbone": "airbench",
        "train.batch_size": 512,
        "train.optimizer": "sgd",
        "train.learning_rate": 0.5,  # in proportion to the batch
        "train.schedule": "one_cycle",
        "train.weight_decay": 0.0013,
        "train.label_smoothing": 0.2,
        "train.ema": 0.99,  # the mean over the last 100 steps or so, about an epoch
        "train.augmentation": {"profile": "none", "horizontal_flip": 0.5, "shift_share": 0.0625},  # 2 pixels of 32
        "evaluate.tta": "mirror",
    }
)
EPOCHS = 16
AIM, AIM_CPU_SECONDS = 0.90, 1200

TUTORIAL_BATCH = 128
TUTORIAL_EPOCHS = 10  # to 90 %, assumed: in its favour, with a schedule made for so few


# ---- the product ----


def run_product(images: Path, workspace: Path, *, epochs: int, training_images: int | None) -> Numbers:
    """Costs and results of a `dvc repro`; its data stages are counted by themselves."""
    make_workspace(workspace, {**RECIPE, "train.epochs": epochs, "train.patience": epochs})
    (workspace / "images").symlink_to(images.resolve())
    write_list(workspace, training_images=training_images)
    data = reproduce(workspace, ["prepare"])
    train = reproduce(workspace, ["train"])
    evaluate = reproduce(workspace)
    report = metrics(workspace)
    return {
        "data": asdict(data),
        "train": asdict(train),
        "evaluate": asdict(evaluate),
        "whole": asdict(data + train + evaluate),
        "epochs": epochs,
        "accuracy": report["accuracy"],
        "mirrored_accuracy": report["accuracy"] + report["tta_gain"],
        "metrics": report,
        "history": history(workspace),
    }


def write_list(workspace: Path, *, training_images: int | None) -> None:
    """The source: every file with its class and split, `training_images` of each class at most."""
    with (workspace / "cifar10.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for split in ("train", "test"):
            for folder in sorted((workspace / "images" / split).iterdir()):
                files = sorted(folder.iterdir())
                kept = files[:training_images] if split == "train" else files
                for number, path in enumerate(kept):
                    told = "val" if split == "train" and number % VALIDATION_EVERY == 0 else split
                    writer.writerow([path.relative_to(workspace).as_posix(), folder.name, told])


# ---- a tutorial's loop ----


def run_tutorial(images: Path, *, steps: int) -> tuple[Cost, int]:
    """What tutorials show: ImageFolder, DataLoader, ResNet-18 for 32 pixels, SGD, in 32 bits. (cost, images)"""
    import torch
    import torchvision
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import transforms

    torch.manual_seed(0)
    change = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)),
        ]
    )
    folder = torchvision.datasets.ImageFolder(str(images / "train"), change)
    network = torchvision.models.resnet18(num_classes=10)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    loss_of = nn.CrossEntropyLoss()
    began, used, seen = time.monotonic(), time.process_time(), 0
    for number, (batch, labels) in enumerate(DataLoader(folder, TUTORIAL_BATCH, shuffle=True)):
        if number == 1:  # the first one warms up
            began, used, seen = time.monotonic(), time.process_time(), 0
        optimizer.zero_grad()
        loss_of(network(batch), labels).backward()
        optimizer.step()
        seen += len(labels)
        if number == steps:
            break
    return Cost(time.monotonic() - began, time.process_time() - used), seen


# ---- the page ----


def verdict(accuracy: float, cpu_seconds: float) -> str:
    """Of the training and its plain test accuracy."""
    short = [f"by {100 * (AIM - accuracy):.1f} points"] if accuracy < AIM else []
    short += [f"by {cpu_seconds - AIM_CPU_SECONDS:.0f} CPU seconds"] if cpu_seconds > AIM_CPU_SECONDS else []
    return f"missed {' and '.join(short)}" if short else "reached"


def page(found: Mapping[str, Any]) -> str:
    own, tutorial = found["product"], found["tutorial"]
    rows = [
        f"| {epoch['epoch']} | {epoch['train_loss']:.3f} | {epoch['val_loss']:.3f} | {epoch['val_accuracy']:.1%} |"
        for epoch in own["history"]
    ]
    params = "\n".join(f"    {key}: {json.dumps(value)}" for key, value in RECIPE.items())
    return PAGE.format(
        machine=found["machine"],
        command=found["command"],
        accuracy=own["accuracy"],
        test_images=own["metrics"]["test_images"],
        low=own["metrics"]["accuracy_low"],
        high=own["metrics"]["accuracy_high"],
        mirrored=own["mirrored_accuracy"],
        verdict=verdict(own["accuracy"], own["train"]["cpu_seconds"]),
        epochs=own["epochs"],
        params=params,
        rows="\n".join(rows),
        tutorial=tutorial,
        tutorial_epochs=TUTORIAL_EPOCHS,
        factor=tutorial["cpu_seconds_to_aim"] / own["train"]["cpu_seconds"],
        **{f"{name}_cost": Cost(**own[name]) for name in ("data", "train", "evaluate", "whole")},
    )


PAGE = """\
# CIFAR-10 from scratch, on a CPU

    {command}

{machine}.
Others use the machine, too: CPU seconds are what can be compared.

**{accuracy:.2%} of {test_images:,} test images right after {epochs} epochs** (95 % interval {low:.1%} to {high:.1%});
{mirrored:.2%} with the mean of the answers to an image and its mirror image.
Aimed at: 90 % in 600 s by the clock on two quiet cores, which are at most 1,200 CPU seconds;
{verdict}.

| `dvc repro` | |
|---|---|
| gather, prepare (60,000 files) | {data_cost} |
| train, with export and bundle | {train_cost} |
| evaluate, with its pages | {evaluate_cost} |
| together | {whole_cost} |

The images are JPEG copies of CIFAR-10, a little worse than the originals. The test split is the official one; 2,000 of the
50,000 training images are for validation, and not learnt from. What stands in params.yaml otherwise than `leeway init`
writes it, beside `train.epochs`:

{params}

| epoch | training loss | validation loss | validation accuracy |
|---|---|---|---|
{rows}

## Beside a tutorial's loop

ImageFolder, DataLoader, random crop and flip, ResNet-18 for 32 pixels, SGD, 32 bits: measured over {tutorial[images]:,} images,
{tutorial[images_per_cpu_second]:.0f} images per CPU second, or {tutorial[cpu_seconds_an_epoch]:,.0f} CPU seconds an epoch. How many epochs it takes to 90 % was not
measured, for want of hours, but assumed: with {tutorial_epochs}, few for such a loop, it is {tutorial[cpu_seconds_to_aim]:,.0f} CPU seconds, **{factor:.0f} times as
many** as the training above.
"""  # noqa: E501


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--work", type=Path, required=True, help="for the workspace, which is made anew")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--training-images", type=int, help="of each class; all if not given")
    parser.add_argument("--tutorial-steps", type=int, default=20)
    parser.add_argument("--out", type=Path, help="the page; its numbers go beside it, as .json")
    chosen = parser.parse_args()
    workspace = chosen.work / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    chosen.work.mkdir(parents=True, exist_ok=True)
    cost, images = run_tutorial(chosen.images, steps=chosen.tutorial_steps)
    print(f"tutorial: {images} images in {cost}", flush=True)
    rate = images / cost.cpu_seconds
    own = run_product(chosen.images, workspace, epochs=chosen.epochs, training_images=chosen.training_images)
    found = {
        "machine": machine(),
        "command": f"python benchmarks/cifar10.py --images DIR --work DIR --epochs {chosen.epochs}",
        "product": own,
        "tutorial": {
            "images": images,
            "images_per_cpu_second": rate,
            "cpu_seconds_an_epoch": 50_000 / rate,
            "cpu_seconds_to_aim": TUTORIAL_EPOCHS * 50_000 / rate,
        },
    }
    text = page(found)
    print(text)
    if chosen.out:
        chosen.out.write_text(text)
        chosen.out.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
