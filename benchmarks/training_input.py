"""How fast do augmented training batches come?  nice python benchmarks/training_input.py --out docs/training_input.md

ImageFolder and DataLoader, as tutorials have them, beside batches cut out of the uint8 array of pixels and augmented as
a whole; both end in normalised floats. Images are made up: JPEGs of 32 pixels, and of 500 x 375 pixels for 224. They
alternate; what counts is CPU time of all processes, on one thread. Takes about 5 minutes.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read once, when torch is imported

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from leeway.bundle.resize import ResizeRule, decode
from leeway.training.augmentation import augment, normalise
from leeway.training.memory import keep_freed_memory
from leeway.training.profiles import PROFILES, Augmentation

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 10
BATCH = 32
EPOCHS = 5  # of ours in a round: one would be too short to time
HEADING = "## Measured"


@dataclass(frozen=True)
class Case:
    """The same augmentation, as torchvision's transforms of one image and as ours of a batch."""

    title: str
    side: int
    theirs: tuple[Any, ...]
    ours: Augmentation
    target: float  # PERFORMANCE.md, P2: times as many images for a CPU second


FLIP = transforms.RandomHorizontalFlip()
CASES = {
    "crop_32": Case(
        "32 px, crop and flip",
        32,
        (transforms.RandomCrop(32, padding=4, padding_mode="reflect"), FLIP),
        Augmentation(shift_share=4 / 32, horizontal_flip=0.5),
        target=15,
    ),
    "crop_224": Case(
        "224 px, crop and flip",
        224,
        (transforms.Resize(256), transforms.RandomCrop(224), FLIP),
        Augmentation(shift_share=16 / 224, horizontal_flip=0.5),
        target=20,
    ),
    "resized_crop_224": Case(
        "224 px, random resized crop and flip",
        224,
        (transforms.RandomResizedCrop(224, scale=(0.08, 1)), FLIP),
        Augmentation(crop_scale=0.08, crop_aspect=4 / 3, horizontal_flip=0.5),
        target=5,
    ),
}


# --- images ---------------------------------------------------------------------------------------------------------


def write_images(folder: Path, *, images: int, size: tuple[int, int], seed: int) -> Path:
    """JPEGs in one folder per class: soft shapes with some grain, about as large on disk as photographs are."""
    rng = np.random.default_rng(seed)
    for number in range(images):
        soft = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        grain = rng.normal(0, 9, (size[1], size[0], 1))
        pixels = np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
        path = folder / f"class_{number % CLASSES}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=85)
    return folder


def write_pixels(folder: Path, *, side: int) -> tuple[NDArray[np.uint8], float]:
    """The images as an array that is mapped from a file, as training has them, and CPU seconds of making it, once."""
    began, paths = cpu_seconds(), sorted(folder.rglob("*.jpg"))
    rule = ResizeRule(side, side, shorter_side=256 if side == 224 else None)
    np.save(folder / "pixels.npy", np.stack([rule.apply(decode(path.read_bytes())) for path in paths]))
    return np.load(folder / "pixels.npy", mmap_mode="r"), cpu_seconds() - began


# --- what is timed --------------------------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process and of those it started and that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def loader_batches(folder: Path, case: Case, *, workers: int) -> Iterator[torch.Tensor]:
    steps = [*case.theirs, transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    data = ImageFolder(str(folder), transforms.Compose(steps))
    for images, _ in DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers):
        yield images


def array_batches(
    pixels: NDArray[np.uint8], augmentation: Augmentation, *, seed: int, floats: bool = True
) -> Iterator[torch.Tensor]:
    """As leeway.training.datamodule does it; without `floats` what goes to a GPU, which normalises there."""
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    order = np.random.default_rng(seed).permutation(len(pixels))
    for number, start in enumerate(range(0, len(order), BATCH)):
        generator = torch.Generator().manual_seed(seed + number)
        batch = torch.from_numpy(np.asarray(pixels[order[start : start + BATCH]]))
        changed = augment(batch, augmentation, generator=generator)
        yield normalise(changed, mean, std) if floats else changed


def rate(batches: Callable[[int], Iterator[torch.Tensor]], *, epochs: int, seed: int) -> float:
    """Images per CPU second; each epoch has a seed of its own."""
    began, images = cpu_seconds(), 0
    for epoch in range(epochs):
        images += sum(len(batch) for batch in batches(1000 * seed + epoch))
    return images / (cpu_seconds() - began)


def check(batches: Iterator[torch.Tensor], *, side: int) -> None:
    """Both sides give the same kind of batch. Raises RuntimeError."""
    batch = next(iter(batches))
    if batch.dtype != torch.float32 or tuple(batch.shape[1:]) != (3, side, side):
        raise RuntimeError(f"got {tuple(batch.shape)} of {batch.dtype}; expected float32 (B, 3, {side}, {side})")


def different(case: Case) -> int:
    """How many different images a batch of BATCH times the same one becomes."""
    image = np.random.default_rng(0).integers(0, 256, (1, case.side, case.side, 3), dtype=np.uint8)
    changed = augment(
        torch.from_numpy(image.repeat(BATCH, axis=0)), case.ours, generator=torch.Generator().manual_seed(0)
    )
    return len({one.numpy().tobytes() for one in changed})


