"""Says numbers and dates in plain words: `1 night`, `3 March`, `31%`."""

import re
from collections.abc import Sequence
from datetime import date, datetime

LONGEST_NAME = 60  # characters of a name from outside


def counted(number: int, noun: str) -> str:
    """Return `1 night`, `1,200 new labels`, `2 classes`, `3 probabilities`."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{number:,} {noun[:-1]}ies"
    return f"{number:,} {noun}" + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def by_number(number: float, one: str, several: str) -> str:
    """Return the word that goes with so many: `is` or `are`, `has` or `have`."""
    return one if number == 1 else several


def day_text(day: date) -> str:
    """Return `3 March`; a datetime by its own day."""
    return f"{day.day} {day:%B}"


def days_text(days: Sequence[date]) -> str:
    """Return `13 to 19 January`, from the first of these days, in order, to the last; empty without any."""
    if not days:
        return ""
    first, last = days[0], days[-1]
    if (first.year, first.month) == (last.year, last.month):
        return day_text(last) if first == last else f"{first.day} to {day_text(last)}"
    return f"{day_text(first)} to {day_text(last)}"


def moment_text(moment: datetime) -> str:
    """Return `3 March at 02:00 CET`, in the moment's own time zone."""
    return f"{day_text(moment)} at {moment:%H:%M %Z}"


def verb(number: int, word: str) -> str:
    """Return the verb as so many things do it: `1 image waits`, `2 images wait`."""
    return f"{word}s" if number == 1 else word


def share_text(share: float) -> str:
    """Return `31%`, `0.4%`; never 100% or 0% of what is not all or none."""
    if 0 < share < 0.0095 or 0.995 <= share < 1:
        return f"{share:.1%}" if 0.0005 <= share < 0.9995 else "under 0.1%" if share < 0.5 else "over 99.9%"
    return f"{share:.0%}"


def range_text(low: float, high: float) -> str:
    """Return `33% to 58%`."""
    return f"{share_text(low)} to {share_text(high)}"


def sentence(text: str, *, capital: bool = True) -> str:
    """Return the text with a full stop where it has no end of its own, and with a capital letter unless told not to."""
    first = text[:1].upper() if capital else text[:1]
    return f"{first}{text[1:]}" + ("" if text.endswith((".", "?", "!", "…")) else ".")


def name_text(name: str) -> str:
    """Return a name from outside in quotes, cut, and with control characters spelled out: a terminal obeys them."""
    return cut(repr(name), LONGEST_NAME)


def cut(text: str, length: int) -> str:
    """Return the text, on one line and not longer than this."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def without_login(text: str) -> str:
    """Return the text with each address in it without its user and password."""
    return re.sub(r"(?<=://)[^/\s@]+@", "", text)
