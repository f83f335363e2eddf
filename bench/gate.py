"""P7: answers of the gate with 10,000 APIs, 100,000 versions and 1,000,000 consumer edges.

    python -m bench.gate [--apis 10000] [--versions 100000] [--edges 1000000] [--questions 400] [--rounds 3]
                         [--freezes 50]

Asked in turn, in one run: what consumes one, three and ten versions; what provides a version with consumers, and with
500 of them; the same question through the whole HTTP stack with a token; whether a verdict that is held still stands,
by the short way of the web server; and, as the limit, one primary-key read and one committed insert of
a row as large as a stored verdict. A tenth of the edges is spread over every version, the rest falls on few versions,
as it does in real estates. Then the same under freezes, whose calendars are compiled for the time of the question: of
today, and of another day each; and with four times as many freezes of another environment beside them.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bench.catalog import copy_in, cpu_ms, database, fill, prepare

APPLICATIONS = 20_000
BUSY_VERSIONS = 2_000
CONSUMERS = 500  # of a version that many use
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "UTC")


def connect(edges: int, versions: list[int], dice: random.Random) -> None:
    """Applications and their subscriptions in production, one edge for each pair."""
    from django.db import connection

    from catalog.models import Environment

    production, _ = Environment.objects.get_or_create(key="production", defaults={"name": "Production", "position": 3})
    with untold("catalog_application"):
        copy_in(
            "catalog_application",
            "id, key, name, description, team_id",
            ((n, f"app-{n}", f"Application {n}", "", n % 200 + 1) for n in range(1, APPLICATIONS + 1)),
        )
    busy = dice.sample(versions, min(BUSY_VERSIONS, len(versions)))

    def rows() -> Iterator[tuple[Any, ...]]:
        seen: set[tuple[int, int]] = set()
        while len(seen) < edges:
            version = dice.choice(versions) if len(seen) % 10 == 0 else busy[int(len(busy) * dice.random() ** 2)]
            pair = (dice.randint(1, APPLICATIONS), version)
            if pair not in seen:
                seen.add(pair)
                yield (*pair, production.pk, "active", "", "", "2026-01-01")

    with untold("catalog_subscription"):
        copy_in(
            "catalog_subscription",
            "application_id, version_id, environment_id, state, justification, decision_note, valid_from",
            rows(),
        )
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")


@contextmanager
def untold(table: str) -> Iterator[None]:
    """Rows that come without their entries in the ledger; they are counted all the same."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"alter table {table} disable trigger told_at_the_end")
        yield
        cursor.execute(f"alter table {table} enable trigger told_at_the_end")


