"""P4: a full refresh of store-items (600 stores, 20,000 articles: 12 M) through the product, with every guarantee on,
and how it grows.

    python -m bench.refresh [--items 300000 1000000] [--changed 2] [--kill]

For every size: the first load, then the refresh, in which that share (percent) of the items has another price. With
`--kill` both workers get SIGKILL in the middle of the refresh and new ones go on. At the end every row is compared with
the source, inside the database. CPU counts workers and PostgreSQL, not the source.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

from bench.installation import Installation, free_port, manifest
from bench.measure import cpu, peak_memory

PAGE, STORES = 2_500, 600
CONTRACT: dict[str, Any] = {
    "type": "object",
    "required": ["key", "store", "article", "price", "currency", "stock"],
    "properties": {
        "key": {"type": "string", "pattern": "^[0-9]{3}-[0-9]{5}$"},
        "store": {"type": "integer", "minimum": 0},
        "article": {"type": "integer", "minimum": 0},
        "price": {"type": "number", "minimum": 0},
        "currency": {"type": "string", "minLength": 3, "maxLength": 3},
        "stock": {"type": "integer"},
    },
}
TABLE = """
create table if not exists store_item (
  store int,
  article int,
  price numeric(10, 2),
  currency text,
  stock int,
  _position bigint not null,
  primary key (store, article))"""
FIELDS = [
    {"to": "store", "from": "store", "type": "integer", "required": True},
    {"to": "article", "from": "article", "type": "integer", "required": True},
    {"to": "price", "from": "price", "type": "decimal", "scale": 2},
    {"to": "currency", "from": "currency", "type": "string"},
    {"to": "stock", "from": "stock", "type": "integer"},
]


def item(i: int, changed: int) -> str:
    """The text of one store-item; `changed` percent of them cost ten more than in the first load."""
    store, article = i % STORES, i // STORES
    cents = i * 7 % 9999 + (1000 if i % 100 < changed else 0)
    return (
        f'{{"key": "{store:03}-{article:05}", "store": {store}, "article": {article}, '
        f'"price": {cents // 100}.{cents % 100:02}, "currency": "EUR", "stock": {i % 50}}}'
    )


class ItemFeed(Installation):
    contract, table = CONTRACT, TABLE

    def manifest(self) -> dict[str, Any]:
        made = manifest(lanes=4, batch=2500)
        made["event"] = {"name": "item.changed", "meaning": "state", "key": "/key"}
        settings = made["sources"][0]["connection"]["settings"]
        settings.pop("version_field")
        settings["key_fields"] = ["key"]
        made["targets"][0]["table"] = {"name": "store_item", "key": ["store", "article"]}
        made["targets"][0]["mapping"] = {"mapping": "item", "version": 1, "fields": FIELDS}
        return made


def serve(port: int, count: int, changed: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = int(parse_qs(urlparse(self.path).query).get("page", ["0"])[0])
            start, end = number * PAGE, min(count, number * PAGE + PAGE)
            following = f'"http://127.0.0.1:{port}/orders?page={number + 1}"' if end < count else "null"
            items = ", ".join([item(i, changed) for i in range(start, end)])
            body = f'{{"data": [{items}], "next": {following}}}'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("ready", flush=True)
    server.serve_forever()


@contextmanager
def source(port: int, count: int, changed: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.refresh", "serve", *map(str, (port, count, changed))], stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.wait()


def start(installed: Installation) -> list[subprocess.Popen[bytes]]:
    processes = [installed.worker(role) for role in ("collect", "deliver")]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    return processes


def run(installed: Installation, count: int, *, kill: bool = False) -> dict[str, float]:
    from bench.sync import _finished
    from runtime.services import runs

    processes = start(installed)
    with installed.connect() as conn:
        spent, began, ended = cpu([installed.postgres_pid]), time.perf_counter(), 0.0
        fresh = cpu([process.pid for process in processes])
        made = runs.start("order-feed", "production", trigger="manual")
        while not _finished(conn, made.pk):
            time.sleep(0.2)
            made.refresh_from_db()
            if kill and made.read >= count // 2:
                ended += cpu([process.pid for process in processes]) - fresh
                for process in processes:
                    process.kill()
                    process.wait()
                processes, kill = start(installed), False
                fresh = cpu([process.pid for process in processes])
        wall = time.perf_counter() - began
        used = cpu([installed.postgres_pid]) - spent + ended + cpu([process.pid for process in processes]) - fresh
        memory = max(peak_memory(process.pid) for process in processes)
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait()
    made.refresh_from_db()
    if made.read != count or made.rejected_count:
        raise SystemExit(f"the run read {made.read} of {count} and refused {made.rejected_count}: {made.error}")
    return {"wall": wall, "cpu": used, "memory": memory, "accepted": made.accepted}


_DIFFERENT = """
select count(*)
  from (select i %% %(stores)s as store,
               i / %(stores)s as article,
               (i * 7 %% 9999 + case when i %% 100 < %(changed)s then 1000 else 0 end) / 100.0 as price,
               (i %% 50)::int as stock
          from generate_series(0, %(count)s - 1) i) w
  full join store_item t on t.store = w.store and t.article = w.article
 where (t.price, t.stock) is distinct from (w.price::numeric(10, 2), w.stock)"""


def judge(installed: Installation, count: int, changed: int) -> None:
    with installed.connect() as conn:
        wrong = conn.execute(_DIFFERENT, {"stores": STORES, "changed": changed, "count": count}).fetchone()[0]
        if wrong:
            raise SystemExit(f"{wrong} rows differ from the source")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--changed", type=int, default=2, help="percent")
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    if len(given.items) > 1:  # each size in a process of its own: Django is set up for one installation
        for count in given.items:
            same = ["--changed", str(given.changed), *(["--kill"] if given.kill else [])]
            subprocess.run([sys.executable, "-m", "bench.refresh", "--items", str(count), *same], check=True)
        return
    for count in given.items:
        port = free_port()
        with ItemFeed(f"http://127.0.0.1:{port}/") as installed:
            for label, changed in (("first load", 0), (f"refresh, {given.changed} % changed", given.changed)):
                with source(port, count, changed):
                    found = run(installed, count, kill=given.kill and changed > 0)
                judge(installed, count, changed)
                print(
                    f"{count:10,} {label:24} {found['wall']:7.1f} s {count / found['wall']:8,.0f}/s "
                    f"{found['cpu']:7.1f} CPU s "
                    f"{found['cpu'] / count * 1e6:5.1f} us CPU each {found['memory']:4.0f} MiB, "
                    f"{found['accepted']:,.0f} written, every row right; "
                    f"12 M at this rate: {12e6 / count * found['wall'] / 60:.1f} min",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*map(int, sys.argv[2:5]))
    else:
        main()
