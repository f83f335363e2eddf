"""Messages that may end their process are tried in a child: real forks, really killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.ledger import connections, vendor_target
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.mappers import Mapper, Unmappable
from runtime.ledger.trial import TrialEnded
from runtime.ledger.vendor_target import MappedVendor
from runtime.worker.delivery import serve_one
from runtime.worker.forked_trial import in_forked_child
from tests.faults.test_findings import Site
from tests.runtime.conftest import empty_runtime
from tests.runtime.make import FakeVendor

pytestmark = pytest.mark.faults
LATER = 60.0


@pytest.fixture
def ledger(db: None) -> Iterator[Connection]:
    with connections.connected(name="tillgate-test") as conn:
        yield conn
        empty_runtime(conn)


def soon() -> float:
    return time.monotonic() + LATER


def test_a_child_gives_back_what_its_work_returns_however_large() -> None:
    here = os.getpid()
    made, pid = in_forked_child(lambda: ("x" * 3_000_000, os.getpid()), soon())
    assert len(made) == 3_000_000
    assert pid != here


def test_what_a_child_raises_is_raised_here_with_all_it_says() -> None:
    def refuses() -> None:
        raise Unmappable("there is no price", reason_class="contract", pattern="no price")

    with pytest.raises(Unmappable) as caught:
        in_forked_child(refuses, soon())
    assert (caught.value.reason_class, caught.value.pattern) == ("contract", "no price")
    assert "refuses" in caught.value.__notes__[0], "the child's own traceback"


def test_an_error_that_cannot_travel_is_raised_as_its_words() -> None:
    class Local(Exception):
        pass

    def fails() -> None:
        raise Local("odd")

    with pytest.raises(RuntimeError, match="Local: odd"):
        in_forked_child(fails, soon())


def test_a_domain_error_keeps_its_code() -> None:
    def fails() -> None:
        raise Invalid("mapping.odd", "This is odd.")

    with pytest.raises((Invalid, RuntimeError), match="This is odd"):
        in_forked_child(fails, soon())


def test_a_child_that_is_killed_or_exits_has_ended_and_says_how() -> None:
    with pytest.raises(TrialEnded, match="was ended by SIGKILL"):
        in_forked_child(lambda: os.kill(os.getpid(), signal.SIGKILL), soon())
    with pytest.raises(TrialEnded, match="ended with exit code 7"):
        in_forked_child(lambda: os._exit(7), soon())


def test_a_child_that_stands_still_is_ended_when_the_lease_is_over_and_does_nothing_more() -> None:
    """Another worker may hold the message from then on: what is woken to be ended could still send it."""
    reader, writer = os.pipe()

    def stands_still() -> None:
        os.write(writer, str(os.getpid()).encode())
        os.kill(os.getpid(), signal.SIGSTOP)
        os.write(writer, b" sent")

    with pytest.raises(TrialEnded, match="no answer within the lease"):
        in_forked_child(stands_still, time.monotonic() + 0.5)
    os.close(writer)
    said = os.read(reader, 20)
    os.close(reader)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said), 0)


class Deadly(FakeVendor):
    """Ends whoever sends it one key, before or after it has taken it."""

    def __init__(self, key: str, *, after: bool = False) -> None:
        super().__init__()
        self.key, self.after, self.clean_process = key, after, os.getpid()

    def send(self, items: Any, *, guard: Any) -> Any:
        mortal = os.getpid() != self.clean_process and any(item.key == self.key for item in items)
        if mortal:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().send(items, guard=guard)


class _Clients:
    """One mapper and one vendor, without a database of its own."""

    def __init__(self, vendor: FakeVendor) -> None:
        self._binding = MappedVendor(Mapper(lambda message: message.document), vendor)

    def vendor(self, taken: Any, *, connected: bool = True) -> Any:
        return lambda release: self._binding


def test_a_message_that_ends_whoever_sends_it_ends_no_second_worker_and_is_quarantined_at_its_limit(
    ledger: Connection,
) -> None:
    """It used to end one worker per attempt, each of which was missed by all other messages until it was started
    anew."""
    site = Site(ledger, Deadly("k4"), batch=10, max_attempts=3, idempotency="L")
    append(ledger, site.flow.ref, [site.flow.item(f"k{i}", 1) for i in range(10)] + [site.flow.item("k4", 2)])
    taken = claim(ledger, owner="gone")
    assert taken is not None
    taken.lease.overdue_by = -0.001  # as after the death of an owner in the middle of this batch
    batch = vendor_target._prepare(ledger, taken, Mapper(lambda m: m.document), taken.position, None)
    assert batch is not None
    vendor_target._commit(ledger, taken, vendor_target._in_doubt(taken, batch, taken.target.release), None, leave=0.0)
    ledger.execute("update runtime_progress set lease_until = 'epoch', owner = null")
    waits = []
    for _ in range(60):
        ledger.execute("update runtime_quarantine set not_before = 'epoch', lease_until = 'epoch'")
        if serve_one(ledger, _Clients(site.vendor), owner="w", trial=in_forked_child) is None:  # type: ignore[arg-type]
            break
        waits += [
            float(wait)
            for (wait,) in ledger.execute(
                "select extract(epoch from not_before - clock_timestamp()) "
                "from runtime_quarantine "
                "where key = 'k4' and reason like '%%SIGKILL%%' and not_before > clock_timestamp()"
            ).fetchall()
        ]
    assert site.parked() == [(5, "dead"), (11, "behind")]
    assert ledger.execute("select reason_class, attempt from runtime_quarantine where position = 5").fetchone() == (
        "poison",
        4,
    )
    assert len(waits) == 3
    assert all(pause - 0.9 < wait <= pause for wait, pause in zip(waits, (1, 2, 4), strict=True)), (
        "each twice the one before"
    )


def test_a_mapping_that_never_comes_back_is_ended_with_its_child(ledger: Connection) -> None:
    site = Site(ledger, FakeVendor(), max_attempts=1)
    append(ledger, site.flow.ref, [site.flow.item("a", 1)])
    ledger.execute(
        """insert into runtime_quarantine (subscription_id, lane, position, key, state, reason_class, fingerprint,
           reason, not_before)
           values (%s, 0, 1, 'a', 'retry', 'poison', '', '', 'epoch')""",
        (site.subscription,),
    )
    ledger.execute("update runtime_progress set position = 1")
    ledger.execute("update runtime_subscription set deadline = 0.03")  # a lease holds for the calls of one message
    clients = _Clients(site.vendor)
    clients._binding = MappedVendor(Mapper(lambda message: signal.pause()), site.vendor)
    assert serve_one(ledger, clients, owner="w", lease=0.1, trial=in_forked_child) is not None  # type: ignore[arg-type]
    state = ledger.execute("select state, reason, attempt from runtime_quarantine").fetchone()
    assert state == ("sending", "the process that tried it gave no answer within the lease", 1)
