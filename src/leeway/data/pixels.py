"""Pixels of a dataset version as one array, decoded once and kept in a cache outside DVC."""

import hashlib
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from leeway import durable
from leeway.bundle.resize import Pixels, ResizeRule, decode
from leeway.data.manifest import Manifest
from leeway.data.parquet import read_table
from leeway.data.progress import progress
from leeway.errors import DataError

KEPT = 5  # cached arrays: enough to go back and forth between a few sizes or dataset versions
BATCH = 64  # images decoded at once


def pixel_array(manifest: Manifest, data_folder: Path, rule: ResizeRule, cache: Path) -> np.memmap:
    """(N, H, W, C) uint8 by the manifest's rows, read-only, mapped from a file in `cache`.

    The file is made if it is missing or does not hold such an array. Raises DataError for an image that cannot be
    decoded.
    """
    shape = (len(manifest.table), rule.height, rule.width, rule.channels)
    path = cache / f"pixels-{_key(manifest, rule)}.npy"
    if not _holds(path, shape):
        _write(path, shape, manifest, data_folder, rule)
    os.utime(path)  # used now: the least recently used go first
    durable.keep_newest(cache, "pixels-*.npy", kept=KEPT)
    array: np.memmap = np.load(path, mmap_mode="r")
    return array


def encoded_images(manifest: Manifest, data_folder: Path, rows: Sequence[int] | np.ndarray) -> list[bytes]:
    """The original files of these rows, in their order."""
    found = dict(_stored(manifest, data_folder, rows))
    return [found[int(row)] for row in rows]


def _key(manifest: Manifest, rule: ResizeRule) -> str:
    """By content and order of the rows: two manifests with one digest may list their rows in another order."""
    assets = "".join(manifest.table["asset"].to_pylist())
    rules = json.dumps(asdict(rule), sort_keys=True)
    return hashlib.sha256(f"{manifest.digest}{rules}{assets}".encode()).hexdigest()[:32]


def _holds(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        array: np.memmap = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(array.shape == shape and array.dtype == np.uint8)


def _write(path: Path, shape: tuple[int, ...], manifest: Manifest, data_folder: Path, rule: ResizeRule) -> None:
    """The .npy file by plain writes: a full disk is then an error, where a mapped file would kill the process."""
    with durable.replacing_file(path) as partial, partial.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for row, pixels in _decoded(manifest, data_folder, rule):
            file.seek(start + row * pixels.size)
            file.write(pixels.tobytes())


def _decoded(manifest: Manifest, data_folder: Path, rule: ResizeRule) -> Iterator[tuple[int, Pixels]]:
    """Each row once with its (H, W, C) pixels; decoded in threads, a batch at a time."""

    def pixels(stored: tuple[int, bytes]) -> tuple[int, Pixels]:
        row, content = stored
        try:
            return row, rule.apply(decode(content))
        except DataError as error:
            raise DataError(f"{manifest.table['origin'][row].as_py()}: {error}") from error

    total = len(manifest.table)
    stored = _stored(manifest, data_folder, range(total))
    with ThreadPoolExecutor() as pool:
        batches = iter(lambda: list(itertools.islice(stored, BATCH)), [])
        decoded = (done for batch in batches for done in pool.map(pixels, batch))
        yield from progress(decoded, "decoding images", total=total)


def _stored(manifest: Manifest, data_folder: Path, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[int, bytes]]:
    """(row, encoded image), one shard after the other, each read once."""
    shards, places = manifest.table["shard"].to_pylist(), manifest.table["row"].to_pylist()
    by_shard: dict[str, list[int]] = defaultdict(list)
    for row in map(int, rows):
        by_shard[shards[row]].append(row)
    for shard, wanted in by_shard.items():
        contents = read_table(data_folder / shard, ["bytes"])["bytes"]
        yield from ((row, contents[places[row]].as_py()) for row in wanted)
