"""`make demo-real DATA=…`: the demo's two integrations on real products, prices, tills and sales, ended by a
reconciliation.

It starts services, emulators, a worker and a scheduler of its own below `.state/real`, lets the demo's people approve,
runs, and then compares three independent accounts: what was handed in, what the ledger says, and what the emulators'
journals say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from portal import demo_articles
from portal.up import ROOT, LocalInstallation, StartRefused

STATE = ROOT / ".state" / "real"
REAL_PRODUCT_CONTRACT = Path("specs/sap-s4hana/edmx/API_PRODUCT_SRV.b.edmx")
PATIENCE_SECONDS = 600


def main(given: list[str]) -> int:
    if len(given) != 1 or not (Path(given[0]) / "retail").is_dir():
        print("usage: make demo-real DATA=<folder with retail/, poslog/ and specs/>", file=sys.stderr)
        return 2
    data = Path(given[0]).resolve()
    shutil.rmtree(STATE, ignore_errors=True)
    os.environ["SANDBOX_DATA"] = str(data)
    supervisor = LocalInstallation(STATE)
    STATE.mkdir(parents=True)
    for name in ("DATABASE_URL", "REDIS_URL"):
        supervisor.environment.pop(name, None)
    try:
        supervisor.start_services()
        supervisor.start_sandbox()
        os.environ.update(supervisor.environment)
        return RealDataRun(supervisor, data).tell()
    except StartRefused as refused:
        print(f"tillgate: {refused}", file=sys.stderr)
        return 1
    finally:
        supervisor.stop()


class RealDataRun:
    """The run, step by step; `failures` collects what did not come out as it should."""

    def __init__(self, supervisor: LocalInstallation, data: Path) -> None:
        self.supervisor, self.data = supervisor, data
        self.say = supervisor.say
        self.failures: list[str] = []

    def tell(self) -> int:
        import django

        django.setup()
        self.prepare()
        self.supervisor.spawn("worker", [sys.executable, "-m", "portal.worker", "--concurrency", "1"])
        self.supervisor.spawn("scheduler", [sys.executable, "-m", "portal.scheduler"])
        self.run("products-and-prices", "products and prices of AdventureWorks from the ERP to six stores")
        handed = self.drop("poslog")
        self.run("sales", "the real POSLog file of 51 transactions")
        self.account("sales after the POSLog file", handed)
        self.articles()
        handed += self.drop("replay")
        self.run("sales", "12,822 real sales rows, replayed as store sales")
        self.account("sales after the replay", handed)
        before = journal_counts(self.supervisor)
        self.drop("poslog")
        again = self.run("sales", "the same POSLog file dropped again")
        self.expect("the same file changes nothing", again.accepted == 0 and journal_counts(self.supervisor) == before)
        handed += self.drop_dirty()
        dirty = self.run("sales", "three damaged transactions: no till, a comma in an amount, no sequence number")
        self.expect("damaged transactions are refused with a reason", dirty.rejected == 3 and dirty.accepted == 0)
        self.account("after everything", handed)
        self.stores()
        verdict = (
            f"NOT in order: {'; '.join(self.failures)}" if self.failures else "All accounts agree: lost 0, twice 0."
        )
        print(f"\n{verdict}")
        return 1 if self.failures else 0

    # -- steps -----------------------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Migrations, the estate with the ERP's real product contract, approvals by the demo's people, both
        deployments.
        """
        from portal import demo

        self.migrate()
        seed = STATE / "seed"
        shutil.copytree(demo.SEED, seed)
        real = self.data / REAL_PRODUCT_CONTRACT
        shutil.copy(real, seed / "contracts" / "s4-product-v1.edmx")
        self.say(demo.apply(seed=seed, deploy_everything=True))
        self.say(f"S/4HANA product master registered from the real metadata ({real.stat().st_size:,} bytes)")

    def migrate(self) -> None:
        """By the owner of the tables, whose address this process is not given."""
        environment = self.supervisor.environment | {"DATABASE_OWNER_URL": self.supervisor.owner}
        command = [sys.executable, "manage.py", "migrate", "--verbosity=0", "--no-input"]
        if subprocess.run(command, env=environment, cwd=ROOT).returncode:
            raise StartRefused("Preparing the database failed; the lines above say why.")

    def drop(self, what: str) -> int:
        """Real files into the stores' drop folder; answers how many transactions they hold."""
        folder = str(incoming())
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.realdata", what, "--data", str(self.data), "--drop", folder],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        if done.returncode:
            raise StartRefused(f"The real data could not be dropped: {done.stderr.strip()}")
        totals = json.loads(done.stdout)
        self.say(
            f"dropped: {', '.join(f'{k} {v}' for k, v in totals.items() if isinstance(v, int | str))[:300] or what}"
        )
        if "transactions" in totals:
            return int(totals["transactions"])
        return sum(len(re.findall(rb"<Transaction[ >]", Path(file).read_bytes())) for file in totals["files"])

    def drop_dirty(self) -> int:
        """Three transactions of the real file, each damaged in its own way."""
        text = (self.data / "poslog" / "ncr-acs-51-transactions.xml").read_text(encoding="utf-8")
        head, tail = text[: text.index("<Transaction>")], "</POSLog>"
        sales = [one for one in re.findall(r"<Transaction>.*?</Transaction>", text, re.S) if "<ExtendedAmount>" in one][
            :3
        ]
        damaged = [
            re.sub(r"<WorkstationID>.*?</WorkstationID>", "", sales[0]),
            re.sub(r"<ExtendedAmount>(\d+)\.(\d+)<", r"<ExtendedAmount>\1,\2<", sales[1], count=1),
            re.sub(r"<SequenceNumber>.*?</SequenceNumber>", "", sales[2], count=1),
        ]
        (incoming() / "damaged.xml").write_text(head + "".join(damaged) + tail, encoding="utf-8")
        return len(damaged)

    def run(self, key: str, words: str) -> Any:
        from kernel.viewer import SYSTEM
        from runtime.selectors import runs
        from runtime.selectors.sql_rows import rows
        from runtime.services import runs as running

        began = time.monotonic()
        run = running.start(key, "production", trigger="manual")
        limit = began + PATIENCE_SECONDS
        while time.monotonic() < limit:
            # A file is read once nobody has written to it for a while: the first run may come too early.
            if key == "sales" and waiting_files() and not run_is_live(run.pk):
                run = running.start(key, "production", trigger="manual")
            made = runs.progress(SYSTEM, run.pk)
            if made and is_over(made):
                break
            time.sleep(0.2)
        else:
            raise StartRefused(f"{key} was not done after {PATIENCE_SECONDS} s; the database is kept in {STATE}.")
        self.say(f"{words}, {time.monotonic() - began:.1f} s")
        if made.state != "succeeded":
            self.failures.append(f"run {run.pk} {made.state}: {made.error}")
        show(made)
        if made.rejected:
            for one in rows(_REFUSED, {"run": run.pk}):
                print(f"           {one['count']:6,} × {one['reason']}")
        return made

    def account(self, words: str, handed: int) -> None:
        """Compare what was handed in (counted in the files), the ledger, and the vendors' journals."""
        ledger = sales_in_ledger()
        self.say(f"reconciliation, {words}")
        self.compare(
            "transactions handed in",
            handed,
            "in the ledger, or refused with a reason",
            ledger["messages"] + ledger["rejected"],
        )
        for target, effect, journal in (
            ("erp-sales", "sale.posted", "erp"),
            ("loyalty-earn", "points.earned", "loyalty"),
        ):
            entries = Counter(
                entry["ref"] for entry in read_journal(self.supervisor, journal) if entry["effect"] == effect
            )
            due = ledger[target]
            lost = due["due"] - len(entries)
            twice = sum(count - 1 for count in entries.values() if count > 1)
            print(
                f"           {target}: due {due['due']:,}, in the vendor's journal {len(entries):,}, "
                f"with a person {due['quarantined']:,}, lost {lost}, twice {twice}"
            )
            if lost or twice or due["open"]:
                self.failures.append(f"{target}: lost {lost}, twice {twice}, still open {due['open']}")
        for reason, count in ledger["reasons"]:
            print(f"           {count:6,} × {reason}")

    def articles(self) -> None:
        """Compare what was rung of each article on each receipt of the real file with what the ERP has of it."""
        due = demo_articles.articles_rung(self.data / "poslog" / "ncr-acs-51-transactions.xml")
        posted = demo_articles.articles_posted(read_journal(self.supervisor, "erp"))
        wrong = demo_articles.wrong_receipts(due, posted)
        rung = sum((amount for articles in due.values() for _, amount in articles.values()), Decimal(0))
        there = sum((amount for key in due for _, amount in posted.get(key, {}).values()), Decimal(0))
        print(
            f"           receipts right by article, quantity and amount: {len(due) - len(wrong)} of {len(due)} "
            f"({sum(map(len, due.values())):,} articles); rung {rung:,.2f}, posted {there:,.2f}"
        )
        for one in wrong[:5]:
            print(f"           wrong: {one}")
        self.expect(f"{len(wrong)} receipts differ by article", not wrong)

    def stores(self) -> None:
        entries = [
            e for e in read_journal(self.supervisor, "stores") if e["effect"] in ("product.applied", "price.applied")
        ]
        twice = sum(count - 1 for count in Counter(e["ref"] for e in entries).values() if count > 1)
        latest: dict[str, int] = {}
        wrong_order = 0
        for entry in entries:
            wrong_order += latest.get(entry["entity"], -1) > entry["version"]
            latest[entry["entity"]] = entry["version"]
        self.say(
            f"stores: {len(latest):,} products and prices held, {len(entries):,} applied, "
            f"twice {twice}, out of order {wrong_order}"
        )
        if twice or wrong_order:
            self.failures.append(f"stores: twice {twice}, out of order {wrong_order}")

    def compare(self, left: str, a: int, right: str, b: int) -> None:
        print(f"           {left} {a:,} = {right} {b:,}")
        self.expect(f"{left} {a} and {right} {b}", a == b)

    def expect(self, words: str, holds: bool) -> None:
        if not holds:
            self.failures.append(words)


