"""How fast are images gathered and prepared?  nice python benchmarks/prepare.py --out docs/prepare.md

Synthetic photos of 500 x 375 (about 37 kB) and JPEGs of 32 x 32 go through `leeway.data.shards.gather_images`, cold,
and once more with 1 % new images, beside a bare loop that reads and decodes the same files in as many threads. They
alternate. Then damaged photos are inspected. Takes some minutes and 2 GB of disk for a while.
"""

import argparse
import io
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from leeway.data.folder_source import FolderSource
from leeway.data.inspection import examine
from leeway.data.manifest import build_manifest
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.data.split import SplitShares

CLASSES = 10
NEW_SHARE = 0.01
ZEROED_BYTES = 2_000  # in the middle of a photo, as PERFORMANCE.md has it
CHUNK = 16  # files a thread takes at once, as the inspection does
OTHER = "## Near-duplicates"  # from there on the page is written by hand
Decoder = Callable[[bytes], Any]


@dataclass(frozen=True)
class Case:
    """One kind of images."""

    name: str
    size: tuple[int, int]
    quality: int
    images: int


@dataclass(frozen=True)
class Round:
    """CPU seconds of one round, all threads together: others may use the machine at the same time."""

    bare: float  # read and decode, simplejpeg
    pillow: float  # the same with Pillow
    cold: float  # gather
    unchanged: float  # gather again
    second: float  # gather with 1 % new images
    manifest: float  # build_manifest


