"""Start: fills a fresh network with the weights of the champion's bundle, for fine-tuning."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from leeway.bundle.contents import INDEX, WEIGHTS, read_contents
from leeway.errors import BundleError, TrainingError
from leeway.training.backbones import Network

HEAD = ("head.weight", "head.bias")


def start_from(
    network: Network, bundle: Path, *, backbone: str, classes: Sequence[str], renamed: Mapping[str, str] | None = None
) -> None:
    """Copies the weights out of the folder `bundle` (its bundle.json and weights.safetensors) into `network`.

    Where the class lists differ, the head's rows are copied by class name. `renamed` says what a class of old is called
    now: one that several were merged into takes the mean of their rows. A new class starts at random.
    Raises TrainingError if the bundle is of another backbone, BundleError if it was changed.
    """
    contents = read_contents(bundle)
    if contents.backbone != backbone:
        raise _other_network(bundle, contents.backbone, backbone)
    try:
        content = (bundle / WEIGHTS).read_bytes()
    except OSError as error:
        raise BundleError(f"{bundle / WEIGHTS}: {error.strerror}; fetch the champion anew") from error
    if hashlib.sha256(content).hexdigest() != contents.files.get(WEIGHTS):
        raise BundleError(f"{bundle / WEIGHTS}: is not what {INDEX} says; fetch the champion anew")
    state = safetensors.torch.load(content)
    fresh = network.state_dict()
    if _shapes(state) != _shapes(fresh):
        raise _other_network(bundle, f"{backbone} of other layers", backbone)
    names = [(renamed or {}).get(name, name) for name in contents.classes]
    head = {key: _by_class(state[key], fresh[key], names, classes) for key in HEAD}
    network.load_state_dict({**state, **head})


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Of everything but the number of classes."""
    return {name: tuple(one.shape[1:] if name in HEAD else one.shape) for name, one in state.items()}


def _by_class(before: Tensor, fresh: Tensor, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """(K, ...): the mean of the old rows of each class that was known, the fresh rows of the others."""
    known = [[number for number, name in enumerate(old) if name == wanted] for wanted in new]
    return torch.stack([before[rows].mean(dim=0) if rows else fresh[at] for at, rows in enumerate(known)])


def _other_network(bundle: Path, got: str, wanted: str) -> TrainingError:
    return TrainingError(
        f"{bundle}: the champion is {got}; train.backbone in params.yaml is {wanted}: fine-tuning needs the same; "
        "set train.retraining.start to weights to begin afresh"
    )
