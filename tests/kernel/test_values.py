"""Digests, money, differences and strict JSON: values that are equal exactly when they should be."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.difference import differences
from kernel.digest import canonical_json, digest_of, is_digest, short
from kernel.errors import Invalid
from kernel.money import Money
from kernel.strict_json import loads, needs_closer_look

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: object) -> object:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(JSON)
@settings(max_examples=60, deadline=None)
def test_the_digest_does_not_depend_on_the_order_of_keys(value):
    assert digest_of(value) == digest_of(shuffled(value))
    assert is_digest(digest_of(value))


@given(JSON, JSON)
@settings(max_examples=60, deadline=None)
def test_two_values_differ_exactly_when_their_difference_says_so(old, new):
    assert bool(differences(old, new)) == (canonical_json(old) != canonical_json(new)) or old == new
    assert differences(old, old) == []


def test_a_decimal_keeps_the_digits_that_an_approver_saw():
    assert canonical_json({"rate": Decimal("1.10")}) == b'{"rate":1.10}'
    assert digest_of(Decimal("1.10")) != digest_of(Decimal("1.1"))
    assert short(digest_of(1)) == digest_of(1)[7:15]


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), Decimal("Infinity")])
def test_what_json_has_not_gets_no_digest(value):
    with pytest.raises(ValueError, match=r"."):
        canonical_json({"x": value})


def test_a_difference_names_its_place_by_json_pointer():
    found = differences({"a": [1, 2], "b/c": 1}, {"a": [1, 3, 4], "d": None})
    assert [(d.kind, d.pointer) for d in found] == [
        ("changed", "/a/1"),
        ("added", "/a/2"),
        ("removed", "/b~1c"),
        ("added", "/d"),
    ]


def test_money_is_exact_knows_its_minor_unit_and_refuses_to_mix():
    assert Money.parse("0.10", "EUR") + Money.parse("0.20", "EUR") == Money(Decimal("0.30"), "EUR")
    assert Money.parse("12.34", "EUR").minor == 1234
    assert Money.from_minor(500, "JPY").amount == 500
    assert Money.parse("1.005", "EUR").rounded().amount == Decimal("1.01")
    for wrong in (
        lambda: Money.parse(0.1, "EUR"),
        lambda: Money.parse("x", "EUR"),
        lambda: Money.parse("1", "eur"),
        lambda: Money.parse("1.001", "EUR").minor,
    ):
        with pytest.raises(Invalid):
            wrong()
    with pytest.raises(Invalid, match="do not add up"):
        Money.parse("1", "EUR") + Money.parse("1", "USD")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"a": 1, "a": 2}', "json.duplicate_key"),
        (b'{"a": NaN}', "json.not_a_number"),
        (b"\xff\xfe", "json.encoding"),
        (b'{"a": "\\u0000"}', "json.nul"),
        (b'{"a": ', "json.syntax"),
        (b"[" * 70 + b"]" * 70, "json.depth"),
        (b"[" * 100_000, "json.depth"),
    ],
)
def test_json_that_nobody_can_be_sure_of_is_refused_with_a_code(body, code):
    with pytest.raises(Invalid) as refused:
        loads(body)
    assert refused.value.code == code


def test_fractions_are_read_as_decimals():
    assert loads(b'{"price": 1.10}') == {"price": Decimal("1.10")}


@pytest.mark.parametrize("before", range(34))
def test_a_row_of_too_many_digits_is_seen_wherever_it_stands(before: int) -> None:
    for behind in ("", "}", "." + 40 * "1"):
        assert needs_closer_look("x" * before + 65 * "7" + behind)
        assert not needs_closer_look("x" * before + 64 * "7" + behind)


@given(st.lists(st.sampled_from(["7" * 16, "7", "x", "\\", "u", "\\u0000", "\\ud83d", "7" * 64, "é"]), max_size=30))
def test_a_closer_look_is_taken_at_the_same_texts_as_by_one_pattern(parts: list[str]) -> None:
    text = "".join(parts)
    plain = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[0-9]{65}")
    assert needs_closer_look(text) is (plain.search(text) is not None)
