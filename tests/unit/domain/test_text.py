"""Numbers, dates and sentences in plain words."""

from datetime import date

import pytest

from leeway.domain.text import by_number, counted, cut, day_text, sentence, share_text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.31, "31%"), (0.999, "99.9%"), (0.99999, "over 99.9%"), (1.0, "100%"), (0.0, "0%"), (0.004, "0.4%")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert share_text(share) == text


def test_one_is_no_plural() -> None:
    assert [counted(number, "night") for number in (0, 1, 1200)] == ["0 nights", "1 night", "1,200 nights"]
    assert [counted(number, "new class") for number in (1, 2)] == ["1 new class", "2 new classes"]
    assert [counted(number, "probability") for number in (1, 2)] == ["1 probability", "2 probabilities"]
    assert [counted(2, noun) for noun in ("day", "batch")] == ["2 days", "2 batches"]
    assert [by_number(number, "is", "are") for number in (0, 1, 2)] == ["are", "is", "are"]


def test_a_sentence_ends_once() -> None:
    assert [sentence(one) for one in ("is it?", "it is", "It is.")] == ["Is it?", "It is.", "It is."]
    assert sentence("cat is 31%", capital=False) == "cat is 31%."


def test_a_day_is_named_and_a_long_text_is_cut_on_one_line() -> None:
    assert day_text(date(2026, 3, 3)) == "3 March"
    assert cut("much\ntoo long", 8) == "much to…"
