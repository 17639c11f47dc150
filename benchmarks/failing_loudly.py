"""How often does a drift test see a shift, and how often does it cry wolf?  Tables of docs/failing_loudly.md.

    mkdir -p /tmp/w/cifar10
    tar xzf ../shared/data/cifar10-jpeg.tar.gz -C /tmp/w/cifar10          # CIFAR-10, one folder per class
    OMP_NUM_THREADS=1 python benchmarks/failing_loudly.py --prepare       # trains and answers once: 12 minutes
    OMP_NUM_THREADS=1 python benchmarks/failing_loudly.py                 # the tables: 5 minutes

The protocol of Rabanser, Guennemann and Lipton 2019, "Failing Loudly" (arXiv 1810.11953), on CIFAR-10 with a network of
our own. docs/failing_loudly.md says what is measured and where this differs from the paper.
"""

import argparse
import json
import math
import platform
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from scipy.stats import chi2_contingency, chisquare, ks_2samp

from leeway.stats.drift import chi_square
from leeway.stats.multinomial import log_e_value, share_box

if TYPE_CHECKING:
    import torch

    from leeway.training.backbones import Network

Array = NDArray[Any]

ALPHA = 0.05
SIZES = (10, 20, 50, 100, 200, 500, 1000, 10_000)
INTENSITIES = (0.1, 0.5, 1.0)
HELD_OUT = 10_000  # images of train/ that the network never sees; with test/ they make the 20,000 that runs draw from
CHOOSING = 1_000  # images of train/ that choose the epoch
FULL_REFERENCE = 10_000
CLASS_ZERO = 0  # airplane, the one that is knocked out

# Parameters of the published code (steverab/failing-loudly: shift_applicator.py, data_utils.py): noise in 1/255, and
# rotation and shear in degrees, shift and zoom as shares, flips (horizontal, vertical).
NOISE = {"small_gn": 1.0, "medium_gn": 10.0, "large_gn": 100.0}
WARPS = {
    "small_img": (10.0, 0.1, 0.05, 0.1, False, False),
    "medium_img": (40.0, 0.2, 0.2, 0.2, True, False),
    "large_img": (90.0, 0.3, 0.4, 0.4, True, True),
}
MOST_ADVERSARIAL = 25  # of 255: max_epsilon .1 in generate_adv_samples.py


# ---- step 1: a network, and what it answers ----


def prepare(images: Path, work: Path, *, epochs: int, seed: int) -> None:
    """Trains on train/ less 11,000 images, and saves the softmax outputs of the 20,000 others under each shift."""
    import torch

    torch.set_num_threads(1)
    classes = sorted(folder.name for folder in (images / "train").iterdir() if folder.is_dir())
    train, train_truth = read_images(images / "train", classes)
    test, test_truth = read_images(images / "test", classes)
    order = np.random.default_rng(seed).permutation(len(train))
    held_out, choosing, rest = np.split(order, [HELD_OUT, HELD_OUT + CHOOSING])
    network, seconds = trained(train, train_truth, rest, choosing, classes, epochs=epochs, seed=seed, work=work)
    pixels = np.concatenate([train[held_out], test])
    truth = np.concatenate([train_truth[held_out], test_truth])
    outputs = dict(answers(network, pixels, truth, seed=seed))
    accuracy = float((outputs["clean"].argmax(axis=1) == truth).mean())
    np.savez_compressed(work / "outputs.npz", truth=truth, **outputs)
    told = {"accuracy": accuracy, "seconds": seconds, "epochs": epochs, "seed": seed, "classes": classes}
    told["accuracy_of"] = {name: float((one.argmax(axis=1) == truth).mean()) for name, one in outputs.items()}
    (work / "network.json").write_text(json.dumps(told, indent=1))
    print(f"{accuracy:.1%} right on 20,000 held-out images after {seconds:.0f} s of training")


def read_images(folder: Path, classes: Sequence[str]) -> tuple[Array, Array]:
    """(N, 32, 32, 3) uint8 and (N,) class indices, in the order of the file names."""
    paths = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())]
    pixels = np.empty((len(paths), 32, 32, 3), np.uint8)
    for row, (path, _) in enumerate(track(paths, f"reading {folder.name}/")):
        with Image.open(path) as image:
            pixels[row] = np.asarray(image.convert("RGB"))
    return pixels, np.array([label for _, label in paths], dtype=np.int64)


