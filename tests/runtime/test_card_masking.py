"""A look at the bytes decides whether a message is looked through for card data; it never overlooks any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.card_data import CARD_NAMES, MaskedCards, masked
from runtime.domain.masking import without_cards

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
    st.text(max_size=8),
    st.from_regex(r"[0-9 -]{10,24}", fullmatch=True),
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from((int(VISA), -int(VISA), 123)), _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=4)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(document=_values, ascii_only=st.booleans(), wide=st.booleans())
def test_what_is_left_alone_holds_no_card_data(document: Any, ascii_only: bool, wide: bool) -> None:
    payload = json.dumps(document, ensure_ascii=ascii_only, indent=2 if wide else None).encode("utf-8", "replace")
    count = MaskedCards()
    expected = masked(json.loads(payload), count)
    made, taken = without_cards(payload)
    assert taken == count
    assert json.loads(made) == expected
    assert count or made is payload


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
