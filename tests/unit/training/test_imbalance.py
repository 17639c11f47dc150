from pathlib import Path

import numpy as np
import pytest

from leeway.errors import DataError
from leeway.paramsfile import load_section
from leeway.training.imbalance import class_draws, loss_weights, read_class_weights, write_class_weights
from leeway.training.params import TrainParams

PARAMS = Path(__file__).parents[3] / "params.yaml"
CLASSES = ("cat", "dog", "ship")
LABELS = np.array([0] * 6 + [1] * 3 + [2] * 3)


def params(imbalance: str) -> TrainParams:
    return load_section(PARAMS, "train", TrainParams).model_copy(update={"imbalance": imbalance})


def test_without_a_wish_every_image_counts_the_same():
    assert loss_weights(params("none"), LABELS, CLASSES) is None
    assert class_draws(params("none"), LABELS, 3) is None


def test_weighted_loss_gives_every_class_the_same_say():
    weights = loss_weights(params("weighted_loss"), LABELS, CLASSES)
    assert weights is not None
    assert np.bincount(LABELS, weights=weights[LABELS]) == pytest.approx([4, 4, 4])


def test_the_weighted_sampler_draws_every_class_equally_often_and_leaves_the_loss_alone():
    draws = class_draws(params("weighted_sampler"), LABELS, 3)
    assert draws is not None
    assert np.bincount(LABELS, weights=draws[LABELS]) == pytest.approx([4, 4, 4])
    assert loss_weights(params("weighted_sampler"), LABELS, CLASSES) is None


def test_a_class_without_an_image_breaks_nothing():
    weights = loss_weights(params("weighted_loss"), np.array([0, 0, 1]), CLASSES)
    assert weights is not None
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


def test_weights_that_a_retraining_asks_for_come_on_top_and_have_mean_one_over_the_images():
    weights = loss_weights(params("weighted_loss"), LABELS, CLASSES, asked={"ship": 2.0, "retired": 9.0})
    assert weights is not None
    assert weights[LABELS].mean() == pytest.approx(1)
    assert weights / weights[0] == pytest.approx([1, 2, 4])


def test_class_weights_reach_the_training_through_a_file_and_are_gone_when_none_are_asked_for(tmp_path):
    assert read_class_weights(tmp_path) == {}
    write_class_weights(tmp_path / "start", {"dog": 0.5, "cat": 1.5})
    assert read_class_weights(tmp_path / "start") == {"cat": 1.5, "dog": 0.5}
    write_class_weights(tmp_path / "start", {})
    assert read_class_weights(tmp_path / "start") == {}
    write_class_weights(tmp_path / "nowhere", {})
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("content", ["[1, 2]", '{"cat": "heavy"}', '{"cat": -1}', '{"cat": NaN}', "{"])
def test_what_is_no_weight_is_refused(tmp_path, content):
    (tmp_path / "class_weights.json").write_text(content)
    with pytest.raises(DataError, match=r"class_weights\.json: "):
        read_class_weights(tmp_path)
