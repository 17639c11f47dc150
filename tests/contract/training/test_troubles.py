from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leeway.errors import TrainingError
from leeway.training.backbones import Network, build
from leeway.training.datamodule import Pixels
from leeway.training.fit import Fitted, fit
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams
from leeway.training.troubles import dead, is_out_of_memory, not_finite, with_less_memory

Bars = tuple[np.ndarray, np.ndarray]
TOO_MUCH = 2**60  # bytes: no machine has them


class Greedy(nn.Module):
    """Needs more memory than there is as soon as a batch holds more than `limit` images."""

    def __init__(self, body: nn.Module, limit: int) -> None:
        super().__init__()
        self.body, self.limit = body, limit
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.limit:
            torch.empty(TOO_MUCH, dtype=torch.uint8)
        embedding: Tensor = self.body(images)
        return embedding


def trained(bars: Bars, params: TrainParams, folder: Path, *, limit: int) -> tuple[Fitted, Greedy]:
    rows = TrainingRows(np.arange(64), np.arange(64, 96))
    data = Pixels(*bars, rows=rows, params=params, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    whole = build(params, ("standing", "lying"))
    greedy = Greedy(whole.body, limit)
    network = Network(greedy, 256, 2)
    return fit(network, data, params, log=lambda told, number: None, folder=folder), greedy


def test_out_of_memory_halves_the_steps_and_keeps_the_batch_and_says_so(bars, params, tmp_path, caplog):
    chosen = params.model_copy(update={"epochs": 12, "patience": 12})
    result, greedy = trained(bars, chosen, tmp_path / "run", limit=9)
    assert max(size for size in greedy.sizes if size <= 9) == 8  # batches of 16 in two steps
    assert "batches of 16 are now taken in 2 steps of 8" in caplog.text
    assert result.epochs == 12
    assert result.history[-1]["val_accuracy"] > 0.8


def test_a_network_that_fits_with_no_batch_is_refused(bars, params, tmp_path):
    with pytest.raises(TrainingError, match=r"out of memory even with 2 images at a time .*can't allocate memory"):
        trained(bars, params, tmp_path / "run", limit=1)


def test_another_runtime_error_is_not_taken_for_lack_of_memory():
    def work(parts: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        with_less_memory(work, batch_size=8)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))


def test_a_loss_that_is_not_finite_is_told_with_step_inputs_rate_and_gradients():
    network = nn.Linear(2, 2)
    network(torch.ones(1, 2)).sum().backward()
    images = torch.tensor([-1.5, 2.25])
    found = not_finite(network, images, losses=torch.tensor([0.7, float("inf"), 0.1]), first_step=20, rate=0.5)
    told = (
        "the loss became inf at step 21, with inputs from -1.5 to 2.25, a learning rate of 0.5 and gradients of norm "
    )
    assert str(found).startswith(f"{told}2.45")
    assert not_finite(network, images, losses=torch.tensor([0.7]), first_step=0, rate=0.5) is None


EVEN = np.full(10, 0.1)


@pytest.mark.parametrize(
    ("accuracy", "late", "is_dead"),
    [(0.10, 2.30, True), (0.12, 2.40, True), (0.30, 2.30, False), (0.10, 2.20, False)],
)
def test_dead_means_accuracy_at_chance_and_a_loss_no_better_than_blind_guessing(params, accuracy, late, is_dead):
    losses = np.array([9.0, 9.0, late, late])  # the first steps of a network are wild
    plain = params.model_copy(update={"label_smoothing": 0.0})
    found = dead(plain, EVEN, losses=losses, val_accuracy=accuracy, val_images=400)
    assert (found is not None) == is_dead


def test_rare_classes_do_not_hide_that_nothing_was_learned(params):
    shares = np.array([0.9, 0.05, 0.05])
    plain = params.model_copy(update={"label_smoothing": 0.0})
    told = dead(plain, shares, losses=np.full(8, 0.395), val_accuracy=0.9, val_images=200)
    assert "the largest of 3 classes has 0.900, loss 0.395 where blind guessing has 0.394" in str(told)


def test_labels_that_do_not_belong_to_their_images_stop_the_training_after_the_first_epoch(params, tmp_path):
    rng = np.random.default_rng(0)
    shuffled = rng.integers(0, 60, (960, 16, 16, 3), dtype=np.uint8), rng.integers(0, 10, 960)
    chosen = params.model_copy(update={"epochs": 5, "batch_size": 8})
    rows = TrainingRows(np.arange(832), np.arange(832, 960))
    data = Pixels(*shuffled, rows=rows, params=chosen, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    told: list[int] = []
    network = build(chosen, [str(number) for number in range(10)])
    with pytest.raises(TrainingError, match=r"nothing was learned: validation accuracy 0\.\d+ where the largest"):
        fit(
            network,
            data,
            chosen,
            log=lambda metrics, number: told.append(number) if "val_loss" in metrics else None,
            folder=tmp_path / "run",
        )
    assert told == [0]
