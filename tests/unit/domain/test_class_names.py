"""What a label is: one rule for every place where one is written."""

import pytest

from leeway.domain.class_names import ClassNames, alike, class_name, label_in, quoted

FORMS = ("caf\u00e9", "cafe\u0301")


@pytest.mark.parametrize("written", [" caf\u00e9", "cafe\u0301\n", "\ufeffcafé", "café\u3000", "\u200bcafé\u00a0"])
def test_unicode_form_and_outer_white_space_are_no_part_of_a_name(written: str) -> None:
    assert class_name(written) == "caf\u00e9"


def test_what_is_inside_a_name_and_its_case_stay() -> None:
    assert class_name("Grand  piano") == "Grand  piano"


@pytest.mark.parametrize("cell", ["", "  ", "nan", "NaN", "null", "None", "N/A", "na", "<NA>", " nan ", "#N/A"])
def test_a_word_for_nothing_in_a_cell_is_no_label(cell: str) -> None:
    assert label_in(cell) is None


def test_a_class_that_has_such_a_name_is_meant_by_that_very_name() -> None:
    assert (label_in("none", ("none", "scratch")), label_in("None", ("none", "scratch"))) == ("none", None)


@pytest.mark.parametrize("cell", ["unknown", "nana", "0", "banana", "-"])
def test_other_words_are_labels(cell: str) -> None:
    assert label_in(cell) == cell


def test_names_that_most_likely_mean_one_class_are_found_together() -> None:
    names = ["Cat", "cat", "1", "1.0", "01", "two  words", "two words", "cat 1", "cat 2", "ﬁsh", "fish", *FORMS, "dog"]
    assert alike(names) == [
        ("01", "1", "1.0"), ("Cat", "cat"), FORMS[::-1], ("fish", "ﬁsh"), ("two  words", "two words")
    ]  # fmt: skip


def test_names_that_look_the_same_are_told_apart_in_a_message() -> None:
    assert quoted(("Cat", "cat")) == "'Cat' and 'cat'"
    assert quoted(FORMS) == r"'caf\xe9' and 'cafe\u0301'"


CLASSES = ClassNames(("cat", "Grand piano", "1", "café", "class 7", "green"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("cat ", "cat"), ("cafe\u0301", "café"), ("Grand  piano", "Grand piano"), ("Grand\npiano", "Grand piano")],
)
def test_a_class_is_known_whatever_its_unicode_form_and_white_space(written: str, meant: str) -> None:
    assert (CLASSES.known(written), CLASSES.variant(written), CLASSES.meant(written)) == (meant, None, None)


@pytest.mark.parametrize(
    ("written", "meant"), [("Cat", "cat"), ("1.0", "1"), ("01", "1"), ("grand piano", "Grand piano"), ("１", "1")]
)
def test_another_case_or_number_form_is_a_variant_and_no_class(written: str, meant: str) -> None:
    assert (CLASSES.known(written), CLASSES.variant(written), CLASSES.meant(written)) == (None, meant, meant)


@pytest.mark.parametrize(("written", "meant"), [("cta", "cat"), ("gren", "green"), ("Cats", "cat"), ("cafe", None)])
def test_a_slip_of_the_pen_is_nearly_a_class(written: str, meant: str | None) -> None:
    assert (CLASSES.variant(written), CLASSES.meant(written)) == (None, meant)


@pytest.mark.parametrize("written", ["bat", "class 8", "11", "wasp", "unknown", "?", "9" * 5000])
def test_a_name_of_its_own_is_neither(written: str) -> None:
    assert (CLASSES.known(written), CLASSES.variant(written), CLASSES.meant(written)) == (None, None, None)


def test_classes_that_are_alike_stay_two_classes() -> None:
    letters = ClassNames(("a", "A"))
    assert [letters.known(name) for name in ("a", "A")] == ["a", "A"]
    assert [letters.variant(name) for name in ("a", "A")] == [None, None]


def test_a_message_names_the_class_that_was_meant_or_those_that_there_are() -> None:
    assert CLASSES.unknown("Cat") == "'Cat' is not a class; did you mean 'cat'?"
    assert ClassNames(("cat", "dog")).unknown("wasp") == "'wasp' is not a class; allowed: 'cat', 'dog'"
