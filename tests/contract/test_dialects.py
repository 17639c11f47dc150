"""The SQL of every question to a log that lies elsewhere: kept in a file for each dialect, and of its grammar."""

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from dialect_texts import ADDRESSES, FOLDER, ODD, page, texts
from leeway.domain.identity import permanent_number
from leeway.stores.duck import asking
from leeway.stores.external.address import parse_address
from leeway.stores.external.dialects import NUMBER, translate
from leeway.stores.external.relation import NUMBER as NUMBER_HERE
from leeway.stores.external.table import Table

GRAMMARS = {"postgresql": "postgres"}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_the_text_of_every_question_is_the_one_that_is_kept(kind: str) -> None:
    kept = (FOLDER / f"{kind}.sql").read_text(encoding="utf-8")
    assert page(kind) == kept, "look at what changed, and run `python tests/dialect_texts.py`"


@pytest.mark.parametrize("kind", ADDRESSES)
def test_every_question_is_of_its_dialects_grammar_and_says_what_was_meant(kind: str) -> None:
    for name, text in texts(kind).items():
        [tree] = sqlglot.parse(text, read=GRAMMARS.get(kind, kind))
        assert tree is not None, name
        outside = {".".join(part.name for part in one.parts).lower() for one in tree.find_all(exp.Table) if one.db}
        assert outside == {".".join(Table(parse_address(ADDRESSES[kind], Path("/"))).address.table).lower()}, name
        known = {literal.this for literal in tree.find_all(exp.Literal) if literal.is_string}
        if "predictions" in {one.alias for one in tree.find_all(exp.CTE)}:
            assert ODD in known, name  # as it was, whatever the dialect makes of quotes and backslashes


@pytest.mark.parametrize("dialect", NUMBER)
def test_the_permanent_number_is_the_dialects_own_grammar(dialect: str) -> None:
    [tree] = sqlglot.parse(f"SELECT {NUMBER[dialect]} AS u", read=dialect)
    assert len(list(tree.find_all(exp.Column))) == 1


@pytest.mark.parametrize("name", ["", "a", "Tür 7", "x" * 1_000, ODD])
def test_duckdb_has_the_permanent_number_that_python_has(name: str) -> None:
    with asking({}) as cursor:
        [[number]] = cursor.execute(f"SELECT {NUMBER_HERE['duckdb'].format(text='$1 || $2')}", ["se", name]).fetchall()
    assert number == permanent_number(name, "se")


@pytest.mark.parametrize("dialect", NUMBER)
def test_values_stand_in_the_text_as_literals(dialect: str) -> None:
    text = translate("SELECT $2 AS a, $1 AS b, $3 AS c, $4 AS d", [1, ODD, 0.1, 2**60 - 1], dialect)
    literals = [one.this for one in sqlglot.parse_one(text, read=dialect).find_all(exp.Literal)]
    assert sorted(literals) == sorted([ODD, "1", "0.1", str(2**60 - 1)])