def picture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8: shapes, texture and grain, so that a JPEG of it is as large as one of a photo."""
    width, height = size
    layers = ((16, 50.0), (4, 60.0))
    pixels = np.full((height, width, 3), 128.0)
    for cell, strength in layers:
        coarse = 128 + strength * rng.normal(size=(max(height // cell, 2), max(width // cell, 2), 3))
        layer = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        pixels += (np.asarray(layer, float) - 128) / len(layers)
    return np.clip(pixels + rng.normal(0, 3, (height, width, 1)), 0, 255).astype(np.uint8)


def jpeg(rng: np.random.Generator, case: Case) -> bytes:
    content: bytes = simplejpeg.encode_jpeg(picture(rng, case.size), quality=case.quality, colorsubsampling="420")
    return content


def write_images(folder: Path, case: Case) -> tuple[Path, Path]:
    """(folder of the images, folder of the 1 % that come later)"""
    rng = np.random.default_rng(7)
    now, later = folder / "images", folder / "later"
    for root, count in ((now, case.images), (later, max(round(case.images * NEW_SHARE), 1))):
        for number in range(count):
            path = root / f"class_{number % CLASSES}" / f"{root.name}_{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(rng, case))
    return now, later


def decode_all(paths: Sequence[str], decoder: Decoder, *, threads: int) -> None:
    def work(chunk: Sequence[str]) -> None:
        for path in chunk:
            with open(path, "rb") as file:  # noqa: PTH123 - the bare loop does without Path
                decoder(file.read())

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, (paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK))))


def pillow(content: bytes) -> None:
    Image.open(io.BytesIO(content)).load()


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def play(images: Path, later: Path, folder: Path, *, threads: int) -> Round:
    """One round, with shards of its own; the new images are taken away again."""
    paths = sorted(str(path) for path in images.rglob("*.jpg"))
    source, shards = FolderSource(path=str(images)), folder / "data" / "shards"
    params = DataParams(source=source, split=SplitShares(val=0.15, test=0.15))
    bare = seconds(partial(decode_all, paths, simplejpeg.decode_jpeg, threads=threads))
    cold = seconds(partial(gather_images, source, shards))
    by_pillow = seconds(partial(decode_all, paths, pillow, threads=threads))
    unchanged = seconds(partial(gather_images, source, shards))
    new = [images / path.relative_to(later) for path in later.rglob("*.jpg")]
    for path in new:
        shutil.copy(later / path.relative_to(images), path)
    second = seconds(partial(gather_images, source, shards))
    manifest = seconds(partial(build_manifest, shards, folder / "data" / "feedback", params))
    for path in new:
        path.unlink()
    shutil.rmtree(folder / "data")
    return Round(bare, by_pillow, cold, unchanged, second, manifest)


def damage_found(case: Case, *, count: int) -> dict[str, float]:
    """Share of damaged photos that the inspection leaves out."""
    rng = np.random.default_rng(11)
    left_out = {"truncated": 0, "zeroed": 0, "good": 0}
    for _ in range(count):
        content = jpeg(rng, case)
        middle = len(content) // 2
        zeroed = content[:middle] + bytes(ZEROED_BYTES) + content[middle + ZEROED_BYTES :]
        for name, one in (("truncated", content[:middle]), ("zeroed", zeroed), ("good", content)):
            left_out[name] += examine(one, ".jpg").finding is not None
    return {name: found / count for name, found in left_out.items()}


def measure(case: Case, *, rounds: int, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        images, later = write_images(Path(place), case)
        sizes = [path.stat().st_size for path in images.rglob("*.jpg")]
        played = [play(images, later, Path(place), threads=threads) for _ in range(rounds)]
    medians = {name: median(asdict(one)[name] for one in played) for name in asdict(played[0])}
    return {
        **asdict(case),
        "kilobytes": sum(sizes) / len(sizes) / 1000,
        "medians": medians,
        "cold_share_of_bare": median(one.bare / one.cold for one in played),
        "cold_share_of_pillow": median(one.pillow / one.cold for one in played),
        "second_run_factor": median(one.cold / one.second for one in played),
        "rounds": [asdict(one) for one in played],
    }


def page(results: dict[str, Any], command: str) -> str:
    lines = [
        *("# Preparation (P1)", ""),
        f"`{command}`: medians of {results['rounds']} alternating rounds on {results['threads']} cores "
        f"({results['machine']}).",
        "",
        "| | " + " | ".join(f"{one['name']}, {one['kilobytes']:.1f} kB" for one in results["cases"]) + " |",
        "|---|" + "---|" * len(results["cases"]),
    ]
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("images", lambda one: f"{one['images']:,}"),
        *((told, partial(_microseconds, key)) for key, told in TOLD.items()),
        ("cold, as a share of the bare loop's speed", lambda one: f"{one['cold_share_of_bare']:.0%}"),
        ("cold, as a share of the speed of a bare loop with Pillow", lambda one: f"{one['cold_share_of_pillow']:.0%}"),
        ("second run with 1 % new images, times as fast as cold", lambda one: f"{one['second_run_factor']:.0f}"),
    ]
    lines += [f"| {told} | " + " | ".join(tell(one) for one in results["cases"]) + " |" for told, tell in rows]
    found = results["damage_found"]
    lines += [
        "",
        f"Of {results['damaged_each']} photos each, left out: {found['truncated']:.0%} of those cut in half, "
        f"{found['zeroed']:.0%} of those with {ZEROED_BYTES:,} bytes zeroed in the middle, "
        f"{found['good']:.0%} of the good ones.",
        "",
    ]
    return "\n".join(lines)


TOLD = {
    "bare": "bare loop: read and decode with simplejpeg, CPU microseconds an image",
    "pillow": "the same with Pillow",
    "cold": "**gather**, cold: inspect, hash, thumbnail, write shards",
    "unchanged": "**gather** again, nothing new",
    "second": "**gather** again, 1 % new",
    "manifest": "**prepare**: manifest with near-duplicates and leakage audit",
}


def _microseconds(key: str, one: dict[str, Any]) -> str:
    return f"{one['medians'][key] / one['images'] * 1e6:,.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--small", type=int, default=50_000, help="images of 32 x 32")
    parser.add_argument("--damaged", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a Markdown page; the numbers go beside it as JSON")
    given = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    photos = Case("photos, 500 x 375", (500, 375), 72, given.photos)
    cases = [photos, Case("32 x 32", (32, 32), 90, given.small)]
    results = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "threads": threads,
        "rounds": given.rounds,
        "cases": [measure(case, rounds=given.rounds, threads=threads) for case in cases if case.images],
        "damaged_each": given.damaged,
        "damage_found": damage_found(photos, count=given.damaged),
    }
    text = page(results, f"python {shlex.join(sys.argv)}")
    print(text)
    if given.out is not None:
        before = given.out.read_text(encoding="utf-8") if given.out.exists() else ""
        kept = before[before.find(OTHER) :] if OTHER in before else ""
        given.out.write_text(text + ("\n" if kept else "") + kept, encoding="utf-8")
        given.out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
