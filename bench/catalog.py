"""P8: search and facets of the catalog at 10,000 and 30,000 APIs with 100,000 versions, team visibility on.

    python -m bench.catalog [--apis 10000 30000] [--versions 100000] [--queries 120] [--rounds 3]

In the same run, alternating: our search (words, page, counts), its page alone, its counts alone; a plain SQL full-text
query over the same rows without visibility, counts or typing errors; and a plain list of the first page. A private
PostgreSQL is started where DATABASE_URL is not set; with it, a database of its own is made on that server and dropped
again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

TEXT = """
price product inventory order customer loyalty promotion payment tender return journal entry store till basket shelf
label stock reservation delivery invoice credit refund gift card points balance tier campaign coupon voucher tax rate
currency supplier purchase receipt shipment warehouse bin pick pack wave carrier tracking address contact consent
profile segment email message notification webhook event subscription catalog category attribute variant bundle
assortment season margin cost forecast demand replenishment allocation transfer count adjustment ledger account period
close settlement chargeback dispute fraud score token session device cashier shift drawer float deposit bank
reconciliation report export import file batch job schedule status health
"""
WORDS = TEXT.split()
TAIL = [
    f"{a}{b}{c}"
    for a in ("bra", "cor", "del", "fen", "gol", "hal", "mer", "nor", "pal", "ros")
    for b in ("dim", "lex", "tan", "vor", "wix", "zum")
    for c in ("o", "ar", "el", "is", "on", "um", "ext", "ine", "ock", "und")
]
SUFFIXES = (
    "",
    "Id",
    "Code",
    "Date",
    "Amount",
    "Status",
    "Type",
    "Name",
    "Reference",
    "Quantity",
    "Line",
    "List",
    "Group",
    "Key",
    "Total",
    "Note",
)


@contextmanager
def database() -> Iterator[str]:
    """URL of an empty database that is gone afterwards."""
    if url := os.environ.get("DATABASE_URL"):
        base, _, _ = url.rpartition("/")
        name = f"bench_catalog_{os.getpid()}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        try:
            yield f"{base}/{name}"
        finally:
            from django.db import connections

            connections.close_all()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f'drop database "{name}" with (force)')
        return
    from portal.embedded import Embedded

    with tempfile.TemporaryDirectory(prefix="tg-bench-") as folder:
        Path(folder).chmod(0o711)
        servers = Embedded(Path(folder), durable=False)
        try:
            yield servers.start_postgres()
        finally:
            servers.stop()


def prepare(url: str) -> None:
    os.environ["DATABASE_URL"] = url
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def copy_in(table: str, columns: str, rows: Iterator[tuple[Any, ...]] | list[tuple[Any, ...]]) -> None:
    from django.db import connection

    with connection.cursor() as cursor, cursor.copy(f"copy {table} ({columns}) from stdin") as copying:
        for row in rows:
            copying.write_row(row)


def fill(apis: int, versions: int, dice: random.Random) -> None:
    """A seeded estate: 200 teams, 10 domains, 40 systems; names, purposes, operations and fields drawn with a long
    tail; 15 % restricted.
    """
    from django.db import connection

    from catalog.services import search_index

    weights = [1 / (n + 3) for n in range(len(WORDS))]
    tail = [1 / (n + 5) for n in range(len(TAIL))]

    def draw(n: int) -> list[str]:
        return dice.choices(WORDS, weights, k=n)

    # An API speaks of a few things, again and again, in words of its own.
    topics = [draw(5) + dice.choices(TAIL, tail, k=12) for _ in range(apis + 1)]

    def about(api: int, n: int) -> list[str]:
        return dice.choices(topics[api], k=n)

    def sentence(api: int) -> str:
        return " ".join(about(api, 14)).capitalize() + "."

    with connection.cursor() as cursor:
        cursor.execute(
            "truncate auth_group, catalog_searchword, catalog_slatier, catalog_system, catalog_domain cascade"
        )
        cursor.execute("alter table catalog_contract disable trigger user")
        cursor.execute("truncate catalog_contract cascade")
    copy_in("auth_group", "id, name", [(n, f"Team {n}") for n in range(1, 201)])
    copy_in(
        "catalog_team",
        "group_id, key, name, kind, email, on_call",
        [(n, f"team-{n}", f"Team {n}", "domain", "", "") for n in range(1, 201)],
    )
    copy_in(
        "catalog_domain",
        "id, key, name, owner_team_id, position",
        [(n, WORDS[n], WORDS[n].capitalize(), n, n) for n in range(1, 11)],
    )
    copy_in(
        "catalog_system",
        "id, key, name, vendor, kind, deployment, network_zone, description, owner_team_id",
        [(n, f"system-{n}", f"{WORDS[n].capitalize()} system", "", "", "", "", "", n) for n in range(1, 41)],
    )
    copy_in("catalog_slatier", "id, level, name, rules", [(n + 1, n, f"Tier {n}", "{}") for n in range(4)])
    layers, styles, classes = (
        ("experience", "process", "system"),
        ("rest", "rest", "rest", "odata", "event", "file", "soap"),
        ("public", "internal", "internal", "personal"),
    )
    copy_in(
        "catalog_api",
        "id, slug, name, purpose, aliases, domain_id, owner_team_id, layer, style, tier_id, data_class, visibility, "
        "system_id, if_it_fails, documentation_url, status_url",
        (
            (
                n,
                f"{'-'.join(words)}-{n}",
                " ".join(words).capitalize(),
                sentence(n),
                "{}",
                dice.randint(1, 10),
                dice.randint(1, 200),
                dice.choice(layers),
                dice.choice(styles),
                dice.randint(1, 4),
                dice.choice(classes),
                "restricted" if dice.random() < 0.15 else "internal",
                dice.randint(1, 40),
                "",
                "",
                "",
            )
            for n in range(1, apis + 1)
            for words in [topics[n][:3]]
        ),
    )
    digests = [f"sha256:{n:064x}" for n in range(1, versions + 1)]
    copy_in(
        "catalog_contract",
        "digest, format, title, declared_version, original, media_type, file_name, canonical, size, operations, "
        "operation_words, field_words, findings",
        (
            (
                digest,
                "openapi-3.0",
                "",
                "1",
                b"{}",
                "application/json",
                "",
                b"{}",
                2,
                "[]",
                " ".join(about(api, 24)),
                " ".join({w + dice.choice(SUFFIXES).lower() for w in about(api, 60)}),
                "[]",
            )
            for n, digest in enumerate(digests)
            for api in [min(apis, int(n * apis / versions) + 1)]
        ),
    )
    states = ("published", "published", "deprecated", "retired", "published")
    per = versions / apis

    def version_rows() -> Iterator[tuple[Any, ...]]:
        for n, digest in enumerate(digests):
            api = min(apis, int(n / per) + 1)
            position = n - int((api - 1) * per) + 1
            state = states[dice.randrange(5)]
            moment = "2026-01-01" if state in ("deprecated", "retired") else None
            yield (
                api,
                f"v{position}.{n}",
                digest,
                state,
                "declared",
                "",
                "",
                position,
                moment,
                moment if state == "retired" else None,
            )

    copy_in(
        "catalog_apiversion",
        "api_id, label, contract_id, state, origin, migration_guide, notes, position, deprecated_at, retired_at",
        version_rows(),
    )
    started = time.perf_counter()
    search_index.refresh_all(batch=1000)
    with connection.cursor() as cursor:
        cursor.execute("alter table catalog_contract enable trigger user")
        cursor.execute("vacuum analyze")
        cursor.execute(
            "select pg_size_pretty(pg_total_relation_size('catalog_apisearch')), (select count(*) from "
            "catalog_searchword)"
        )
        size, words = cursor.fetchone()
    print(f"  search table rebuilt in {time.perf_counter() - started:.1f} s, {size}, {words:,} words")


def questions(count: int, dice: random.Random) -> list[dict[str, Any]]:
    """Half plain words, some prefixes, some with typing errors, some with facets, some with facets only."""
    made: list[dict[str, Any]] = []
    for n in range(count):
        words = dice.sample(WORDS, 2)
        kind = n % 6
        if kind == 0:
            made.append({"q": words[0]})
        elif kind == 1:
            made.append({"q": " ".join(words)})
        elif kind == 2:
            word = dice.choice([w for w in WORDS if len(w) > 6])
            cut = dice.randrange(2, len(word) - 1)
            made.append({"q": word[:cut] + word[cut + 1 :]})
        elif kind == 3:
            made.append({"q": words[0], "chosen": {"domain": (WORDS[dice.randint(1, 10)],), "style": ("rest",)}})
        elif kind == 4:
            made.append({"q": "", "chosen": {"tier": ("0", "1"), "state": ("published",)}})
        else:
            made.append({"q": words[0][:4]})
    return made


def cpu_ms(backend: int) -> float:
    """CPU milliseconds of this thread and of the server's process for our connection (0 for a server on another
    machine).
    """
    try:
        server = int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e6
    except (OSError, ValueError, IndexError):
        server = 0.0
    return server + time.thread_time() * 1000


def measure(asked: list[dict[str, Any]], rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    from django.db import connection

    from catalog.domain.search_criteria import Criteria
    from catalog.selectors import search, search_query
    from kernel.viewer import Viewer

    class Somebody:
        pk = 1
        is_superuser = False
        is_authenticated = True

    viewer = Viewer(user=Somebody(), team_ids=frozenset({3, 4}))
    criteria = [Criteria(q=a["q"], chosen=a.get("chosen", {})) for a in asked]
    understood = [search_query.understand(c.q, viewer=viewer).tsquery for c in criteria]

    def run(sql: str, params: list[Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            cursor.fetchall()

    plain_search = """select api_id, slug, name, purpose, ts_rank(document, q) as rank
                        from catalog_apisearch, websearch_to_tsquery('english', %s) q
                       where document @@ q
                       order by rank desc
                       limit 25"""
    plain_list = (
        "select api_id, slug, name, purpose, team_name, versions from catalog_apisearch order by name, api_id limit 25"
    )
    actors: dict[str, Callable[[int], object]] = {
        "search with facets": lambda n: search.browse(criteria[n], viewer=viewer),
        "page alone": lambda n: search.page(criteria[n], understood[n], viewer=viewer),
        "facets alone": lambda n: search.count_facets(criteria[n], understood[n], viewer=viewer),
        "facets of everything": lambda n: search.count_facets(Criteria(), None, viewer=viewer),
        "plain full text": lambda n: run(plain_search, [criteria[n].q or "price"]),
        "plain list": lambda n: run(plain_list, []),
    }
    for actor in actors.values():
        for n in range(min(10, len(asked))):
            actor(n)
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (backend,) = cursor.fetchone()
    times: dict[str, list[float]] = {name: [] for name in actors}
    work: dict[str, list[float]] = {name: [] for name in actors}
    for _ in range(rounds):
        for n in range(len(asked)):
            for name, actor in actors.items():
                if name == "facets of everything" and n % 6:
                    continue
                began, started = cpu_ms(backend), time.perf_counter()
                actor(n)
                times[name].append((time.perf_counter() - started) * 1000)
                work[name].append(cpu_ms(backend) - began)
    return times, work


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--apis", type=int, nargs="+", default=[10_000, 30_000])
    options.add_argument("--versions", type=int, default=100_000)
    options.add_argument("--queries", type=int, default=120)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path, help="write the figures here")
    given = options.parse_args()
    figures: dict[str, Any] = {}
    with database() as url:
        prepare(url)
        for size in given.apis:
            dice = random.Random(size)
            print(f"{size:,} APIs, {given.versions:,} versions")
            fill(size, given.versions, dice)
            times, work = measure(questions(given.queries, dice), given.rounds)
            peer = statistics.median(work["plain full text"])
            out = io.StringIO()
            figures[str(size)] = {}
            for name, values in times.items():
                wall, cpu = statistics.quantiles(values, n=100), statistics.quantiles(work[name], n=100)
                figures[str(size)][name] = {
                    "wall": [wall[49], wall[94], wall[98]],
                    "cpu": [cpu[49], cpu[94], cpu[98]],
                    "n": len(values),
                }
                out.write(f"  {name:<21} wall p50 {wall[49]:6.1f} p95 {wall[94]:6.1f} p99 {wall[98]:6.1f} ms, ")
                out.write(f"CPU p50 {cpu[49]:6.1f} p95 {cpu[94]:6.1f} ms, {cpu[49] / peer:5.2f} x plain full text\n")
            print(out.getvalue(), end="")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    sys.exit(main())
