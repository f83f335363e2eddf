"""A time that a program writes carries its zone; without one it is refused, and the answer says where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import yaml
from django.db import transaction
from django.test import Client
from django.utils import timezone

from catalog.services.blueprint.writer import as_time
from catalog.services.findings import Findings
from governance.models import Absence
from kernel import clock
from kernel.ui.fields import UtcMomentField
from tests.catalog import make
from tests.portal.test_extreme_values import DOCUMENT, address, client, operations, resolved, sample

pytestmark = pytest.mark.django_db
__all__ = ["client"]
NO_ZONE = "2027-03-01T10:00:00"


class Sent(NamedTuple):
    method: str
    address: str
    pointer: str
    body: str | None


def times() -> Iterator[Sent]:
    """Each place of a body and of an address for a time, with a time that says no zone."""
    document = yaml.load(DOCUMENT.read_text(encoding="utf-8"), yaml.CSafeLoader)
    for method, path, operation in operations():
        given = [one for one in operation.get("parameters", []) if one["in"] in ("path", "query")]
        for one in given:
            if one.get("schema", {}).get("format") == "date-time":
                yield Sent(method, address(path, given, one, NO_ZONE), f"/{one['name']}", None)
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        for pointer in places(content["schema"], document) if content else ():
            body = sample(content["schema"], document)
            put(body, pointer.split("/")[1:])
            yield Sent(method, address(path, given, {}, ""), pointer, json.dumps(body))


def places(schema: dict[str, Any], document: dict[str, Any], at: str = "", depth: int = 0) -> Iterator[str]:
    found = resolved(schema, document)
    if found.get("format") == "date-time":
        yield at
    if depth < 6:
        for inner in (*found.get("oneOf", ()), *found.get("anyOf", ())):
            yield from places(inner, document, at, depth + 1)
        for name, inner in found.get("properties", {}).items():
            yield from places(inner, document, f"{at}/{name}", depth + 1)
        if isinstance(found.get("items"), dict):
            yield from places(found["items"], document, f"{at}/0", depth + 1)


def put(body: Any, steps: list[str]) -> None:
    for step in steps[:-1]:
        body = body[int(step)] if isinstance(body, list) else body[step]
    body[steps[-1]] = NO_ZONE


def test_each_time_of_the_api_document_is_refused_without_a_zone(client: Client):
    sent = list(times())
    assert len(sent) > 20
    wrong, missing = [], 0
    for one in sent:
        with transaction.atomic():
            answer = client.generic(
                one.method.upper(), one.address, one.body or "", "application/json", headers={"If-Match": "*"}
            )
            transaction.set_rollback(True)
        said = answer.json()
        found = said.get("findings", ()) if isinstance(said, dict) else ()
        here = [one_of["message"] for one_of in found if one_of["pointer"] == one.pointer]
        if (
            answer.status_code == 404
        ):  # what the address names is looked up first; each field is tried in tests/architecture
            missing += 1
        elif answer.status_code != 422 or not any("zone" in message for message in here):
            wrong.append((one.method, one.address, one.pointer, answer.status_code, answer.content[:200]))
    assert not wrong, "\n".join(map(str, wrong))
    assert missing < 4


# -- documents ---------------------------------------------------------------------------------------------------------
def test_a_blueprint_says_the_zone_of_a_time_and_a_day_is_midnight_utc():
    found = Findings()
    at_ten = datetime(2027, 3, 1, 10, tzinfo=UTC).replace(tzinfo=None)
    for text in (NO_ZONE, at_ten, "2027-03-01 10:00", "tomorrow"):
        assert as_time(text, found, "/x") is None
    assert [("zone" in one["message"], one["pointer"]) for one in found.items] == [(True, "/x")] * 4
    for day in ("2027-03-01", date(2027, 3, 1)):
        assert as_time(day, found, "/x") == datetime(2027, 3, 1, tzinfo=UTC)
    assert as_time("2027-03-01T10:00:00+01:00", found, "/x") == datetime(2027, 3, 1, 9, tzinfo=UTC)
    assert len(found.items) == 4


# -- pages -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("zone", ["", "Europe/Berlin", "Pacific/Auckland"])
def test_a_time_on_a_page_is_what_its_label_says_wherever_the_person_sees_times(zone: str):
    make.estate()
    lea = make.person("lea")
    type(lea).objects.filter(pk=lea.pk).update(time_zone=zone)
    day = clock.now().date() + timedelta(days=3)
    given = {"absence-starts_at": f"{day}T18:00", "absence-ends_at": f"{day}T20:00", "what": "absence"}
    answer = make.client("lea").post("/away/", given)
    assert answer.status_code == 302, answer.content
    absence = Absence.objects.get(person=lea)
    assert absence.starts_at == datetime(day.year, day.month, day.day, 18, tzinfo=UTC)


def test_what_a_form_shows_is_of_utc_as_well():
    field = UtcMomentField(label="Until")
    with timezone.override("Pacific/Auckland"):
        shown = field.prepare_value(datetime(2027, 3, 1, 10, tzinfo=UTC))
        assert field.widget.format_value(shown) == "2027-03-01T10:00"
        assert field.clean("2027-03-01T10:00") == datetime(2027, 3, 1, 10, tzinfo=UTC)