def is_over(made: Any) -> bool:
    """Whether a run has read everything and every target has got its share."""
    return made.state != "running" and not made.retrying and not any(share.waiting for share in made.shares)


def show(made: Any) -> None:
    """What a run read, and what each target got of it."""
    print(
        f"           read {made.read:,}, accepted {made.accepted:,}, unchanged {made.unchanged:,}, "
        f"refused by the contract {made.rejected:,}, conflicts {made.conflicts:,}"
    )
    for name, shares in by_target(made.shares).items():
        counted = {
            word: sum(getattr(share, word) for share in shares)
            for word in ("delivered", "superseded", "skipped", "refused", "unknown")
        }
        said = [f"{word} {number:,}" for word, number in counted.items() if number or word == "delivered"]
        print(f"           → {name}: {', '.join(said)}")


def waiting_files() -> list[Path]:
    """Files that stores have dropped and no run has claimed yet."""
    return list(incoming().rglob("*.xml"))


def incoming() -> Path:
    """Where stores drop their files."""
    folder = Path(os.environ["TILLGATE_PLACE_POSLOG"]) / "incoming"
    folder.mkdir(exist_ok=True)
    return folder


def run_is_live(run_id: int) -> bool:
    from runtime.selectors.sql_rows import row

    return bool(
        (row("select state = 'running' as live from runtime_run where id = %(run)s", {"run": run_id}) or {}).get("live")
    )


