"""Erasure over the API, by whatever correlation id the sender gave."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.db import connection

from kernel import tokens
from runtime.models import Message, Progress
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("correlation", ["order 17", "2026/11/29 till 4", "änderung#1", "50%"])
def test_a_message_is_erased_by_the_correlation_id_that_its_sender_gave(client, correlation: str) -> None:
    day = scene.day()
    place = day.sales.put({"transaction": "0187-9-20260302-000001", "mail": "ada@example.org"})[0]
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute(
            "update runtime_message set correlation = %s where (lane, position) = (%s, %s)", [correlation, *place]
        )
        cursor.execute("set session_replication_role = origin")
    Progress.objects.filter(subscription__stream=day.sales.stream).update(position=10_000)
    secret = tokens.issue(
        actor=day.people.rita, user=day.people.rita, name="x", scopes=["runtime:read", "runtime:write"]
    )[1]
    address = f"/api/v1/messages/{quote(correlation, safe='')}"
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"reason": "request 17", "whole_key": True}
    done = client.post(f"{address}/erase", body, content_type="application/json", headers=headers)
    assert (done.status_code, done.json()) == (200, {"erased": 1, "erased_before": []})
    again = client.post(f"{address}/erase", body, content_type="application/json", headers=headers).json()
    assert (again["erased"], [(one["by"], one["messages"]) for one in again["erased_before"]]) == (0, [("rita", 1)])
    assert client.get(f"{address}/trace", headers=headers).json()["corrections"] == []
    left = Message.objects.get(stream=day.sales.stream, correlation=correlation).payload
    assert left.keys() == {"$erased", "same"}, "of a document without day and store"
