"""Nobody keeps what was answered to one person: no browser's store, no proxy. And what no field can store is refused at
one place for every form, address and body."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from kernel import clock, tokens
from portal.answer_headers import PROMISED
from tests.portal import make
from tests.portal.test_extreme_values import address, operations, problem

pytestmark = pytest.mark.django_db
PUBLIC = {"/.well-known/tillgate-keys.json": "public, max-age=300"}
_PART = re.compile(r"<(?:(\w+):)?\w+>|\(\?P<\w+>([\w|]+)\)|\(\?P<\w+>[^)]*\)")


def patterns(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern).lstrip("^/").rstrip("$")
        if isinstance(one, URLResolver):
            yield from patterns(one, route)
        elif isinstance(one, URLPattern):
            yield route


def of_route(route: str) -> str:
    """An address of it: of nothing that is there, mostly."""
    filled = _PART.sub(lambda part: (part[2] or "x").split("|")[0] if part[1] != "int" else "1", route)
    return re.sub(r"\\Z|\\|\?$", "", filled)


ADDRESSES = sorted(
    {of_route(one) for one in patterns(get_resolver()) if not one.startswith(("/admin/", "/health/"))} | {"/admin/"}
)


def drawn(every: list[Any], many: int = 40) -> list[Any]:
    """Some of them, by the day; the long test takes all."""
    return random.Random(clock.now().date().toordinal()).sample(every, many)


def kept_by_somebody(addresses: list[str]) -> dict[str, str]:
    """The answers to a person that may be kept, but for those that are kept by that person alone and asked about
    each time."""
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann", is_superuser=True, is_staff=True))
    found = {}
    for one in addresses:
        answer = client.get(one)
        assert answer.status_code < 500, one
        said = answer.headers.get("Cache-Control", "nothing")
        if "no-store" not in said and not (said == "private, no-cache" and "ETag" in answer.headers):
            found[one] = said
    return found


def test_what_is_answered_to_a_person_is_kept_by_nobody() -> None:
    """Inbox, changes and most answers of the API said nothing."""
    assert len(ADDRESSES) > 300
    assert kept_by_somebody(sorted({"/inbox/", "/api/v1/changes", *PUBLIC, *drawn(ADDRESSES)})) == PUBLIC


@pytest.mark.thorough
def test_whatever_is_answered_to_a_person_is_kept_by_nobody() -> None:
    assert kept_by_somebody(ADDRESSES) == PUBLIC


def test_what_has_an_etag_is_kept_by_its_reader_alone_and_asked_about_each_time() -> None:
    ann = make.person("ann")
    _, secret = tokens.issue(actor=ann, user=ann, name="x", scopes=["catalog:read"])
    answer = Client().get("/api/v1/apis", headers={"Authorization": f"Bearer {secret}"})
    assert answer.headers["Cache-Control"] in ("no-store", "private, no-cache")
    assert ("ETag" in answer.headers) == (answer.headers["Cache-Control"] == "private, no-cache")


@pytest.mark.parametrize("path", ["/sign-in/", "/no-such-page/", "/api/v1/nothing", "/inbox/"])
def test_the_door_and_refusals_are_not_kept_either(path: str) -> None:
    assert "no-store" in Client().get(path).headers["Cache-Control"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/sign-in/?next=%00", 422),
        ("get", "/api/v1/apis?q=%00", 422),
        ("get", "/api/v1/apis", 401),
        ("get", "/no-such-page/", 404),
        ("get", "/health/live", 200),
        ("get", "/health/ready", 200),
        ("post", "/sign-in/", 422),
        ("get", "/", 421),
    ],
)
def test_refusals_say_beside_their_content_what_pages_say(method: str, path: str, status: int) -> None:
    """Refused before the session was read, they said nothing."""
    client = Client(raise_request_exception=False)
    more = {"headers": {"Host": "evil.example"}} if status == 421 else {}
    answer = getattr(client, method)(path, {"username": "a\0b"} if status == 422 and method == "post" else None, **more)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in PROMISED} == {**PROMISED, "Cache-Control": unkept(answer)}


def unkept(answer: Any) -> str:
    """Django's `never_cache` says more of the same."""
    said = str(answer.headers.get("Cache-Control"))
    assert "no-store" in said
    return said


