"""The connection of a source of rows: what is wrong with it is said, and every wait has an end."""

from __future__ import annotations

import time

import pytest

from kernel import egress
from kernel.networks import Reach
from runtime.connectors.protocols import ConnectionFault, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.databases import Authority, MariaServer, Postgres, TlsDoor
from tests.runtime.connectors.sql_rows import database, maria, maria_server, pg, pg_server, run, sales

pytestmark = pytest.mark.django_db
__all__ = ["database", "maria", "maria_server", "pg", "pg_server"]  # fixtures


# -- the connection ----------------------------------------------------------------------------------------------------
def test_a_statement_that_takes_too_long_ends(database):
    sales(database, 1)
    wait = "pg_sleep(20)::text" if isinstance(database, Postgres) else "sleep(20)"
    source = database.open(query=f"select id, {wait} as w from sales")
    started = time.monotonic()
    with pytest.raises(Retriable):
        source.read({"phase": "rows"}, call=database.call(deadline=1.0))
    source.close()
    assert time.monotonic() - started < 6


def test_a_connection_that_is_cut_between_pages_is_opened_anew(database):
    sales(database)
    source = database.open(table="sales", page_size=2)
    page = source.read(None, call=database.call())
    page = source.read(page.cursor, call=database.call())
    conn = source.session._conn
    egress.cut(conn.fileno() if isinstance(database, Postgres) else conn._sock.fileno())
    with pytest.raises(Retriable):
        source.read(page.cursor, call=database.call())
    assert source.read(page.cursor, call=database.call()).records
    source.close()


def test_a_wrong_password_is_a_fault_without_the_password(maria):
    source = maria.open(table="sales")
    with pytest.raises(ConnectionFault) as met:
        source.read(
            None, call=maria.call(secrets={"user": "pos", "password": "wrong-word-1"})
        ) if False else source.read(None, call=_with(maria, password="wrong-word-1"))
    source.close()
    assert met.value.kind == "credentials"
    assert "wrong-word-1" not in str(met.value)


def _with(database, **secrets):
    return call({**database.secrets, **secrets})


def test_a_role_that_is_not_there_is_a_fault(pg):
    source = pg.open(table="sales")
    with pytest.raises(ConnectionFault) as met:
        source.read(None, call=_with(pg, user="nobody_here"))
    source.close()
    assert met.value.kind == "credentials"


def test_a_database_that_is_not_there_is_a_fault_of_the_address(database):
    settings = database.settings(table="sales")
    settings["base_url"] = settings["base_url"].rpartition("/")[0] + "/nothing_here?tls=none"
    source = open_source("sql", settings)
    with pytest.raises(ConnectionFault) as met:
        source.read(None, call=database.call())
    source.close()
    assert met.value.kind in ("address", "credentials")  # MariaDB tells an account only what it may know


def test_a_server_without_tls_is_a_fault_where_tls_is_wanted(database):
    source = database.open(table="sales", tls="verified")
    with pytest.raises(ConnectionFault) as met:
        source.read(None, call=database.call())
    source.close()
    assert met.value.kind == "certificate"
    assert "TLS" in str(met.value)


def test_an_account_without_the_right_to_read_is_told_so(pg):
    pg.run("create schema other")
    pg.run("create table other.t (id int primary key)")
    pg.run(f"revoke all on other.t from {pg.secrets['user']}")
    with pytest.raises(ConnectionFault) as met:
        run(pg, table="other.t")
    assert met.value.kind == "credentials"


def test_a_host_of_this_machine_is_not_reached_where_no_setting_allows_it(database, monkeypatch):
    monkeypatch.setitem(egress._reaches, "systems", Reach(private=True))
    source = database.open(table="sales")
    with pytest.raises(ConnectionFault) as met:
        source.read(None, call=database.call())
    source.close()
    assert met.value.kind == "address"


def test_another_kind_of_system_is_no_database():
    source = open_source("sql", {"key_fields": ["id"], "table": "a", "base_url": "https://erp.example.com"})
    with pytest.raises(ConnectionFault, match="no database"):
        source.read(None, call=_with(Postgres))
    source.close()


def test_a_row_that_was_rejected_is_judged_again(database):
    source = database.open(table="sales")
    assert source.judged_again(b'{"id": 7, "amount": 1.50}').key == "7"
    assert source.judged_again(b'{"amount": 1.50}').reason
    source.close()


# -- TLS ---------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_maria(tmp_path_factory, authority):
    server = MariaServer(tmp_path_factory.mktemp("maria-tls"), authority.folder)
    yield server
    server.close()


@pytest.fixture
def door(authority):
    made = TlsDoor(authority.folder, "127.0.0.1")
    yield made
    made.close()


def through(database, door, host="127.0.0.1"):
    """The address of a database behind a door."""
    return f"postgresql://{host}:{door.port}/{database.address.rpartition('/')[2]}"


@pytest.fixture(params=["postgresql", "mariadb"])
def with_tls(request):
    if request.param == "postgresql":
        made = request.getfixturevalue("pg")
        plain, made.address = made.address, through(made, request.getfixturevalue("door"))
        yield made
        made.address = plain
    else:
        with request.getfixturevalue("tls_maria").database() as made:
            yield made


def test_rows_come_over_tls_from_a_server_whose_authority_the_endpoint_names(with_tls, authority):
    sales(with_tls, 2)
    assert len(run(with_tls, table="sales", tls="verified", trusted=authority.certificate)[0]) == 2


@pytest.mark.parametrize("trusted", ["another", "the machine's"])
def test_a_certificate_of_another_authority_is_a_fault(with_tls, tmp_path, trusted):
    given = Authority(tmp_path).certificate if trusted == "another" else ""
    with pytest.raises(ConnectionFault) as met:
        run(with_tls, table="sales", tls="verified", trusted=given)
    assert met.value.kind == "certificate"


def test_a_certificate_for_another_host_is_a_fault(pg, authority):
    door = TlsDoor(authority.folder, "127.0.0.2")
    settings = pg.settings(table="sales", tls="verified", trusted=authority.certificate)
    source = open_source("sql", settings | {"base_url": through(pg, door, "127.0.0.2")})
    with pytest.raises(ConnectionFault) as met:
        source.read(None, call=pg.call())
    source.close()
    door.close()
    assert met.value.kind == "certificate"
