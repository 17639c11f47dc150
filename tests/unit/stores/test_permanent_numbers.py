"""Permanent numbers of a whole column, made by DuckDB: the same as of each id alone."""

import pyarrow as pa
import pytest

from leeway.domain.identity import permanent_number
from leeway.stores.duck import permanent_numbers


@pytest.mark.parametrize("secret", ["s", "", "Tür 7 's"])
def test_a_column_of_ids_has_the_numbers_of_its_ids_in_their_order(secret: str) -> None:
    ids = [f"id-{number}" for number in range(300_000)] + ["", "Tür 7", "\0", "🐦", "x" * 10_000]
    found = permanent_numbers(pa.array(ids), secret)
    chosen = [*range(0, 300_000, 997), *range(300_000, len(ids))]
    assert [int(found[at]) for at in chosen] == [permanent_number(ids[at], secret) for at in chosen]
    assert len(found) == len(ids)


def test_no_ids_have_no_numbers() -> None:
    assert permanent_numbers(pa.array([], pa.string()), "s").tolist() == []
