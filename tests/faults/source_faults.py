"""The sources' half of a campaign: offers are published while the product reads them, the source shows rows that nobody
can read, or cannot be read, and somebody keeps asking the product how fresh the stores are and what it counts.

    odd       every row of the source is unreadable for a while: runs go over their limit of rejected records
    unread    the source fails in many ways for a while, while nothing waits in any queue
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

from kernel.postgresql import errors
from sandbox.journal import Entry
from tests.faults.harness import Installation
from tests.faults.judge import Verdict, second
from tests.faults.load import PRICES, SALES
from tests.faults.offers import OFFERS, STORES, OfferSource, expected
from tests.faults.product import People

if TYPE_CHECKING:
    from tests.faults.injections import Options

ASK_TIMEOUT = 3.0


@dataclass
class SourceFaults:
    """What happens at the source in one round, and what the product says of it."""

    installation: Installation
    people: People
    options: Options
    source: OfferSource
    random: random.Random
    seed: int
    undo: list[tuple[float, Any]]
    due: dict[str, float] = field(default_factory=dict)
    items: int = 0
    untrue: list[str] = field(default_factory=list)
    checks: Counter[str] = field(default_factory=Counter)
    calm_since: float | None = None
    _read_whole: bool = False
    _over: threading.Event = field(default_factory=threading.Event)
    _failed: BaseException | None = None

    def begin(self, length: float) -> None:
        """`length` is the expected one, in seconds."""
        now = time.monotonic()
        self.every = max(0.05, length / max(1, self.options.offers))
        self.due = {"publish": now}
        if "odd" in self.options.sources:
            self.due["odd"] = now + length * self.random.uniform(0.1, 0.25)
        if "unread" in self.options.sources:
            self.due["unread"] = now + length * self.random.uniform(0.5, 0.7)
        self.threads = [threading.Thread(target=body, daemon=True) for body in (self._watch, self._keep_reading)]
        for thread in self.threads:
            thread.start()

    def act(self) -> None:
        now = time.monotonic()
        for name, at in list(self.due.items()):
            if now >= at:
                del self.due[name]
                getattr(self, f"_{name}")()

    def _publish(self) -> None:
        self.source.publish(f"o{self.seed}-{self.items:04d}")
        self.items += 1
        if self.items < self.options.offers:
            self.due["publish"] = time.monotonic() + self.every

    def _keep_reading(self) -> None:
        """Starts runs, as a schedule would. By itself: it may have to wait for a process that is paused."""
        from django.db import Error, connection, connections

        draws = random.Random(f"runs {self.seed}")
        try:
            while not self._over.wait(draws.uniform(0.7, 1.5)):
                try:
                    if not self._read_whole:
                        self.people.read_offers()
                except Error as error:
                    if not errors.unavailable(error):
                        raise
                    connection.close()
        except BaseException as error:
            self._failed = error
        finally:
            connections.close_all()

    def _odd(self) -> None:
        self._for_a_while("odd", self.random.uniform(2.0, 5.0))

    def _unread(self) -> None:
        self._for_a_while("failing", self.random.uniform(3.0, 7.0))

    def _for_a_while(self, what: str, seconds: float) -> None:
        self.installation.history.note(f"source {what}", seconds=round(seconds, 1))
        setattr(self.source, what, True)
        self.undo.append((time.monotonic() + seconds, lambda: setattr(self.source, what, False)))

    # -- the end of the round ----------------------------------------------------------------------------------------
    def calm(self) -> None:
        """The source is well again. What is left to publish is published."""
        self.due.clear()
        self.source.odd = self.source.failing = False
        while self.items < self.options.offers:
            self._publish()
        self.due.clear()
        self.calm_since = time.time()

    def at_rest(self) -> bool:
        """Whether everything published has been read, and every date has come."""
        since = self.calm_since
        last = max((one.begins for one in self.source.offers if one.begins is not None), default=0.0)
        if since is None or time.time() < last or not self.people.offers_read(since):
            return False
        self._read_whole = True
        return self.people.dates_come()

    def end(self) -> None:
        self._over.set()
        for thread in self.threads:
            thread.join(60)
        if self._failed is not None:
            raise self._failed

    # -- what the product says ---------------------------------------------------------------------------------------
    def _watch(self) -> None:
        """Asks the web server and compares counts at random moments, until the round is over."""
        from django.db import connections

        draws, due = random.Random(f"moments {self.seed}"), dict.fromkeys(("fresh", "counts"), time.monotonic())
        try:
            while not self._over.wait(0.05):
                for name, every in (("fresh", self.options.ask_every), ("counts", self.options.compare_every)):
                    if every and time.monotonic() >= due[name]:
                        getattr(self, f"_compare_{name}")()
                        due[name] = time.monotonic() + draws.uniform(0.4, 1.6) * every
        except BaseException as error:
            self._failed = error
        finally:
            connections.close_all()

    def _compare_fresh(self) -> None:
        from tests.faults.told import too_fresh

        web = self.installation.web
        if web is None or web.process is None or self.installation.servers.clock.touched:
            return  # by a clock that was wrong, no look at the source can be told from another
        head = {"Authorization": f"Bearer {self.people.eyes}"}
        try:
            with httpx.Client(base_url=web.url, headers=head, timeout=ASK_TIMEOUT, trust_env=False) as client:
                answer = client.get("/api/v1/stores", params={"environment": "production"})
            told = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            told = None
        if told is None:
            self.checks["freshness not answered"] += 1
            return
        self.checks["freshness compared"] += 1
        self._found(too_fresh(told, OFFERS, self.source.seen_whole_at))

    def _compare_counts(self) -> None:
        from django.db import Error, connection

        from tests.faults.told import disagreements

        if self.installation.servers.clock.touched:
            return  # what came while the clock was wrong belongs to another day

        try:
            found = disagreements([SALES, PRICES, OFFERS], self.people.eyes)
        except Error as error:
            if not errors.unavailable(error):
                raise
            connection.close()
            self.checks["counts not answered"] += 1
            return
        self.checks["counts compared"] += 1
        self._found(found)

    def _found(self, untrue: Iterable[str]) -> None:
        at, found = time.strftime("%H:%M:%S"), list(untrue)
        if self.installation.servers.clock.touched:
            return  # it was set while they were asked
        for one in found:
            self.untrue.append(f"{at} {one}")
            self.installation.history.note("untrue", what=one)

    # -- the verdict -------------------------------------------------------------------------------------------------
    def judge(self, verdict: Verdict, stores: list[Entry]) -> None:
        """What the source has published with what the stores have; and what was said."""
        for one in self.untrue:
            verdict.add("untrue", one)
        verdict.facts["said"] = dict(self.checks)
        prefix = f"o{self.seed}-"
        mine = [one for one in self.source.offers if one.item.startswith(prefix)]
        begins = {(one.item, one.version): one.begins for one in mine}
        applied: dict[str, list[Entry]] = {}
        for entry in stores:
            if entry.effect == "price.applied" and entry.entity and f"/price/{prefix}" in entry.entity:
                applied.setdefault(entry.entity, []).append(entry)
        waiting = self.people.offers_waiting(prefix)
        in_force = expected(mine, time.time())
        for item, version in in_force.items():
            for store in STORES:
                got = applied.pop(f"{store}/price/{item}", [])
                self._judge_one(verdict, f"store {store} {item}", version, got, begins, waiting.get((store, item), []))
        for entity in applied:
            verdict.add("twice", f"{entity} was never published")
        verdict.facts["offers"] = len(mine) * len(STORES)

    def _judge_one(
        self,
        verdict: Verdict,
        name: str,
        version: int,
        got: list[Entry],
        begins: dict[tuple[str, int], float | None],
        waits: list[Any],
    ) -> None:
        item, versions = name.rsplit(" ", 1)[1], [entry.version or 0 for entry in got]
        if version not in versions:
            verdict.add("lost", f"offer at {name}@{version}: has {versions}, waits {waits}")
        elif waits:
            verdict.add("unknown", f"offer at {name}@{version} is there and waits {waits}")
        for known, count in Counter(versions).items():
            begun = begins.get((item, known))
            first = min(second(entry) for entry in got if (entry.version or 0) == known)
            again = 0 if begun is None else self.installation.servers.clock.begins_again(begun, first)
            if count - 1 > again:
                verdict.add("twice", f"offer at {name}@{known} {count} times", count - 1 - again)
        if any(after < before for before, after in pairwise(versions)):
            verdict.add("disorder", f"offer at {name}: {versions}")
        for entry in got:
            start = begins.get((item, entry.version or 0))
            early = (start or 0.0) - second(entry)
            if early > max(0.0, self.installation.servers.clock.was_ahead(second(entry))):
                verdict.add("disorder", f"offer at {name}@{entry.version} {early:.3f} s before its date")