def ask_for(count: int, dice: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Questions by kind.

    Half of the consuming ones ask for what the application has subscribed to, so that every verdict occurs.
    """
    from django.db import connection

    base = {"version": "1.0", "environment": "production"}
    used = used_by(CONSUMERS)
    with connection.cursor() as cursor:
        cursor.execute(
            """select s.application_id, array_agg(api.slug || '@' || v.label) from catalog_subscription s
               join catalog_apiversion v on v.id = s.version_id join catalog_api api on api.id = v.api_id
               where s.application_id <= 2000 group by 1 having count(*) >= 10"""
        )
        edges = [(f"app-{n}", names) for n, names in cursor.fetchall()]
        names: list[str] = []
        for share in (1, 100):  # of a small estate a hundredth may be nothing
            if len(names) < 100:
                cursor.execute(
                    """select api.slug || '@' || v.label
                         from catalog_apiversion v join catalog_api api on api.id = v.api_id
                        where v.id in (select version_id from catalog_subscription tablesample system (%s))
                        limit 5000""",
                    [share],
                )
                names = [name for (name,) in cursor.fetchall()]
    made: dict[str, list[dict[str, Any]]] = {}
    for size in (1, 3, 10):
        listed = made[f"consumes {size}"] = []
        for n in range(count):
            application, own = dice.choice(edges)
            listed.append(base | {"application": application, "consumes": dice.sample(own if n % 2 else names, size)})
    provides = base | {"application": edges[0][0], "consumes": []}
    made["provides 1"] = [provides | {"provides": [dice.choice(names)]} for _ in range(count)]
    made["provides 1, misspelt"] = [
        provides | {"application": "ap-service", "provides": [dice.choice(names)]} for _ in range(count)
    ]
    made[f"provides 1 for {CONSUMERS}"] = [provides | {"provides": [dice.choice(used)]} for _ in range(count)]
    return made


def used_by(consumers: int, versions: int = 40) -> list[str]:
    """Versions that so many applications have subscribed to in production."""
    from django.db import connection

    with untold("catalog_subscription"), connection.cursor() as cursor:
        cursor.execute(
            """with few as (select v.id from catalog_apiversion v where v.state = 'published'
                            and not exists (select from catalog_subscription s where s.version_id = v.id)
                          order by v.id limit %s),
                    gone as (select v.id from few v),
                    made as (insert into catalog_subscription (application_id, version_id, environment_id, state,
                                                               justification, decision_note, valid_from)
                             select a.id, v.id, e.id, 'active', '', '', '2026-01-01'
                               from gone v cross join (select id from catalog_application order by id limit %s) a
                               cross join catalog_environment e where e.key = 'production'
                             returning version_id)
               select distinct api.slug || '@' || v.label from made join catalog_apiversion v on v.id = made.version_id
                 join catalog_api api on api.id = v.api_id""",
            [versions, consumers],
        )
        found = [name for (name,) in cursor.fetchall()]
        cursor.execute("analyze")
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--apis", type=int, default=10_000)
    options.add_argument("--versions", type=int, default=100_000)
    options.add_argument("--edges", type=int, default=1_000_000)
    options.add_argument("--questions", type=int, default=400)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--freezes", type=int, default=50)
    given = options.parse_args()
    dice = random.Random(7)
    with database() as url:
        prepare(url)
        fill(given.apis, given.versions, dice)
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("select id from catalog_apiversion")
            versions = [row for (row,) in cursor.fetchall()]
        connect(given.edges, versions, dice)
        print(f"{given.apis:,} APIs, {given.versions:,} versions, {given.edges:,} consumer edges")
        report(*measure(ask_for(given.questions, dice), given.rounds, given.freezes))


def measure(
    asked: dict[str, list[dict[str, Any]]], rounds: int, freezes: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, int]]:
    from django.db import connection
    from django.test import Client

    from governance.models import Verdict
    from governance.services import verdicts
    from kernel import clock, tokens
    from kernel.garbage_collection import collect_rarely
    from kernel.models import User
    from kernel.viewer import Viewer
    from portal.front.short_way import ShortWay
    from portal.front.wsgi import call, environ_of

    dice = random.Random(11)
    person = User.objects.create_user("pipeline", kind="service")
    _, secret = tokens.issue(actor=None, user=person, name="bench", scopes=["gate:ask"])
    client = Client(headers={"Authorization": f"Bearer {secret}", "Host": "127.0.0.1"})
    viewer = Viewer.of(person)
    words: dict[str, int] = {}
    collect_rarely()  # as a web server does once it has started

    def inside(question: dict[str, Any]) -> None:
        word = verdicts.ask(question, viewer=viewer).word
        words[word] = words.get(word, 0) + 1

    def over_http(question: dict[str, Any]) -> None:
        answer = client.post("/api/v1/gate/verdicts", json.dumps(question), content_type="application/json")
        if answer.status_code != 200:
            raise RuntimeError(answer.content)

    held = [verdicts.ask(question, viewer=viewer).id for question in asked["consumes 3"][:20]]
    short = ShortWay()

    def holds(question: dict[str, Any]) -> None:
        """Twenty pipelines in turn; what they hold is computed once in half a minute."""
        asking = environ_of(
            {
                "method": "GET",
                "path": f"/api/v1/gate/verdicts/{held[dice.randrange(len(held))]}/standing",
                "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {secret}".encode())],
            },
            io.BytesIO(),
            0,
        )
        answer = call(short, asking)
        if answer.status != 200 or b'"stands":true' not in bytes(answer.body):
            raise RuntimeError(answer.body)

    def limit(question: dict[str, Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select * from catalog_api where slug = %s", [question["application"]])
            cursor.execute("insert into bench_limit (body) values (%s)", ["x" * 1500])

    with connection.cursor() as cursor:
        cursor.execute("create table bench_limit (id bigint generated always as identity primary key, body text)")
        cursor.execute("select pg_backend_pid()")
        (backend,) = cursor.fetchone()
    actors: dict[str, tuple[Callable[[dict[str, Any]], None], list[dict[str, Any]]]] = {
        **{name: (inside, listed) for name, listed in asked.items()},
        "consumes 3 over HTTP": (over_http, asked["consumes 3"]),
        "holds it, over HTTP": (holds, asked["consumes 3"]),
        "a read and an insert": (limit, asked["consumes 1"]),
    }
    times, work = timed(actors, rounds, backend)
    if freezes:
        plan(freezes)
        later = clock.now()
        another_day = [
            question | {"as_of": (later + timedelta(days=dice.randint(1, 400))).isoformat()}
            for question in asked["consumes 3"]
        ]
        under = {
            f"consumes 3, {freezes} freezes": (inside, asked["consumes 3"]),
            f"provides 1, {freezes} freezes": (inside, asked["provides 1"]),
            "the same, another day each": (inside, another_day),
        }
        for known, found in zip((times, work), timed(under, rounds, backend), strict=True):
            known.update(found)
        plan(4 * freezes, environment="elsewhere")
        beside: dict[str, Any] = {
            f"and {4 * freezes} of elsewhere": (inside, asked["consumes 3"]),
            "the same, another day too": (inside, another_day),
        }
        for known, found in zip((times, work), timed(beside, rounds, backend), strict=True):
            known.update(found)
    return times, work, words | {"stored": Verdict.objects.count()}


def plan(count: int, environment: str | None = None) -> None:
    """Windows of each kind of calendar in zones that change their clocks, each for one domain and tier."""
    from catalog.models import Domain, Environment
    from governance.services import freezes
    from kernel import clock

    hours = {"from": "02:30", "until": "03:30"}
    calendars: list[dict[str, Any]] = [
        {"kind": "weekly", "days": ["mon", "sat", "sun"], **hours},
        {"kind": "retail_weeks", "weeks": [1, 13, 48, 52], "from": "00:00", "until": "00:00"},
        {"kind": "period_close", "days_before": 2, "days_after": 2, **hours},
        {"kind": "dates", "dates": [f"{clock.now():%Y}-12-{day}" for day in range(10, 32)] + ["2199-01-01"], **hours},
        {"kind": "once", "from": f"{clock.now():%Y-%m-%dT00:00}", "until": "2199-01-01T00:00"},
    ]
    if environment:
        Environment.objects.get_or_create(key=environment, defaults={"name": environment, "position": 9})
    domains = list(Domain.objects.order_by("id").values_list("key", flat=True))
    for number in range(count):
        zone = ZONES[number % len(ZONES)]
        freezes.plan(
            actor=None,
            name=f"Freeze {number}",
            calendar=calendars[number % len(calendars)] | {"zone": zone},
            strictness=("notice", "changes")[number % 2],
            environment=environment,
            domain=domains[number % len(domains)],
            tier=number % 4,
        )


def timed(
    actors: dict[str, tuple[Callable[[dict[str, Any]], None], list[dict[str, Any]]]], rounds: int, backend: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds on the wall and of CPU by actor. They take turns, after 20 questions each that do not count."""
    for actor, listed in actors.values():
        for question in listed[:20]:
            actor(question)
    times: dict[str, list[float]] = {name: [] for name in actors}
    work: dict[str, list[float]] = {name: [] for name in actors}
    for _ in range(rounds):
        for n in range(min(len(listed) for _, listed in actors.values())):
            for name, (actor, listed) in actors.items():
                began, started = cpu_ms(backend), time.perf_counter()
                actor(listed[n])
                times[name].append((time.perf_counter() - started) * 1000)
                work[name].append(cpu_ms(backend) - began)
    return times, work


def report(times: dict[str, list[float]], work: dict[str, list[float]], words: dict[str, int]) -> None:
    base = statistics.median(work["a read and an insert"])
    for name, values in times.items():
        wall, cpu = statistics.quantiles(values, n=100), statistics.quantiles(work[name], n=100)
        print(
            f"  {name:<22} wall p50 {wall[49]:6.2f} p95 {wall[94]:6.2f} p99 {wall[98]:6.2f} ms, "
            f"CPU p50 {cpu[49]:6.2f} p99 {cpu[98]:6.2f} ms, {cpu[49] / base:5.1f} x a read and an insert, "
            f"{len(values)} answers"
        )
    print("  verdicts: " + ", ".join(f"{word} {count:,}" for word, count in sorted(words.items())))


if __name__ == "__main__":
    sys.exit(main())
