"""What the pages of the runtime read beside a long history: a bounded number of rows, and no ledger table from its
beginning to its end. Counted by the database itself, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from kernel import clock
from kernel.counts import CountedSoFar
from kernel.viewer import Viewer
from runtime.ledger import retention_due
from runtime.models import QuarantinedMessage, Run
from runtime.selectors import daily_totals, dead_letters, integrations, runs, traces, vendors
from runtime.services import daily_accounts, day_sums
from tests.runtime import scene

pytestmark = pytest.mark.django_db
LEDGER = (
    "runtime_message",
    "runtime_delivery",
    "runtime_attempt",
    "runtime_head",
    "runtime_quarantine",
    "runtime_rejected",
    "runtime_conflict",
    "runtime_run",
    "runtime_runspan",
    "runtime_daysum",
    "runtime_tillnumbers",
)
MANY = 4_000  # of each kind, a year ago
FEW = 1_200  # rows that one page may read of them


class Plans:
    """Explains each statement that runs, and adds up what it read of the tables of the ledger."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}
        self.explaining = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self.explaining and not many and sql.lstrip().lower().startswith(("select", "with")):
            self.explaining = True
            try:
                with connection.cursor() as cursor:
                    cursor.execute("explain (analyze, timing off, summary off, format json) " + sql, params)
                    self.look(cursor.fetchone()[0][0]["Plan"], sql)
            finally:
                self.explaining = False
        return execute(sql, params, many, context)

    def look(self, plan: dict[str, Any], sql: str) -> None:
        name = str(plan.get("Relation Name", ""))
        if name.startswith(LEDGER):
            each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
            key = f"{plan['Node Type']} on {name} in {' '.join(sql.split())[:90]}"
            self.read[key] = self.read.get(key, 0) + int(each * plan["Actual Loops"])
        for one in plan.get("Plans", ()):
            self.look(one, sql)


@contextmanager
def plans() -> Iterator[Plans]:
    made = Plans()
    with connection.execute_wrapper(made):
        yield made


@pytest.fixture
def years() -> scene.Day:
    """A day of today beside a year-old history: facts, their heads, evidence, attempts, runs, rejects, dead letters."""
    day = scene.day()
    site, old = day.sales, clock.now() - timedelta(days=365)
    subscription = site.subscriptions["journal", ""].pk
    given = {"stream": site.stream.pk, "many": MANY, "old": old, "sub": subscription, "flow": site.integration.pk}
    with connection.cursor() as cursor:
        for statement in HISTORY:
            cursor.execute(statement, given)
        for stream in (day.sales.stream, day.prices.stream):
            day_sums.bring_up_to_date(stream.pk)
        cursor.execute("analyze")
        cursor.execute("set local enable_seqscan = off")  # a small table is read whole although it has an index
    return day


HISTORY = (
    """insert into runtime_message (stream_id, lane, position, received_at, key, version, payload)
       select %(stream)s, 0, -n, %(old)s, 'old' || n, 0,
              json_build_object('store', '0' || n %% 50, 'total', 3, 'currency', 'EUR')
         from generate_series(1, %(many)s) n""",
    """insert into runtime_head (stream_id, key, hash, version, position)
       select %(stream)s, 'old' || n, n, 0, -n from generate_series(1, %(many)s) n""",
    """insert into runtime_delivery (subscription_id, lane, first, last, token, at, outcome, confirmed, superseded,
                                     skipped, refused, waiting)
       select %(sub)s, 0, -n, -n, 1, %(old)s, 'answered', 1, 0, 0, 0, 0 from generate_series(1, %(many)s) n""",
    """insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome)
       select %(sub)s, 0, -n, -n, 1, %(old)s, 'given_up' from generate_series(1, %(many)s) n""",
    """insert into runtime_run (integration_id, stream_id, kind, state, trigger, started_at, ended_at)
       select %(flow)s, %(stream)s, 'intake', 'succeeded', 'intake', %(old)s, %(old)s
         from generate_series(1, %(many)s) n""",
    """insert into runtime_rejected (stream_id, at, last_at, key, digest, reason_class, fingerprint, reason, raw, state,
                                     decided_at)
       select %(stream)s, %(old)s, %(old)s, 'r' || n, 'd' || n, 'contract', 'f', 'odd', '{}', 'dismissed', %(old)s
         from generate_series(1, %(many)s) n""",
    """insert into runtime_conflict (stream_id, key, held_position, hash, payload, at, last_at, state, decided_at)
       select %(stream)s, 'c' || n, 1, n, '{}', %(old)s, %(old)s, 'kept', %(old)s
         from generate_series(1, %(many)s) n""",
)


