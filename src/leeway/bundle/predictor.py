"""A predictor: encoded images in, calibrated probabilities out. onnxruntime only, so serving needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from leeway.bundle.contents import GRAPH, Contents, Golden, read_golden, verify_bundle
from leeway.bundle.resize import ResizeRule, decode
from leeway.errors import BundleError

OUTPUTS = ("probabilities", "embedding", "energy")


@dataclass(frozen=True, slots=True)
class Answers:
    """What the graph says about B images."""

    probabilities: NDArray[np.float32]  # (B, K), calibrated
    embedding: NDArray[np.float32]  # (B, E), what the head sees
    energy: NDArray[np.float32]  # (B,) -T logsumexp(logits / T): higher is stranger. Liu et al. (2020)

    @property
    def indices(self) -> NDArray[np.int64]:
        """(B,) the most probable class."""
        return np.asarray(np.argmax(self.probabilities, axis=1), dtype=np.int64)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(B,) its probability."""
        return np.asarray(np.max(self.probabilities, axis=1), dtype=np.float32)


class Graph:
    """An ONNX graph of ours, ready to run: `pixels` uint8 (B, H, W, C) in, OUTPUTS out."""

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        """Raises BundleError if onnxruntime cannot read it or it has other inputs and outputs."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # idle threads that spin take the processor from the next request
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no class of their own
            raise BundleError(f"{GRAPH}: onnxruntime cannot read it: {error}") from error
        inputs = [(one.name, one.type) for one in self._session.get_inputs()]
        outputs = {one.name for one in self._session.get_outputs()}
        if inputs != [("pixels", "tensor(uint8)")] or not outputs.issuperset(OUTPUTS):
            wanted = f"pixels (uint8) and {', '.join(OUTPUTS)}"
            raise BundleError(f"{GRAPH}: takes {inputs} and gives {sorted(outputs)}; expected {wanted}")
        self._image_shape = tuple(self._session.get_inputs()[0].shape[1:])

    def run(self, pixels: NDArray[np.uint8], *, batch_size: int = 256) -> Answers:
        """Answers to (B, H, W, C) uint8, computed `batch_size` images at a time to bound the memory.

        Raises BundleError for images of another size than the graph was made for.
        """
        if pixels.shape[1:] != self._image_shape:
            raise BundleError(f"{GRAPH}: takes images of shape {self._image_shape}, got {pixels.shape[1:]}")
        starts = range(0, max(len(pixels), 1), batch_size)
        parts = [self._session.run(OUTPUTS, {"pixels": pixels[start : start + batch_size]}) for start in starts]
        probabilities, embedding, energy = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Answers(probabilities, embedding, energy)


def read_pixels(images: Sequence[bytes], rule: ResizeRule) -> NDArray[np.uint8]:
    """(B, H, W, C) uint8 of encoded images, C as the rule has it. Raises DataError if one cannot be decoded."""
    pixels = np.empty((len(images), rule.height, rule.width, rule.channels), dtype=np.uint8)
    for row, content in enumerate(images):
        pixels[row] = rule.apply(decode(content))
    return pixels


def answer_golden(graph: Graph, images: Sequence[bytes], *, classes: Sequence[str], rule: ResizeRule) -> list[Golden]:
    """The images with what the graph answers now: to be kept in the bundle."""
    answers = graph.run(read_pixels(images, rule))
    if answers.probabilities.shape[1] != len(classes):
        raise BundleError(f"{GRAPH}: gives {answers.probabilities.shape[1]} probabilities for {len(classes)} classes")
    return [
        Golden(content, classes[int(index)], tuple(map(float, probabilities)))
        for content, index, probabilities in zip(images, answers.indices, answers.probabilities, strict=True)
    ]


class Predictor:
    """A bundle that was verified, with its graph loaded."""

    def __init__(self, contents: Contents, graph: Graph) -> None:
        self.contents = contents
        self._graph = graph

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> "Predictor":
        """The bundle in `folder`: every digest checked, every golden image answered as it was when it was made.

        `threads` per run: 1 suits a service that answers requests side by side, all cores a batch. Raises BundleError.
        """
        contents = verify_bundle(folder)
        golden = read_golden(folder, contents)
        try:
            graph = Graph((folder / GRAPH).read_bytes(), threads=threads)
            _check_golden(graph, contents, golden)
        except BundleError as error:
            raise BundleError(f"{folder}: {error}") from error
        return cls(contents, graph)

    def predict(self, images: Sequence[bytes]) -> Answers:
        """Answers to encoded images. Raises DataError if one cannot be decoded."""
        return self.predict_pixels(read_pixels(images, self.contents.resize))

    def predict_pixels(self, pixels: NDArray[np.uint8], *, batch_size: int = 256) -> Answers:
        """Answers to (B, H, W, C) uint8 that the bundle's resize rule made."""
        return self._graph.run(pixels, batch_size=batch_size)


def _check_golden(graph: Graph, contents: Contents, golden: Sequence[Golden]) -> None:
    """The graph answers as it did, with names as with numbers."""
    if not golden:
        raise BundleError("golden.json: lists no image, so nothing shows that the bundle answers as it should")
    now = answer_golden(graph, [one.content for one in golden], classes=contents.classes, rule=contents.resize)
    for number, (then, again) in enumerate(zip(golden, now, strict=True)):
        if not np.isfinite(again.probabilities).all():
            raise BundleError(f"{GRAPH}: answers golden image {number} with numbers that are not finite")
        apart = float(np.abs(np.subtract(then.probabilities, again.probabilities)).max())
        if then.predicted_class != again.predicted_class or not apart <= contents.golden_tolerance:
            raise BundleError(
                f"{GRAPH}: answers golden image {number} with '{again.predicted_class}', when the bundle was made with "
                f"'{then.predicted_class}'; a probability differs by {apart:.3g}, {contents.golden_tolerance} allowed"
            )
