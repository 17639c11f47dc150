"""Weights: where a backbone begins. torchvision's by their enum name, a local file, the champion's, or none."""

import difflib
import logging
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from leeway.errors import ParamsError, TrainingError, first_few
from leeway.training.params import TrainParams
from leeway.training.small_networks import SMALL_NETWORKS

CHAMPION = "champion"  # the bundle that the training flow has fetched: filled in by start.py, not here
FILES = (".pth", ".pt", ".safetensors")
DOWNLOAD_TIMEOUT_SECONDS = 20.0  # of silence; torchvision itself would wait for minutes
State = Mapping[str, Tensor]
log = logging.getLogger("leeway.training")


def is_file(weights: str | None) -> bool:
    """Whether `train.weights` names a local file."""
    return weights is not None and weights.endswith(FILES)


def published(params: TrainParams) -> Any | None:
    """The member of the backbone's weights enum that `train.weights` names, or whose kind a file or champion is of.

    None where training starts from scratch, and for the small networks, of which nothing is published. Raises
    ParamsError, naming near matches, if there is no such backbone or no such weights.
    """
    name, weights = params.backbone, params.weights
    local = weights == CHAMPION or is_file(weights)
    known = torchvision.models.list_models(module=torchvision.models)
    if name in SMALL_NETWORKS:
        if weights is None or local:
            return None
        raise ParamsError(f"params.yaml: train.weights: {name} has no '{weights}'; it takes null, a file or {CHAMPION}")
    if name not in known:
        told = f"no torchvision classifier is called '{name}'"
        _refuse("backbone", told, name, [*SMALL_NETWORKS, *known])
    if weights is None:
        return None
    members = torchvision.models.get_model_weights(name).__members__
    usable = {
        one: member for one, member in members.items() if member.meta["categories"]
    }  # vgg16 has some without head
    if local:
        return next((one for one in usable.values() if _file_name(one) == Path(str(weights)).name), usable["DEFAULT"])
    if weights not in usable:
        _refuse("weights", f"{name} has no '{weights}'", weights, [*usable, CHAMPION, "a file (.pth, .safetensors)"])
    return usable[weights]


def make_available(params: TrainParams) -> None:
    """Make sure that what `load_weights` will read is there: a local file, or torch's cache, filled from the network.

    Raises TrainingError that says what is missing, where it is expected and how to get it there; ParamsError as
    `published` does.
    """
    weights = published(params)
    if is_file(params.weights):
        if not Path(str(params.weights)).is_file():
            raise _missing(Path(str(params.weights)))
    elif weights is not None and params.weights != CHAMPION and not _cached(weights).exists():
        log.info("weights %s of %s: fetching %s", params.weights, params.backbone, weights.url)
        _fetch(weights, params)


def load_weights(body: nn.Module, params: TrainParams, *, head: str) -> None:
    """Fills a body, whose layer `head` was cut off, from torch's cache, the network or a file; nothing is unpickled.

    A first convolution that takes one channel gets the sum over the three that the weights were made for. Raises
    TrainingError if the weights cannot be had or are of other layers.
    """
    if is_file(params.weights):
        source = str(params.weights)
        mend = f"another file, or another train.backbone than {params.backbone}"
        state = _read(Path(source))
    else:
        weights = published(params)
        source = str(_cached(weights))
        mend = "delete it, to fetch it again"
        state = _fetch(weights, params)
    state = _without_head(state, head)
    first = next(name for name, one in body.named_modules() if isinstance(one, nn.Conv2d)) + ".weight"
    if first in state and state[first].shape[1] == 3 and body.get_parameter(first).shape[1] == 1:
        state = {**state, first: state[first].sum(dim=1, keepdim=True)}
    if told := _mismatch(state, body.state_dict()):
        raise TrainingError(f"{source}: damaged or of another model: {told}; {mend}")
    body.load_state_dict(state)


def _read(path: Path) -> State:
    """The tensors of a local file."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise _missing(path) from None
    except Exception as error:  # a damaged file gives RuntimeError, UnpicklingError, EOFError, SafetensorError, ...
        raise _unreadable(path, error, "expected safetensors or a state dict as torch.save writes it") from error
    if not isinstance(state, dict) or not all(isinstance(one, Tensor) for one in state.values()):
        found = ", ".join(map(str, list(state)[:5])) if isinstance(state, dict) else type(state).__name__
        raise TrainingError(f"{path}: holds {found}; expected a state dict: tensors by the name of their layer")
    return state


def _missing(path: Path) -> TrainingError:
    return TrainingError(f"params.yaml: train.weights: {path}: no such file; its path is from the workspace")


def _fetch(weights: Any, params: TrainParams) -> State:
    """Pretrained weights, from torch's cache or the network."""
    path = _cached(weights)
    try:
        with _impatient():
            state: State = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise TrainingError(
            f"params.yaml: train.weights: {params.weights} of {params.backbone} is not in {path.parent}, and fetching "
            f"{weights.url} failed ({error}). Put {path.name} into that folder (it follows TORCH_HOME)"
        ) from error
    except Exception as error:
        raise _unreadable(path, error, "delete it, to fetch it again") from error
    if not all(isinstance(one, Tensor) for one in state.values()):
        raise TrainingError(
            f"{path}: damaged or of another model: holds more than tensors; delete it, to fetch it again"
        )
    return state


def _cached(weights: Any) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _file_name(weights)


def _file_name(weights: Any) -> str:
    return Path(weights.url).name


def _unreadable(path: Path, error: Exception, mend: str) -> TrainingError:
    reason = str(error).partition("\n")[0]  # pages on weights_only follow
    return TrainingError(f"{path}: damaged or of another model: {reason}; {mend}")


def _without_head(state: State, head: str) -> State:
    """By the body's names: a bundle's weights say which is the body; torchvision's have a head, and some helpers."""
    if all(name.startswith(("body.", "head.")) for name in state):
        return {name.removeprefix("body."): one for name, one in state.items() if name.startswith("body.")}
    left_out = (f"{head}.", "aux1.", "aux2.", "AuxLogits.")
    return {_renamed(name): one for name, one in state.items() if not name.startswith(left_out)}


def _renamed(name: str) -> str:
    """densenet's published weights say norm.1 where the model says norm1."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name)


def _mismatch(got: State, wanted: State) -> str | None:
    """The first differences in words, or None. Old files lack the batches that a batch norm has counted."""
    missing = [name for name in wanted if name not in got and not name.endswith("num_batches_tracked")]
    unknown = [name for name in got if name not in wanted]
    shapes = {name: (tuple(got[name].shape), tuple(one.shape)) for name, one in wanted.items() if name in got}
    misshapen = [f"{name} {has} instead of {takes}" for name, (has, takes) in shapes.items() if has != takes]
    told = [
        f"{kind} {first_few(names, 2)}"
        for kind, names in (("lacks", missing), ("has unknown", unknown), ("has", misshapen))
        if names
    ]
    return ", ".join(told) or None


def _refuse(key: str, told: str, got: str, known: Sequence[str]) -> NoReturn:
    near = difflib.get_close_matches(got, known, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    more = f" Known: {', '.join(known)}, or null" if key == "weights" or not near else ""
    raise ParamsError(f"params.yaml: train.{key}: {told}.{hint}{more}")


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
