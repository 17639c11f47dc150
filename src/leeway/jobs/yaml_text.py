"""Edits YAML as text: adds and moves keys, and leaves every other character, comments included, as it is.

A round trip through a parser would also rewrite nulls, quotes and the margins of lists, which nobody asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping with its value, as they stand in a text."""

    key: ScalarNode
    value: Node

    @property
    def line(self) -> int:
        """The first line, from 0."""
        return int(self.key.start_mark.line)

    @property
    def last_line(self) -> int:
        """The last line with something of the value; comments that follow belong to nobody."""
        if self.value.start_mark.index < self.key.end_mark.index:  # an alias: what it names stands further up
            return self.line
        return max(self.line, _last_line(self.value))


@dataclass(frozen=True, slots=True)
class Gap:
    """A key that a mapping lacks: its path, the mapping, the key that it comes behind, and the template's entry."""

    path: tuple[str, ...]
    into: MappingNode
    before: Entry | None
    entry: Entry


def add_missing(text: str, template: str) -> tuple[str, list[str]]:
    """Return the text with the keys of the template that it lacks, as they are written there, and their paths.

    A key comes behind the one that is before it in the template. What holds no mapping where the template does stays.
    """
    theirs, added = _root(template), []
    while (mine := _root(text)) is not None and theirs is not None and (gap := next(_gaps(mine, theirs, ()), None)):
        value, lines = _source(template, gap.entry), _lines(template, gap.entry)
        text = _put(text, gap.into, gap.before, name=gap.path[-1], value=value, lines=lines)
        added.append(".".join(gap.path))
    return text, added


def move(text: str, old: str, new: str) -> str:
    """Return the text with the value of the key at the path `old`, and its comment, under the path `new`.

    Unchanged if there is no such key, if something stands at `new` already, or if its lines cannot be moved.
    """
    parent, entry = _find(text, old)
    into, there = _find(text, new)
    if parent is None or entry is None or into is None or there is not None or parent.flow_style:
        return text
    name = new.rpartition(".")[2]
    lines = _lines(text, entry)
    lines = [lines[0].replace(entry.key.value, name, 1), *lines[1:]]
    last = _entries(into)[-1] if into.value else None
    moved = _put(text, into, last, name=name, value=_source(text, entry), lines=lines)
    parent, entry = _find(moved, old)
    assert entry is not None
    kept = moved.splitlines(keepends=True)
    return "".join([*kept[: entry.line], *kept[entry.last_line + 1 :]])


def replace_value(text: str, path: str, value: str) -> str:
    """Return the text with another value at this path; unchanged if there is no such key."""
    _, entry = _find(text, path)
    if entry is None:
        return text
    return text[: entry.value.start_mark.index] + value + text[entry.value.end_mark.index :]


def _root(text: str) -> MappingNode | None:
    node = yaml.compose(text, yaml.SafeLoader)
    return node if isinstance(node, MappingNode) else None


def _entries(node: MappingNode) -> list[Entry]:
    return [Entry(key, value) for key, value in node.value if isinstance(key, ScalarNode)]


def _known(node: MappingNode) -> set[str]:
    """Keys of the mapping, and those that `<<` merges into it."""
    known = set()
    for entry in _entries(node):
        known.add(str(entry.key.value))
        merged = entry.value.value if isinstance(entry.value, SequenceNode) else [entry.value]
        if entry.key.value == "<<":
            known |= {name for one in merged if isinstance(one, MappingNode) for name in _known(one)}
    return known


def _gaps(mine: MappingNode, theirs: MappingNode, path: tuple[str, ...]) -> Iterator[Gap]:
    own, known, before = {str(one.key.value): one for one in _entries(mine)}, _known(mine), None
    for entry in _entries(theirs):
        name = str(entry.key.value)
        if name not in known:
            yield Gap((*path, name), mine, before, entry)
        there = own.get(name)
        if there and isinstance(there.value, MappingNode) and isinstance(entry.value, MappingNode):
            yield from _gaps(there.value, entry.value, (*path, name))
        before = there or before


def _find(text: str, path: str) -> tuple[MappingNode | None, Entry | None]:
    """The mapping in which the key at the path stands or would stand, and its entry; None for what is not there."""
    *steps, name = path.split(".")
    node: Node | None = _root(text)
    for step in steps:
        inside = _entries(node) if isinstance(node, MappingNode) else []
        node = next((one.value for one in inside if one.key.value == step), None)
    if not isinstance(node, MappingNode):
        return None, None
    return node, next((one for one in _entries(node) if one.key.value == name), None)


def _put(text: str, into: MappingNode, before: Entry | None, *, name: str, value: str, lines: list[str]) -> str:
    """The text with an entry behind the one `before`, or as the first: in a line of its own, or between braces."""
    if into.flow_style:
        if before is not None:
            index = before.value.end_mark.index
            return f"{text[:index]}, {name}: {value}{text[index:]}"
        index = into.start_mark.index + 1
        return f"{text[:index]}{name}: {value}{', ' if into.value else ''}{text[index:]}"
    rows = text.splitlines(keepends=True)
    line = before.last_line + 1 if before is not None else _entries(into)[0].line
    if rows and not rows[-1].endswith("\n"):
        rows[-1] += "\n"
    margin = " " * int(into.value[0][0].start_mark.column)
    return "".join([*rows[:line], *(f"{margin}{one}\n" for one in lines), *rows[line:]])


def _lines(text: str, entry: Entry) -> list[str]:
    """The entry's lines with their comments, without the margin of the first; one in braces as one line."""
    rows, margin = text.splitlines(), int(entry.key.start_mark.column)
    if rows[entry.line][:margin].strip():
        return [f"{entry.key.value}: {_source(text, entry)}"]
    return [row[margin:] if not row[:margin].strip() else row for row in rows[entry.line : entry.last_line + 1]]


def _source(text: str, entry: Entry) -> str:
    """The value as it fits between braces."""
    start, end = entry.value.start_mark.index, entry.value.end_mark.index
    if not isinstance(entry.value, CollectionNode) or entry.value.flow_style:
        return text[start:end]
    plain = yaml.safe_load(text[start:end].replace("\n" + " " * int(entry.value.start_mark.column), "\n"))
    return yaml.safe_dump(plain, default_flow_style=True, width=1000, sort_keys=False).strip()


def _last_line(node: Node) -> int:
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        end = node.end_mark
        return int(end.line) - (end.column == 0 and end.line > node.start_mark.line)
    last = node.value[-1]
    return Entry(*last).last_line if isinstance(node, MappingNode) else _last_line(last)
