"""One value is one message, however its bytes are written; other values differ, to the last digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import same_value
from runtime.domain.same_value import canonical, same
from runtime.ledger.append import CONFLICT, OLDER, UNCHANGED, IncomingMessage, append
from runtime.ledger.connections import Connection
from tests.runtime.make import Flow

ONE_VALUE = [
    (b'{"a":1.1}', b'{"a":1.10}'),
    (b'{"a":1.1}', b'{"a":11e-1}'),
    (b'{"a":1}', b'{"a":1.0}'),
    (b'{"a":100}', b'{"a":1E+2}'),
    (b'{"a":0}', b'{"a":-0.0}'),
    (b'{"a":1,"b":[2,3]}', b'{ "b" : [2.0, 3] ,\n "a" : 1 }'),
    ('{"a":"ä"}'.encode(), b'{"a":"\\u00e4"}'),
    (b'{"a":"/"}', b'{"a":"\\/"}'),
    (b'{"a":12345678901234567890.1}', b'{"a":12345678901234567890.10}'),
]
OTHER_VALUES = [
    (b'{"a":1}', b'{"a":"1"}'),
    (b'{"a":1}', b'{"a":true}'),
    (b'{"a":0}', b'{"a":false}'),
    (b'{"a":null}', b"{}"),
    (b'{"a":[1,2]}', b'{"a":[2,1]}'),
    (b'{"a":12345678901234567890.01}', b'{"a":12345678901234567890.02}'),  # one double (RFC 8785), two amounts
    (b'{"a":9007199254740993}', b'{"a":9007199254740992}'),
    ('{"a":"\u00e4"}'.encode(), '{"a":"a\u0308"}'.encode()),
    (b'{"a":1,"a":2}', b'{"a":2}'),
    (b'{"a":"15e-1"}', b'{"a":1.5}'),
]


@pytest.mark.parametrize(("one", "other"), ONE_VALUE)
def test_spellings_of_one_value_are_the_same(one, other):
    assert same(one, other)
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), OTHER_VALUES)
def test_other_values_are_not_the_same(one, other):
    assert not same(one, other)


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20) | st.integers()
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def spelled(value: Any, draw: Any) -> str:
    """One of the ways to write a value."""
    space = draw(st.sampled_from(("", " ", "\n")))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, int | Decimal):
        plain = f"{Decimal(value):f}"
        return draw(st.sampled_from((plain, f"{Decimal(value):E}", plain + ("0" if "." in plain else ".0"))))
    if isinstance(value, list):
        return "[" + f"{space},".join(spelled(one, draw) for one in value) + "]"
    members = draw(st.permutations(list(value.items())))
    return "{" + f",{space}".join(f"{json.dumps(name)}:{spelled(one, draw)}" for name, one in members) + "}"


@given(VALUES, st.data())
@settings(max_examples=60, deadline=None)
def test_every_spelling_of_a_value_is_that_value(value, data):
    texts = [spelled(value, data.draw).encode() for _ in range(2)]
    assert same(*texts), texts


def put(flow: Flow, payload: bytes, version: int = 0, **more: Any) -> tuple[int, int]:
    return append(flow.conn, flow.ref, [IncomingMessage("a", version, payload)], **more).positions[0]


@pytest.mark.parametrize("immutable", [True, False], ids=["fact", "state"])
@pytest.mark.parametrize(("one", "other"), ONE_VALUE)
def test_a_known_key_with_one_value_in_other_bytes_is_unchanged(ledger: Connection, one, other, immutable):
    flow = Flow(ledger, immutable=immutable)
    first = put(flow, one)
    assert first[1] == 1
    assert put(flow, other) == UNCHANGED
    kept = ledger.execute("select payload from runtime_message where stream_id = %s", (flow.stream,)).fetchall()
    assert kept == [(one,)]
    assert ledger.execute("select count(*) from runtime_conflict").fetchone() == (0,)


@pytest.mark.parametrize(("one", "other"), OTHER_VALUES)
def test_another_value_under_a_known_key_is_a_conflict_and_one_case_however_it_is_spelled(ledger, one, other):
    flow = Flow(ledger, immutable=True)
    put(flow, one)
    assert put(flow, other) == CONFLICT
    assert put(flow, b" " + other) == CONFLICT
    cases = ledger.execute("select seen from runtime_conflict where stream_id = %s", (flow.stream,)).fetchall()
    assert cases == [(2,)] or (one, other) == (b'{"a":1,"a":2}', b'{"a":2}')


def test_one_batch_finds_its_own_spellings(ledger: Connection) -> None:
    flow = Flow(ledger, immutable=True, lanes=3)
    items = [IncomingMessage(f"k{n % 40}", 0, (b"[%d]", b"[%d.0]", b" [%d]")[n // 40] % n) for n in range(40)]
    again = [IncomingMessage(item.key, 0, item.payload[:-1] + b".00]") for item in items]
    done = append(ledger, flow.ref, [*items, *again])
    assert (done.accepted, done.unchanged, done.conflicts) == (40, 40, 0)
    assert append(ledger, flow.ref, again).unchanged == 40


def test_a_newer_version_is_a_change_even_with_the_same_content_and_an_older_one_is_said_to_be_older(ledger):
    flow = Flow(ledger)
    assert put(flow, b'{"p":1}', 5)[1] == 1
    assert put(flow, b'{"p":1.0}', 6)[1] == 2
    assert put(flow, b'{"p":2}', 5) == OLDER
    assert put(flow, b'{"p":1.00}', 6) == UNCHANGED
    assert put(flow, b'{"p":3}', 6)[1] == 3  # the same version with other content: the one that came last


def test_without_order_the_one_that_came_last_counts_and_the_highest_version_is_remembered(ledger: Connection):
    flow = Flow(ledger)
    put(flow, b'{"p":1}', 5)
    assert put(flow, b'{"p":2}', 0, ordered=False)[1] == 2
    assert put(flow, b'{"p":2.0}', 0, ordered=False) == UNCHANGED
    assert put(flow, b'{"p":3}', 4) == OLDER
    assert put(flow, b'{"p":4}', 6)[1] == 3


def test_the_usual_document_in_another_spelling_needs_no_canonical_form(monkeypatch):
    """With it, a batch of 5,000 known sales took longer than the database waits, and was never answered but by 503."""
    monkeypatch.setattr(same_value, "canonical", lambda payload: pytest.fail("the long way"))
    sale = {"id": "a", "total": 23.95, "paid": True, "lines": [{"sku": "1", "quantity": 2}], "note": None}
    assert same_value.same(json.dumps(sale).encode(), json.dumps(sale, indent=1, sort_keys=True).encode())
    assert not same_value.same(b'{"paid": true, "n": 1}', b'{"n":1,"paid":1}')
    assert not same_value.same(b"[true, 1]", b"[1,true]")
