"""RFC 8259 §4 leaves open which of two members of one name counts, so nobody guesses: RFC 7493 §2.3 forbids them."""

from __future__ import annotations

import json

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.connectors.http import Response
from runtime.connectors.json_rows import rows_of
from runtime.connectors.protocols import Retriable
from runtime.connectors.rawjson import Shape
from runtime.domain.member_names import any_named_twice, named_twice

TWICE = [
    b'{"n":1,"n":2}',
    b'{"n":1,"n":1}',
    b'{"n": 1, "\\u006e" :2}',
    b'{"a":[{"b":{"c":1,"c":2}}]}',
    b'{"n":1,"n":2,"t":"\\u003a"}',
    b'{"n":"a:b","n":"c"}',
    b'{"n:m":1,"n:m":2}',
    b'{"":1,"":2}',
    b'{"n":99999999999999999999999999,"n":1.50}',
]
ONCE = [
    b'{"n":1,"N":2}',
    b'{"n":{"n":{"n":1}}}',
    b'[{"n":1},{"n":1}]',
    b'{"n":"\\"n\\":1"}',
    b'{"t":"\\u003a\\u003A"}',
    b'{ "n" : 1.10 , "t":"2026-11-18T10:11:12Z"}',
    b'{"n":99999999999999999999999999}',
    b"7",
]


@pytest.mark.parametrize("payload", TWICE)
def test_a_name_that_stands_twice_is_found(payload):
    assert "twice" in named_twice(payload)
    assert any_named_twice([*ONCE, payload])


@pytest.mark.parametrize("payload", ONCE)
def test_names_that_stand_once_are_left_alone(payload):
    assert named_twice(payload) == ""
    assert not any_named_twice([payload])


VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('n:\\"ü', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.tuples(st.text('n:"', max_size=1), inner), max_size=3).map(lambda pairs: ("object", pairs))
    ),
    max_leaves=12,
)


def written(value, escaped):
    if isinstance(value, tuple):
        members = (f"{json.dumps(k, ensure_ascii=escaped)} : {written(v, escaped)}" for k, v in value[1])
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(one, escaped) for one in value) + "]"
    return json.dumps(value, ensure_ascii=escaped)


@given(st.lists(VALUES, min_size=1, max_size=4), st.booleans())
def test_many_rows_at_once_are_judged_as_each_by_itself(values, escaped):
    payloads = [written(value, escaped).encode() for value in values]
    assert any_named_twice(payloads) == any(named_twice(one) for one in payloads)


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":[{"id":1}],"next":null,"items":[{"id":2}]}',
        b'{"items":[{"id":1}],"next":"a","next":null}',
        b'{"items":[],"items":[]}',
    ],
)
def test_a_page_that_names_a_member_twice_is_asked_for_again_for_rows_could_be_lost(body):
    shape = Shape({"items": ("items", list[msgspec.Raw]), "next": ("next", object)})
    with pytest.raises(Retriable, match="twice"):
        rows_of(shape, Response(200, httpx.Headers({"content-type": "application/json"}), body, "http://x"), None)