def measure(case: Case, folder: Path, *, images: int, rounds: int) -> dict[str, Any]:
    """Medians over the rounds; theirs and ours alternate."""
    size = (32, 32) if case.side == 32 else (500, 375)
    write_images(folder, images=images, size=size, seed=case.side)
    pixels, decoding = write_pixels(folder, side=case.side)
    sources: dict[str, Callable[[int], Iterator[torch.Tensor]]] = {
        "loader": lambda _: loader_batches(folder, case, workers=0),
        "loader with 2 workers": lambda _: loader_batches(folder, case, workers=2),
        "ours": lambda seed: array_batches(pixels, case.ours, seed=seed),
    }
    for batches in sources.values():
        check(batches(0), side=case.side)
    sources["ours as uint8"] = lambda seed: array_batches(pixels, case.ours, seed=seed, floats=False)
    found: dict[str, list[float]] = {name: [] for name in sources}
    for number in range(rounds):
        for name, batches in sources.items():
            found[name].append(rate(batches, epochs=1 if name.startswith("loader") else EPOCHS, seed=number))
        print(f"{case.title}: round {number + 1}: " + ", ".join(f"{key} {one[-1]:,.0f}" for key, one in found.items()))
    ratios = [ours / theirs for ours, theirs in zip(found["ours"], found["loader"], strict=True)]
    return {
        "rates": {name: median(one) for name, one in found.items()},
        "rounds": found,
        "times": median(ratios),
        "least": min(ratios),
        "times_as_uint8": median(a / b for a, b in zip(found["ours as uint8"], found["loader"], strict=True)),
        "target": case.target,
        "decoded_once_per_second": images / decoding,
        f"different_of_{BATCH}": different(case),
    }


def profile_costs(*, side: int, rounds: int) -> dict[str, float]:
    """Microseconds of CPU for an image by each profile, normalised."""
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    costs: dict[str, list[float]] = {name: [] for name in PROFILES}
    for number in range(rounds + 1):
        for name, profile in PROFILES.items():
            found = rate(lambda seed, one=profile: array_batches(pixels, one, seed=seed), epochs=10, seed=number)
            costs[name] += [1e6 / found] if number else []  # the first round warms up
    return {name: median(one) for name, one in costs.items()}


# --- the page -------------------------------------------------------------------------------------------------------


def section(report: dict[str, Any]) -> str:
    """Markdown."""
    rows = []
    for name, one in report["cases"].items():
        rates = [f"{value:,.0f}" for value in one["rates"].values()]
        floats, uint8 = (one[key] >= one["target"] for key in ("times", "times_as_uint8"))
        verdict = "reached" if floats else "reached as uint8 only" if uint8 else "missed"
        ratio = f"**{one['times']:.1f}** (worst round {one['least']:.1f})"
        cells = [CASES[name].title, *rates, ratio, f"{one['times_as_uint8']:.1f}", f"{one['target']:.0f}: {verdict}"]
        once, copies = f"{one['decoded_once_per_second']:,.0f}", f"{one[f'different_of_{BATCH}']} of {BATCH}"
        rows.append(f"| {' | '.join([*cells, once, copies])} |")
    costs = [f"| `{name}` | {one[0]:,.0f} | {one[1]:,.0f} |" for name, one in report["profiles"].items()]
    return "\n".join(
        [
            HEADING,
            "",
            f"Images per CPU second of all processes, medians of {report['rounds']} rounds that alternate; "
            f"{report['machine']}; one thread, batches of {BATCH}. `{report['command']}`",
            "",
            "| | ImageFolder + DataLoader | with 2 workers | pixel array | the same, left as uint8 | times as many | "
            "as uint8 | wanted | decoded, once | different crops of one image |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Theirs always ends in normalised floats. Of ours at 224 px, most of the time goes into writing those: "
            "600 kB for each image, at the speed of main memory, of which neighbours take their part. On a GPU the "
            "batch travels as uint8 and is normalised there. Decoding happens once for a dataset and size.",
            "",
            "Microseconds of CPU for an image, from uint8 to normalised floats, by profile:",
            "",
            "| profile | 32 px | 224 px |",
            "|---|---|---|",
            *costs,
            "",
        ]
    )


def write_page(page: Path, text: str) -> None:
    """Replaces the section, up to the end of the page."""
    before = page.read_text(encoding="utf-8").partition(HEADING)[0] if page.exists() else "# Training input\n\n"
    page.write_text(before + text, encoding="utf-8")


def machine() -> str:
    """Its processor, and how busy others keep it."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of a virtual machine ({name}), load {os.getloadavg()[0]:.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=4000, help="images of 32 pixels")
    parser.add_argument("--photos", type=int, default=320, help="images of 500 x 375 pixels")
    parser.add_argument("--out", type=Path, help="page whose section is replaced; a JSON file lies beside it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()  # as the training stage does; both sides gain by it
    began, cases = time.monotonic(), {}
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as scratch:
            images = options.small if case.side == 32 else options.photos
            cases[name] = measure(case, Path(scratch), images=images, rounds=options.rounds)
    small, large = (profile_costs(side=side, rounds=options.rounds) for side in (32, 224))
    report = {
        "command": shlex.join(["python", "benchmarks/training_input.py", *(arguments or sys.argv[1:])]),
        "machine": f"{machine()}; torch {torch.__version__}",
        "rounds": options.rounds,
        "cases": cases,
        "profiles": {name: (small[name], large[name]) for name in PROFILES},
    }
    print(section(report), f"\n{time.monotonic() - began:.0f} s")
    if options.out:
        write_page(options.out, section(report))
        options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
