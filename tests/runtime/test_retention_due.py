"""What retention says that it would take: what it takes then, with estimates called so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from runtime.ledger import retained_rows, retention, retention_due
from runtime.ledger.connections import Connection
from tests.runtime.make import Flow
from tests.runtime.test_retention import OLD, delivered, keep, log, passed, store

__all__ = ["log"]


def told(conn: Connection) -> dict[str, retention_due.Due]:
    return {one.what: one for one in retention_due.due(conn)}


def test_a_month_that_postgresql_knows_is_an_estimate_and_one_that_it_does_not_know_is_counted(
    log: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = Flow(log, lanes=1)
    for position in range(1, 4):
        store(log, flow, position)
    passed(log, flow, 3)
    keep(log, "messages")
    found = told(log)["runtime_message_201903"]
    assert (found.number, found.estimated) == (3, False)
    log.execute("analyze runtime_message_201903")
    log.execute("set session_replication_role = replica")
    log.execute("delete from runtime_message where position = 3")
    log.execute("set session_replication_role = origin")
    found = told(log)["runtime_message_201903"]
    assert (found.number, found.estimated) == (3, True)
    call_command("retention", "--dry-run")
    assert "about 3" in capsys.readouterr().out


def test_facts_whose_keys_are_looked_through_are_due_and_their_month_waits_for_it(log: Connection) -> None:
    flow, states = Flow(log, lanes=1, immutable=True), Flow(log, lanes=1)
    for position in range(1, 4):
        store(log, flow, position)
    store(log, states, 1)
    keep(log, "heads")
    assert (told(log)["head"].number, told(log)["head"].data_class) == (3, "heads")
    assert retention.drop_heads(log) == 3
    assert "head" not in told(log)


def test_a_run_is_due_with_its_positions_and_one_that_a_rejected_message_needs_is_not(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    keep(log, "runs")
    keep(log, "messages")
    for number in range(2):
        row = log.execute(
            "insert into runtime_run (integration_id, stream_id, kind, trigger, state, started_at, ended_at) "
            "values (%s, %s, 'collect', 'manual', 'succeeded', %s, %s) returning id",
            (flow.integration, flow.stream, OLD, OLD),
        ).fetchone()
        assert row
        log.execute("insert into runtime_runspan (run_id, lane, first, last) values (%s, 0, %s, 9)", (row[0], number))
    log.execute(
        "insert into runtime_rejected (stream_id, run_id, at, key, digest, reason_class, fingerprint, reason, raw, "
        "state) values (%s, %s, %s, 'k', 'd', 'contract', 'f', 'r', '{}', 'open')",
        (flow.stream, row[0], OLD),
    )
    found = told(log)
    assert {what: found[what].number for what in ("runspan", "run")} == {"runspan": 2, "run": 1}
    gone = 0
    while step := retained_rows.drop_rows(log):
        gone += step
    assert gone == 3
    assert log.execute("select id from runtime_run").fetchall() == [row]
    assert {one.data_class for one in told(log).values()} == {"messages"}


def test_evidence_that_recovery_needs_is_named_with_what_holds_it(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    delivered(log, passed(log, flow, 2), 2)
    keep(log, "messages")
    keep(log, "evidence")
    assert (told(log)["deliveries"].number, told(log)["deliveries"].holds) == (1, ())
    log.execute("insert into runtime_rewind (reason, window_until) values ('stated', now())")
    assert told(log)["deliveries"].holds == (retention_due.RECOVERING,)
    assert retained_rows.drop_evidence(log) == 0


def test_flows_of_several_policies_are_each_counted_by_their_own(log: Connection) -> None:
    flows = [Flow(log, lanes=1) for _ in range(3)]
    keep(log, "messages")
    keep(log, "evidence")
    for flow, days in zip(flows[:2], (1000, None), strict=True):
        for what in ("messages", "evidence"):
            log.execute(
                "insert into runtime_retention (data_class, days, integration_id) values (%s, %s, %s)",
                (what, days, flow.integration),
            )
    for flow in flows:
        subscription = passed(log, flow, 2)
        for days in (500, 1500):
            delivered(log, subscription, 2, datetime.now(UTC) - timedelta(days=days))
    assert told(log)["deliveries"].number == 3
    assert retained_rows.drop_evidence(log) == 3
    left = log.execute(
        "select st.integration_id, count(*) from runtime_delivery d "
        "join runtime_subscription s on s.id = d.subscription_id join runtime_stream st on st.id = s.stream_id "
        "group by 1 order by 1"
    ).fetchall()
    assert left == [(flows[0].integration, 1), (flows[1].integration, 2)]
