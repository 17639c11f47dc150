"""YAML is edited as text: what was there stays as it was, to the character."""

from pathlib import Path

import pytest
import yaml
from yaml.nodes import MappingNode

from leeway.jobs.yaml_text import add_missing, move, replace_value

ROOT = Path(__file__).parents[3]
TEMPLATES = {name: (ROOT / name).read_text() for name in ("params.yaml", "monitoring/policy.yaml")}


def keys_with_their_lines(text: str) -> list[tuple[str, range]]:
    """Path and lines of every key that has lines of its own, and does not stand alone in its section."""
    root = yaml.compose(text)
    assert isinstance(root, MappingNode)
    waiting, found = [((), root, len(text.splitlines()))], []
    while waiting:
        path, node, end = waiting.pop()
        starts = [key.start_mark.line for key, _ in node.value]
        for (key, value), first, last in zip(node.value, starts, [*starts[1:], end], strict=True):
            if len(starts) > 1:
                found.append((".".join([*path, key.value]), range(first, last)))
            if isinstance(value, MappingNode) and not value.flow_style:
                waiting.append(((*path, key.value), value, last))
    return found


# every fourth, since parsing takes its time; of those in braces see below
CASES = [(name, *key) for name, text in TEMPLATES.items() for key in keys_with_their_lines(text)][::4]


@pytest.mark.parametrize(("name", "path", "lines"), CASES, ids=[f"{name}:{path}" for name, path, _ in CASES])
def test_a_key_that_is_taken_out_of_a_template_comes_back_where_it_was(name: str, path: str, lines: range) -> None:
    text = TEMPLATES[name]
    rows = text.splitlines(keepends=True)
    without = "".join(row for number, row in enumerate(rows) if number not in lines)
    assert add_missing(without, text) == (text, [path])


@pytest.mark.parametrize(
    ("mine", "template", "wanted"),
    [
        ("a: {x: 1}  # mine\n", "a: {x: 0, y: 2}\n", "a: {x: 1, y: 2}  # mine\n"),
        ("a: {}\n", "a: {x: 0, y: 2}\n", "a: {x: 0, y: 2}\n"),
        ("a: {y: 2}\n", "a: {x: 0, y: 1}\n", "a: {x: 0, y: 2}\n"),
        ("a: {x: 1}\n", "a:\n  x: 0\n  y: {z: 3}\n", "a: {x: 1, y: {z: 3}}\n"),
        ("a: {x: 1}\n", "a:\n  x: 0\n  y:\n    z: 3\n    w: [1]\n", "a: {x: 1, y: {z: 3, w: [1]}}\n"),
        ("a:\n    x: 1\n", "a: {x: 0, y: 2}\n", "a:\n    x: 1\n    y: 2\n"),
        ("a:\n    x: 1\n", "a:\n  x: 0\n  y:  # why\n    z: 3\n", "a:\n    x: 1\n    y:  # why\n      z: 3\n"),
        ("a: 1", "a: 0\nb: 2  # why\n", "a: 1\nb: 2  # why\n"),
        ("a: 1\n\n# of mine\nc: 3\n", "a: 0\nb: 2\nc: 0\n", "a: 1\nb: 2\n\n# of mine\nc: 3\n"),
        ("a:\n- 1\n- 2\n# of mine\nc: ~\n", "a: []\nb: 2\nc: 0\n", "a:\n- 1\n- 2\nb: 2\n# of mine\nc: ~\n"),
        ("a: |\n  text\nc: 3\n", "a: ''\nb: 2\nc: 0\n", "a: |\n  text\nb: 2\nc: 3\n"),
        ("n: &n {y: 7}\na:\n  <<: *n\n  x: 1\n", "a: {x: 0, y: 2}\n", "n: &n {y: 7}\na:\n  <<: *n\n  x: 1\n"),
        ("a: null\n", "a: {x: 0}\n", "a: null\n"),
    ],
)
def test_a_missing_key_is_added_as_the_file_is_written(mine: str, template: str, wanted: str) -> None:
    assert add_missing(mine, template)[0] == wanted


def test_a_key_that_moves_takes_its_value_and_its_comment_along() -> None:
    text = "train:\n  noise: 0.07   # of our camera\n  inner:\n    x: 1\n  seed: 7\n"
    assert move(text, "train.noise", "train.inner.noise") == (
        "train:\n  inner:\n    x: 1\n    noise: 0.07   # of our camera\n  seed: 7\n"
    )
    assert move(text, "train.noise", "train.sound") == (
        "train:\n  inner:\n    x: 1\n  seed: 7\n  sound: 0.07   # of our camera\n"
    )


def test_a_key_moves_between_braces_too() -> None:
    text = "train:\n  noise: 0.07\n  inner: {x: 1}\n"
    assert move(text, "train.noise", "train.inner.noise") == "train:\n  inner: {x: 1, noise: 0.07}\n"


@pytest.mark.parametrize("text", ["train:\n  inner: {x: 1}\n", "train:\n  noise: 1\n  inner: {noise: 2}\n"])
def test_a_key_that_is_not_there_or_has_moved_stays(text: str) -> None:
    assert move(text, "train.noise", "train.inner.noise") == text


def test_a_value_is_replaced_and_nothing_else() -> None:
    assert replace_value("a:\n  x: 0.2   # why\n", "a.x", "0") == "a:\n  x: 0   # why\n"
    assert replace_value("a: 1\n", "a.x", "0") == "a: 1\n"
