"""Class names: one rule for what a label is, wherever it is written: a folder, a table, a log, a file of answers.

A name is NFC text with outer white space cut. `nan`, `none`, `N/A` and the like in a cell stand for no label, unless
the class list has that very name. Names that differ by case, Unicode form, inner white space or the way a number is
written (`1`, `1.0`, `01`) are alike: most likely one class, so that such a variant never becomes another by itself.
"""

import difflib
import re
import unicodedata
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache

NOTHING = frozenset({"", "nan", "-nan", "nat", "null", "none", "n/a", "na", "#n/a", "#na", "<na>"})  # case apart
NEARLY = 0.8  # difflib's ratio from which a name is taken for a slip of the pen
SHOWN = 12  # names in a message
_OUTER = re.compile("^[\\s\ufeff\u200b\u2060]+|[\\s\ufeff\u200b\u2060]+$")
_WHOLE_NUMBER = re.compile(r"[+-]?\d+(\.0*)?")


def class_name(text: str) -> str:
    """Return the name that a text stands for: NFC, without white space or byte-order marks around it."""
    return _OUTER.sub("", unicodedata.normalize("NFC", text))


def label_in(cell: str, known: Container[str] = ()) -> str | None:
    """Return the name in a cell of a table; None where it stands for no label, and no class has that very name."""
    name = class_name(cell)
    return name if name in known or name.casefold() not in NOTHING else None


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the names that are alike, together; none where every name stands for itself."""
    found: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        found.setdefault(_key(name), []).append(name)
    return [tuple(same) for same in found.values() if len(same) > 1]


def quoted(names: Sequence[str]) -> str:
    """Return alike names for a message: in ASCII where they would look the same."""
    same = len({unicodedata.normalize("NFC", name) for name in names}) < len(names)
    return " and ".join(ascii(name) if same else repr(name) for name in names)


class ClassNames:
    """A class list in which names are looked up as people and programs write them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._clean: dict[str, str] = {}
        self._spaced: dict[str, set[str]] = {}
        self._alike: dict[str, str] = {}
        self._meant: dict[str, str | None] = {}  # by key, of names that were looked up
        for name in self.names:
            self._clean.setdefault(class_name(name), name)
            self._spaced.setdefault(_spaced(name), set()).add(name)
            self._alike.setdefault(_key(name), name)
        self._exact = frozenset(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._exact

    def known(self, label: str) -> str | None:
        """Return the class of this name; its Unicode form, outer spaces and a space too many do not matter."""
        if label in self._exact:
            return label
        spaced = self._spaced.get(_spaced(label), set())
        return self._clean.get(class_name(label)) or (next(iter(spaced)) if len(spaced) == 1 else None)

    def variant(self, label: str) -> str | None:
        """Return the class that a name is alike to without being it; None for a class, and for a name of its own."""
        return None if self.known(label) is not None else self._alike.get(_key(label))

    def meant(self, label: str) -> str | None:
        """Return the class of which a name is a variant, or nearly the name: what a person most likely meant."""
        if self.known(label) is not None:
            return None
        key = _key(label)
        if key not in self._meant:
            near = (name for like, name in self._alike.items() if _nearly(key, like))
            self._meant[key] = self._alike.get(key) or next(near, None)
        return self._meant[key]

    def unknown(self, label: str) -> str:
        """Say of a name that it is no class, and which was meant, or which there are."""
        if meant := self.meant(label):
            return f"{label!r} is not a class; did you mean {meant!r}?"
        more = ", ..." if len(self.names) > SHOWN else ""
        return f"{label!r} is not a class; allowed: {', '.join(map(repr, self.names[:SHOWN]))}{more}"


@lru_cache(maxsize=64)
def class_names(names: tuple[str, ...]) -> ClassNames:
    """Return the class list of these names, made once."""
    return ClassNames(names)


def _spaced(name: str) -> str:
    return " ".join(class_name(name).split())


def _key(name: str) -> str:
    """The same for names that are alike."""
    plain = " ".join(unicodedata.normalize("NFKC", class_name(name)).casefold().split())
    if not _WHOLE_NUMBER.fullmatch(plain):
        return plain
    sign, digits = "-" if plain.startswith("-") else "", plain.partition(".")[0].lstrip("+-").lstrip("0")
    return f"{sign}{digits}" if digits else "0"


def _nearly(key: str, like: str) -> bool:
    """Whether one is a slip of the other: two letters the other way round, or few differ; numbers in them are the same.

    `class 1` and `class 2` are two classes, and so are `cat` and `bat`.
    """
    if re.findall(r"\d+", key) != re.findall(r"\d+", like):
        return False
    if _is_swapped(key, like):
        return True
    matcher = difflib.SequenceMatcher(None, key, like)
    return matcher.real_quick_ratio() >= NEARLY and matcher.ratio() >= NEARLY


def _is_swapped(key: str, like: str) -> bool:
    differ = [place for place, (one, other) in enumerate(zip(key, like, strict=False)) if one != other]
    if len(key) != len(like) or len(differ) != 2 or differ[1] != differ[0] + 1:
        return False
    return key[differ[0]] == like[differ[1]] and key[differ[1]] == like[differ[0]]
