"""Labels of classes that the model does not have: unknown to it, renamed since, or added to come."""

from dataclasses import replace

import pytest

from leeway.data.classes import ClassParams
from leeway.domain.records import CheckResult, Label
from leeway.epoch import Epoch
from leeway.labels import answers
from leeway.labels.plan import is_gate_group
from leeway.stores.opening import Stores
from production import POLICY, epoch_of, live_morning, morning, send
from tiny_bundle import CLASSES


def named(stores: Stores, *, answer: dict[int, str]) -> None:
    """People answer all they are asked; to every third place what `answer` says, else what the model said."""
    queue = stores.ledger.label_queue("colours")
    labels = [answer.get(place % 3, said.predicted_class) for place, (_, said) in enumerate(queue)]
    stores.ledger.record_labels(
        [Label("colours", said.id, label, "ada", morning(12)) for (_, said), label in zip(queue, labels, strict=True)]
    )


def with_rule(epoch: Epoch, **rule: object) -> Epoch:
    return replace(epoch, class_rule=ClassParams.model_validate(rule))


def trainable(stores: Stores, *labels: str, **rule: object) -> list[str]:
    """The labels that train, of predictions that people called so."""
    said = [one for one in send(stores, 1) if not is_gate_group(one.group, gate_share=POLICY.promotion.gate_share)]
    stores.ledger.pin(said[: len(labels)])
    given = [Label("colours", one.id, label, "ada", morning(1)) for one, label in zip(said, labels, strict=False)]
    stores.ledger.record_labels(given)
    found = answers.training_labels(with_rule(epoch_of(stores, 2), **rule), since=None)
    return sorted(label.label for label, _ in found)


def accuracy(stores: Stores, version: int = 1) -> CheckResult:
    return [one for _, one in stores.ledger.results("colours", version) if one.check == "accuracy"][-1]


def test_a_class_that_appears_in_production_is_named_with_its_number_and_counts_as_an_error(stores: Stores) -> None:
    for number in (1, 2, 3):
        send(stores, number)
        live_morning(stores, number)
        named(stores, answer={0: "wasp"})
    send(stores, 4)
    live_morning(stores, 4)
    found = accuracy(stores)
    history = epoch_of(stores, 4).history
    draws = [draw for night in history.labels(history.closed_plans()) for draw in night.draws]  # the gate's measure not
    wasps = sum(draw.label == "wasp" for draw in draws)
    assert wasps > 5
    assert f"{wasps} of the labels name no class of the model and count as its errors: 'wasp' ({wasps})" in found.reason
    assert found.effect < 0.8


def test_its_labels_train_once_the_class_is_added(stores: Stores) -> None:
    labels = ["wasp", "wasp", "red"]
    assert trainable(stores, *labels) == ["red"]
    assert trainable(stores, *labels, add=["wasp"]) == ["red", "wasp", "wasp"]


def test_labels_of_before_a_renaming_train(stores: Stores) -> None:
    assert trainable(stores, "crimson", "blue", rename={"crimson": "red"}) == ["blue", "crimson"]


def test_labels_of_before_a_renaming_train_also_while_the_model_has_the_old_name(stores: Stores) -> None:
    assert trainable(stores, "red", "crimson", "blue", rename={"red": "crimson"}) == ["blue", "crimson", "red"]


def test_labels_of_a_retired_class_do_not_train(stores: Stores) -> None:
    assert trainable(stores, "red", "blue", retire=["red"]) == ["blue"]


RED = {"rename": {"crimson": "red"}}


@pytest.mark.parametrize(
    ("rule", "label", "predicted", "called"),
    [
        (RED, "crimson", "red", "red"),  # an old name, and a model that was trained since
        (RED, "crimson", "blue", "red"),
        ({"rename": {"red": "crimson"}}, "crimson", "red", "red"),  # a new name, and a model of before
        ({"rename": {"red": "warm", "green": "warm"}}, "warm", "green", "green"),  # one of two that are one now
        ({"rename": {"red": "warm", "green": "warm"}}, "warm", "blue", "green"),
        ({}, "cra\u0308mson", "red", "cr\u00e4mson"),
        ({"add": ["wasp"]}, "wasp", "red", "wasp"),
        ({}, "blue ", "blue", "blue"),
    ],
)
def test_a_label_is_called_as_the_model_calls_it(
    rule: dict[str, object], label: str, predicted: str, called: str
) -> None:
    assert ClassParams.model_validate(rule).label_of_model(label, predicted, CLASSES) == called


def test_labels_of_before_a_renaming_are_right_where_the_model_says_the_new_name(stores: Stores) -> None:
    epoch = with_rule(epoch_of(stores, 2), rename={"crimson": "red"})
    send(stores, 1)
    live_morning(stores, 1)
    queue = stores.ledger.label_queue("colours")
    old = {"red": "crimson"}
    stores.ledger.record_labels(
        [Label("colours", said.id, old.get(said.predicted_class, said.predicted_class), "ada", morning(1))
         for _, said in queue]
    )  # fmt: skip
    answers.close_labels(epoch)
    [night] = epoch.history.labels(epoch.history.closed_plans())
    assert "red" in {one.label for one in night.draws}
    assert not any(one.wrong for one in night.draws)
    assert "crimson" in {label.label for label, _ in stores.ledger.labels("colours")}  # what people said stays