def trained(
    pixels: Array, truth: Array, rows: Array, choosing: Array, classes: list[str], *, epochs: int, seed: int, work: Path
) -> "tuple[Network, float]":
    """Leeway's small_cnn by Leeway's own training, without augmentation: the paper's network had none either."""
    from leeway.paramsfile import load_section
    from leeway.training.backbones import build
    from leeway.training.datamodule import Pixels
    from leeway.training.fit import fit
    from leeway.training.order import TrainingRows
    from leeway.training.params import TrainParams
    from leeway.training.preprocessing import preprocessing
    from leeway.training.profiles import AugmentationParams

    params = load_section(Path(__file__).parents[1] / "params.yaml", "train", TrainParams)
    changes: dict[str, Any] = {"epochs": epochs, "batch_size": 128, "augmentation": AugmentationParams(profile="none")}
    params = params.model_copy(update=changes | {"device": "cpu", "seed": seed, "patience": epochs})
    scale = preprocessing(params)
    split = TrainingRows(original=rows, val=choosing)
    data = Pixels(pixels, truth, rows=split, params=params, mean=scale.mean, std=scale.std)
    began = time.monotonic()

    def log(metrics: dict[str, float], epoch: int) -> None:
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        print(f"epoch {epoch}: {numbers}, {time.monotonic() - began:.0f} s", flush=True)

    fitted = fit(build(params, classes), data, params, log=log, folder=work / "checkpoints")
    return fitted.network, fitted.seconds