def by_target(shares: list[Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for share in shares:
        grouped.setdefault(share.target, []).append(share)
    return grouped


_SALES = """
select (select count(*) from runtime_message m where m.stream_id = s.id) as messages,
       (select count(*) from runtime_rejected r where r.stream_id = s.id) as rejected
  from runtime_stream s join runtime_integration i on i.id = s.integration_id where i.key = 'sales'"""
_TARGETS = """
select u.target, sum(p.position) as passed,
       (select count(*) from runtime_quarantine x where x.subscription_id = u.id) as quarantined,
       (select count(*)
          from runtime_quarantine x
         where x.subscription_id = u.id
           and x.state in ('retry', 'sending', 'behind')) as open,
       (select coalesce(sum(d.superseded), 0) from runtime_delivery d where d.subscription_id = u.id) as superseded,
       (select coalesce(sum(d.skipped), 0) from runtime_delivery d where d.subscription_id = u.id) as skipped
  from runtime_subscription u
  join runtime_stream s on s.id = u.stream_id
  join runtime_integration i on i.id = s.integration_id
  join runtime_progress p on p.subscription_id = u.id
 where i.key = 'sales'
   and u.replay_of_id is null
 group by u.id"""
_REASONS = """
select reason, count(*)
  from (select regexp_replace(left(p.reason, 110), '[0-9]{2,}', '…', 'g') as reason
          from runtime_quarantine p
         where p.state in ('dead', 'unknown')
         union all
        select regexp_replace(left(r.reason, 110), '[0-9]{2,}', '…', 'g')
          from runtime_rejected r) as all_of_them
 group by 1
 order by 2 desc
 limit 12"""

_REFUSED = """
select left(min(reason), 200) as reason, count(*)
  from runtime_rejected
 where run_id = %(run)s
 group by fingerprint
 order by 2 desc
 limit 8"""


def sales_in_ledger() -> dict[str, Any]:
    """The ledger's account of the sales stream, per target: due at the vendor, with a person, still open."""
    from runtime.selectors.sql_rows import row, rows

    made: dict[str, Any] = dict(row(_SALES) or {})
    for one in rows(_TARGETS):
        due = int(one["passed"] - one["quarantined"] - one["superseded"] - one["skipped"])
        made[one["target"]] = {"due": due, "quarantined": one["quarantined"], "open": one["open"]}
    made["reasons"] = [(one["reason"], one["count"]) for one in rows(_REASONS)]
    return made


def read_journal(supervisor: LocalInstallation, emulator: str) -> Iterator[dict[str, Any]]:
    """The emulator's own file: the witness, read as lines of JSON."""
    path = supervisor.state / "sandbox" / f"{emulator}.journal.jsonl"
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def journal_counts(supervisor: LocalInstallation) -> dict[str, int]:
    return {name: sum(1 for _ in read_journal(supervisor, name)) for name in ("erp", "loyalty")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
