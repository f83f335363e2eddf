"""The role that serves reads and writes rows where the product does. It owns nothing, switches nothing off, and what
the database itself keeps in order it cannot touch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from kernel.digest import digest_of
from kernel.postgresql import owner, role_strength
from portal import database_roles
from runtime.ledger import partitions
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from tests import serving_role
from tests.runtime.conftest import ledger  # noqa: F401 - a fixture
from tests.runtime.make import Flow

REFUSED = psycopg.errors.InsufficientPrivilege
FORBIDDEN = {
    "triggers off": "set session_replication_role = replica",
    "a trigger off": "alter table governance_approval disable trigger guard",
    "a trigger away": "drop trigger guard on governance_approval",
    "another hash": "create or replace function kernel_audit_hash(previous text, e kernel_auditentry) returns text "
    "language sql as $$ select e.id::text $$",
    "another table": "create table stolen (id int)",
    "another function": "create function stolen() returns int language sql as $$ select 1 $$",
    "another column": "alter table governance_approval add column note text",
    "no table": "drop table governance_approval cascade",
    "an empty ledger": "truncate kernel_auditentry, kernel_auditlink",
    "empty tallies": "truncate governance_releasetally",
    "an empty log": "truncate runtime_message",
    "a link": "insert into kernel_auditlink (position, entry_id, previous_hash, hash) values (1, 1, '', '')",
    "an entry": "insert into kernel_auditentry (at, actor_text, verb, subject_kind, subject_id, reason, request_id) "
    "values ('2020-01-01', 'Rita Hansen', 'kernel.tested', 'x', 'x', '', '')",
    "another link": "update kernel_auditlink set hash = ''",
    "another entry": "update kernel_auditentry set actor_text = 'Somebody Else'",
    "no entry": "delete from kernel_auditentry",
    "another approval": "update governance_approval set digest = ''",
    "no approval": "delete from governance_approval",
    "another decision": "update governance_decision set person_id = 1",
    "no decision": "delete from governance_decision",
    "another slot": "update governance_slot set group_ids = '{}'",
    "another verdict": "update governance_verdict set word = 'allow'",
    "another policy": "update governance_policy set document = '{}'",
    "no freeze": "delete from governance_freezewindow",
    "another release": "update runtime_release set manifest = '{}'",
    "another message": "update runtime_message set key = 'x'",
    "no message": "delete from runtime_message",
    "a tally": "insert into governance_releasetally (environment, kind, name, live) values ('', 'api', '', 1)",
    "another tally": "update governance_releasetally set live = 0",
    "another count": "update catalog_evidencetally set found = 0",
    "a migration": "insert into django_migrations (app, name, applied) values ('kernel', '9999_x', now())",
    "more for itself": "alter role current_user superuser",
    "another role": "create role stolen superuser",
    "another's role": "set role postgres",
    "a program": "copy (select 1) to program 'true'",
    "a file": "select pg_read_file('/etc/passwd')",
    "a partition away": "alter table runtime_message detach partition runtime_message_default",
}


@pytest.fixture
def serving(db: None) -> Iterator[psycopg.Connection[Any]]:
    with serving_role.connected() as conn:
        yield conn


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_serving_role_is_refused(serving: psycopg.Connection[Any], what: str) -> None:
    with pytest.raises((REFUSED, psycopg.errors.UndefinedObject)) as caught, serving.transaction():
        serving.execute(FORBIDDEN[what].encode())
    assert "must be" in str(caught.value) or "denied" in str(caught.value), str(caught.value)


def test_a_function_of_a_trigger_that_acts_as_the_owner_is_put_on_no_other_table(
    serving: psycopg.Connection[Any],
) -> None:
    serving.execute("create temp table mine (like kernel_auditentry)")
    found = serving.execute(
        "select p.oid::regprocedure::text from pg_proc p where p.prosecdef and p.prorettype = 'trigger'::regtype"
    ).fetchall()
    assert len(found) > 2
    for (function,) in found:
        with pytest.raises(REFUSED):
            serving.execute(f"create trigger t after insert on mine for each row execute function {function}".encode())


def test_every_function_that_acts_as_the_owner_looks_at_the_tables_of_the_product_first(
    serving: psycopg.Connection[Any],
) -> None:
    loose = serving.execute(
        """select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = 'public'::regnamespace and p.prosecdef
              and coalesce(array_to_string(p.proconfig, ' '), '') not like '%search_path=public, pg_temp%'"""
    ).fetchall()
    assert loose == []


def test_a_temporary_table_with_the_name_of_one_of_ours_deceives_no_guard(ledger: Connection) -> None:
    flow = Flow(ledger)
    release = ledger.execute(
        "insert into runtime_release (integration_id, digest, manifest, tier) values (%s, %s, '{}', 2) returning id",
        (flow.integration, digest_of({})),
    ).fetchone()
    assert release
    with serving_role.connected() as serving:
        serving.execute(
            "create temp table governance_valid_approval as select 1::bigint as approval_id, 'integration' as "
            "subject_kind, %s::text as subject_id, %s::text as digest, %s::text as environment",
            (flow.key, digest_of({}), flow.environment),
        )
        with pytest.raises(REFUSED, match="no valid approval"):
            serving.execute(
                "insert into runtime_deployment (integration_id, release_id, environment, approval_id, kind, active, "
                "paused, pause_reason) values (%s, %s, %s, 1, 'deploy', true, false, '')",
                (flow.integration, release[0], flow.environment),
            )


def test_a_partition_goes_only_where_nothing_needs_it_and_no_policy_keeps_it(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    append(ledger, flow.ref, [flow.item("k")])
    part = ledger.execute("select tableoid::regclass::text from runtime_message").fetchone()
    assert part
    with serving_role.connected() as serving:
        for statement in (f"drop table {part[0]}", f"delete from {part[0]}", f"update {part[0]} set key = 'x'"):
            with pytest.raises(REFUSED):
                serving.execute(statement.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="kept longer by policy"):
            serving.execute("select runtime_drop_partition(%s)", (part[0],))


def test_the_serving_role_makes_the_months_of_the_log(ledger: Connection) -> None:
    serving = Connection.connect(**serving_role.address(), autocommit=True)
    with serving:
        moment = partitions.datetime(2040, 3, 15, tzinfo=partitions.UTC)
        made = partitions.ensure(serving, at=moment)
        assert made == ["runtime_message_204003", "runtime_message_204004", "runtime_message_204005"]
        for name in made:
            assert serving.execute(f"select count(*) from {name}".encode()).fetchone() == (0,)
            assert partitions.drop_one(serving, name)


def test_an_entry_of_the_ledger_bears_the_time_at_which_it_was_written(serving: psycopg.Connection[Any]) -> None:
    with serving.transaction(force_rollback=True):
        row = serving.execute(
            "select at > now() from kernel_record(null, 'x', 'kernel.tested', 'x', 'x', null, null, '', '')"
        ).fetchone()
        serving.execute("set constraints all immediate")
        linked = serving.execute("select count(*) from kernel_auditlink").fetchone()
    assert row == (True,)
    assert linked
    assert linked[0] >= 1


def test_it_is_said_what_is_too_strong_about_a_role(serving: psycopg.Connection[Any], settings: Any) -> None:
    assert serving.execute(role_strength.LOOK).fetchall() == []
    serving.execute("select set_config('search_path', 'public', false)")
    strong, mine = {"DATABASE_URL": ("it is a superuser",)}, serving_role.owners_address()
    settings.DATABASE_ADDRESSES = {"DATABASE_URL": serving_role.address(), "DATABASE_DIRECT_URL": mine}
    assert role_strength.too_strong() == {"DATABASE_DIRECT_URL": ("it is a superuser",)}
    settings.DATABASE_ADDRESSES = {"DATABASE_URL": mine, "DATABASE_DIRECT_URL": serving_role.address()}
    assert role_strength.too_strong() == strong, "pages use this address, workers the other one"
    with pytest.raises(CommandError, match="The role of DATABASE_URL may do more than serve: it is a superuser"):
        call_command("database_roles", "--check")
    settings.DATABASE_ADDRESSES = {"DATABASE_URL": serving_role.address()}
    assert role_strength.too_strong() == {}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("grant create on database {database} to {role}", "it may make schemas in this database"),
        ("create schema shop; grant create on schema shop to {role}", "it may make tables and functions in shop"),
        ("grant insert on kernel_auditentry to {role}", "it may write to the ledger or its hash chain"),
        ("create role dba superuser; grant dba to {role}", "it may become dba, a superuser"),
        ("create role own noinherit; grant create on schema public to own; grant own to {role}", "functions in public"),
        ("alter view governance_valid_approval owner to {role}", "it owns tables or functions"),
    ],
)
def test_each_right_too_many_is_seen(db: None, made: str, said: str) -> None:
    role = serving_role.given()
    with connection.cursor() as cursor:
        cursor.execute("select current_database()")
        cursor.execute(made.format(database=connection.ops.quote_name(cursor.fetchone()[0]), role=role))
        cursor.execute(f"set local role {role}")
        cursor.execute(role_strength.LOOK)
        found = [row[0] for row in cursor.fetchall()]
        cursor.execute("reset role")
    assert len(found) == 1
    assert said in found[0]


def test_the_rights_are_printed_for_who_wants_to_read_them_first(db: None) -> None:
    out = io.StringIO()
    call_command("database_roles", "--print", "--to", "shop", stdout=out)
    lines = out.getvalue().splitlines()
    assert 'grant select on "kernel_auditlink" to "shop";' in lines
    assert 'grant select, insert, update, delete on "runtime_head" to "shop";' in lines
    with pytest.raises(CommandError, match="one role does everything"):
        call_command("database_roles")


def test_every_table_with_rights_of_its_own_is_there(db: None) -> None:
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
    assert set(database_roles.RIGHTS) - present == set()


def test_the_owner_migrates_and_nobody_else(db: None, settings: Any) -> None:
    own = dict(connection.settings_dict)
    settings.DATABASE_OWNER = {}
    assert owner.serving_role() is None
    settings.DATABASE_OWNER = own | {"USER": "another_owner"}
    assert owner.serving_role() == own["USER"]
    settings.DATABASE_SERVING_ROLE = "group_of_roles"
    assert owner.serving_role() == "group_of_roles"


@pytest.mark.django_db
def test_every_guard_looks_at_the_schema_of_the_product_alone() -> None:
    serving_role.given()
    with connection.cursor() as cursor:
        cursor.execute(
            """select p.proname from pg_proc p
                where p.pronamespace = 'public'::regnamespace and p.prorettype = 'trigger'::regtype
                  and p.proname ~ '^(kernel|catalog|governance|runtime|pgtrigger)_'
                  and coalesce(array_to_string(p.proconfig, ' '), '') not like '%search_path=public, pg_temp%'"""
        )
        assert cursor.fetchall() == []


@pytest.mark.django_db
def test_a_function_of_the_same_name_elsewhere_makes_no_digest() -> None:
    role = serving_role.given()
    forged = """insert into public.runtime_release (integration_id, digest, tier, manifest, created_at)
                select max(id), 'sha256:' || repeat('0', 64), 1, '{"forged": 1}', now()
                  from public.runtime_integration"""
    with connection.cursor() as cursor:
        cursor.execute(
            f"create schema elsewhere; grant usage on schema elsewhere to {role};"
            "create function elsewhere.encode(bytea, text) returns text language sql as $$ select repeat('0', 64) $$;"
            "with g as (insert into auth_group (name) values ('x') returning id) insert into runtime_integration "
            "(key, title, created_at, domain_key, owner_team_id) select 'x', 'x', now(), '', id from g;"
            f"set local role {role}; set local search_path to elsewhere, pg_catalog, public"
        )
        with pytest.raises(IntegrityError, match="the digest is not the one of the manifest"), transaction.atomic():
            cursor.execute(forged)
