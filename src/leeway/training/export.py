"""Export: a trained network becomes one ONNX graph that nothing can be forgotten around."""

import copy
import logging
import warnings

import torch
from torch import Tensor, nn

from leeway.bundle.predictor import OUTPUTS, Graph
from leeway.errors import TrainingError
from leeway.training.backbones import Network
from leeway.training.preprocessing import Preprocessing

PARITY_TOLERANCE = 1e-4  # of a probability, and of energy and embedding relative to their size
ROUNDING = 4  # times torch's own error: a deep network after a few steps multiplies each rounding by 10,000


class ServedGraph(nn.Module):
    """Normalisation, network, temperature and softmax in one."""

    mean: Tensor  # (1, C, 1, 1)
    std: Tensor

    def __init__(self, network: Network, preprocessing: Preprocessing, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).reshape(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (B, H, W, C) to probabilities (B, K), embedding (B, E), energy (B,)."""
        images = (pixels.permute(0, 3, 1, 2).to(self.mean.dtype) / 255 - self.mean) / self.std
        embedding = self.network.embed(images)
        scaled = self.network.head(embedding) / self.temperature
        return scaled.softmax(dim=1), embedding, -self.temperature * scaled.logsumexp(dim=1)


def export(network: Network, preprocessing: Preprocessing, *, temperature: float) -> bytes:
    """The ONNX graph: input `pixels` uint8 (B, H, W, C) for any B, outputs probabilities, embedding and energy.

    Raises TrainingError if the network has no ONNX form, or if onnxruntime does not answer as torch does.
    """
    served = ServedGraph(network.cpu(), preprocessing, temperature).eval()
    rule = preprocessing.rule
    shape = (3, rule.height, rule.width, rule.channels)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
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
        got = torch.from_numpy(getattr(answers, name))
        apart = _apart(got, wanted) if got.shape == wanted.shape else float("nan")
        if not apart <= PARITY_TOLERANCE and not apart <= ROUNDING * _rounding(served, pixels):
            raise TrainingError(
                f"graph.onnx: {name} differs from the network's by {apart:.3g}, {PARITY_TOLERANCE} allowed; "
                "another version of torch or onnxruntime is needed for this train.backbone"
            )


def _apart(got: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to the largest value if that is over 1."""
    return float((got - wanted).abs().max() / max(1.0, float(wanted.abs().max())))


def _rounding(served: ServedGraph, pixels: Tensor) -> float:
    """How far torch's float32 is from its float64, in the output that shows it most. Takes its time."""
    with torch.inference_mode():
        exact = copy.deepcopy(served).double()(pixels)
        return max(_apart(one.double(), true) for one, true in zip(served(pixels), exact, strict=True))
