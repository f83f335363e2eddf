"""The circuit breaker of a vendor: a fault of the connection opens it at once and says why; a success ends it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.domain.retry import CONNECTION_FAULT
from runtime.ledger import circuit_breaker
from runtime.ledger.connections import Connection
from tests.runtime.make import Flow


class Breaker:
    """The state of one vendor, and what is recorded about it."""

    def __init__(self, conn: Connection) -> None:
        self.conn, flow = conn, Flow(conn, lanes=1)
        flow.subscribe()
        row = conn.execute("select id from runtime_vendorstate").fetchone()
        assert row
        self.vendor = int(row[0])

    def fault(self, kind: Any = "credentials", detail: str = "401 Unauthorized") -> None:
        circuit_breaker.record_fault(self.conn, self.vendor, kind, detail)

    def due(self) -> None:
        self.conn.execute("update runtime_vendorstate set open_until = clock_timestamp() - interval '1 second'")

    def read(self, columns: str) -> Any:
        row = self.conn.execute(f"select {columns} from runtime_vendorstate").fetchone()
        assert row
        return row

    @property
    def pause(self) -> int:
        return round(self.read("extract(epoch from open_until - clock_timestamp())::float8")[0])


@pytest.fixture
def breaker(ledger: Connection) -> Breaker:
    return Breaker(ledger)


def test_one_fault_opens_it_at_once_with_kind_and_reason(breaker: Breaker) -> None:
    breaker.fault()
    assert breaker.read("breaker, fault, fault_detail, last_error") == (
        "open",
        "credentials",
        "401 Unauthorized",
        "401 Unauthorized",
    )
    assert breaker.pause == CONNECTION_FAULT.pause(0)


def test_pauses_grow_with_each_failed_probe_and_not_with_late_answers(breaker: Breaker) -> None:
    pauses = []
    for _ in range(7):
        breaker.fault()
        pauses.append(breaker.pause)
        breaker.fault()  # was under way when it opened
        assert breaker.pause == pauses[-1]
        breaker.due()
    assert pauses == [CONNECTION_FAULT.pause(n) for n in range(7)]


def test_since_is_when_this_fault_was_met_first(breaker: Breaker) -> None:
    breaker.fault()
    since = breaker.read("fault_since")
    breaker.due()
    breaker.fault()
    assert breaker.read("fault_since") == since
    breaker.fault("certificate", "expired on Tuesday")
    assert breaker.read("fault, fault_detail") == ("certificate", "expired on Tuesday")
    assert breaker.read("fault_since") > since
    assert breaker.pause == CONNECTION_FAULT.pause(0)


def test_earlier_failures_do_not_lengthen_the_first_pause_of_a_fault(breaker: Breaker) -> None:
    for _ in range(6):
        circuit_breaker.record_failure(breaker.conn, breaker.vendor, "503")
        breaker.due()
    breaker.fault()
    assert breaker.pause == CONNECTION_FAULT.pause(0)


def test_a_success_ends_it(breaker: Breaker) -> None:
    breaker.fault()
    circuit_breaker.record_success(breaker.conn, breaker.vendor)
    assert breaker.read("breaker, fault, fault_detail, fault_since, openings") == ("closed", "", "", None, 0)


@pytest.mark.parametrize(("kind", "left"), [("secret", ""), ("name", ""), ("credentials", "credentials")])
def test_a_call_that_failed_had_its_secret_and_its_host_name(breaker: Breaker, kind: str, left: str) -> None:
    breaker.fault(kind, "why")
    breaker.due()
    circuit_breaker.record_failure(breaker.conn, breaker.vendor, "timeout")
    assert breaker.read("breaker, fault, fault_since is null") == ("open", left, left == "")


def test_a_detail_of_any_length_fits(breaker: Breaker) -> None:
    breaker.fault(detail="x" * 10_000)
    assert breaker.read("length(fault_detail)") == (500,)
