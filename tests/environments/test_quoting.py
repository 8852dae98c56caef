"""Quotes: verbatim up to what carries no meaning, and never more than that."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.quoting import find_quotes, normalize, quoted_passages

ITEM = "Fact 1: the porter, right 70 times in 100, saw the baker."


@pytest.mark.parametrize(
    "said",
    [
        ITEM,
        ITEM.upper(),
        ITEM.replace(" ", "\n  "),
        "fact 1 — the porter; right 70 times in 100 saw “the baker”!",
        ITEM.replace("baker", "ｂａｋｅｒ"),
        ITEM.replace("porter", "por\u200bter"),
        f"He knows: {ITEM} And so do I.",
    ],
)
def test_meaningless_changes_do_not_matter(said):
    assert find_quotes(f"Listen. <quote>{said}</quote> You see.", [ITEM]) == [0]
    assert find_quotes(f"Listen. ‹QUOTE›{said}‹/Quote› You see.", [ITEM]) == [0]


@pytest.mark.parametrize(
    "said",
    [
        ITEM.replace("70", "71"),
        ITEM.replace("baker", "miller"),
        ITEM.replace("saw", "never saw"),
        "the porter, right 70 times in 100, saw the baker",
        ITEM.replace("baker.", "bakers."),
        "Fact 1: the porter, right 70 times",
    ],
)
def test_changes_of_meaning_and_parts_do_not_count(said):
    assert find_quotes(f"<quote>{said}</quote>", [ITEM]) == []


@pytest.mark.parametrize(
    "text",
    [
        ITEM,
        f"<quote>{ITEM}",
        f"{ITEM}</quote>",
        f'"{ITEM}"',
        f"<verified>{ITEM}</verified>",
        f"<quote>Fact 1</quote> {ITEM} <quote>baker</quote>",
    ],
)
def test_only_closed_quote_marks_make_a_quote(text):
    assert find_quotes(text, [ITEM]) == []


def test_of_nested_marks_the_innermost_pair_counts():
    assert find_quotes(f"<quote>no <quote>{ITEM}</quote> no</quote>", [ITEM]) == [0]
    assert find_quotes(f"<quote>{ITEM} <quote>one two three four</quote>", [ITEM]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a score of -5 points now", "a score of 5 points now"),
        ("it weighs 1.5 tons in all", "it weighs 15 tons in all"),
        ("it weighs 1.5 tons in all", "it weighs 1 5 tons in all"),
        ("x < 5 holds for all", "x > 5 holds for all"),
        ("about 5% of all people", "about 5 of all people"),
        ("the ratio is 1/2 in all", "the ratio is 12 in all"),
    ],
)
def test_signs_and_numbers_keep_their_meaning(one, other):
    assert find_quotes(f"<quote>{one}</quote>", [other]) == []
    assert find_quotes(f"<quote>{one}</quote>", [one]) == [0]


def test_short_quotes_never_count():
    assert find_quotes("<quote>the red fox</quote>", ["The red fox."]) == []
    assert find_quotes("<quote>the red fox ran</quote>", ["The red fox."]) == [0]


def test_several_items_in_order_of_appearance_each_once():
    items = ["the first fact is this", "", "the second fact is that", "a third one comes last"]
    text = (
        f"<quote>{items[2]}; {items[0]}</quote> <quote>{items[2]}</quote> <quote>{items[3]}</quote>"
    )
    assert find_quotes(text, items) == [2, 0, 3]


@given(st.text())
def test_normalization_is_idempotent_and_case_blind(text):
    once = normalize(text)
    assert normalize(once) == once
    assert "  " not in once and once == once.strip()
    assert normalize(unicodedata.normalize("NFD", text)) == once


@given(st.text())
def test_any_text_is_safe(text):
    assert quoted_passages(text) == [] or "quote" in text.casefold()


def test_hostile_nesting_is_linear():
    assert quoted_passages("<quote>" * 20_000) == []
    assert quoted_passages("<quote>a " * 20_000 + "</quote>") == []
