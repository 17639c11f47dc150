"""Export: a trained network becomes one ONNX graph that nothing can be forgotten around."""

import logging
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from leeway.bundle.predictor import OUTPUTS, Graph
from leeway.errors import TrainingError
from leeway.training.backbones import Network, Preprocessing

PARITY_TOLERANCE = 1e-4  # of a probability, and of energy and embedding relative to their size


class ServedGraph(nn.Module):
    """Normalisation, network, temperature and softmax in one."""

    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor

    def __init__(self, network: Network, preprocessing: Preprocessing, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).reshape(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (B, H, W, 3) to probabilities (B, K), embedding (B, E), energy (B,)."""
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        embedding = self.network.embed(images)
        scaled = self.network.head(embedding) / self.temperature
        return scaled.softmax(dim=1), embedding, -self.temperature * scaled.logsumexp(dim=1)


def export(network: Network, preprocessing: Preprocessing, *, temperature: float) -> bytes:
    """The ONNX graph: input `pixels` uint8 (B, H, W, 3) for any B, outputs probabilities, embedding and energy.

    Raises TrainingError if the network has no ONNX form, or if onnxruntime does not answer as torch does.
    """
    served = ServedGraph(network.cpu(), preprocessing, temperature).eval()
    rule = preprocessing.rule
    pixels = torch.randint(
        0, 256, (3, rule.height, rule.width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    graph = _traced(served, pixels[:2])
    _check_parity(served, graph, pixels)
    return graph


def _traced(served: ServedGraph, example: Tensor) -> bytes:
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # the exporter tells of optional packages and of every step
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own and of torch.export's deprecations
            program = torch.onnx.export(
                served,
                (example,),
                input_names=["pixels"],
                output_names=list(OUTPUTS),
                dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]  # pages for torch's developers follow
        raise TrainingError(f"the network has no ONNX form: {reason}; choose another train.backbone") from error
    finally:
        logging.disable(level)
    assert program is not None  # only the deprecated exporter gives None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _check_parity(served: ServedGraph, graph: bytes, pixels: Tensor) -> None:
    """torch and onnxruntime agree, at another batch size than the traced one."""
    with torch.inference_mode():
        expected = served(pixels)
    answers = Graph(graph).run(pixels.numpy())
    for name, wanted in zip(OUTPUTS, expected, strict=True):
        got, target = getattr(answers, name), wanted.numpy()
        scale = max(1.0, float(np.abs(target).max()))
        apart = float(np.abs(got - target).max()) / scale if got.shape == target.shape else float("nan")
        if not apart <= PARITY_TOLERANCE:
            raise TrainingError(
                f"graph.onnx: {name} differs from the network's by {apart:.3g}, {PARITY_TOLERANCE} allowed; "
                "another version of torch or onnxruntime is needed for this train.backbone"
            )
