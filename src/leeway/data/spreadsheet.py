"""CSV that people may open in a spreadsheet: no cell of text begins a formula, and reading gives the text back.

Spreadsheets run cells that start with = + - @ and rewrite what looks like a number or a date. A cell at risk is written
with an apostrophe before it; in such a cell % and whatever could split it (, ; tab, line ends) stand as %25, %2C and so
on. Every CSV that leeway writes is written here.
"""

import csv
import re
from collections.abc import Collection, Iterable, Sequence
from numbers import Number
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote

from leeway import durable

FORMULA = re.compile(
    r"""(^|[,;\t\r\n])[\s"']*[=+\-@＝＋－＠]|^['\t\r\n]"""
)  # also where another separator would split it
REWRITTEN = re.compile(r"(?!(0|[1-9]\d{0,14})$)[\d\s.,:/eE+-]*\d[\d\s.,:/eE+-]*")  # 007, 1e5, 2026-03-01, 17 digits
SPLITTING = re.compile(r"[%,;\t\r\n]")


def write_rows(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    ids: Collection[str] = (),
    line_end: str = "\r\n",
) -> None:
    """Writes a heading and rows; numbers as they are, None as an empty cell, everything else as `to_cell` has it.

    Columns in `ids` come back to leeway: there a text that looks like a number or a date is protected, too.
    """
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerow([to_cell(name, typed=True) for name in columns])
    typed = [name not in ids for name in columns]
    for row in rows:
        writer.writerow([_cell(value, by_person) for value, by_person in zip(row, typed, strict=True)])


def write_file(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, ids: Collection[str] = (), mark: bool = False
) -> None:
    """Writes them in place of the file, in UTF-8; with the `mark` in front without which Excel misreads umlauts."""
    encoding = "utf-8-sig" if mark else "utf-8"
    with durable.replacing_file(path) as partial, partial.open("w", encoding=encoding, newline="") as file:
        write_rows(file, columns, rows, ids=ids)


def read_file(path: Path) -> list[list[str]]:
    """The texts of each line that `write_file` wrote, the heading first."""
    with path.open(newline="", encoding="utf-8") as file:
        return [[from_cell(cell) for cell in line] for line in csv.reader(file)]


def to_cell(text: str, typed: bool = False) -> str:
    """Text as a cell that a spreadsheet neither runs nor rewrites; `typed` by a person, it may look like a number."""
    if FORMULA.search(text) or (not typed and REWRITTEN.fullmatch(text)):
        return "'" + SPLITTING.sub(lambda found: f"%{ord(found[0]):02X}", text)
    return text


def from_cell(cell: str) -> str:
    """The text that `to_cell` made the cell of."""
    return unquote(cell[1:]) if cell.startswith("'") else cell


def _cell(value: Any, typed: bool) -> Any:
    is_number = isinstance(value, Number) and str(value) not in ("-inf", "-Infinity")  # which a spreadsheet would run
    return value if value is None or is_number else to_cell(str(value), typed)