def answers(network: "Network", pixels: Array, truth: Array, *, seed: int) -> Iterator[tuple[str, Array]]:
    """(name, (N, K) softmax outputs): clean, and with every image shifted. One draw of each shift per image."""
    import torch

    draws = torch.Generator().manual_seed(seed)
    shifts: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"clean": lambda images, _: images}
    for name, deviation in NOISE.items():
        shifts[name] = lambda images, _, sigma=deviation: noisy(images, sigma / 255, draws)
    for name, warp in WARPS.items():
        shifts[name] = lambda images, _, warp=warp: warped(images, warp, draws)
    shifts["adversarial"] = lambda images, labels: adversarial(network, images, labels)
    batches = np.array_split(np.arange(len(pixels)), len(pixels) // 250)
    for name, shift in shifts.items():
        found = []
        for rows in track(batches, name):
            images = torch.from_numpy(pixels[rows]).permute(0, 3, 1, 2).float() / 255
            found.append(probabilities(network, shift(images, torch.from_numpy(truth[rows]))))
        yield name, np.concatenate(found).astype(np.float32)


def normalised(images: "torch.Tensor") -> "torch.Tensor":
    return (images - 0.5) / 0.25  # as leeway.training.backbones.preprocessing has it for small_cnn


def probabilities(network: "Network", images: "torch.Tensor") -> Array:
    import torch

    with torch.inference_mode():
        outputs: Array = network(normalised(images)).softmax(dim=1).numpy()
    return outputs


def noisy(images: "torch.Tensor", deviation: float, draws: "torch.Generator") -> "torch.Tensor":
    import torch

    return (images + deviation * torch.randn(images.shape, generator=draws)).clamp(0, 1)


def warped(images: "torch.Tensor", warp: tuple[Any, ...], draws: "torch.Generator") -> "torch.Tensor":
    """Each image its own rotation, shear, shift, zoom and flips, uniform in their ranges; the border is repeated."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    rotation, shear, shift, zoom, *flips = warp
    uniform = 2 * torch.rand((len(images), 6), generator=draws) - 1
    angle, slant = uniform[:, 0] * math.radians(rotation), uniform[:, 1] * math.radians(shear)
    signs = [(1 - 2 * (torch.rand(len(images), generator=draws) < 0.5 * flip).float()) for flip in flips]
    across, down = (1 + zoom * uniform[:, 2]) * signs[0], (1 + zoom * uniform[:, 3]) * signs[1]
    rows = [angle.cos() * across, -(angle + slant).sin() * down, 2 * shift * uniform[:, 4]]
    rows += [angle.sin() * across, (angle + slant).cos() * down, 2 * shift * uniform[:, 5]]
    grid = affine_grid(torch.stack(rows, dim=1).reshape(-1, 2, 3), list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def adversarial(network: "Network", images: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """FGSM (Goodfellow 2014) with the smallest step up to 25/255 that makes the answer wrong; else left as it is."""
    import torch
    from torch.nn.functional import cross_entropy

    leaf = images.clone().requires_grad_(True)
    cross_entropy(network(normalised(leaf)), labels, reduction="sum").backward()
    assert leaf.grad is not None
    direction, shifted = leaf.grad.sign(), images.clone()
    right = torch.from_numpy(probabilities(network, images).argmax(axis=1)) == labels
    for step in range(1, MOST_ADVERSARIAL + 1):
        left = right.nonzero()[:, 0]
        if not len(left):
            break
        tried = (images[left] + step / 255 * direction[left]).clamp(0, 1)
        fooled = torch.from_numpy(probabilities(network, tried).argmax(axis=1)) != labels[left]
        shifted[left[fooled]] = tried[fooled]
        right[left[fooled]] = False
    return shifted


# ---- step 2: shifts as samples of those answers ----


@dataclass(frozen=True, slots=True)
class Shift:
    """What happens to the target half before a sample of it is drawn."""

    name: str
    intensity: float | None = None  # what the table calls 10, 50 and 100 %
    outputs: str = "clean"  # the answers of an affected image
    affected: float = 0.0  # share of images
    knocked_out: float = 0.0  # share of class zero that is removed
    only_zero: bool = False  # all other classes are removed

    def draw(self, half: Array, truth: Array, rng: Generator) -> tuple[Array, Array]:
        """Row numbers and which of them are affected, in random order, so that any beginning is a sample."""
        rows = half[truth[half] == CLASS_ZERO] if self.only_zero else half
        affected = rng.permutation(np.arange(len(rows)) < math.ceil(self.affected * len(rows)))
        zeros = rng.permutation(np.flatnonzero(truth[rows] == CLASS_ZERO))
        removed = zeros[: math.ceil(self.knocked_out * len(zeros))]
        order = rng.permutation(np.delete(np.arange(len(rows)), removed))
        return rows[order], affected[order]


NO_SHIFT = Shift("none")


def shifts() -> list[Shift]:
    """The thirty of the paper: ten kinds by three intensities."""
    kinds = [*NOISE, "adversarial", *WARPS]
    found = [Shift(kind, share, outputs=kind, affected=share) for kind in kinds for share in INTENSITIES]
    found += [Shift("knock-out", share, knocked_out=share) for share in INTENSITIES]
    both, only = "medium_img 50 % + knock-out", "only zero + medium_img"
    found += [Shift(both, share, outputs="medium_img", affected=0.5, knocked_out=share) for share in INTENSITIES]
    found += [Shift(only, share, outputs="medium_img", affected=share, only_zero=True) for share in INTENSITIES]
    return found


# ---- the tests: each says whether a target sample differs from the reference ----


@dataclass(slots=True)
class Window:
    """Softmax outputs (n, K) and what tests make of them."""

    outputs: Array
    predicted: Array = field(init=False)
    counts: Array = field(init=False)  # (K,) of predicted classes

    def __post_init__(self) -> None:
        self.predicted = self.outputs.argmax(axis=1)
        self.counts = np.bincount(self.predicted, minlength=self.outputs.shape[1])

    def cells(self, edges: tuple[float, float]) -> Array:
        """(3K,) counts of predicted class x confidence band."""
        band = np.searchsorted(edges, self.outputs.max(axis=1).astype(float), side="right")
        return np.bincount(3 * self.predicted + band, minlength=3 * self.outputs.shape[1])


@dataclass(slots=True)
class Reference(Window):
    columns: Array = field(init=False)  # (K, n) outputs of each class, sorted
    edges: tuple[float, float] = field(init=False)
    bands: Array = field(init=False)  # (3K,) counts of predicted class x confidence band

    def __post_init__(self) -> None:
        Window.__post_init__(self)
        self.columns = np.sort(self.outputs.T, axis=1)
        low, high = np.quantile(self.outputs.max(axis=1).astype(float), (1 / 3, 2 / 3))  # as leeway.bundle cuts them
        self.edges = (float(low), float(high))
        self.bands = self.cells(self.edges)


def published(reference: Window, target: Window, rng: Generator) -> bool:  # noqa: ARG001
    """BBSDh of shift_tester.py at 0b105bd: contingency table, or goodness of fit where any class has no prediction.

    Goodness of fit takes the reference's shares as exact; a class only the target has gives p = 0, and one that
    neither has gives NaN, which is no detection.
    """
    if reference.counts.min() and target.counts.min():
        return bool(chi2_contingency([reference.counts, target.counts])[1] <= ALPHA)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = reference.counts * (target.counts.sum() / reference.counts.sum())
        return bool(chisquare(target.counts, expected).pvalue <= ALPHA)


def published_random(reference: Window, target: Window, rng: Generator) -> bool:
    """BBSDh of shift_tester.py at 3c360fd: where any class has no prediction, p is a random number."""
    if reference.counts.min() and target.counts.min():
        return bool(chi2_contingency([reference.counts, target.counts])[1] <= ALPHA)
    return bool(rng.random() <= ALPHA)


def exact(reference: Window, target: Window, rng: Generator) -> bool:
    """BBSDh with a p-value that holds for any counts."""
    return chi_square(reference.counts, target.counts, rng=rng, alpha=ALPHA).p <= ALPHA


def e_value_classes(reference: Window, target: Window, rng: Generator) -> bool:  # noqa: ARG001
    return betting(reference.counts, target.counts)


def e_value_cells(reference: "Reference", target: Window, rng: Generator) -> bool:  # noqa: ARG001
    return betting(reference.bands, target.cells(reference.edges))


def betting(reference: Array, target: Array) -> bool:
    """One window of the drift e-detector: alarm when E >= 1/alpha against the detector's box, without tolerance."""
    low, high = share_box(reference, tolerance=0.0)
    return bool(log_e_value(target, reference, low=low, high=high) >= -math.log(ALPHA))


class KolmogorovSmirnov:
    """BBSDs: a two-sample KS test of each softmax output, Bonferroni over them.

    All outputs share n and m, so the largest distance has the smallest p. p falls with the distance: what scipy has
    said of one distance settles all that are larger (or smaller), and it is asked a few times only.
    """

    def __init__(self) -> None:
        self._settled: dict[tuple[int, int], tuple[float, float]] = defaultdict(lambda: (0.0, 1.1))

    def __call__(self, reference: "Reference", target: Window, rng: Generator) -> bool:  # noqa: ARG002
        distances = [
            ks_distance(one, np.sort(other)) for one, other in zip(reference.columns, target.outputs.T, strict=True)
        ]
        worst = int(np.argmax(distances))
        sizes, distance = (len(reference.outputs), len(target.outputs)), distances[worst]
        quiet, loud = self._settled[sizes]
        if quiet < distance < loud:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # where scipy turns from the exact p to the asymptotic
                p = ks_2samp(reference.outputs[:, worst], target.outputs[:, worst]).pvalue
            fires = p * len(distances) <= ALPHA
            quiet, loud = (quiet, distance) if fires else (distance, loud)
            self._settled[sizes] = quiet, loud
        return bool(distance >= loud)


def ks_distance(reference: Array, target: Array) -> float:
    """Largest distance of two empirical distribution functions; both (n,) sorted."""
    both = np.concatenate([reference, target])
    below = np.searchsorted(reference, both, side="right") / len(reference)
    return float(np.abs(below - np.searchsorted(target, both, side="right") / len(target)).max())


METHODS: dict[str, Callable[[Any, Window, Generator], bool]] = {
    "BBSDh, published": published,
    "BBSDh, published, random p": published_random,
    "BBSDh, exact": exact,
    "BBSDs": KolmogorovSmirnov(),
    "e-value, 3K cells": e_value_cells,
    "e-value, K classes": e_value_classes,
}


# ---- the runs ----

Key = tuple[str, str, str, float | None, int]  # reference, method, shift, intensity, size
Alarms = dict[Key, list[bool]]


def run_all(outputs: dict[str, Array], truth: Array, *, runs: int, null_runs: int, seed: int) -> Alarms:
    """Each run draws halves and a target anew: one target for all methods, and smaller ones are its beginning."""
    alarms: Alarms = defaultdict(list)
    plan = [(number, shift, run) for number, shift in enumerate(shifts(), 1) for run in range(runs)]
    plan += [(0, NO_SHIFT, run) for run in range(null_runs)]
    for number, shift, run in track(plan, "runs"):
        rng = np.random.default_rng((seed, number, run))
        source, half = np.split(rng.permutation(len(truth)), 2)
        rows, affected = shift.draw(half, truth, rng)
        target = np.where(affected[:, None], outputs[shift.outputs][rows], outputs["clean"][rows])
        for key, fired in one_run(outputs["clean"][source], target, rng):
            alarms[(*key[:2], shift.name, shift.intensity, key[2])].append(fired)
    return alarms


def one_run(source: Array, target: Array, rng: Generator) -> Iterator[tuple[tuple[str, str, int], bool]]:
    """((reference, method, size), alarm) for every size that the target has (knock-out: 9,000 stand for 10,000)."""
    full = Reference(source[:FULL_REFERENCE])
    for size in SIZES:
        if len(target) < 0.85 * size:
            continue
        window = Window(target[:size])
        equal = full if size == FULL_REFERENCE else Reference(source[:size])
        for method, test in METHODS.items():
            fired = test(full, window, rng)
            yield ("full", method, size), fired
            yield ("equal", method, size), fired if equal is full else test(equal, window, rng)


# ---- the tables ----


def cells(alarms: Alarms) -> list[dict[str, Any]]:
    names = ("reference", "method", "shift", "intensity", "size")
    return [dict(zip(names, key, strict=True), runs=len(one), alarms=sum(one)) for key, one in alarms.items()]


def tables(alarms: Alarms) -> str:
    parts = []
    for reference, told in (
        ("equal", "as many reference images as target images"),
        ("full", "10,000 reference images"),
    ):
        parts += [f"## {told}", "False alarms, % of runs without a shift:", overall(alarms, reference, null=True)]
        parts += ["Shifts seen, mean over the 30 shifts, %:", overall(alarms, reference, null=False)]
        parts += ["Shifts seen at intensity 10 / 50 / 100 %, % of runs:", by_shift(alarms, reference)]
    return "\n\n".join(parts) + "\n"


def overall(alarms: Alarms, reference: str, *, null: bool) -> str:
    chosen = [NO_SHIFT] if null else shifts()
    rows = []
    for method in METHODS:
        found = [[alarms.get((reference, method, one.name, one.intensity, size)) for one in chosen] for size in SIZES]
        rows.append([method, *(f"{100 * mean_of_rates(one):.1f}" for one in found)])
    return markdown(["method", *(f"{size:,}" for size in SIZES)], rows)


def by_shift(alarms: Alarms, reference: str) -> str:
    rows = []
    for name in dict.fromkeys(one.name for one in shifts()):
        for method in ("BBSDh, published", "BBSDh, exact", "BBSDs", "e-value, 3K cells"):
            found = [[alarms.get((reference, method, name, share, size)) for share in INTENSITIES] for size in SIZES]
            rows.append([name, method, *("/".join(percent(cell) for cell in triple) for triple in found)])
    return markdown(["shift", "method", *(f"{size:,}" for size in SIZES)], rows)


def percent(fired: list[bool] | None) -> str:
    return f"{100 * float(np.mean(fired)):.0f}" if fired else "-"


def mean_of_rates(found: Iterable[list[bool] | None]) -> float:
    return float(np.mean([np.mean(one) for one in found if one]))


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepare", action="store_true", help="train and answer, instead of making the tables")
    parser.add_argument("--images", type=Path, default=Path("/tmp/w/cifar10"), help="holds train/ and test/")
    parser.add_argument("--work", type=Path, default=Path("/tmp/w/failing_loudly"), help="outputs and results go here")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--runs", type=int, default=100, help="a shift")
    parser.add_argument("--null-runs", type=int, default=1000, help="without a shift")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    if chosen.prepare:
        prepare(chosen.images, chosen.work, epochs=chosen.epochs, seed=chosen.seed)
        return 0
    with np.load(chosen.work / "outputs.npz") as saved:
        outputs = {name: saved[name] for name in saved.files}
    truth, began = outputs.pop("truth"), time.monotonic()
    alarms = run_all(outputs, truth, runs=chosen.runs, null_runs=chosen.null_runs, seed=chosen.seed)
    write(alarms, chosen, seconds=time.monotonic() - began)
    return 0


def write(alarms: Alarms, chosen: argparse.Namespace, *, seconds: float) -> None:
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/failing_loudly.py", *sys.argv[1:]]),
        "seed": chosen.seed,
        "alpha": ALPHA,
        "runs": chosen.runs,
        "null_runs": chosen.null_runs,
        "seconds": round(seconds),
        "network": json.loads((chosen.work / "network.json").read_text()),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    }
    (chosen.work / "results.json").write_text(json.dumps({**told, "cells": cells(alarms)}, indent=1))
    page = tables(alarms)
    (chosen.work / "tables.md").write_text(page)
    print(f"{page}\n{json.dumps(told)}")


if __name__ == "__main__":
    sys.exit(main())
