"""What the tests of a source of rows share: the databases as fixtures, a table, and a run over it."""

from __future__ import annotations

import json

import pytest

from tests.runtime.connectors.conformance import read_all
from tests.runtime.connectors.databases import MariaServer, postgres


@pytest.fixture(scope="module")
def maria_server(tmp_path_factory):
    server = MariaServer(tmp_path_factory.mktemp("maria"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def pg_server(django_db_setup):
    with postgres() as made:
        yield made


@pytest.fixture
def pg(pg_server):
    pg_server.run("drop schema if exists public, other cascade")
    pg_server.run("create schema public")
    return pg_server


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request):
    if request.param == "postgresql":
        yield request.getfixturevalue("pg")
    else:
        with request.getfixturevalue("maria_server").database() as made:
            yield made


@pytest.fixture
def maria(maria_server):
    with maria_server.database() as made:
        yield made


def sales(database, rows=7):
    database.run(f"create table sales (id {database.serial}, amount numeric(12, 2), changed {database.clock})")
    for number in range(rows):
        database.run("insert into sales (amount) values (%s)", [f"{number}.50"])


def run(database, cursor=None, **settings):
    """One run: (keys, rejected, warnings, cursor)."""
    source = database.open(**settings)
    try:
        pages = read_all(source, cursor, circumstances=database.call(), limit=5_000)
    finally:
        source.close()
    records = [record for page in pages for record in page.records]
    rejected = [one for page in pages for one in page.rejected]
    return records, rejected, [one for page in pages for one in page.warnings], pages[-1].cursor


def rows_of(database, **settings):
    records, rejected, _, _ = run(database, **settings)
    return [json.loads(record.payload) for record in records], [one.reason for one in rejected]
