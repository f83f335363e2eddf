"""Those who act in a simulated world: processes as greenlets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import greenlet
import psycopg

from runtime.connectors.protocols import OutboundMessage
from runtime.ledger.database_target import MappedTable, Table
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped, Unmappable
from runtime.ledger.vendor_target import MappedVendor
from runtime.worker.replay_delivery import narrowed
from tests.faults.sim_database import Database, SimConnection, Transaction
from tests.faults.sim_shapes import Killed
from tests.faults.sim_vendor_server import SimVendor

if TYPE_CHECKING:
    from tests.faults.world import World


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

    def doze(self) -> None:
        """The drowsy stand still at one place most often."""
        world = self.world
        if world.faults_left and world.random.random() < 0.4:
            world.faults_left -= 1
            world.counts["pause"] += 1
            self.sleep(LEASE_SECONDS * world.random.uniform(0.02, 4.0))

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
            at = self.world.now if at is None else at
            self.granted = (release, at)
            if not self.world.authorised(release, at, self.world.now):
                self.world.verdict.unauthorised.append(
                    f"{self.name} took work for subscription {subscription} as release {release} at {at:.2f}"
                )

    def hit(self, point: str) -> None:
        if point == self.world.shape.drowsy:
            self.doze()
        self.step()

    def write_to_socket(self) -> None:
        """Between the last look at the clock and the write."""
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


class SameAgain:
    """Every simulated release sends the same to the same vendor."""

    def differs(self, message: LoggedMessage, sent: OutboundMessage) -> str:
        return ""


class SimClients:
    """Stands where `runtime.worker.target_clients.TargetClients` stands: mapper and vendor client per release."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.narrow: Callable[[Mapper], Mapper] = lambda mapper: mapper

    def for_replay(self, taken: Any) -> SimClients:
        made, conn = SimClients(self.actor), self.actor.conn
        made.narrow = lambda mapper: narrowed(conn, taken, mapper)  # type: ignore[arg-type]
        return made

    def mapper(self, taken: Any) -> Mapper:
        return self.narrow(Mapper(self.map))

    def vendor(self, taken: Any, *, connected: bool = True) -> Callable[[int], MappedVendor]:
        now, again, of = taken.target.release, SameAgain(), taken.subscription
        return lambda release: MappedVendor(
            self.narrow(Mapper(self.map)), SimVendor(self.actor, release, of), again if release != now else None
        )

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
