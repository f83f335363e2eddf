"""Every parameter and field of every address takes, or refuses, whatever stands in it: never a 500, and a refusal says
what, where and what to do.

The addresses come from the OpenAPI document. The everyday run draws some of the cases, by the day; the long one makes
all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import yaml
from django.db import transaction
from django.test import Client

from kernel import clock
from tests.catalog import make
from tests.portal.make import person

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.yaml"
DRAWN = 150
# As they stand in an address, encoded.
EXTREMES = {
    "nothing": "",
    "the first day": "0001-01-01",
    "the last day": "9999-12-31",
    "the first moment": "0001-01-01T00:00:00Z",
    "the last moment, behind it in UTC": quote("9999-12-31T23:59:59.999999-14:00"),
    "the first moment, before it in UTC": quote("0001-01-01T00:00:00+14:00"),
    "a moment without a zone": "2026-11-29T16:00:00",
    "a day that there is not": "2026-02-30",
    "a leap second": "2026-12-31T23:59:60Z",
    "more than a bigint": "9223372036854775808",
    "less than a bigint": "-9223372036854775809",
    "a thousand digits": "9" * 1000,
    "negative": "-1",
    "a fraction": "1.5",
    "an exponent": "1e400",
    "no number": "NaN",
    "foreign digits": quote("\u0661\u0662"),
    "a NUL": "a%00b",
    "half a surrogate pair": "%ed%a0%80",
    "no UTF-8": "%ff%fe",
    "long": "x" * 10_000,
    "a line break": "a%0D%0Ab",
    "signs of SQL": quote("' or 1=1 --%_\\"),
    "a list": "1,2,,3",
}


class Asked(NamedTuple):
    """One case: an operation, the name of the parameter, what stands in it."""

    path: str
    name: str
    what: str
    address: str


# As they stand in a body, as JSON.
WRONG = {
    "null": "null",
    "true": "true",
    "negative": "-1",
    "a fraction": "1.5",
    "more than a bigint": "9223372036854775808",
    "sixty-four digits": "9" * 64,
    "too many digits": "9" * 65,
    "far exponent": "1e400",
    "an empty text": '""',
    "half a surrogate pair": '"a\\ud800"',
    "a NUL": '"a\\u0000b"',
    "long": '"' + "x" * 10_000 + '"',
    "the last moment, behind it in UTC": '"9999-12-31T23:59:59.999999-14:00"',
    "a day that there is not": '"2026-02-30"',
    "an empty list": "[]",
    "a list of nothing": "[null]",
    "lists in lists": "[[[1]]]",
    "an object": '{"x": {"y": []}}',
    "sixty-three levels": "[" * 62 + "]" * 62,
    "too many levels": "[" * 100 + "]" * 100,
    "levels without an end": "[" * 50_000,
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    document = yaml.load(DOCUMENT.read_text(encoding="utf-8"), yaml.CSafeLoader)
    for path, found in document["paths"].items():
        for method, operation in found.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield method, path, operation


def usual(parameter: dict[str, Any]) -> str:
    """A value of its kind, so that the others of a path do not stop the request first."""
    kind = parameter.get("schema", {}).get("type")
    return "1" if kind in ("integer", "number") else "production" if parameter["name"] == "environment" else "x"


def cases() -> list[Asked]:
    made = []
    for method, path, operation in operations():
        if method != "get":
            continue
        given = [one for one in operation.get("parameters", []) if one["in"] in ("path", "query")]
        for parameter in given:
            for what, value in EXTREMES.items():
                made.append(Asked(path, parameter["name"], what, address(path, given, parameter, value)))
            if parameter["in"] == "query":
                twice = f"{address(path, given, parameter, 'a')}&{quote(parameter['name'])}=b"
                made.append(Asked(path, parameter["name"], "twice", twice))
    return made


def address(path: str, given: list[dict[str, Any]], chosen: dict[str, Any], value: str) -> str:
    query = []
    for one in given:
        here = value if one is chosen else usual(one)
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", here)
        elif one is chosen or one.get("required"):
            query.append(f"{quote(one['name'])}={here}")
    return f"{path}?{'&'.join(query)}" if query else path


class Sent(NamedTuple):
    """One case: an operation, a field of its body and what stands in it."""

    method: str
    path: str
    name: str
    what: str
    address: str
    body: str


def bodies() -> list[Sent]:
    made = []
    document = yaml.load(DOCUMENT.read_text(encoding="utf-8"), yaml.CSafeLoader)
    for method, path, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        given = [one for one in operation.get("parameters", []) if one["in"] in ("path", "query")]
        to = address(path, given, {}, "")
        shape = resolved(content["schema"], document)
        fields = {name: sample(one, document) for name, one in shape.get("properties", {}).items()}
        for what, value in WRONG.items():
            made.append(Sent(method, path, "", what, to, value))
            for name in fields:
                members = (f"{json.dumps(n)}: {value if n == name else json.dumps(one)}" for n, one in fields.items())
                made.append(Sent(method, path, name, what, to, "{" + ", ".join(members) + "}"))
    return made


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema or "allOf" in schema:
        if "allOf" in schema:
            schema = schema["allOf"][0]
        else:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def sample(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> Any:
    """Something of this shape, so that one wrong field is the only one."""
    found = resolved(schema, document)
    for several in ("oneOf", "anyOf"):
        if several in found:
            return sample(found[several][0], document, depth)
    if found.get("enum"):
        return found["enum"][0]
    match found.get("type"):
        case "integer" | "number":
            return 1
        case "boolean":
            return False
        case "array":
            return [sample(found.get("items", {}), document, depth + 1)] if depth < 4 else []
        case "object":
            inner = found.get("properties", {}) if depth < 4 else {}
            return {name: sample(one, document, depth + 1) for name, one in inner.items()}
    forms = {"date": "2026-11-29", "date-time": "2026-11-29T16:00:00Z", "email": "a@example.com"}
    return forms.get(found.get("format", ""), "x")


@pytest.fixture
def client() -> Client:
    make.estate()
    made = Client(raise_request_exception=False)
    made.force_login(person("tries-everything", is_superuser=True))
    return made


def problem(answer: Any) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"{answer.status_code}"
    if answer.status_code < 400:
        return ""
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return f"{answer.status_code} as {answer.headers.get('Content-Type')}"
    said = json.loads(answer.content)
    missing = [name for name in ("title", "status", "detail", "code") if not said.get(name)]
    if missing:
        return f"{answer.status_code} without {', '.join(missing)}"
    if answer.status_code == 422 and said["code"] == "request.invalid" and not said.get("findings"):
        return "422 without a finding that says where"
    return ""


def wrong(client: Client, asked: list[Asked]) -> list[str]:
    found = []
    for one in asked:
        with transaction.atomic():
            answer = client.generic("GET", one.address)
            transaction.set_rollback(True)
        if said := problem(answer):
            found.append(f"{one.path} {one.name}: {one.what}: {said}")
    return found


def test_no_value_of_a_parameter_is_an_error_of_ours(client: Client) -> None:
    every = cases()
    assert len(every) > 2_000
    drawn = random.Random(clock.now().date().toordinal()).sample(every, DRAWN)
    found = wrong(client, drawn)
    assert not found, "\n".join(found)


@pytest.mark.thorough
def test_no_value_of_any_parameter_is_an_error_of_ours(client: Client) -> None:
    found = wrong(client, cases())
    assert not found, "\n".join(found)


@pytest.mark.parametrize("value", ["a%00b", "%ed%a0%80", "%ff%fe"])
@pytest.mark.parametrize("path", ["/api/v1/apis", "/api/v1/gate", "/api/v1/intake/sales/", "/api/v1/nothing/"])
def test_what_is_no_text_is_refused_at_one_place_with_the_name_of_its_parameter(value: str, path: str) -> None:
    answer = Client().get(f"{path}?ok=%C3%A4&q={value}")
    said = json.loads(answer.content)
    assert (answer.status_code, said["code"]) == (422, "request.address")
    assert [one["pointer"] for one in said["findings"]] == ["/q"]
    assert problem(answer) == ""


def refused(client: Client, sent: list[Sent]) -> list[str]:
    found = []
    for one in sent:
        with transaction.atomic():
            answer = client.generic(
                one.method.upper(), one.address, one.body, "application/json", headers={"If-Match": "*"}
            )
            transaction.set_rollback(True)
        if said := problem(answer):
            found.append(f"{one.method} {one.path} {one.name}: {one.what}: {said}")
    return found


def test_no_field_of_a_body_is_an_error_of_ours(client: Client) -> None:
    every = bodies()
    assert len(every) > 2_000
    drawn = random.Random(clock.now().date().toordinal()).sample(every, DRAWN)
    found = refused(client, drawn)
    assert not found, "\n".join(found)


@pytest.mark.thorough
def test_no_field_of_any_body_is_an_error_of_ours(client: Client) -> None:
    found = refused(client, bodies())
    assert not found, "\n".join(found)
