"""Says numbers and dates in plain words: `1 night`, `3 March`, `31%`."""

from datetime import date

LONGEST_NAME = 60  # characters of a name from outside


def counted(number: int, noun: str) -> str:
    """Return `1 night`, `2 nights`, `1,200 labels`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def day_text(day: date) -> str:
    """Return `3 March`; a datetime by its own day."""
    return f"{day.day} {day:%B}"


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
