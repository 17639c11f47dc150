"""Latency: how long one image takes, and how much room the bundle."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leeway.bundle.predictor import Predictor, read_pixels

CALLS = 200  # the second slowest of them is about the 99th percentile
WARM_UP = 10  # the first calls allocate


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one image in one thread, milliseconds. Measured on a machine that may have been busy: not reproducible."""

    calls: int
    p50_ms: float  # from encoded bytes to probabilities
    p99_ms: float
    graph_p50_ms: float  # from pixels to probabilities
    graph_p99_ms: float
    cpus: int  # of the machine; one was used


def measure_latency(predictor: Predictor, images: Sequence[bytes], *, calls: int = CALLS) -> Latency:
    """Of single-image calls on these encoded images, in turn; the predictor was loaded with one thread."""
    told = [_seconds(predictor, images[turn % len(images)]) for turn in range(-WARM_UP, calls)][WARM_UP:]
    decoding, graph = np.array(told).T * 1000
    (p50, p99), (graph_p50, graph_p99) = (np.quantile(part, (0.5, 0.99)) for part in (decoding + graph, graph))
    return Latency(calls, float(p50), float(p99), float(graph_p50), float(graph_p99), os.cpu_count() or 1)


def bundle_bytes(folder: Path) -> int:
    """Size of all its files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _seconds(predictor: Predictor, image: bytes) -> tuple[float, float]:
    """To decode and resize, and to run the graph."""
    begun = time.perf_counter()
    pixels = read_pixels([image], predictor.contents.resize)
    decoded = time.perf_counter()
    predictor.predict_pixels(pixels)
    return decoded - begun, time.perf_counter() - decoded
