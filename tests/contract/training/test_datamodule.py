import numpy as np
import pytest
import torch

from leeway.errors import TrainingError
from leeway.training.datamodule import Pixels
from leeway.training.order import Order, TrainingRows, draw_seed, split_batch

MEAN, STD = (0.5, 0.25, 0.0), (0.25, 0.5, 1.0)


def rows(*, originals: int, feedback: int) -> TrainingRows:
    return TrainingRows(np.arange(originals), np.arange(3), 1000 + np.arange(feedback))


def order(of: TrainingRows, *, batch_size: int = 32, share: float = 0.5, draws: list[float] | None = None) -> Order:
    labels = (np.arange(2000) % 10 == 0).astype(np.int64)  # one in ten is of class 1
    class_draws = None if draws is None else np.array(draws)
    return Order(of, labels, batch_size=batch_size, feedback_share=share, seed=1, class_draws=class_draws)


def epoch(of: TrainingRows, *, batch_size: int = 32, share: float = 0.5) -> list[np.ndarray]:
    return order(of, batch_size=batch_size, share=share).epoch(0)


def test_without_feedback_every_original_comes_once_an_epoch():
    batches = epoch(rows(originals=100, feedback=0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(100))
    assert [len(batch) for batch in batches] == [25, 25, 25, 25]


def test_no_batch_is_left_with_a_single_image():
    assert min(len(batch) for batch in epoch(rows(originals=65, feedback=0), batch_size=32)) > 1


@pytest.mark.parametrize("feedback", [1, 7, 500])
def test_the_wanted_share_of_each_batch_is_feedback(feedback):
    batches = epoch(rows(originals=100, feedback=feedback), share=0.4)
    assert [int((batch >= 1000).sum()) for batch in batches] == [10, 10, 10, 10]
    assert sum(map(len, batches)) == 100


def test_scarce_feedback_is_repeated_evenly():
    drawn = np.concatenate(epoch(rows(originals=100, feedback=7)))
    _, counts = np.unique(drawn[drawn >= 1000], return_counts=True)
    assert len(counts) == 7
    assert counts.max() - counts.min() <= 1


def test_each_epoch_has_another_order_and_the_same_one_whenever_it_is_asked_for():
    mixed = order(rows(originals=50, feedback=9), batch_size=50)
    first, second = mixed.epoch(0)[0], mixed.epoch(1)[0]
    assert not np.array_equal(first, second)
    assert np.array_equal(second, order(rows(originals=50, feedback=9), batch_size=50).epoch(1)[0])


def test_a_weighted_draw_shows_a_rare_class_as_often_as_another():
    drawn = order(rows(originals=1000, feedback=0), draws=[1.0, 9.0])
    labels = drawn.labels[np.concatenate([batch for number in range(5) for batch in drawn.epoch(number)])]
    assert len(labels) == 5000
    assert labels.mean() == pytest.approx(0.5, abs=0.03)


def test_several_devices_and_steps_share_a_batch_without_overlap():
    batch = np.arange(101)
    parts = [part for rank in range(2) for part in split_batch(batch, world=2, rank=rank, parts=3)]
    assert np.array_equal(np.concatenate(parts), batch)
    assert {len(part) for part in parts} == {16, 17}
    with pytest.raises(TrainingError, match="a batch of 3 images is too small for 2 devices with 2 steps each"):
        split_batch(np.arange(3), world=2, rank=1, parts=2)


def test_random_draws_differ_from_step_to_step():
    places = [(7, epoch, step, rank, 0) for epoch in range(10) for step in range(20) for rank in range(2)]
    assert len({draw_seed(*place) for place in places}) == len(places)


@pytest.mark.parametrize("gib", [0, 1])
def test_pixels_are_held_in_memory_within_the_budget_and_mapped_beyond_it(params, bars, tmp_path, gib):
    np.save(tmp_path / "pixels.npy", bars[0])
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    data = Pixels(
        mapped,
        bars[1],
        rows=TrainingRows(np.arange(80), np.arange(80, 96)),
        params=params.model_copy(update={"cache_gib": gib}),
        mean=MEAN,
        std=STD,
    )
    (before,) = data.batches(np.arange(5))
    data.settle("cpu")
    (after,) = data.batches(np.arange(5))
    assert torch.equal(before[0], after[0])
    assert data.mapped == (gib == 0)


def test_validation_images_are_only_normalised(params, bars):
    pixels, labels = bars
    data = Pixels(
        pixels, labels, rows=TrainingRows(np.arange(80), np.arange(80, 96)), params=params, mean=MEAN, std=STD
    )
    (batch,) = data.val_dataloader()
    images, truth = data.on_after_batch_transfer(batch, 0)
    expected = (pixels[80:] / 255 - MEAN) / STD
    assert images.shape == (16, 3, 16, 16)
    assert np.allclose(images.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-5)
    assert torch.equal(truth, torch.from_numpy(labels[80:]))


def test_too_few_images_are_refused(params, bars):
    with pytest.raises(TrainingError, match="96 training and 0 validation images"):
        Pixels(*bars, rows=TrainingRows(np.arange(96), np.arange(0)), params=params, mean=MEAN, std=STD)
