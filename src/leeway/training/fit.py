"""Fit: trains a network and gives back its best state."""

import copy
import logging
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray

from leeway.errors import TrainingError
from leeway.training.backbones import Network
from leeway.training.classifier import Classifier
from leeway.training.datamodule import Pixels
from leeway.training.features import cached_features, train_head
from leeway.training.imbalance import Weights
from leeway.training.journal import Epoch, Journal, Log, Patience, tell
from leeway.training.optimization import is_pretrained
from leeway.training.params import TrainParams
from leeway.training.precision import LIGHTNING, choose_precision
from leeway.training.runs import LAST, Run, open_run
from leeway.training.troubles import with_less_memory

KEPT_CHECKPOINTS = 3


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network at its best epoch."""

    network: Network  # on the CPU, in evaluation mode
    history: tuple[Epoch, ...]  # the numbers of each epoch that was run, those with a frozen backbone first
    val_loss: float  # of the best one
    precision: str
    device: str
    seconds: float

    @property
    def epochs(self) -> int:
        """That were run."""
        return len(self.history)


@dataclass(frozen=True, slots=True)
class Job:
    """One training, as every attempt at it begins."""

    network: Network
    data: Pixels
    params: TrainParams
    log: Log
    class_weights: Weights | None
    accelerator: str


def fit(
    network: Network,
    data: Pixels,
    params: TrainParams,
    *,
    log: Log,
    folder: Path,
    key: str = "",
    dataset: str = "",
    class_weights: Weights | None = None,
) -> Fitted:
    """Trains until `params.epochs` or until the validation loss has not improved for `params.patience` of them, counted
    from the middle of the schedule.

    A pretrained backbone is frozen for the first `params.frozen.epochs`. `log` takes metrics and the number of their
    epoch (those called step_...: of their step). `class_weights` (K,) weigh the loss. Checkpoints are kept in `folder`;
    a run that was killed there is resumed if it had the same `key` (see runs.run_key), and ends as if it had not been.
    `dataset` names the rows of `data` and their order, by which frozen features are found again. Out of memory, each
    batch is cut into steps. With several devices only the first process returns; the others exit with 0.

    Raises TrainingError if the device is not there, the loss is not finite or the network learns nothing,
    KeyboardInterrupt after Ctrl-C, SystemExit after SIGTERM (code 143).
    """
    began = time.monotonic()
    job = Job(network, data, params, log, class_weights, choose_accelerator(params.device))
    run = open_run(folder, key or str(time.time_ns()))
    data.settle(job.accelerator)
    run = _with_precision(run, job)
    history = _frozen_phase(job, run, dataset=dataset, cache=folder.parent)
    val_loss = min((epoch["val_loss"] for epoch in history), default=float("nan"))
    if not history or params.unfreeze != 0:
        val_loss, more = _unfrozen_phase(job, run, first=len(history))
        history += more
    if not np.isfinite(val_loss):
        raise TrainingError("no epoch had a finite validation loss; lower train.learning_rate in params.yaml")
    seconds = time.monotonic() - began
    return Fitted(network.cpu().eval(), tuple(history), val_loss, run.precision or "32", job.accelerator, seconds)


def choose_accelerator(device: str) -> str:
    """`auto` becomes the best there is. Raises TrainingError for a device that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    found = [name for name, available in there.items() if available]
    if device == "auto":
        return found[0]
    if device not in found:
        raise TrainingError(
            f"params.yaml: train.device: '{device}' is not on this machine; here: {', '.join(found)}, or auto"
        )
    return device


def logits_of(network: Network, data: Pixels, *, device: str = "cpu") -> NDArray[np.float32]:
    """(v, K) of the validation images, in the order of their rows, in 32 bits."""
    network.to(device)
    with torch.inference_mode():
        batches = [
            network(data.on_after_batch_transfer((pixels.to(device), labels, seed), 0)[0]).cpu()
            for pixels, labels, seed in data.batches(data.rows.val)
        ]
    network.cpu()
    return torch.cat(batches).numpy()


def is_first_process() -> bool:
    """Whether this process writes: not one that was started to train beside another."""
    return int(getattr(rank_zero_only, "rank", None) or 0) == 0


