"""What the policy no longer keeps goes, nothing that something still needs, and what goes stays counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command

from kernel import periodic_jobs
from runtime.domain import retention as rules
from runtime.ledger import connections, partitions, retained_rows, retention, retention_due
from runtime.ledger.append import TOO_OLD, IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.models import Integration
from runtime.services import retention as service
from tests import serving_role
from tests.runtime.make import Flow
from tests.runtime.test_partitions import tables

OLD = datetime(2019, 3, 10, tzinfo=UTC)


@pytest.fixture
def log(ledger: Connection) -> Iterator[Connection]:
    """The ledger with a partition of long ago."""
    before = tables(ledger)
    partitions.ensure(ledger, at=OLD)
    yield ledger
    ledger.execute("set session_replication_role = replica")
    ledger.execute("delete from runtime_message")
    for name in tables(ledger) - before:
        ledger.execute(f"drop table {name}")


def keep(conn: Connection, what: str, days: int | None = 400) -> None:
    conn.execute("insert into runtime_retention (data_class, days) values (%s, %s)", (what, days))


def store(conn: Connection, flow: Flow, position: int, day: str = "2019-03-10") -> None:
    conn.execute("update runtime_lane set next = %s where stream_id = %s", (position + 1, flow.stream))
    conn.execute(
        "insert into runtime_message (stream_id, lane, position, received_at, key, version, payload) "
        "values (%s, 0, %s, %s, %s, 0, %s)",
        (flow.stream, position, OLD, f"k{position}", f'{{"businessDate": "{day}"}}'),
    )
    conn.execute(
        "insert into runtime_head (stream_id, key, hash, version, position) values (%s, %s, 1, 0, %s)",
        (flow.stream, f"k{position}", position),
    )


def delivered(conn: Connection, subscription: int, position: int, at: datetime = OLD) -> None:
    conn.execute(
        "insert into runtime_delivery (subscription_id, lane, first, last, token, at, outcome, confirmed, superseded, "
        "skipped, refused, waiting) values (%s, 0, 1, %s, 1, %s, 'confirmed', %s, 0, 0, 0, 0)",
        (subscription, position, at, position),
    )


def passed(conn: Connection, flow: Flow, position: int) -> int:
    subscription = flow.subscribe(kind="database")
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        conn.execute("update runtime_progress set position = %s where subscription_id = %s", (position, subscription))
    return subscription


def names(conn: Connection) -> dict[str, tuple[str, ...]]:
    return {one.name: why for one, why in retention.due_partitions(conn)}


def test_without_a_policy_everything_is_kept(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    delivered(log, passed(log, flow, 1), 1)
    assert (retention_due.due(log), retained_rows.drop_evidence(log)) == ([], 0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        log.execute("delete from runtime_delivery")


def test_a_month_goes_once_nothing_needs_it_and_stays_counted(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    store(log, flow, 1)
    store(log, flow, 2)
    subscription = flow.subscribe(kind="database")
    keep(log, "messages")
    part = next(one for one, _ in retention.due_partitions(log) if one.name == "runtime_message_201903")
    assert names(log)[part.name] == ("a target has still to take messages",)
    assert not retention.drop_partition(log, part, wait=lambda _: None)
    with log.transaction():
        log.execute("set local session_replication_role = replica")
        log.execute("update runtime_progress set position = 2 where subscription_id = %s", (subscription,))
    assert names(log)[part.name] == ()
    assert retention.drop_partition(log, part, wait=lambda _: None)
    assert part.name not in tables(log)
    assert log.execute("select stream_id, day::text, number from runtime_dropped").fetchall() == [
        (flow.stream, "2019-03-10", 2)
    ]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "insert into runtime_quarantine (subscription_id, lane, position, key, state) "
            "values (%s, 0, 1, 'k1', 'dead')",
            "messages are in quarantine or wait for a person",
        ),
        (
            "insert into runtime_replay (target_id, state, since, until, key_from, key_to, spans, messages, digest, "
            "reason) values (%s, 'planned', '2019-03-01', '2019-03-11', '', '', '{}', 1, '', 'x')",
            "a replay of this time is planned or under way",
        ),
        (
            "insert into runtime_rewind (reason, window_until) select 'stated', now() where %s > 0",
            "the database went back, and recovery has not ended",
        ),
    ],
)
def test_what_still_needs_a_month_holds_it_and_is_named(log: Connection, statement: str, why: str) -> None:
    flow = Flow(log, lanes=1)
    store(log, flow, 1)
    subscription = passed(log, flow, 1)
    keep(log, "messages")
    log.execute(statement, (subscription,))
    assert names(log)["runtime_message_201903"] == (why,)


def test_another_integration_that_keeps_its_messages_longer_holds_the_month(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    store(log, flow, 1)
    passed(log, flow, 1)
    keep(log, "messages")
    log.execute(
        "insert into runtime_retention (data_class, integration_id) values ('messages', %s)", (flow.integration,)
    )
    assert names(log)["runtime_message_201903"] == (f"kept longer by policy: {flow.key}",)


def test_evidence_goes_by_policy_and_raw_sql_takes_none_that_is_kept(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    subscription = passed(log, flow, 2)
    keep(log, "messages")
    keep(log, "evidence")
    delivered(log, subscription, 2)
    delivered(log, subscription, 2, datetime.now(UTC) - timedelta(days=399))
    log.execute(
        "insert into runtime_quarantine (subscription_id, lane, position, key, state) values (%s, 0, 1, 'k1', 'dead')",
        (subscription,),
    )
    assert retained_rows.drop_evidence(log) == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="something still needs it"):
        log.execute("delete from runtime_delivery")
    log.execute("delete from runtime_quarantine")
    assert retained_rows.drop_evidence(log) == 1
    assert log.execute("select confirmed, day::text from runtime_dropped").fetchall() == [(2, "2019-03-10")]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        log.execute("delete from runtime_delivery")


@pytest.mark.parametrize("days", [800, None])
def test_evidence_is_kept_at_least_as_long_as_its_messages_whichever_is_set(log: Connection, days: int | None) -> None:
    flow = Flow(log, lanes=1)
    subscription = passed(log, flow, 2)
    other = Flow(log, lanes=1)
    elsewhere = passed(log, other, 2)
    for what in ("messages", "evidence", "runs"):
        keep(log, what, 400)
    log.execute(
        "insert into runtime_retention (data_class, days, integration_id) values ('messages', %s, %s)",
        (days, flow.integration),
    )
    at = datetime.now(UTC) - timedelta(days=500)
    delivered(log, subscription, 2, at)
    delivered(log, elsewhere, 2, at)
    ended = "insert into runtime_run (integration_id, stream_id, kind, trigger, state, started_at, ended_at, read, "
    ended += "accepted) values (%s, %s, 'collect', 'manual', 'succeeded', %s, %s, 5, 4)"
    for one in (flow, other):
        log.execute(ended.encode(), (one.integration, one.stream, at, at))
    assert retained_rows.drop_evidence(log) == 1
    retained_rows.drop_rows(log)
    assert log.execute("select subscription_id from runtime_delivery").fetchall() == [(subscription,)]
    assert log.execute("select integration_id from runtime_run").fetchall() == [(flow.integration,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="kept by policy"):
        log.execute("delete from runtime_delivery")
    kept = service.in_force(Integration.objects.get(pk=flow.integration))
    assert (kept["messages"], kept["evidence"], kept["runs"]) == (days, days, days)
    assert service.in_force()["evidence"] == 400


def test_a_run_that_somebody_keeps_from_its_work_says_who_and_fails(
    log: Connection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(log, "messages")
    monkeypatch.setattr(partitions, "LOCK", "50ms")
    assert names(log)["runtime_message_201903"] == ()
    with psycopg.connect(**(connections._arguments() | {"application_name": "a-long-backup"})) as reader:
        reader.execute("lock table runtime_message_201903 in access share mode")
        with pytest.raises(CommandError, match=r"Still due: runtime_message_201903.*a-long-backup"):
            call_command("retention", "--run")
    assert "201903" not in capsys.readouterr().out
    call_command("retention", "--run")
    assert "Dropped: runtime_message_201903" in capsys.readouterr().out


def test_known_keys_go_where_the_same_fact_would_be_known_as_too_old(log: Connection) -> None:
    flow = Flow(log, lanes=1, immutable=True)
    store(log, flow, 1)
    store(log, flow, 2, day="")
    passed(log, flow, 2)
    append(log, flow.ref, [flow.item("today", 1)])
    keep(log, "heads")
    keep(log, "messages")
    assert "known keys of its facts have not been looked through yet" in names(log)["runtime_message_201903"]
    assert retention.drop_heads(log) == 1
    assert log.execute("select key from runtime_head order by key").fetchall() == [("k2",), ("today",)]
    assert retention.drop_heads(log) == 0
    assert names(log)["runtime_message_201903"] == ()
    with Connection.connect(**serving_role.address(), autocommit=True) as serving:
        found = [partitions.index_keys(serving) for _ in range(3)]
    assert found == ["runtime_message_201903", "", ""]


def test_a_fact_that_was_forgotten_is_not_taken_for_new(log: Connection) -> None:
    flow = Flow(log, lanes=1, immutable=True)
    sale = IncomingMessage("k1", 0, b'{"businessDate": "2019-03-10", "total": "4.20"}')
    assert append(log, flow.ref, [sale]).accepted == 1
    log.execute("delete from runtime_head")
    keep(log, "heads")
    done = append(log, flow.ref, [sale, flow.item("today", 1)])
    assert (done.accepted, done.too_old, done.positions[0]) == (1, 1, TOO_OLD)


def test_a_longer_window_does_not_bring_back_what_was_forgotten(log: Connection) -> None:
    flow = Flow(log, lanes=1, immutable=True)
    store(log, flow, 1)
    keep(log, "heads")
    assert retention.drop_heads(log) == 1
    keep(log, "heads", None)
    sale = IncomingMessage("k1", 0, b'{"businessDate": "2019-03-10", "total": "4.20"}')
    assert append(log, flow.ref, [sale]).too_old == 1


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"businessDate": "2019-03-10"}', {0}),
        (b'{"business_date":"2019-03-10T08:00:00"}', {0}),
        (b'{"business\\u0044ate": "2019-02-31"}', {0}),
        (b'{"businessDate": "2026-03-10", "lines": [{"businessDate": "2019-03-10"}]}', set()),
        (b'{"businessDate": null, "business_date": "2019-03-10"}', {0}),
        (b'{"businessDate": 20190310}', set()),
        (b'["2019-03-10"]', set()),
    ],
)
def test_the_business_date_of_a_fact_is_read_as_the_database_reads_it(
    ledger: Connection, payload: bytes, found: set[int]
) -> None:
    assert rules.too_old([payload], date(2025, 1, 1)) == found
    among = [b'{"businessDate": "2026-03-10"}', b'{"other": 1}', payload]
    assert rules.too_old(among, date(2025, 1, 1)) == {index + 2 for index in found}
    asked = ledger.execute(
        "select coalesce(d ->> 'businessDate', d ->> 'business_date') ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' and "
        "left(coalesce(d ->> 'businessDate', d ->> 'business_date'), 10) < '2025-01-01' from (select %s::json) x (d)",
        (payload.decode(),),
    ).fetchone()
    assert asked
    assert bool(asked[0]) == bool(found)


def test_states_keep_their_heads(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    store(log, flow, 1)
    keep(log, "heads")
    assert retention.drop_heads(log) == 0


def test_days_of_service_levels_and_alerts_that_are_over_go_and_open_ones_stay(log: Connection) -> None:
    keep(log, "indicators")
    indicator = log.execute(
        "insert into runtime_indicator (kind, environment, target, system_key, tier, active, source, reason, paused, "
        "standing) values ('availability', 'production', '', 's4', 1, true, '', '', false, '{}') returning id"
    ).fetchone()
    assert indicator
    for day in (OLD.date(), datetime.now(UTC).date()):
        log.execute("insert into runtime_indicatorday (indicator_id, day) values (%s, %s)", (indicator[0], day))
    for cause, state, over in (("a", "resolved", OLD), ("b", "open", None)):
        log.execute(
            "with one as (insert into runtime_alert (cause, kind, environment, target, system_key, state, severity, "
            "title, told, inbox, email, webhook, teams, opened_at, resolved_at) values (%s, 'vendor', 'production', "
            "'', 's4', %s, 'page', 't', 3, true, true, true, '{}', %s, %s) returning id) "
            "insert into runtime_alertentry (alert_id, verb, text) select id, 'opened', '' from one",
            (cause, state, OLD, over),
        )
    while retained_rows.drop_rows(log):
        pass
    assert log.execute("select day from runtime_indicatorday").fetchall() == [(datetime.now(UTC).date(),)]
    assert log.execute("select cause from runtime_alert").fetchall() == [("b",)]
    assert log.execute("select count(*) from runtime_alertentry").fetchone() == (1,)


def test_runs_and_what_is_settled_go_in_steps(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    keep(log, "runs")
    keep(log, "messages")
    keep(log, "rejected")
    run = log.execute(
        "insert into runtime_run (integration_id, stream_id, kind, trigger, state, started_at, ended_at, read, "
        "accepted) values (%s, %s, 'collect', 'manual', 'succeeded', %s, %s, 5, 4) returning id",
        (flow.integration, flow.stream, OLD, OLD),
    ).fetchone()
    assert run
    for number in range(3):
        log.execute(
            "insert into runtime_runspan (run_id, lane, first, last) values (%s, 0, %s, %s)", (run[0], number, number)
        )
    for state in ("open", "dismissed"):
        log.execute(
            "insert into runtime_rejected (stream_id, at, key, digest, reason_class, fingerprint, reason, raw, state, "
            "decided_at) values (%s, %s, 'k', %s, 'contract', 'f', 'r', '{}', %s, %s)",
            (flow.stream, OLD, state, state, OLD),
        )
    assert [retained_rows.drop_rows(log, rows=2) for _ in range(3)] == [3, 2, 0]
    assert log.execute("select state from runtime_rejected").fetchall() == [("open",)]
    assert log.execute(
        "select day::text, number, read, accepted from runtime_dropped where data_class = 'runs'"
    ).fetchall() == [("2019-03-10", 4, 5, 4)]


def test_who_may_only_read_cannot_stop_it_and_a_turn_that_could_not_run_is_no_success(
    ledger: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.execute("select pg_advisory_lock(hashtext('tillgate retention'))")
    assert service.run_due().ran
    before = periodic_jobs.SUCCEEDED.labels("kept")._value.get()
    with ledger.transaction():
        ledger.execute("lock table runtime_retention in share mode")
        assert not periodic_jobs.run("kept", service.run_due).ran
    assert periodic_jobs.SUCCEEDED.labels("kept")._value.get() == before
    assert "tillgate-test" in caplog.text
