"""Who asks again whether a verdict stands is spared the computing only while nothing can have changed the answer:
whoever writes, however late the commit is seen, and whatever time does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection, transaction

from catalog.models import ApiVersion, Application, Environment, RetailStore, Subscription, Team
from governance.models import Verdict
from governance.services import gate_evidence, policies, standing, verdicts
from kernel import clock, write_stamps
from kernel.errors import NotFound
from kernel.models import WriteStamp
from kernel.viewer import Viewer
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    standing.forget()
    yield
    standing.forget()


@pytest.fixture
def viewer() -> Viewer:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    return Viewer.of(catalog.person("robot"))


@pytest.fixture
def held(viewer: Viewer) -> int:
    """A verdict that was asked about a moment ago."""
    number = verdicts.ask(QUESTION, viewer=viewer).id
    assert standing.of(number, viewer).stands
    return number


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moments for which the gate's evidence was gathered."""
    seen: list[datetime] = []
    gather = gate_evidence.gather

    def counted(question: Any, as_of: datetime, viewer: Viewer) -> Any:
        seen.append(as_of)
        return gather(question, as_of, viewer)

    monkeypatch.setattr(gate_evidence, "gather", counted)
    return seen


@pytest.fixture
def other() -> Iterator[psycopg.Connection[Any]]:
    """A session of its own, as anybody with SQL has one."""
    given = connection.get_connection_params()
    for name in ("cursor_factory", "context", "server_side_binding", "pool", "prepare_threshold"):
        given.pop(name, None)
    with psycopg.connect(**given) as opened:
        yield opened


END = "update catalog_subscription set valid_until = now() - interval '1 second'"


def test_asked_again_nothing_is_computed(viewer, held, computed, django_assert_num_queries):
    with django_assert_num_queries(0):  # one, by the driver itself
        again = standing.of(held, viewer)
    assert (again.stands, computed) == (True, [])


def test_it_says_when_it_was_asked_and_not_when_it_was_computed(viewer, held):
    first, second = standing.of(held, viewer), standing.of(held, viewer)
    assert first.at < second.at
    assert first.etag == second.etag


@pytest.mark.parametrize("sql", [END, "delete from catalog_apientity", "truncate catalog_usageday, catalog_usagebatch"])
def test_what_somebody_writes_by_sql_is_seen_at_once(viewer, held, computed, other, sql):
    other.execute(sql)
    assert (standing.of(held, viewer).stands, computed) == (True, []), "it is not committed"
    other.commit()
    standing.of(held, viewer)
    assert computed


def test_a_transaction_that_began_before_and_commits_later_is_not_missed(viewer, held, other):
    """Its number is lower than that of everything the verdict was made from."""
    standing.forget()
    other.execute(END)
    for name in ("a", "b", "c"):  # others come and go meanwhile
        Application.objects.create(key=name, name=name, team=Team.objects.first())
    assert standing.of(held, viewer).stands
    assert standing.of(held, viewer).stands
    other.commit()
    assert not standing.of(held, viewer).stands


def test_one_that_commits_while_the_verdict_is_computed_is_not_missed(viewer, held, other, monkeypatch):
    standing.forget()
    other.execute(END)
    gather = gate_evidence.gather

    def late(question: Any, as_of: datetime, who: Viewer) -> Any:
        found = gather(question, as_of, who)
        other.commit()
        return found

    monkeypatch.setattr(gate_evidence, "gather", late)
    assert standing.of(held, viewer).stands, "it was read in one snapshot, of before"
    assert not standing.of(held, viewer).stands


def test_what_is_written_in_a_savepoint_counts_and_what_is_rolled_back_does_not(viewer, held, computed, other):
    other.execute("savepoint one")
    other.execute(END)
    other.execute("rollback to savepoint one")
    other.commit()
    assert (standing.of(held, viewer).stands, computed) == (True, [])
    other.execute("savepoint one")
    other.execute(END)
    other.execute("release savepoint one")
    other.commit()
    assert not standing.of(held, viewer).stands


def test_a_session_as_a_replica_has_its_stamp_too(viewer, held, other):
    other.execute("set session_replication_role = replica")
    other.execute(END)
    other.commit()
    assert not standing.of(held, viewer).stands


@pytest.mark.parametrize(
    "sql",
    [
        "delete from kernel_writestamp",
        "truncate kernel_writestamp",
        "update kernel_writestamp set xact = 3 where xact = (select max(xact) from kernel_writestamp)",
    ],
)
def test_who_takes_stamps_away_leaves_one(viewer, held, other, sql):
    other.execute(END)
    other.commit()
    other.execute(sql)
    other.commit()
    assert not standing.of(held, viewer).stands


def test_a_database_without_a_stamp_or_of_before_that_moment_is_computed(viewer, held, computed, monkeypatch):
    now = write_stamps.moment()
    assert write_stamps.unchanged_since(now)
    assert not write_stamps.unchanged_since("900000000000:900000000000:")
    with connection.cursor() as cursor:
        cursor.execute("alter table kernel_writestamp disable trigger user; delete from kernel_writestamp")
        cursor.execute("alter table kernel_writestamp enable always trigger write_stamp")
    assert not write_stamps.unchanged_since(now)