def _with_precision(run: Run, job: Job) -> Run:
    if run.precision:
        return run
    network, images = job.network, len(job.data.rows.original)
    found = choose_precision(network, job.params, accelerator=job.accelerator, shape=job.data.shape, images=images)
    return run.noted(precision=found)


def _frozen_phase(job: Job, run: Run, *, dataset: str, cache: Path) -> list[Epoch]:
    """Trains the head on the features of a pretrained backbone."""
    if not (is_pretrained(job.params) and job.params.frozen.epochs):
        return []
    bf16 = run.precision == "bf16"
    named = dataset or run.key
    features = cached_features(job.network, job.data, dataset=named, cache=cache, device=job.accelerator, bf16=bf16)
    history = train_head(job.network.cpu(), job.data, features, class_weights=job.class_weights)
    for epoch in history:
        tell(job.log, epoch)
    return history


def _unfrozen_phase(job: Job, run: Run, *, first: int) -> tuple[float, list[Epoch]]:
    """The lowest validation loss and the history; the network is left with the weights of that epoch."""
    fresh = copy.deepcopy(job.network.state_dict())

    def attempt(parts: int) -> tuple[float, list[Epoch]]:
        job.network.load_state_dict(fresh)
        return _trained(job, run.noted(parts=parts), first=first)

    if job.params.devices * job.params.num_nodes > 1:
        return attempt(1)  # processes that wait for each other cannot start over one by one
    return with_less_memory(attempt, batch_size=job.params.batch_size, parts=run.parts)


def _trained(job: Job, run: Run, *, first: int) -> tuple[float, list[Epoch]]:
    params, data = job.params, job.data
    data.parts = run.parts
    shares = np.bincount(data.labels[data.rows.original], minlength=job.network.head.out_features)
    journal = Journal(job.log, params, shares=shares / shares.sum(), first=first)
    best = ModelCheckpoint(
        run.folder,
        "{epoch}-{val_loss:.4f}",
        monitor="val_loss",
        save_top_k=KEPT_CHECKPOINTS,
        save_weights_only=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(
        run.folder, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False
    )  # after `best`, whose state it holds
    with _quiet():
        trainer = lightning.Trainer(
            **_hardware(job, run),
            max_epochs=params.epochs,
            accumulate_grad_batches=run.parts,
            gradient_clip_val=params.gradient_clip or None,
            callbacks=[journal, Patience(params), best, last],
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        # Lightning's `deterministic` has torch write NaN over all new memory, 8 % of the time; nothing here reads it
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - torch does not type it
        classifier = Classifier(job.network.train(), params, class_weights=job.class_weights)
        try:
            trainer.fit(classifier, datamodule=data, ckpt_path=run.checkpoint, weights_only=True)
        except SystemExit as stop:  # Lightning's answer to SIGTERM has no code, and would pass for success
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise SystemExit(stop.code or 128 + signal.SIGTERM) from None
    if trainer.global_rank:
        raise SystemExit(0)
    score = best.best_model_score
    if score is None or not torch.isfinite(score):
        return float("nan"), journal.history
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    job.network.cpu().load_state_dict(_of(state, "average.module." if params.ema else "network."))
    return float(score), journal.history


def _hardware(job: Job, run: Run) -> dict[str, Any]:
    return {
        "accelerator": job.accelerator,
        "devices": job.params.devices,
        "num_nodes": job.params.num_nodes,
        "strategy": job.params.strategy,
        "precision": LIGHTNING[run.precision or "32"],
        "deterministic": job.accelerator == "cpu",
        "benchmark": job.accelerator == "cuda",  # every batch has one of two sizes
    }


def _of(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its hints; what it warns of still shows."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 and torch 2.14 disagree about a class that neither of us uses
            warnings.filterwarnings("ignore", r".*LeafSpec.*deprecated", FutureWarning)
            # ours are the run's record, and the checkpoints it resumes from
            warnings.filterwarnings("ignore", r"Checkpoint directory .* exists and is not empty", UserWarning)
            # and what does not learn is in evaluation mode on purpose
            warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode", UserWarning)
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
