"""The page of what runs where, by place: whole, in order, and at any depth for the same price."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from governance.models import ApplicationRelease
from governance.selectors import live_records
from governance.services import release_records
from kernel.models import User
from kernel.viewer import SYSTEM

pytestmark = pytest.mark.django_db


@contextmanager
def beneath() -> Iterator[None]:
    """Rows without their entries in the ledger."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        yield
        cursor.execute("set local session_replication_role = origin")


def records(count: int, **more: Any) -> None:
    with beneath():
        _make(count, **more)


def _make(count: int, **more: Any) -> None:
    ApplicationRelease.objects.bulk_create(
        ApplicationRelease(
            application=f"app-{number % 7}",
            version=f"{number}",
            mode="deployed",
            environment=("production", "staging")[number % 2],
            instance=f"i-{number:05d}",
            **more,
        )
        for number in range(count)
    )


def live() -> Any:
    return release_records.listed(SYSTEM, live="true")


def walked() -> list[ApplicationRelease]:
    found: list[ApplicationRelease] = []
    after = ""
    while True:
        page = live_records.page(live(), after)
        found += page.rows
        if page.after is None:
            return found
        after = str(page.after)


def test_every_record_stands_on_one_page_those_against_the_gate_first() -> None:
    records(120)
    with beneath():
        ApplicationRelease.objects.filter(version__in=("3", "50", "119")).update(against_gate=True)
    found = walked()
    places = [(not one.against_gate, one.environment, one.application, one.instance) for one in found]
    assert places == sorted(places)
    assert len({one.pk for one in found}) == len(found) == 120


def test_a_page_goes_on_where_it_ended_whatever_came_and_went_before_it() -> None:
    records(120)
    first = live_records.page(live())
    with beneath():
        ApplicationRelease.objects.filter(pk=first.rows[0].pk).delete()
    second = live_records.page(live(), str(first.after))
    assert not {one.pk for one in first.rows} & {one.pk for one in second.rows}
    assert second.rows[0].pk == walked()[49].pk


@pytest.mark.parametrize("after", ["", "x", "²", "0", "-1", "9" * 40, "999999"])
def test_what_is_no_place_begins_anew(after: str) -> None:
    records(3)
    page = live_records.page(live(), after)
    assert (len(page.rows), page.after, page.first) == (3, None, True)


def test_pages_lead_on_and_back_to_the_beginning(client: Client) -> None:
    records(60)
    client.force_login(User.objects.create(username="admin", is_superuser=True))
    address = reverse("governance:deployments")
    shown = client.get(address).text
    following = re.search(r'href="\?(after=\d+)"[^>]*>Next', shown)
    assert following is not None
    assert "From the beginning" not in shown
    shown = client.get(f"{address}?{following[1]}").text
    assert "From the beginning" in shown
    assert "Next" not in shown


def test_a_page_in_the_middle_of_many_reads_its_own_rows_alone() -> None:
    records(3_000)
    begun = walked()[1_500]
    rows = (
        live().select_related(None).filter(live_records.behind(begun), against_gate=False).order_by(*live_records.PLACE)
    )
    statement, values = rows[:51].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute("analyze governance_applicationrelease")
        cursor.execute(f"explain (analyze, format json) {statement}", values)
        found = cursor.fetchone()[0]
    plan = json.loads(found) if isinstance(found, str) else found
    scans = list(_scans(plan[0]["Plan"]))
    assert [one["Index Name"] for one in scans if one["Relation Name"] == "governance_applicationrelease"] == [
        "release_live_places"
    ]
    assert max(one["Actual Rows"] for one in scans) <= 51


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)
