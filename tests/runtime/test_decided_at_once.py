"""Two people decide about the same message at once: each action counts what it changed, and the later one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from kernel.errors import Conflict
from kernel.models import AuditEntry
from runtime.ledger.connections import Connection
from runtime.services import confirming, dead_letters
from runtime.services.dead_letters import DeadLetterFilter
from tests.runtime.test_outcomes_in_time import Clock, Vendor

pytestmark = pytest.mark.django_db(transaction=True)


def unknown(ledger: Connection) -> Clock:
    site = Clock(ledger, Vendor(can_ask=False), idempotency="U")
    site.put(site.flow.item("a"))
    site.vendor.fates = ["cut"]
    site.work()
    return site


ACTS: dict[str, Callable[[DeadLetterFilter], int]] = {
    "redrive": lambda chosen: dead_letters.redrive(chosen, actor=None, not_arrived=True, reason="not in their list"),
    "confirm": lambda chosen: confirming.confirm(chosen, actor=None, reason="it is in their list"),
    "discard": lambda chosen: dead_letters.discard(chosen, actor=None, reason="not needed"),
}


def second(act: str, chosen: DeadLetterFilter, first: Callable[[], Any], ledger: Connection) -> Any:
    """`act` begins while the transaction of `first` is open; what came of it."""
    said: list[Any] = []

    def run() -> None:
        try:
            said.append(ACTS[act](chosen))
        except Conflict as error:
            said.append(error.code)
        finally:
            connections.close_all()

    other = threading.Thread(target=run)
    with transaction.atomic():
        first()
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            mine = cursor.fetchone()[0]
        other.start()
        waiting = "select exists (select from pg_stat_activity where %s = any(pg_blocking_pids(pid)))"
        while other.is_alive() and ledger.execute(waiting, (mine,)).fetchone() == (False,):
            other.join(0.01)
    other.join()
    return said[0]


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("act", ["redrive", "confirm", "discard"])
@pytest.mark.parametrize("before", ["confirm", "discard", "redrive"])
def test_the_later_one_is_told_that_it_was_decided_meanwhile(
    ledger: Connection, before: str, act: str, group: bool
) -> None:
    site = unknown(ledger)
    chosen = DeadLetterFilter(site.subscription, addresses=() if group else ((0, 1),))
    said = second(act, chosen, lambda: ACTS[before](chosen), ledger)
    assert said == "dead_letter.decided"
    verbs = ("runtime.redriven", "runtime.confirmed_by_person", "runtime.given_up")
    counts = [entry.after and entry.after["count"] for entry in AuditEntry.objects.filter(verb__in=verbs)]
    assert counts == [1]
