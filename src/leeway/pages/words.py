"""Words: numbers, dates and names as pages show them."""

import base64
import re
from datetime import date

LONGEST = 600  # characters of a text that came from outside
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short_text(text: str, length: int = LONGEST) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def cell(text: str) -> str:
    """A name from outside as it may stand in a table: on one line, without marks that Markdown or HTML would read."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(text.split()))


def number_text(number: float) -> str:
    """To read: 0.0123, 18,250, 5.2 × 10⁵⁴."""
    if 0.001 <= abs(number) < 1e6:
        return f"{number:,.3g}" if abs(number) < 1000 else f"{number:,.0f}"
    if not number:
        return "0"
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{digits} × 10{str(int(power)).translate(SUPERSCRIPT)}"


def power_text(power: int) -> str:
    return {0: "1", 1: "10"}.get(power, f"10{str(power).translate(SUPERSCRIPT)}")


def part_text(share: float) -> str:
    """A share that may be small: 0.12%, 5.3%."""
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.1%}"


def milliseconds(value: float) -> str:
    """With two digits that mean something."""
    return f"{value:.2f} ms" if value < 1 else f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def mebibytes(size: int) -> str:
    return f"{size / 2**20:.2f} MiB" if size < 10 * 2**20 else f"{size / 2**20:,.0f} MiB"


def inline(picture: bytes, kind: str = "png") -> str:
    """The address of an encoded picture that stands in the page itself."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def day_text(night: date) -> str:
    return f"{night:%A} {night.day} {night:%B %Y}"
