"""Those who act in a simulated world: processes as greenlets, and the vendor with a journal that no worker can
change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import greenlet
import psycopg

from runtime.connectors.protocols import OutboundMessage
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.database_target import MappedTable, Table
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped, Unmappable
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.ledger.vendor_target import MappedVendor
from tests.faults.sim_database import Database, SimConnection, Transaction
from tests.faults.sim_shapes import VENDOR, Effect, Killed

if TYPE_CHECKING:
    from tests.faults.world import World

CALL_SECONDS = LEASE_SECONDS / 8


class Actor:
    """A process in the simulated world: one greenlet, one connection."""

    def __init__(self, world: World, role: str, body: Callable[[Actor], None], number: int) -> None:
        self.world, self.role, self.name = world, role, f"{role}.{number}"
        self.body = body
        self.number = number
        self.ready_at = 0.0
        self.waits_for: Transaction | None = None
        self.dead = self.finished = False
        self.doom = ""  # what happens to it after its present statement
        self.still = False  # inside the window that no vendor without keys can close
        self.conn = SimConnection(world.database, self)
        self.granted: tuple[int, float] | None = None  # release and time of the last claim or step with an open gate
        self.asks_only = False
        self.reserve = 0
        self.greenlet = greenlet.greenlet(self._main, world.hub)

    def _main(self) -> None:
        try:
            self.body(self)
            self.finished = True
        except Killed:
            self.dead = True

    # -- called by the model and by the patched parts of the ledger --------------------------------------------------
    def alive(self) -> None:
        if self.dead:
            raise Killed

    def step(self) -> None:
        self.alive()
        world = self.world
        world.now += world.random.random() * 0.02
        if world.random.random() >= world.shape.stay:
            world.hub.switch()
            self.alive()

    def after(self) -> None:
        if self.doom:
            doom, self.doom = self.doom, ""
            if doom == "kill":
                self.world.end(self)
                raise Killed
            self.conn.lose("terminating connection due to administrator command")
            raise psycopg.OperationalError(self.conn.lost)

    def wait(self, holder: Transaction) -> None:
        self.waits_for = holder
        self.world.hub.switch()
        self.waits_for = None
        self.conn.usable()

    def wake(self) -> None:
        self.waits_for = None

    def grant(
        self,
        database: Database,
        tx: Transaction,
        subscription: int,
        release: int,
        *,
        to_ask: bool = False,
        at: float | None = None,
    ) -> None:
        """The database let this actor take work. Judged at once, by the list of decisions and not by the gate's own
        tables."""
        self.asks_only = to_ask
        if not to_ask:
            at = database.now() if at is None else at
            self.granted = (release, at)
            if not self.world.authorised(release, at, database.now()):
                self.world.verdict.unauthorised.append(
                    f"{self.name} took work for subscription {subscription} as release {release} at {at:.2f}"
                )

    def hit(self, point: str) -> None:
        if point == "vendor.before_send":
            self.still = not (self.world.shape.honours or self.world.shape.window)
        self.step()
        self.still = False

    def sleep(self, seconds: float) -> None:
        self.ready_at = self.world.now + seconds
        self.world.hub.switch()
        self.alive()

    def fall(self) -> None:
        """Unwind a dead actor's stack; one that never ran has none."""
        if self.greenlet:
            self.greenlet.throw(Killed)

    def reconnect(self) -> None:
        self.alive()
        self.conn = SimConnection(self.world.database, self)


class VendorServer:
    """The other side: what it did is its journal, which no worker can change."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.journal: list[Effect] = []
        self.known: set[str] = set()
        self.absorbed = 0

    def act(self, actor: Actor, item: OutboundMessage, release: int, *, late: bool) -> SendResult:
        world = self.world
        if item.key in world.shape.refused:
            return SendResult("refused", detail="unknown article")
        if world.random.random() < world.trouble * 0.3:
            return SendResult("retry", detail="busy with this one")
        if item.idempotency_key in self.known and world.shape.honours:
            self.absorbed += 1
            return SendResult("confirmed", "again")
        self.known.add(item.idempotency_key)
        if world.trace is not None:
            world.trace.append((world.now, actor.name, "ACT", item.key, item.document["v"]))
        self.journal.append(Effect(VENDOR, item.key, item.document["v"], release, world.now, late, actor.conn))
        if actor.asks_only:
            world.verdict.unauthorised.append(
                f"{actor.name} sent {item.key}@{item.document['v']} though it may only ask"
            )
        elif actor.granted is None or actor.granted[0] != release:
            world.verdict.unauthorised.append(f"{actor.name} sent as release {release} with the grant {actor.granted}")
        return SendResult("confirmed", f"V{len(self.journal)}")


class SimVendor:
    """The client side, as one actor under one release uses it."""

    deadline = CALL_SECONDS

    def __init__(self, actor: Actor, release: int) -> None:
        self.actor, self.release = actor, release

    def send(self, items: Any, *, guard: Callable[[], None]) -> list[SendResult]:
        actor = self.actor
        world, server = actor.world, actor.world.vendor
        actor.step()
        if any(item.key in world.shape.killers for item in items):
            world.counts["killed by poison"] += 1
            world.end(actor)
            raise Killed
        started = world.now
        guard()
        fate = world.fate()
        if fate == "down":
            actor.step()
            return [SendResult("unsent", detail="connection refused")] * len(items)
        if fate == "throttled":
            actor.step()
            return [SendResult("unsent", detail="429", retry_after=world.random.uniform(0.5, 3.0))] * len(items)
        late = world.now - started > LEASE_SECONDS / 2
        count = world.random.randrange(len(items)) if fate == "half" else len(items)
        answers = [server.act(actor, item, self.release, late=late) for item in items[:count]]
        world.counts[f"sent {fate}"] += 1
        actor.step()
        return answers if fate == "ok" else [SendResult("unknown", detail="the answer was cut")] * len(items)

    def ask(self, items: Any, *, by: str = "key") -> list[SendResult]:
        actor = self.actor
        world = actor.world
        if not world.shape.asks:
            raise CannotAsk
        actor.step()
        world.counts["asked"] += len(items)
        if world.random.random() < world.trouble * 0.4:
            return [SendResult("unknown", detail="no answer to the question")] * len(items)
        answers = [
            SendResult("confirmed", "asked") if item.idempotency_key in world.vendor.known else SendResult("unsent")
            for item in items
        ]
        actor.step()
        return answers


class SimClients:
    """Stands where `runtime.worker.target_clients.TargetClients` stands: mapper and vendor client per release."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def vendor(self, taken: Any, *, connected: bool = True) -> Callable[[int], MappedVendor]:
        return lambda release: MappedVendor(Mapper(self.map), SimVendor(self.actor, release))

    def table(self, taken: Any) -> MappedTable:
        return MappedTable(
            Table(f"target {taken.subscription}", ("k",), ("k", "v")),
            Mapper(lambda message: (message.key, self.map(message)["v"])),
        )

    def map(self, message: LoggedMessage) -> Any:
        if message.key in self.actor.world.shape.unmappable:
            raise Unmappable("no amount")
        if message.document.get("skip"):
            raise Skipped
        return message.document