def test_static_files_are_kept() -> None:
    answer = Client().get("/static/tillgate.css")
    answer.close()
    assert "no-store" not in answer.headers["Cache-Control"]


# -- what no field can store -------------------------------------------------------------------------------------------
def paths_of_forms() -> list[str]:
    return [one for one in ADDRESSES if not one.startswith(("/api/", "/scim/", "/static/", "/.well-known/"))]


def test_a_nul_in_any_form_is_refused_with_the_name_of_its_field() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann", is_superuser=True, is_staff=True))
    for path in drawn(paths_of_forms()):
        for form in ({"ok": "a", "note": "a\0b"}, {"no\0te": "a"}):
            answer = client.post(path, form, headers={"Accept": "application/json"})
            said = answer.json()
            assert (answer.status_code, said["code"]) == (422, "request.form"), path
            assert [one["pointer"] for one in said["findings"]] in (["/note"], ["/no?te"])


def test_a_nul_in_a_form_without_files_and_bytes_that_are_no_utf8_are_no_error_of_ours() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann"))
    kind = "application/x-www-form-urlencoded"
    assert client.generic("POST", "/settings/account/details/", b"email=a%00b", kind).status_code == 422
    for body in (b"email=%ff", b"email=%ed%a0%80", b"\xff\xfe=\x00"):
        assert client.generic("POST", "/settings/account/details/", body, kind).status_code in (302, 422)


@pytest.mark.parametrize("query", ["q=a%00b", "q=%ed%a0%80", "q=%ff"])
def test_pages_refuse_what_is_no_text_in_their_address(query: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann"))
    answer = client.get(f"/search/?{query}")
    assert answer.status_code == 422
    assert "The address cannot be read" in answer.text


NAMES = (
    '{"\\ud800": 1}',
    '{"a\\u0000b": 1}',
    '{"x": {"y": [{"\\udfff": 1}]}}',
    '{"x": [{"y": "\\ud800"}]}',
    '{"x": 1, "x": 2}',
)


def bodies_of_json() -> list[tuple[str, str]]:
    """Each operation of the OpenAPI document that takes JSON: method and address."""
    return [
        (
            method,
            address(path, [one for one in operation.get("parameters", []) if one["in"] in ("path", "query")], {}, ""),
        )
        for method, path, operation in operations()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def not_refused(client: Client, asked: list[tuple[str, str]]) -> list[Any]:
    found = []
    for method, to in asked:
        for body in NAMES:
            answer = client.generic(method.upper(), to, body, "application/json", headers={"If-Match": "*"})
            said = json.loads(answer.content) if 400 <= answer.status_code < 500 else {}
            if not said or problem(answer) or (answer.status_code == 422 and not said["findings"][0]["message"]):
                found.append((method, to, body, answer.status_code))
    return found


def test_names_and_deep_texts_of_a_body_are_refused_with_their_place() -> None:
    assert len(bodies_of_json()) > 60
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann", is_superuser=True))
    assert not_refused(client, drawn(bodies_of_json(), 20)) == []


@pytest.mark.thorough
def test_names_and_deep_texts_of_every_body_are_refused_with_their_place() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann", is_superuser=True))
    assert not_refused(client, bodies_of_json()) == []


HEADERS = ("Traceparent", "If-Match", "If-None-Match", "X-Request-Id", "Referer", "Accept", "User-Agent", "HX-Request")


@pytest.mark.parametrize(
    "value", ["a\x00b", "\xff\xfe", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "x" * 9000]
)
def test_headers_that_are_used_as_text_are_no_error_of_ours(value: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make.person("ann", is_superuser=True))
    given: dict[str, Any] = {f"HTTP_{name.upper().replace('-', '_')}": value for name in HEADERS}
    for path in ("/settings/account/", "/api/v1/apis"):
        assert client.get(path, **given).status_code < 500, path
        for name, text in given.items():
            assert client.get(path, **{name: text}).status_code < 500, (path, name)
    sent = {"username": "ann", "password": make.PASSWORD}
    assert Client(raise_request_exception=False).post("/sign-in/", sent, **given).status_code < 500
    assert Client(raise_request_exception=False).post("/sign-in/", sent | {"password": "no"}, **given).status_code < 500
