"""Words: answers that name no class, as people write them in a file."""

from collections.abc import Iterable

from leeway.domain.class_names import ClassNames, class_names
from leeway.domain.records import NAMED, NONE_OF_THESE, UNSURE

SKIPPED = "skipped"  # as if nothing were said
WORDS = {
    "unsure": UNSURE,
    "none of these classes": NONE_OF_THESE,
    "none of these": NONE_OF_THESE,
    "skip": SKIPPED,
    "skipped": SKIPPED,
}


def answer_in(label: str, names: ClassNames) -> str:
    """Return which answer a written label is: NAMED, unless it is a word for none and no class is called like it."""
    word = WORDS.get(" ".join(label.split()).casefold())
    is_class = names.known(label) is not None or names.variant(label) is not None
    return NAMED if word is None or is_class else word


def offered(classes: Iterable[str]) -> list[str]:
    """Return the words that people may answer with beside these classes."""
    names = class_names(tuple(classes))
    return [word for word in (UNSURE, NONE_OF_THESE) if answer_in(word, names) == word]
