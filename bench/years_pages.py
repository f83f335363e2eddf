"""What each page of the runtime costs over three years: milliseconds, statements, and pages of the database that they
touch. Every page of the room is asked, and what it links to, one of a kind; `years.py` makes the years."""

from __future__ import annotations

import html
import math
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TIMES = 10
GOAL = 300.0  # milliseconds at p95
MOST_LINKS = 120
_LINK = re.compile(r'(?:href|hx-get)="([^"#]+)')
_OURS = ("/runtime/", "/inbox/", "/api/v1/runs", "/api/v1/dead-letters")
_NOT = re.compile(r"/(act|cancel|compare|settle|panels)/|format=csv")
_READ = """
select blks_hit + blks_read, tup_returned + tup_fetched
from pg_stat_database
where datname = current_database()"""


PLAIN = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


def measure(only: str = "", times: int = TIMES) -> None:
    from django.conf import settings
    from django.test import override_settings

    with override_settings(STORAGES=settings.STORAGES | PLAIN):
        ask_all(only, times)


def ask_all(only: str, times: int) -> None:
    from django.db import connection
    from django.test import Client

    from kernel.garbage_collection import collect_rarely
    from kernel.models import User

    client = Client(raise_request_exception=False)
    collect_rarely(5_000)  # as a web server does once it has started
    client.force_login(User.objects.get(username="sofia"))
    seen: dict[str, str] = {}
    slow = 0
    print(f"load {os.getloadavg()[0]:.1f}; p50 and p95 of {times} in ms, statements, pages and rows that they read")
    for name, path in chosen():
        slow += timed(client, connection, name, path, only, seen, times)
    for path in list(seen.values())[:MOST_LINKS]:
        slow += timed(client, connection, "", path, only, {}, times)
    print(f"{slow} pages above {GOAL:.0f} ms at p95; load {os.getloadavg()[0]:.1f}")


def chosen() -> Iterator[tuple[str, str]]:
    from runtime.domain.correlation import correlation_id
    from runtime.models import ConflictCase, Message, QuarantinedMessage, RejectedMessage, Run, Stream, VendorState

    today = datetime.now(UTC).date()
    sales = Stream.objects.get(integration__key="sales")
    days = {"today": 0, "yesterday": 1, "40 days ago": 40, "a year ago": 365, "the first year": 1000}
    for name in ("", "integrations/", "runs/", "dead-letters/", "reconciliation/", "recovery/", "retention/"):
        yield name or "today", f"/runtime/{name}"
    for name in ("replays/", "trace/", "stores/", "vendors/", "schedules/"):
        yield name, f"/runtime/{name}"
    yield "inbox", "/inbox/"
    for key in ("sales", "prices"):
        yield f"flow {key}", f"/runtime/integrations/{key}/"
    for name, back in days.items():
        day = today - timedelta(days=back)
        yield f"day, {name}", f"/runtime/reconciliation/?day={day}"
        for key in ("sales", "prices"):
            yield f"day of {key}, {name}", f"/runtime/reconciliation/{key}/?day={day}"
        yield f"business day, {name}", f"/runtime/reconciliation/sales/?day={day}&by=business"
    for kind in ("intake", "collect"):
        ids = Run.objects.filter(kind=kind, accepted__gt=0)
        yield f"run, {kind}, old", f"/runtime/runs/{ids.order_by('id').values_list('id', flat=True)[0]}/"
        yield f"run, {kind}, new", f"/runtime/runs/{ids.order_by('-id').values_list('id', flat=True)[0]}/"
    yield "runs, old", f"/runtime/runs/?before={Run.objects.order_by('id').values_list('id', flat=True)[1000]}"
    place: Any = QuarantinedMessage.objects.order_by("position").values_list("subscription_id", "lane", "position")[0]
    yield "dead letter", "/runtime/dead-letters/quarantined/{}/{}/{}/".format(*place)
    yield "rejected", f"/runtime/dead-letters/rejected/{RejectedMessage.objects.filter(state='open')[0].pk}/"
    yield "conflict", f"/runtime/dead-letters/conflicts/{ConflictCase.objects.filter(state='open')[0].pk}/"
    yield "vendor", f"/runtime/vendors/{VendorState.objects.get(system_key='s4').pk}/"
    for name, position in (
        ("old", 5),
        ("new", Message.objects.filter(stream=sales, lane=0).latest("position").position),
    ):
        message = Message.objects.filter(stream=sales, lane=0, position=position).get()
        yield f"trace by key, {name}", f"/runtime/trace/?q={message.key}"
        address = correlation_id(sales.salt, sales.pk, 0, position)
        yield f"trace by id, {name}", f"/runtime/trace/?q={address}"
    yield "trace of nothing", "/runtime/trace/?q=no-such-key"
    yield "trace of a start", "/runtime/trace/?q=0187"
    for name in ("runs", "dead-letters", "reconciliation", "stores", "vendors", "replays", "integrations", "retention"):
        yield f"API {name}", f"/api/v1/{name}"
    for name in ("sales/reconciliation", "prices/reconciliation", "sales/gate"):
        yield f"API {name}", f"/api/v1/integrations/{name}"
    yield "API store", "/api/v1/stores/0187"
    yield "API retention due", "/api/v1/retention/due"
    yield "metrics", "/metrics"


def timed(client: Any, connection: Any, name: str, path: str, only: str, seen: dict[str, str], times: int) -> int:
    if only and only not in f"{name} {path}":
        return 0
    took, statements, before, answer = [], 0, (0, 0), None
    for turn in range(times + 1):  # the first one reads the templates and does not count
        if turn == times:
            before = read(connection)
        count = Counter()
        began = time.perf_counter()
        with connection.execute_wrapper(count):
            answer = client.get(path)
            body = answer.getvalue() if answer.streaming else answer.content
        took.append((time.perf_counter() - began) * 1000)
        statements = count.statements
    after = read(connection)
    pages, rows = (after[place] - before[place] for place in (0, 1))
    took = sorted(took[1:])
    p95 = took[math.ceil(0.95 * len(took)) - 1]
    status = "" if answer.status_code == 200 else f"  {answer.status_code}"
    print(
        f"{'!' if p95 > GOAL else ' '} {median(took):7.0f} {p95:7.0f} {statements:4} {pages:8,} {rows:10,}  "
        f"{name:<28} {path[:90]}{status}",
        flush=True,
    )
    for link in _LINK.findall(body.decode(errors="replace")):
        found = urlsplit(html.unescape(link))
        where = found.path or urlsplit(path).path
        target = f"{where}?{found.query}" if found.query else where
        if where.startswith(_OURS) and not _NOT.search(target):
            kind = re.sub(r"/[0-9]+(?=/)", "/#", where) + " ".join(sorted(key for key, _ in parse_qsl(found.query)))
            seen.setdefault(kind, target)
    return int(p95 > GOAL)


class Counter:
    """Counts statements that Django runs."""

    statements = 0

    def __call__(self, execute: Any, *given: Any) -> Any:
        self.statements += 1
        return execute(*given)


def read(connection: Any) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute(_READ)
        pages, rows = cursor.fetchone()
    return int(pages), int(rows)
