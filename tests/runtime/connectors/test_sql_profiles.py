"""Profiles that read a database, on recorded rows in a real one: what is asked for, and the records that a person would
expect."""

from __future__ import annotations

import json

import pytest

from runtime.profiles import profiles
from tests.runtime.connectors.sql_rows import database, maria, maria_server, pg, pg_server, run

pytestmark = pytest.mark.django_db
__all__ = ["database", "maria", "maria_server", "pg", "pg_server"]  # fixtures

RECEIPT = {
    "receipt": "000231",
    "currency": "EUR",
    "total": "11.90",
    "lines": [{"sku": "4006381333931", "quantity": 2, "amount": "11.90"}],
}
ROWS = {
    "store-server-outbox": [
        (1, "receipt", "0017", "3", "000231", "2026-11-30 18:02:11", json.dumps(RECEIPT)),
        (2, "sign-on", "0017", "3", "", "2026-11-30 18:02:40", "{}"),
        (3, "receipt", "0017", "3", "000232", "2026-11-30 18:03:05", '{"receipt": "000232", "total": 1.10}'),
        (4, "receipt", "0017", "3", "000233", "2026-11-30 18:03:59", '{"receipt": "000233", "lines": ['),
    ]
}


def test_each_profile_that_reads_a_database_has_recorded_rows():
    assert {name for name, one in profiles().items() if one.protocol == "sql"} == set(ROWS)


def test_receipts_of_an_outbox_are_read_as_they_were_written(database):
    database.run(
        f"""create table outbox (id {database.serial}, kind varchar(20), store varchar(8), till varchar(8),
        receipt varchar(20), created_at timestamp, body text)"""
    )
    for row in ROWS["store-server-outbox"]:
        database.run("insert into outbox values (%s, %s, %s, %s, %s, %s, %s)", row)
    given = dict(profiles()["store-server-outbox"].settings) | {"settle": 0.0}
    found, rejected, warnings, _ = run(database, **given)
    assert warnings == []  # number 2 is there, and none of this source
    assert [record.key for record in found] == ["0017/3/000231", "0017/3/000232"]
    first = json.loads(found[0].payload)
    assert first["body"] == RECEIPT
    assert first["created_at"].startswith("2026-11-30T18:02:11")
    assert b'"total": 1.10' in found[1].payload
    assert [one.key for one in rejected] == ["0017/3/000233"]
    assert "JSON that cannot be read" in rejected[0].reason