def at(moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_where_time_changes_something_soon_it_is_computed_each_time(viewer, held, computed):
    soon = clock.now() + timedelta(seconds=20)
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        deprecated_at=soon - timedelta(days=9), sunset_at=soon
    )
    standing.forget()
    number = verdicts.ask(QUESTION, viewer=viewer).id
    for _ in range(2):
        del computed[:]
        assert standing.of(number, viewer).stands
        assert computed


@pytest.mark.parametrize("field", ["valid_from", "valid_until"])
def test_a_subscription_that_begins_or_ends_soon_is_looked_at_each_time(viewer, held, computed, field):
    Subscription.objects.filter(application__key="till").update(**{field: clock.now() + timedelta(seconds=20)})
    number = verdicts.ask(QUESTION, viewer=viewer).id
    for _ in range(2):
        del computed[:]
        standing.of(number, viewer)
        assert computed


def test_after_half_a_minute_it_is_computed_whatever_was_written(viewer, held, computed, monkeypatch):
    late = clock.now() + standing.QUIET
    at(late, monkeypatch)
    assert standing.of(held, viewer).stands
    assert computed[0] == late


def test_a_clock_that_was_set_back_is_not_believed(viewer, held, computed, monkeypatch):
    at(clock.now() - timedelta(seconds=2), monkeypatch)
    standing.of(held, viewer)
    assert computed


def test_it_expires_on_time(viewer, held, monkeypatch):
    row = Verdict.objects.get(pk=held)
    at(row.at + timedelta(minutes=15), monkeypatch)
    assert standing.of(held, viewer).why == "expired"


def test_what_one_may_see_another_may_not(viewer, held):
    stranger = Viewer.of(make.person("stranger"))
    with pytest.raises(NotFound):
        standing.of(held, stranger)
    with pytest.raises(NotFound):
        standing.of(held, stranger)


WATCHED_NOT = {
    "catalog": {
        "catalog_apifacets",
        "catalog_campaign",
        "catalog_contractupload",
        "catalog_dailyjob",
        "catalog_destination",
        "catalog_driftreport",
        "catalog_importedthing",
        "catalog_importschedule",
        "catalog_importfile",
        "catalog_importrow",
        "catalog_importrun",
        "catalog_operationuse",
        "catalog_savedsearch",
        "catalog_searchword",
        "catalog_sunsetnotice",
    },
    "governance": {
        "governance_changeevent",
        "governance_changelink",
        "governance_notice",
        "governance_pipelineconnection",
        "governance_pipelinedelivery",
        "governance_pipelinemapping",
        "governance_pipelinereview",
        "governance_provisionedgroup",
        "governance_provisionedgroup_members",
        "governance_provisionedperson",
        "governance_verdict",
        "governance_webhookdelivery",
        "governance_webhookendpoint",
    },
}


def watched() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select tgrelid::regclass::text from pg_trigger where tgname = 'write_stamp' and tgenabled = 'A'"
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("room", WATCHED_NOT)
def test_every_table_of_the_room_is_stamped_or_named_here(room):
    tables = {m._meta.db_table for m in apps.get_app_config(room).get_models(include_auto_created=True)}
    assert tables - watched() == WATCHED_NOT[room]


def test_the_gate_reads_no_table_that_is_not_stamped(viewer):
    """By PostgreSQL's own count of what a transaction looks into."""
    RetailStore.objects.create(key="0001", name="One")
    Environment.objects.filter(key="production").update(records_complete_since=clock.now())
    questions = [
        QUESTION,
        QUESTION | {"consumes": ["nothing@v1"], "application": "nobody"},
        QUESTION | {"instance": "0001", "provides": ["price-api@v2"]},
        QUESTION | {"consumes": [], "provides": ["price-api@v1", "price-api@v2"], "application": "price-service"},
    ]
    read: set[str] = set()
    numbers = [verdicts.ask(question, viewer=viewer).id for question in questions]
    for number in numbers:
        with connection.cursor() as cursor:
            cursor.execute("select pg_stat_force_next_flush()")  # what came before does not count
        with gate_evidence.snapshot():
            row = verdicts.find(number, viewer)
            gate_evidence.gather(row.question, clock.now(), viewer)
            with connection.cursor() as cursor:
                cursor.execute("select relname from pg_stat_xact_user_tables where seq_scan > 0 or idx_scan > 0")
                read |= {name for (name,) in cursor.fetchall()}
    assert "catalog_subscription" in read
    assert read - watched() - {"governance_verdict"} == set()


def test_writers_do_not_wait_for_each_other(viewer, other):
    other.execute(END)
    done = threading.Event()

    def write() -> None:
        Application.objects.create(key="quick", name="Quick", team=Team.objects.first())
        connection.close()
        done.set()

    threading.Thread(target=write).start()
    assert done.wait(20)
    other.rollback()


def test_old_stamps_go_and_say_so(viewer):
    WriteStamp.objects.update(made_at=clock.now() - timedelta(hours=2))
    then = write_stamps.moment()
    assert write_stamps.forget() > 0
    assert not write_stamps.unchanged_since(then)
    assert write_stamps.unchanged_since(write_stamps.moment())


def test_a_transaction_that_has_written_has_no_moment_of_its_own(viewer):
    with transaction.atomic():
        assert write_stamps.moment() is not None
        Team.objects.update(name="Moved")
        assert write_stamps.moment() is None
    assert write_stamps.moment() is not None
