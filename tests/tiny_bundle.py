"""A tiny real bundle for tests: a hand-made graph that tells blue, green and red squares apart."""

import io
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from leeway.bundle.contents import Contents, write_bundle
from leeway.bundle.predictor import Graph, answer_golden
from leeway.bundle.resize import ResizeRule
from leeway.domain.records import ReferenceCounts

CLASSES = ("blue", "green", "red")
SIDE = 8
COLOURS = {"blue": (20, 30, 220), "green": (20, 200, 40), "red": (230, 30, 20)}


def square(name: str, *, shade: int = 0) -> bytes:
    """A PNG of one colour; each shade (0 to 20) is another image of it."""
    colour = tuple(channel + shade for channel in COLOURS[name])
    stored = io.BytesIO()
    Image.new("RGB", (12, 10), colour).save(stored, "PNG")
    return stored.getvalue()


def write_tiny_bundle(folder: Path, *, classes: tuple[str, ...] = CLASSES, temperature: float = 0.05) -> str:
    """Writes the bundle and gives its digest; another temperature makes another bundle."""
    graph, rule = colour_graph(temperature), ResizeRule(SIDE, SIDE)
    golden = answer_golden(Graph(graph), [square(name) for name in CLASSES], classes=classes, rule=rule)
    contents = Contents(
        classes=classes,
        resize=rule,
        backbone="by hand",
        weights=None,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        temperature=temperature,
        dataset_digest="d" * 64,
        leeway_version="0",
        reference=ReferenceCounts(classes, (0.5, 0.9), ((0, 0, 3),) * len(classes), correct=9, total=9),
    )
    return write_bundle(folder, contents, graph=graph, weights={"head": np.eye(3, dtype=np.float32)}, golden=golden)


def colour_graph(temperature: float) -> bytes:
    """ONNX: the mean colour is the embedding, and blue, green, red of it over the temperature are the logits."""
    head = np.eye(3, dtype=np.float32)[::-1] / np.float32(temperature * 255)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "sides"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "head"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceLogSumExp", ["logits", "last"], ["sum"], keepdims=0),
        helper.make_node("Neg", ["sum"], ["energy"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["B", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", 3]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", 3]),
            helper.make_tensor_value_info("energy", TensorProto.FLOAT, ["B"]),
        ],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "sides"),
            numpy_helper.from_array(np.array([1], np.int64), "last"),
            numpy_helper.from_array(np.ascontiguousarray(head), "head"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())
