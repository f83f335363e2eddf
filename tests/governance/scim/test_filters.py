"""Filters of SCIM: the forms of RFC 7644 §3.4.2.2, asked of resources of our own."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.domain.scim import filters
from governance.domain.scim.errors import ScimError
from governance.domain.scim.schema import GROUPS, PEOPLE

OLGA: dict[str, Any] = {
    "id": "7d3c",
    "externalId": "E-17",
    "userName": "Olga@shop.example",
    "name": {"givenName": "Olga", "familyName": "O'Cean"},
    "active": True,
    "emails": [
        {"value": "olga@shop.example", "type": "work", "primary": True},
        {"value": "olga@home.example", "type": "home"},
    ],
    "groups": [{"value": "g1", "display": "tg-price"}],
    "meta": {"resourceType": "User", "lastModified": datetime(2026, 11, 30, 12, tzinfo=UTC)},
}


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ('userName eq "olga@SHOP.example"', True),
        ('USERNAME EQ "olga@shop.example"', True),
        ('externalId eq "e-17"', False),
        ('externalId eq "E-17"', True),
        ('name.familyName co "\'CE"', True),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ol"', True),
        ('userName ew "example" and active eq true', True),
        ('active eq "True"', True),
        ("active eq False", False),
        ("active ne true", False),
        ("title pr", False),
        ('title pr or userName sw "O"', True),
        ("displayName eq null", True),
        ("emails pr", True),
        ('emails eq "olga@home.example"', True),
        ('emails.value co "HOME"', True),
        ('emails[type eq "work" and value co "@home"]', False),
        ('emails[type eq "home" and value co "@home"]', True),
        ('emails[not (type eq "home") and primary eq true]', True),
        ('emails[type eq "work"].value eq "olga@SHOP.example"', True),
        ('emails[type eq "work"].value eq "olga@home.example"', False),
        ('emails[type eq "work"].value ne "olga@home.example"', True),
        ('emails[type eq "other"].value pr', False),
        ('emails[type eq "home"].value sw "olga" and active eq true', True),
        ('not (emails[type eq "home" or primary eq true].value co "shop")', False),
        ('emails.type eq "work" and not (emails.value co "nowhere")', True),
        ('userName eq "x" or userName eq "olga@shop.example" and active eq false', False),
        ('(userName eq "x" or userName eq "olga@shop.example") and active eq true', True),
        ('meta.lastModified gt "2026-11-30T11:00:00Z"', True),
        ('meta.lastModified ge "2026-11-30T13:00:00+01:00"', True),
        ('meta.lastModified lt "2026-11-30T12:00:00Z"', False),
        ('userName gt "a" and userName le "olga@shop.examplf"', True),
        ('groups.display eq "TG-price"', True),
        ('userName eq "a\\"b"', False),
    ],
)
def test_a_filter_finds_what_it_says(text: str, hit: bool):
    assert filters.matches(filters.parse(text), OLGA, PEOPLE) is hit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "userName",
        "userName eq",
        'userName is "x"',
        "userName eq x",
        'userName eq "x" and',
        'userName eq "x" userName eq "y"',
        '(userName eq "x"',
        "not userName pr",
        'emails[type eq "work"',
        'userName eq "x',
        'userName eq "\\u0000"',
        'userName eq "\\ud800"',
        "active gt true",
        "userName co 5",
        '"x" eq userName',
        "(" * 60 + "active pr" + ")" * 60,
        'userName eq "' + "x" * 5000 + '"',
    ],
)
def test_what_is_no_filter_is_told(text: str):
    with pytest.raises(ScimError) as caught:
        filters.parse(text)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidFilter")


@given(st.text(alphabet='ab"\\()[] .eqandornotpr:', max_size=60))
def test_no_text_is_anything_but_a_filter_or_a_refusal(text: str):
    with suppress(ScimError):
        assert filters.matches(filters.parse(text), OLGA, PEOPLE) in (True, False)


def test_members_of_a_group_are_found_by_their_id():
    group = {"displayName": "x", "members": [{"value": "a"}, {"value": "b"}]}
    assert filters.matches(filters.parse('members[value eq "b"]'), group, GROUPS)
    assert filters.matches(filters.parse('members eq "a" and displayName eq "X"'), group, GROUPS)
    assert not filters.matches(filters.parse('members.value eq "c"'), group, GROUPS)


def test_what_every_match_equals_can_be_looked_up():
    assert filters.equals(filters.parse('userName eq "x" and active eq true')) == {"username": "x"}
    assert filters.equals(filters.parse('members[value eq "b"]')) == {"members.value": "b"}
    assert filters.equals(filters.parse('userName eq "x" or active eq true')) == {}
    assert filters.equals(filters.parse('not (userName eq "x")')) == {}
