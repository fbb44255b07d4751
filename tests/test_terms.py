"""What a lead is found by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsq_ops import terms


def lead(**given):
    blank = dict.fromkeys(("number", "first_name", "last_name", "email", "phone", "mobile"), "")
    return terms.of_lead(**{**blank, **given})


def finds(text, of):
    """As the database would: each list needs one range with a term in it."""
    wanted = terms.asked(text)
    return bool(wanted) and all(
        any(term in one.exact or (one.start and one.start <= term < one.end) for one in ranges for term in of)
        for ranges in wanted
    )


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("+91-98450 12345", "9845012345"),
        ("+91-98450 12345", "+91 98450-12345"),
        ("+91-98450 12345", "0091 (98450) 12345"),
        ("+91-98450 12345", "098450 12345"),
        ("+91-98450 12345", "12345"),
        ("9845012345", "+91-9845012345"),
        ("09845012345", "919845012345"),
        ("8123 4567", "+65 8123 4567"),
        ("+65 8123 4567", "81234567"),
        ("٩٨٤٥٠١٢٣٤٥", "9845012345"),
        ("98450\N{EN DASH}12345", "98450\N{EN DASH}12345"),
    ],
)
def test_a_phone_is_found_in_any_notation(stored, asked):
    assert finds(asked, lead(phone=stored))
    assert finds(asked, lead(mobile=stored))


@pytest.mark.parametrize(
    ("stored", "asked"),
    [("+91-98450 12345", "98450"), ("+91-98450 12345", "9845012346"), ("4567", "+65 8123 4567"), ("12", "12")],
)
def test_other_digits_find_nothing(stored, asked):
    assert not finds(asked, lead(phone=stored))


def test_two_leads_with_the_same_last_digits_are_both_found():
    assert finds("98450 12345", lead(phone="+91 98450 12345"))
    assert finds("98450 12345", lead(phone="+1 98450 12345"))


@pytest.mark.parametrize(
    ("first", "last", "asked"),
    [
        ("Asha", "Pillai", "asha"),
        ("Asha", "Pillai", "pil"),
        ("Asha", "Pillai", "PILLAI as"),
        ("José", "Núñez", "jose nunez"),
        ("Jose", "Nunez", "José"),
        ("Seán", "O'Brien", "o'brien"),
        ("Seán", "O'Brien", "brien"),
        ("Mary-Jane", "Weiß", "jane weiss"),
        ("प्रिया", "शर्मा", "प्रिया"),
        ("Ａｓｈａ", "", "asha"),
        ("A\u202esha", "", "asha"),
    ],
)
def test_a_name_is_found_by_the_beginning_of_each_word(first, last, asked):
    assert finds(asked, lead(first_name=first, last_name=last))


def test_each_word_must_be_there_and_begin_so():
    asha = lead(first_name="Asha", last_name="Pillai")
    assert not finds("asha rao", asha)
    assert not finds("illai", asha)


def test_an_e_mail_is_found_by_its_beginning_and_whatever_its_case():
    one = lead(email="Asha.Pillai@Example.com")
    assert finds("asha.pillai@example.com", one)
    assert finds("ASHA.PILLAI@ex", one)
    assert not finds("pillai@example.com", one)


def test_a_number_is_found_whole_and_only_whole():
    assert finds("123456", lead(number="123456"))
    assert not finds("12345", lead(number="123456"))
    assert finds("lsq-77", lead(number="LSQ-77"))
    assert finds("12", lead(number="12"))


@pytest.mark.parametrize("text", ["", "  ", "\0", "\ud800", "@", "-", "+", "()", "'; --", "%", "_", "\u202e"])
def test_odd_questions_do_no_harm(text):
    assert not finds(text, lead(first_name="Asha", phone="12345678", email="a@b.c"))


@given(st.text(max_size=80), st.text(max_size=80))
def test_what_is_asked_as_it_is_stored_is_found_and_terms_are_short(first, last):
    of = lead(first_name=first, last_name=last, email=first, phone=last, number=last)
    assert all(1 < len(term) <= terms.LONGEST for term in of)
    words = list(terms._words(f"{first} {last}", terms.WORDS))
    if words and not terms._PHONE.fullmatch(words[0]):
        assert finds(words[0], of)
