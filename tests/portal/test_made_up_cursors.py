"""A cursor that no list has given is refused as bad input at every paged address of the OpenAPI document; one that a
list has given goes on."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client

from tests.catalog import make
from tests.portal.make import person
from tests.portal.test_extreme_values import address, operations

pytestmark = pytest.mark.django_db

INSIDE = (
    "p=%00",
    "r=1&p=%00",
    "o=1000&p=%00",
    "p=abc",
    "p=",
    "p=NaN",
    "p=infinity",
    "p=1.5",
    "p=" + "9" * 5000,
    "p=99999999999999999999",
    "p=2026-13-45",
    "p=%F0%9F%98%80",
    "p=%ED%A0%80",
    "p={}",
    "o=" + "9" * 5000,
    "o=-1&p=1",
    "r=x",
)
MADE_UP = [*(quote(b64encode(one.encode()).decode()) for one in INSIDE), "zzz", "%C3%A4", "===", "gAAA", ""]


def paged() -> list[str]:
    """Every address with a cursor, of what there is in the estate, or of nothing."""
    found = []
    for method, path, operation in operations():
        given = [one for one in operation.get("parameters", []) if one["in"] in ("path", "query")]
        if method == "get" and any(one["name"] == "cursor" for one in given):
            to = address(path, given, {}, "")
            found.append(f"{to}{'&' if '?' in to else '?'}")
    return found


@pytest.fixture
def client() -> Client:
    make.estate()
    made = Client(raise_request_exception=False)
    made.force_login(person("tries-cursors", is_superuser=True))
    return made


def asked(client: Client, to: str) -> tuple[int, Any]:
    with transaction.atomic():
        answer = client.get(to)
        transaction.set_rollback(True)
    return answer.status_code, json.loads(answer.content)


SOME = [MADE_UP[0], MADE_UP[1], MADE_UP[3], MADE_UP[8], "zzz"]


@pytest.mark.parametrize("cursors", [SOME, pytest.param(MADE_UP, marks=pytest.mark.thorough)], ids=["some", "all"])
def test_no_made_up_cursor_is_an_error_of_ours_at_any_paged_address(client: Client, cursors: list[str]) -> None:
    addresses = paged()
    assert len(addresses) > 20
    found = []
    refused = set()
    for to in addresses:
        for cursor in cursors:
            status, said = asked(client, f"{to}cursor={cursor}")
            if status >= 500:
                found.append((to, cursor, status))
            elif status == 422:
                refused.add(to)
                assert said["code"] == "request.cursor"
                assert said["findings"][0]["pointer"] == "/cursor"
                assert "begin without it" in said["detail"]
    assert found == []
    assert len(refused) > 15, "the others are of something that is not there"


def test_the_same_made_up_cursor_is_refused_alike_in_every_list(client: Client) -> None:
    numbers = quote(b64encode(b"p=abc").decode())
    for to in ("/api/v1/changes", "/api/v1/policies", "/api/v1/freezes", "/api/v1/webhooks", "/api/v1/runs"):
        status, said = asked(client, f"{to}?cursor={numbers}")
        assert (status, said["code"]) == (422, "request.cursor"), to


def test_a_cursor_that_a_list_gave_goes_on(client: Client) -> None:
    for to in ("/api/v1/apis", "/api/v1/dependencies", "/api/v1/applications"):
        _, first = asked(client, f"{to}?page_size=1")
        if first["next"]:
            status, second = asked(client, first["next"])
            assert (status, len(second["results"])) == (200, 1)
            assert second["results"] != first["results"]
            status, again = asked(client, second["previous"])
            assert (status, again["results"]) == (200, first["results"])