def pages(day: scene.Day) -> dict[str, Callable[[], Any]]:
    viewer, today = Viewer.of(day.people.rita), timezone.localtime(clock.now()).date()
    sales, before = day.sales.integration, today - timedelta(days=1)
    middle = Run.objects.order_by("id").values_list("id", flat=True)[MANY // 2]
    return {
        "all flows of a day": lambda: daily_totals.overview(viewer, "production", today),
        "all flows of a day before": lambda: daily_totals.overview(viewer, "production", before),
        "a flow and day": lambda: daily_accounts.account(sales, "production", today, by="arrival"),
        "a flow and business day": lambda: daily_accounts.account(sales, "production", today, by="business"),
        "dead letters": lambda: dead_letters.groups(viewer, "production"),
        "the number of dead letters": lambda: dead_letters.count_all(viewer),
        "dead letters decided today": lambda: dead_letters.settled_today(viewer, "production"),
        "runs": lambda: runs.latest(viewer),
        "runs where there are none": lambda: runs.latest(viewer, environment="test"),
        "runs of nothing that one may see": lambda: runs.latest(Viewer.of(day.people.zoe)),
        "runs before one of long ago": lambda: runs.latest(viewer, before=middle, limit=5),
        "runs of a flow before one of long ago": lambda: runs.latest(
            viewer, integration=sales.key, environment="production", before=middle, limit=5
        ),
        "runs of a flow where it has none": lambda: runs.latest(viewer, integration=sales.key, environment="test"),
        "flows where nothing ran": lambda: integrations.listed(viewer, "test"),
        "vendors": lambda: vendors.listed(viewer, "production"),
        "traces of a key": lambda: [traces.trace(one) for one in traces.search(viewer, "old17")],
    }


def test_no_page_reads_what_it_does_not_show(years: scene.Day) -> None:
    too_much = {}
    for name, page in pages(years).items():
        with plans() as seen:
            page()
        for what, rows in seen.read.items():
            if rows > FEW:
                too_much[f"{name}: {what}"] = rows
    assert not too_much


def test_dead_letters_are_counted_up_to_a_number_that_is_said(day: scene.Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "MOST_COUNTED", 3)
    site = day.sales
    QuarantinedMessage.objects.bulk_create(
        QuarantinedMessage(
            subscription=site.subscriptions["journal", ""],
            lane=0,
            position=10_000 + number,
            key=f"k{number}",
            state="dead",
            reason="tax code R7",
            fingerprint="5",
        )
        for number in range(10)
    )
    viewer = Viewer.of(day.people.sofia)
    group = next(one for one in dead_letters.groups(viewer, "production") if one.fingerprint == "5")
    assert (group.count, type(group.count)) == (3, CountedSoFar)
    assert group.tone.word == "more than 3 messages"
    assert isinstance(dead_letters.count_all(viewer), CountedSoFar)


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def test_what_retention_would_drop_is_counted_up_to_a_number_that_is_said(
    years: scene.Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_due, "MOST_COUNTED", 100)
    with connection.cursor() as cursor:
        cursor.execute("insert into runtime_retention (data_class, days) values ('rejected', 40)")
    assert connection.connection is not None
    found = {one.what: one for one in retention_due.due(connection.connection)}
    assert (found["rejected"].number, found["rejected"].more) == (100, True)
