"""CSV for spreadsheets: no text is run as a formula, numbers stay numbers, and every text is read back as it was."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeway.data.spreadsheet import from_cell, to_cell, write_rows
from leeway.evaluation.numbers import write_plots
from made_evaluation import made_evaluation

DANGEROUS = [
    "=1+1",
    '=HYPERLINK("http://evil.example";"cat")',
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    "\ttab",
    "\rreturn",
    "\nline",
    " =1",
    "\u00a0=1",
    '"=1"',
    "'=1",
    "＝1",
    "＋1",
    "－1",
    "＠1",
    "cat,=1",
    "cat;@1",
    "cat\t-1",
    "cat\n+1",
]


def written(*row: object, columns: tuple[str, ...] = (), ids: tuple[str, ...] = ()) -> list[list[str]]:
    file = io.StringIO(newline="")
    write_rows(file, columns or [f"c{index}" for index in range(len(row))], [row], ids=ids)
    return list(csv.reader(io.StringIO(file.getvalue(), newline="")))


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_text_that_begins_a_formula_is_written_behind_an_apostrophe(text: str) -> None:
    heading, (cell,) = written(text, columns=(text,))
    assert heading == [cell]
    assert cell.startswith("'")
    assert not set(cell) & set(",;\t\r\n"), "whatever separates cells, this stays one"
    assert from_cell(cell) == text


def test_numbers_are_no_formulas_and_other_values_are_written_as_text() -> None:
    row = (-3, -0.5, Decimal("-1.5"), np.float32(-2), True, None, ["=1"], "cat", "-3")
    assert written(*row)[1] == ["-3", "-0.5", "-1.5", "-2.0", "True", "", "['=1']", "cat", "'-3"]


def test_ids_are_also_kept_from_being_rewritten() -> None:
    assert written("007", "007", "id-7", columns=("id", "label", "more"), ids=("id", "more"))[1] == [
        "'007",
        "007",
        "id-7",
    ]


@given(st.text(), st.booleans())
def test_every_text_comes_back(text: str, typed: bool) -> None:
    assert from_cell(to_cell(text, typed)) == text


def test_the_numbers_of_an_evaluation_hold_no_formula(tmp_path: Path) -> None:
    made = made_evaluation(("=cmd()", "-cat", "dog"), images=30)
    predicted = np.zeros(30, dtype=int)
    write_plots(tmp_path, made.evaluation.report, truth=made.answered.truth, predicted=predicted)
    with (tmp_path / "confusion.csv").open(newline="", encoding="utf-8") as file:
        pairs = {tuple(row) for row in csv.reader(file)}
    assert pairs == {("actual", "predicted"), ("'=cmd()", "'=cmd()"), ("'-cat", "'=cmd()"), ("dog", "'=cmd()")}
