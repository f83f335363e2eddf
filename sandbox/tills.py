"""What stores send: till transactions as POSLog, dropped as files or posted to an intake, kept while the store is
offline.

Control order `sell`: {"count": 10, "store": "1" | "all", "day": "2026-03-02",
    "drop": DIR                                   a file per hand-over under DIR/<store>/
    or "url": URL, "headers": {…}                 one POST per hand-over, tried again until it is accepted
    "batch": 20}                                  transactions per hand-over

The journal has `sale.rung` when the till closes a sale (it has happened, whatever follows) and `sale.handed` when the
file lies in place or the intake has answered 2xx. 400, 413 and 422 are final (`sale.rejected`); everything else is
tried again after `Retry-After` or a doubling pause. Per store, sales are handed over in order, one call at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import msgspec

from sandbox.dataset_types import Dataset, Site
from sandbox.demo_data import DAY, Shift
from sandbox.faults import BadControl, FaultPlan
from sandbox.journal import Entry, Journal
from sandbox.poslog import Transaction, document, drop
from sandbox.realdata import rung

FINAL = (400, 413, 422)
LONGEST_PAUSE = 5.0


class Fleet(Protocol):
    """What tills need to know of the stores they stand in (`sandbox.stores.StoreFleet`)."""

    sites: dict[str, Site]
    plan: FaultPlan
    journal: Journal

    def offline(self, store: str) -> bool: ...


@dataclass(frozen=True)
class Way:
    """How a store hands its sales over."""

    batch: int = 20
    directory: Path | None = None
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Tills:
    def __init__(self, fleet: Fleet, data: Dataset) -> None:
        self.fleet, self.data = fleet, data
        self.outbox: dict[str, deque[Transaction]] = {site: deque() for site in fleet.sites}
        self.ways: dict[str, Way] = {}
        self.handed = self.rejected = self.attempts = 0
        self._shifts: dict[tuple[str, str], Shift] = {}
        self._files: dict[str, int] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._client: aiohttp.ClientSession | None = None

    def waiting(self, store: str) -> int:
        return len(self.outbox[store])

    def restore(self, entry: Entry) -> None:
        """Rung and not yet handed over: back into the outbox.

        It moves on with the next `sell` (the way is not kept).
        """
        if entry.effect == "sale.rung" and entry.data is not None:
            made = msgspec.convert(entry.data, Transaction)
            if made.store in self.outbox:
                self.outbox[made.store].append(made)
                shift = self._shift(made.store, made.date)
                while shift.sequences.get(made.till, 0) < made.sequence:
                    shift.next()
            return
        store = (entry.key or "").partition("/")[0]
        if store in self.outbox and self.outbox[store] and self.outbox[store][0].key == entry.key:
            self.outbox[store].popleft()
        if entry.effect == "sale.handed":
            self.handed += 1
            self._files[store] = max(self._files.get(store, 0), int((entry.data or {}).get("file", 0)))
        else:
            self.rejected += 1

    def _shift(self, store: str, day: str) -> Shift:
        if (store, day) not in self._shifts:
            seed = self.fleet.plan.seed
            self._shifts[store, day] = Shift(self.data, self.fleet.sites[store], seed=seed, day=date.fromisoformat(day))
        return self._shifts[store, day]

    def sell(self, order: dict[str, Any]) -> dict[str, Any]:
        store = str(order.get("store", "all"))
        stores = list(self.outbox) if store == "all" else [store]
        if store != "all" and store not in self.outbox:
            raise BadControl(f"no store {store}")
        if bool(order.get("drop")) == bool(order.get("url")):
            raise BadControl("sell needs either drop (a directory) or url (an intake)")
        way = Way(
            int(order.get("batch", 20)),
            Path(order["drop"]) if order.get("drop") else None,
            order.get("url"),
            tuple((order.get("headers") or {}).items()),
        )
        day = str(order.get("day") or DAY.isoformat())
        keys: list[str] = []
        for one in stores:
            made = [self._shift(one, day).next() for _ in range(int(order.get("count", 10)))]
            self.fleet.journal.record(rung(sale) for sale in made)
            self.outbox[one].extend(made)
            keys.extend(sale.key for sale in made)
            self.ways[one] = way
            if one not in self._tasks or self._tasks[one].done():
                self._wakes[one] = asyncio.Event()
                self._tasks[one] = asyncio.create_task(self._hand_over(one))
        return {"rung": len(keys), "keys": keys}

    def wake(self) -> None:
        """Something was ordered: a store may be online again."""
        for event in self._wakes.values():
            event.set()

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def describe(self) -> dict[str, Any]:
        waiting = {store: len(sales) for store, sales in self.outbox.items() if sales}
        return {"waiting": waiting, "handed": self.handed, "rejected": self.rejected, "attempts": self.attempts}

    # --- handing over -----------------------------------------------------------------------------------------------

    async def _hand_over(self, store: str) -> None:
        box, pause = self.outbox[store], 0.1
        while box:
            if self.fleet.offline(store):
                self._wakes[store].clear()
                await self._wakes[store].wait()
                continue
            way = self.ways[store]
            sales = [box[place] for place in range(min(way.batch, len(box)))]
            if way.directory is not None:
                number = self._files[store] = self._files.get(store, 0) + 1
                drop(way.directory / store, f"poslog-{store}-{sales[0].date}-{number:04d}.xml", document(sales))
                self._settle(store, sales, "sale.handed", {"file": number})
                await asyncio.sleep(0)
                continue
            verdict, wait = await self._post(way, sales)
            if verdict is None:
                with contextlib.suppress(TimeoutError):
                    self._wakes[store].clear()
                    await asyncio.wait_for(self._wakes[store].wait(), wait or pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._settle(store, sales, verdict, {})
                pause = 0.1

    def _settle(self, store: str, sales: list[Transaction], effect: str, data: dict[str, Any]) -> None:
        self.fleet.journal.record(
            {"effect": effect, "key": sale.key, "ref": sale.key, "entity": f"{sale.store}/{sale.till}", "data": data}
            for sale in sales
        )
        for _ in sales:
            self.outbox[store].popleft()
        if effect == "sale.handed":
            self.handed += len(sales)
        else:
            self.rejected += len(sales)

    async def _post(self, way: Way, sales: list[Transaction]) -> tuple[str | None, float | None]:
        """The effect to write down, or None and how long to wait."""
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        self.attempts += 1
        headers = {"Content-Type": "application/xml", "X-Correlation-ID": sales[0].key, **dict(way.headers)}
        try:
            async with self._client.post(way.url or "", data=document(sales), headers=headers) as response:
                await response.read()
                if response.status < 300:
                    return "sale.handed", None
                if response.status in FINAL:
                    return "sale.rejected", None
                given = response.headers.get("Retry-After", "")
                return None, float(given) if given.replace(".", "", 1).isdecimal() else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None, None
