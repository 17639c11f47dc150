import itertools

import pytest
import torch

from leeway.errors import TrainingError
from leeway.training.backbones import build
from leeway.training.optimization import average_weights, make_optimizer, make_schedule, rate_share
from leeway.training.precision import choose_precision, probe


def test_the_rate_warms_up_and_falls_to_zero():
    shares = [rate_share(step, 100) for step in range(101)]
    assert shares[0] == pytest.approx(0.2)
    assert shares[5] == 1
    assert all(later <= earlier for earlier, later in itertools.pairwise(shares[5:]))
    assert shares[100] == pytest.approx(0, abs=1e-12)
    assert all(0 <= rate_share(step, 1) <= 1 for step in range(2))


def test_one_cycle_rises_to_its_peak_and_keeps_the_backbone_s_share(params):
    chosen = params.model_copy(
        update={"optimizer": "sgd", "schedule": "one_cycle", "learning_rate": 0.5, "weights": "DEFAULT"}
    )
    optimizer = make_optimizer(build(params, ("a", "b")), chosen)
    schedule = make_schedule(optimizer, chosen, steps=100)["scheduler"]
    rates = []
    for _ in range(100):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    head = [now[-1] for now in rates]
    assert head[0] == pytest.approx(0.1)
    assert max(head) == pytest.approx(0.5)
    assert head.index(max(head)) == 22
    assert head[-1] < 0.001
    assert [now[0] / now[-1] for now in rates] == pytest.approx([chosen.backbone_rate_share] * 100)


def test_biases_and_norms_do_not_decay(params):
    network = build(params, ("a", "b"))
    for group in make_optimizer(network, params.model_copy(update={"weight_decay": 0.1})).param_groups:
        assert {one.ndim > 1 for one in group["params"]} == {group["weight_decay"] > 0}


def test_an_average_forgets_the_first_weights_and_copies_counters():
    mean, counter = torch.zeros(1), torch.zeros(1, dtype=torch.long)
    for update in range(1, 200):
        average_weights([mean, counter], [torch.ones(1), torch.tensor([update])], torch.tensor(update), decay=0.9)
    assert mean.item() == pytest.approx(1, abs=1e-3)
    assert counter.item() == 199
    slow = torch.zeros(1)
    average_weights([slow], [torch.ones(1)], torch.tensor(100000), decay=0.99)
    assert slow.item() == pytest.approx(0.01)


def test_a_small_training_is_not_probed_and_stays_in_32_bits(params):
    network = build(params, ("a", "b"))
    chosen = params.model_copy(update={"precision": "auto"})
    assert choose_precision(network, chosen, accelerator="cpu", shape=(3, 16, 16), images=1000) == "32"


def test_a_large_training_is_probed_and_takes_bf16_only_by_a_clear_win(params, caplog):
    caplog.set_level("INFO", "leeway")
    network = build(params, ("a", "b"))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    chosen = params.model_copy(update={"precision": "auto", "epochs": 10**6})
    found = choose_precision(network, chosen, accelerator="cpu", shape=(3, 16, 16), images=10**6)
    assert f"precision {found}: a few batches ran at " in caplog.text
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_precision_whose_loss_is_not_finite_is_never_chosen(params):
    network = build(params, ("a", "b"))
    with torch.no_grad():
        network.head.bias.fill_(float("inf"))
    assert probe(network, (3, 16, 16)) == {"32": 0.0, "bf16": 0.0}


def test_half_precision_is_refused_where_there_is_no_cuda(params):
    with pytest.raises(TrainingError, match=r"train\.precision: 16 needs a CUDA device, here is cpu"):
        choose_precision(
            build(params, ("a", "b")),
            params.model_copy(update={"precision": 16}),
            accelerator="cpu",
            shape=(3, 16, 16),
            images=10,
        )
