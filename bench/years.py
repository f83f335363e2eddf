"""P12: three years of a retailer with 600 stores, made straight in SQL, and what its pages cost.

    python -m bench.years [--messages 2000000] [--busy 0.1] [--recent-sums] [--folder FOLDER]
    python -m bench.years --ledger [--folder FOLDER]
    python -m bench.years --pages [--folder FOLDER]
    python -m bench.years --clean [--folder FOLDER]

Sales of 36 months, each in one transaction, a busy day yesterday, prices to every store; runs, evidence, attempts,
rejected messages, dead letters, questions, conflicts and comparisons. A run that was killed goes on with the month it
was in. The number is by default what the disk allows up to 20 million, with 15 GB left free. The server forgets its
last commits at a power cut (no fsync): it is a throw-away one. `--recent-sums` leaves the sums of days out but for the
busy day: to add up all of them takes longer than to make the rest, and only pages of old days need them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from portal.embedded import Embedded

MONTHS = 36
STORES = 600
MOST = 20_000_000
FREE = 15_000_000_000  # bytes of the disk that stay free
A_MESSAGE = 1_300  # bytes on disk, with everything around it, and of WAL that is kept
PRICES_A_DAY = 200
BUSY = 0.1  # of all sales are of yesterday
OPEN_DAYS = 30  # what is younger waits for a person
HOME = Path(os.environ.get("TMPDIR", "/var/tmp")) / "tillgate-years"
_STATE = """
create table if not exists bench_month (
  month int primary key, sales bigint, sales_by_lane bigint[], prices bigint, prices_by_lane bigint[])"""
_BEFORE = "select sales, sales_by_lane, prices, prices_by_lane from bench_month where month = %s"
_ENDS = "select coalesce(max(position) filter (where lane = 0), 0), coalesce(max(position) filter (where lane = 1), 0)"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=0, help="sales; what the disk allows where it is not given")
    options.add_argument("--folder", type=Path, default=HOME)
    options.add_argument("--busy", type=float, default=BUSY, help="share of all sales that are of yesterday")
    options.add_argument("--recent-sums", action="store_true", help="sums of the busy day alone")
    options.add_argument("--pages", action="store_true", help="measure the pages over what is there")
    options.add_argument("--ledger", action="store_true", help="measure claims, polls and intake over what is there")
    options.add_argument("--only", default="", help="measure pages whose name has this part")
    options.add_argument("--times", type=int, default=10, help="how often each page is asked")
    options.add_argument("--clean", action="store_true", help="remove everything")
    given = options.parse_args()
    servers = Embedded(given.folder, durable=False)
    if given.clean:
        shutil.rmtree(servers.state, ignore_errors=True)
        return
    try:
        prepare(servers)
        if given.pages:
            add_up()
            from bench.years_pages import measure

            measure(given.only, given.times)
        elif given.ledger:
            from bench.years_ledger import measure as measure_ledger

            measure_ledger(servers.postgres_pid)
        else:
            Years(given.messages or allowed(servers.state), given.busy, recent=given.recent_sums).make()
    finally:
        servers.stop()


def allowed(folder: Path) -> int:
    free = shutil.disk_usage(folder).free - FREE
    return max(100_000, min(MOST, free // A_MESSAGE))


def prepare(servers: Embedded) -> None:
    os.environ.update(
        DATABASE_URL=servers.start_postgres(),
        REDIS_URL="redis://127.0.0.1:9/0",
        SECRET_KEY="bench",
        DJANGO_SETTINGS_MODULE="portal.settings",
        STATE_DIR=str(servers.state),
        ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
        TILLGATE_ROLE="unlimited",
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def sites() -> tuple[Any, Any]:
    """The two integrations, made at the first run. Answers what the statements need of each."""
    from runtime.models import Integration
    from tests.runtime import scene
    from tests.runtime.scene_manifests import PRICES, SALES

    if not Integration.objects.exists():
        people = scene.estate()
        target = PRICES["targets"][0] | {"instances": [f"{n + 101:04d}" for n in range(STORES)]}
        scene.Site(SALES, people.groups["sales-finance"])
        scene.Site(PRICES | {"targets": [target]}, people.groups["pricing"])
        people.sofia.groups.set(people.groups.values())
    return known("sales"), known("prices")


def known(key: str) -> dict[str, Any]:
    from runtime.models import Deployment, Schedule, Stream, TargetSubscription

    deployment = Deployment.objects.get(integration__key=key, active=True)
    stream = Stream.objects.get(integration__key=key)
    return {
        "integration": deployment.integration_id,
        "deployment": deployment.pk,
        "release": deployment.release_id,
        "stream": stream.pk,
        "schedule": Schedule.objects.get(integration__key=key).pk,
        "subscriptions": list(TargetSubscription.objects.filter(stream=stream).values_list("pk", flat=True)),
    }


def add_up() -> None:
    """The sums of all days, as the scheduler keeps them."""
    from runtime.models import Stream
    from runtime.services import day_sums

    for stream in Stream.objects.order_by("id"):
        began, used = time.monotonic(), time.process_time()
        if added := day_sums.bring_up_to_date(stream.pk):
            took, used = time.monotonic() - began, time.process_time() - used
            print(f"{added:,} messages of {stream} added up in {took:.1f} s, {used:.1f} CPU s of this process")


class Years:
    """The months up to now, of so many sales in all."""

    def __init__(self, messages: int, busy: float = BUSY, *, recent: bool = False) -> None:
        from runtime.ledger import connections

        self.messages, self.busy, self.recent = messages, busy, recent
        self.conn = connections.connect(name="tillgate-bench", role="unlimited")
        self.now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.sales, self.prices = sites()
        self.conn.execute(_STATE)

    def make(self) -> None:
        print(f"{self.messages:,} sales in {MONTHS} months", flush=True)
        begun = time.monotonic()
        for index in range(MONTHS):
            if self.conn.execute(_BEFORE, (index,)).fetchone() is None:
                self.month(index)
                print(f"month {index + 1} of {MONTHS}, {time.monotonic() - begun:.0f} s", flush=True)
        if self.conn.execute(_BEFORE, (MONTHS,)).fetchone() is None:
            self.busy_day()
        self.finish()
        if self.recent:
            self.as_if_added_up()
        add_up()
        print(f"made in {time.monotonic() - begun:.0f} s")
        self.sizes()

    def month(self, index: int) -> None:
        """A month of even days: sales, prices and what became of them."""
        since, until = self.begin_of(index), self.begin_of(index + 1)
        self.fill(index, since, until, int(self.messages * (1 - self.busy)) // MONTHS, prices=True)

    def busy_day(self) -> None:
        since = (self.now - timedelta(days=1)).replace(hour=0)
        self.fill(MONTHS, since + timedelta(hours=6), since + timedelta(hours=21), int(self.messages * self.busy))

    def begin_of(self, index: int) -> datetime:
        if index == MONTHS:
            return self.now
        number = self.now.year * 12 + self.now.month - 1 - (MONTHS - 1 - index)
        return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)

    def fill(self, index: int, since: datetime, until: datetime, count: int, *, prices: bool = False) -> None:
        from bench import years_rows as rows
        from runtime.ledger import partitions

        partitions.ensure(self.conn, at=since)
        before = self.conn.execute(_BEFORE, (index - 1,)).fetchone() or (0, [0, 0], 0, [0, 0])
        sold, by_lane, priced, prices_by_lane = before
        run = (index + 1) * 10_000_000
        opened = self.now - timedelta(days=OPEN_DAYS)
        given = {"since": since, "until": until, "open": opened, "run": run}
        with self.conn.transaction():
            given |= {"first": sold + 1, "last": sold + count, "step": (until - since) / count, "base": by_lane}
            self.each(rows.SALES, given)
            for statement in rows.OF_THE_STREAM:
                self.conn.execute(statement.encode(), self.sales | given)
            for subscription in self.sales["subscriptions"]:
                for statement in rows.OF_A_TARGET:
                    self.conn.execute(statement.encode(), self.sales | given | {"subscription": subscription})
            by_lane = self.ends(by_lane, "made")
            if prices:
                many = PRICES_A_DAY * max(1, (until - since).days)
                given |= {"first": priced + 1, "last": priced + many, "step": (until - since) / many}
                given |= {"base": prices_by_lane, "run": run + 5_000_000}
                self.each(rows.PRICES, given)
                self.conn.execute("select setval('runtime_run_id_seq', %s)", (run + 6_000_000,))
                for statement in rows.OF_PRICES:
                    self.conn.execute(statement.encode(), self.prices | given)
                prices_by_lane, priced = self.ends(prices_by_lane, "priced"), priced + many
            self.conn.execute(
                "insert into bench_month values (%s, %s, %s, %s, %s)",
                (index, sold + count, by_lane, priced, prices_by_lane),
            )

    def each(self, statements: str, given: dict[str, Any]) -> None:
        """One after the other; only the first one has arguments."""
        first, *others = statements.split(";")
        self.conn.execute(first.encode(), given)
        for statement in others:
            self.conn.execute(statement.encode())

    def ends(self, before: list[int], table: str) -> list[int]:
        row = self.conn.execute(f"{_ENDS} from {table}".encode()).fetchone()
        assert row
        return [max(old, new) for old, new in zip(before, row, strict=True)]

    def finish(self) -> None:
        """Counters, and how far every target has come: ten stores and the ERP are a little behind."""
        done = self.conn.execute(_BEFORE, (MONTHS,)).fetchone()
        assert done
        _, by_lane, _, prices_by_lane = done
        for site, ends, behind in ((self.sales, by_lane, 40), (self.prices, prices_by_lane, 25)):
            for lane in (0, 1):
                self.conn.execute(
                    "update runtime_lane set next = %s where stream_id = %s and lane = %s",
                    (ends[lane] + 1, site["stream"], lane),
                )
                self.conn.execute(
                    "update runtime_progress set position = greatest(position, %s - case when subscription_id = any(%s)"
                    " then %s else 0 end) where subscription_id = any(%s) and lane = %s",
                    (ends[lane], site["subscriptions"][:10:2], behind, site["subscriptions"], lane),
                )
        self.conn.execute("update runtime_source set read_at = clock_timestamp() - interval '1 min'")
        self.conn.execute("update runtime_vendorstate set last_success_at = clock_timestamp()")
        self.conn.execute("vacuum analyze")

    def as_if_added_up(self) -> None:
        """Cursors of the sums stand where the busy day begins."""
        from runtime.models import Stream
        from runtime.services import day_sums

        before = self.conn.execute(_BEFORE, (MONTHS - 1,)).fetchone()
        assert before
        for stream in Stream.objects.order_by("id"):
            day_sums.bring_up_to_date(stream.pk, seconds=0.0)
        for site, ends in ((self.sales, before[1]), (self.prices, before[3])):
            self.conn.execute(
                "update runtime_daysumcursor set done = greatest(done, (%s::bigint[])[lane + 1]) where stream_id = %s",
                (ends, site["stream"]),
            )

    def sizes(self) -> None:
        rows = self.conn.execute(
            "select case when relname like 'runtime_message%' then 'runtime_message' else relname end, "
            "sum(pg_total_relation_size(oid))::bigint from pg_class "
            "where relkind = 'r' and relname like 'runtime_%' group by 1 order by 2 desc limit 9"
        ).fetchall()
        for name, size in rows:
            print(f"  {name:<22} {size / 1e6:10,.0f} MB {size / self.messages:8.0f} bytes a sale")


if __name__ == "__main__":
    main()
