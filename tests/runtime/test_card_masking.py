"""A look at the bytes decides whether a message is looked through for card data; it never overlooks any."""

from __future__ import annotations

import json
import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.card_data import CARD_NAMES, MaskedCards, masked, masked_text
from kernel.card_forms import plain
from runtime.domain.masking import _FOREIGN, _names_of, without_cards
from runtime.domain.member_names import named_twice
from tests.kernel.test_card_forms import CARDS, TRACKS
from tests.runtime.card_numbers import like_a_card

VISA = "4111111111111111"
_names = st.one_of(
    st.sampled_from(sorted(CARD_NAMES)).flatmap(
        lambda name: st.sampled_from(
            (name, name.upper(), name.replace("a", "A-"), f"_{name}.", f"ä{name}", f"{name}s", f"{name}\n", f"x{name}")
        )
    ),
    st.sampled_from(("item", "shipping", "company", "pan\u212a", "trac\u212a", "c\u0130d", "secu rity:code", "")),
    st.text(max_size=6),
)
_texts = st.one_of(
    st.sampled_from((VISA, "4111 1111-1111 1111", f"a{VISA}", f"Nr. {VISA}.", f"\n{VISA}", f"ä{VISA}", "40063813 31")),
    st.sampled_from([*CARDS.values(), *TRACKS.values()]),
    st.tuples(st.sampled_from(("", "0", "12 ", "é", "€ ", "“", "DE89 ")), st.sampled_from([*CARDS.values()])).map(
        "".join
    ),
    st.from_regex(r"[0-9]{4}([./_\n -]|  |\u00a0|\u2013)([0-9]{4}\1){2}[0-9]{4}", fullmatch=True),
    st.text("0123456789 -./_\n\t=^Dd;?%B\u00a0\u2009\uff11\u0664", min_size=10, max_size=40),
    st.text(max_size=8),
    st.from_regex(r"[0-9 -]{10,24}", fullmatch=True),
)
_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from((int(VISA), -int(VISA), 123, 4111111111111111.0, 1.5)),
        _texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=4)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(document=_values, ascii_only=st.booleans(), wide=st.booleans())
def test_what_is_left_alone_holds_no_card_data(document: Any, ascii_only: bool, wide: bool) -> None:
    payload = json.dumps(document, ensure_ascii=ascii_only, indent=2 if wide else None).encode("utf-8", "replace")
    count = MaskedCards()
    before = json.loads(payload, parse_float=Decimal)
    expected = masked(before, count, kept=_names_of(before, None))
    made, taken = without_cards(payload)
    assert taken == count
    assert json.loads(made, parse_float=Decimal) == expected
    assert count or made is payload


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.one_of(_texts, st.from_regex(r"[0-9]{4}(\s{1,2}[0-9]{4}){3}", fullmatch=True)), max_size=3))
def test_text_that_is_left_alone_holds_no_card_number(texts: list[str]) -> None:
    text = f"<{'|'.join(texts)}>"
    count = MaskedCards()
    expected = masked_text(text, count)
    made, taken = without_cards(text.encode("utf-8", "surrogatepass"))
    assert (made.decode("utf-8", "surrogatepass"), taken) == (expected, count)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"shipping":"0","company":"x","companion":"5","gtin":"4006381333931","sscc":"340123456789012347"}',
        '{"straße":"Kärntner Ring 12-14","at":"2026-11-30 12:00","until":"2026-12-01 12:00"}'.encode(),
    ],
)
def test_a_usual_message_is_not_even_decoded(payload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_payload: bytes) -> Any:
        raise AssertionError("decoded")

    monkeypatch.setattr("runtime.domain.masking._decode", refuse)
    assert without_cards(payload) == (payload, MaskedCards())


@pytest.mark.parametrize("text", [b"cvv=123;ok", b'{"broken": "CVC2": 1234', b"paid with 4111111111111111"])
def test_text_that_is_no_json_is_looked_through_by_its_form(text: bytes) -> None:
    made, taken = without_cards(text)
    assert taken
    assert made != text


def test_every_digit_blank_and_dash_of_another_script_is_seen_in_the_bytes() -> None:
    codes = (code for code in range(128, 0x110000) if not 0xD800 <= code < 0xE000)
    means = [chr(code) for code in codes if plain(chr(code)) != chr(code)]
    assert {"\u00a0", "\u2013", "\uff11", "\u0664", "\u200b", "\u2212"} <= set(means)
    assert not [unicodedata.name(one, one) for one in means if not _FOREIGN.search(one.encode())]
    assert not any(_FOREIGN.search(one.encode()) for one in "äöüßéñçøåÄłžšőαжб中文한€")


@pytest.mark.parametrize("number", ["4111111111111111.0", "4.111111111111111E15", "4111111111111111000e-3"])
def test_a_number_with_a_point_or_a_power_of_ten_is_a_card_all_the_same(number: str) -> None:
    made, taken = without_cards(f'{{"x": {number}}}'.encode())
    assert (json.loads(made), taken.numbers) == ({"x": "411111******1111"}, 1)


def test_names_of_members_lose_card_numbers_and_stay_apart() -> None:
    numbers = [like_a_card(one) for one in (1, 2)]
    made, taken = without_cards(json.dumps({**dict.fromkeys(numbers, 1), "x": 2}).encode())
    assert json.loads(made) == {"400010******2556": 1, "400010******2556 (2)": 1, "x": 2}
    assert taken.numbers == 2


def test_a_name_that_stands_twice_stands_twice_without_its_card_number() -> None:
    """Else the first value would be gone without a word, and the second one would count."""
    given = f'{{"total":1.10,"pan":"{VISA}","total":2,"pan":"4000100616592556","x":{{"cvv":1,"cvv":2}}}}'
    made, taken = without_cards(given.encode())
    assert made == (
        b'{"total":1.10,"pan":"411111******1111","total":2,"pan":"400010******2556","x":{"cvv":"***","cvv":"***"}}'
    )
    assert (taken.numbers, taken.dropped) == (2, 2)
    assert named_twice(made)
