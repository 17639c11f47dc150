import numpy as np
import pytest
import torch

from leeway.errors import TrainingError
from leeway.training.datamodule import MixedRows, Pixels, TrainingRows

MEAN, STD = (0.5, 0.25, 0.0), (0.25, 0.5, 1.0)


def rows(*, originals: int, feedback: int) -> TrainingRows:
    return TrainingRows(np.arange(originals), np.arange(3), 1000 + np.arange(feedback))


def epoch(of: TrainingRows, *, batch_size: int = 32, share: float = 0.5) -> list[np.ndarray]:
    return list(MixedRows(of, batch_size=batch_size, feedback_share=share, rng=np.random.default_rng(0)))


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


def test_each_epoch_has_another_order():
    mixed = MixedRows(rows(originals=50, feedback=0), batch_size=50, feedback_share=0, rng=np.random.default_rng(0))
    first, second = next(iter(mixed)), next(iter(mixed))
    assert not np.array_equal(first, second)


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
