"""Latency: as many calls as were asked for, decoding told apart, and the size of all files."""

import os

from leeway.bundle.predictor import Predictor
from leeway.evaluation.latency import bundle_bytes, measure_latency
from tiny_bundle import square, write_tiny_bundle


def test_single_images_are_timed_with_and_without_decoding(tmp_path):
    write_tiny_bundle(tmp_path / "bundle")
    found = measure_latency(Predictor.load(tmp_path / "bundle"), [square("red"), square("blue")], calls=50)
    assert found.calls == 50
    assert 0 < found.graph_p50_ms < found.p50_ms <= found.p99_ms
    assert found.graph_p50_ms <= found.graph_p99_ms <= found.p99_ms
    assert found.cpus == os.cpu_count()


def test_the_size_is_that_of_every_file(tmp_path):
    (tmp_path / "golden").mkdir()
    (tmp_path / "graph.onnx").write_bytes(b"x" * 100)
    (tmp_path / "golden" / "0.png").write_bytes(b"y" * 11)
    assert bundle_bytes(tmp_path) == 111
