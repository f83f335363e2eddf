"""The other side of a simulated world: a vendor with a journal that no worker can change, and the client that talks to
it.

The vendor acts after its caller has stopped waiting, forgets keys, takes work and decides later, answers 503 after the
effect, says 200 to what it did not do, and fails for ever at some messages.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from runtime.connectors.protocols import AskBy, FaultKind, OutboundMessage
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.vendor_client import CannotAsk, SendResult
from tests.faults.sim_shapes import VENDOR, Effect, Killed

if TYPE_CHECKING:
    from tests.faults.sim_actors import Actor
    from tests.faults.world import World

NO_ANSWER = "the answer was cut"


class VendorServer:
    """What it did is its journal. `known` holds keys with the time since when it keeps them, `acted` what it did, by
    its business reference, which it never forgets; `queued` what it took and has not decided."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.journal: list[Effect] = []
        self.known: dict[str, float] = {}
        self.acted: set[tuple[str, int]] = set()
        self.queued: set[tuple[str, int]] = set()
        self.turned_down: set[tuple[str, int]] = set()
        self.away_until = 0.0
        self.absorbed = 0

    def keeps(self, key: str) -> bool:
        since = self.known.get(key)
        return since is not None and self.world.now <= since + self.world.shape.key_kept

    def authorise(self, actor: Actor, items: Any, release: int) -> None:
        """Judged when the request leaves, whenever it takes effect."""
        verdict = self.world.verdict
        for item in items:
            if actor.asks_only:
                verdict.unauthorised.append(f"{actor.name} sent {_name(item)} though it may only ask")
            elif actor.granted is None or actor.granted[0] != release:
                verdict.unauthorised.append(f"{actor.name} sent as release {release} with the grant {actor.granted}")

    def act(self, actor: Actor, item: OutboundMessage, release: int, *, late: bool, on_time: bool = True) -> SendResult:
        """What becomes of one message that has arrived, and the answer to it. What was not `on_time` has used up the
        time that the vendor has, a queue that nobody sees included."""
        world, shape, one = self.world, self.world.shape, _one(item)
        if item.key in shape.refused:
            return SendResult("refused", detail="unknown article")
        if item.key in shape.declined:
            return SendResult("declined", detail="20 points available, 1000 wanted")
        if one in self.turned_down:
            return SendResult("refused", detail="turned down after a while")
        if shape.honours and one in self.queued:
            return SendResult("accepted", detail="still in the queue")
        if world.random.random() < world.trouble * 0.3:
            return SendResult("retry", detail="busy with this one")
        if shape.honours and self.keeps(item.idempotency_key):
            self.absorbed += 1
            return SendResult("confirmed", "again")
        if shape.queues and (on_time or shape.shows_queue) and world.random.random() < world.trouble:
            self.queued.add(one)
            longest = LEASE_SECONDS * 3 if shape.shows_queue else shape.settle
            self.later(lambda: self._decide(actor, item, release), world.random.uniform(0.0, longest))
            world.counts["accepted"] += 1
            return SendResult("accepted", detail="taken, job 7")
        return self._effect(actor, item, release, late=late)

    def _effect(self, actor: Actor, item: OutboundMessage, release: int, *, late: bool) -> SendResult:
        world = self.world
        self.known[item.idempotency_key] = world.now
        self.acted.add(_one(item))
        if world.trace is not None:
            world.trace.append((world.now, actor.name, "ACT", item.key, item.document["v"]))
        self.journal.append(Effect(VENDOR, item.key, item.document["v"], release, world.now, late, actor.conn))
        return SendResult("confirmed", f"V{len(self.journal)}")

    def _decide(self, actor: Actor, item: OutboundMessage, release: int) -> None:
        self.queued.discard(_one(item))
        if self.world.random.random() < 0.2:
            self.turned_down.add(_one(item))
        else:
            self._effect(actor, item, release, late=False)

    def later(self, do: Callable[[], Any], seconds: float) -> None:
        """The vendor goes on by itself, whoever asked it and whatever has become of them."""

        def wake(actor: Actor) -> None:
            do()

        self.world.spawn("vendor", wake, delay=seconds)

    def ask(self, item: OutboundMessage, *, by_reference: bool) -> SendResult:
        one = _one(item)
        if one in self.turned_down:
            return SendResult("refused", detail="turned down after a while")
        if one in self.queued and self.world.shape.shows_queue:
            return SendResult("accepted", detail="still in the queue")
        forgets = self.world.shape.idempotency == "K" and not by_reference
        if one in self.acted and (self.keeps(item.idempotency_key) or not forgets):
            return SendResult("confirmed", "asked")
        return SendResult("unsent")


class SimVendor:
    """The client side, as one actor under one release uses it."""

    def __init__(self, actor: Actor, release: int, subscription: int = VENDOR) -> None:
        self.actor, self.release, self.subscription = actor, release, subscription
        self.deadline = actor.world.shape.deadline
        self.moved_at: float | None = None

    def send(self, items: Any, *, guard: Callable[[], None]) -> list[SendResult]:
        actor = self.actor
        world, server = actor.world, actor.world.vendor
        actor.step()
        if any(item.key in world.shape.killers for item in items):
            world.counts["killed by poison"] += 1
            world.end(actor)
            raise Killed
        started, until = self._begin(guard)
        world.reached.add(self.subscription)
        if world.now >= until:
            return [SendResult("unsent", detail="the deadline had passed before the call was made")] * len(items)
        actor.write_to_socket()
        fate = world.fate()
        if fate in ("down", "throttled") or server.away_until > world.now:
            actor.step()
            wait = world.random.uniform(0.5, 3.0) if fate == "throttled" else None
            return [SendResult("unsent", detail=f"the vendor is {fate}", retry_after=wait)] * len(items)
        server.authorise(actor, items, self.release)
        world.counts[f"sent {fate}"] += 1
        if any(_one(item) in world.shape.stubborn for item in items):
            world.counts["failed for ever"] += 1
            actor.step()
            answer = "500: UNIQUE constraint failed" if world.shape.seed % 2 else None
            return [SendResult("unknown", detail="500", answer=answer)] * len(items)
        late = world.now - started > LEASE_SECONDS / 2
        return self._arrive(items, fate, late=late)

    def _begin(self, guard: Callable[[], None]) -> tuple[float, float]:
        """What `runtime.services.sink_vendor` does: when the call begins, and when it has to be over."""
        world = self.actor.world
        for again in (False, True):
            begun = world.now
            guard()
            if again or world.now <= begun + self.deadline / 2 or "unbounded" in world.plants:
                break
        return begun, float("inf") if "unbounded" in world.plants else begun + self.deadline

    def _arrive(self, items: Any, fate: str, *, late: bool) -> list[SendResult]:
        actor, release = self.actor, self.release
        world, server = actor.world, actor.world.vendor
        if fate == "slow":
            for item in items:
                earliest = world.shape.settle * 0.7 if world.shape.drowsy else 0.0
                more = self.deadline + world.random.uniform(earliest, world.shape.settle)
                server.later(partial(server.act, actor, item, release, late=False, on_time=False), more)
            actor.sleep(self.deadline)
            return [SendResult("unknown", detail="no answer in time")] * len(items)
        if fate == "lie":
            actor.step()
            said = "confirmed" if "trusting" in world.plants else "unknown"
            return [SendResult(said, detail="200 text/html: maintenance")] * len(items)  # type: ignore[arg-type]
        count = world.random.randrange(len(items)) if fate in ("half", "503") else len(items)
        count = len(items) if fate == "503" and world.random.random() < 0.5 else count
        answers = [server.act(actor, item, release, late=late) for item in items[:count]]
        if fate == "outage":
            server.away_until = world.now + world.random.uniform(2.0, 8.0) * LEASE_SECONDS
        actor.step()
        if fate == "503" and "shrug" in world.plants:
            return [SendResult("unsent", detail="503")] * len(items)
        return answers if fate == "ok" else [SendResult("unknown", detail=NO_ANSWER)] * len(items)

    def check(self) -> SendResult:
        """Half of the vendors have something to read; what it finds is what a write would meet."""
        actor = self.actor
        if actor.world.shape.seed % 2:
            raise CannotAsk
        actor.step()
        away = actor.world.vendor.away_until > actor.world.now or actor.world.random.random() < actor.world.trouble
        actor.world.counts["checked"] += 1
        return SendResult("unsent", detail="no answer") if away else SendResult("confirmed")

    def ask(self, items: Any, *, by: AskBy = "key") -> list[SendResult]:
        actor, by_reference = self.actor, by == "reference"
        world, server = actor.world, actor.world.vendor
        if not (world.shape.references if by_reference else world.shape.asks):
            raise CannotAsk
        actor.step()
        world.reached.add(self.subscription)
        world.counts["asked by reference" if by_reference else "asked"] += len(items)
        luck = world.random.random()
        if server.away_until > world.now or luck < world.trouble * 0.4:
            at_fault: FaultKind | None = "address" if luck < world.trouble * 0.1 else None
            world.counts["asked at a wrong path"] += at_fault is not None
            return [SendResult("unknown", detail="no answer to the question", fault=at_fault)] * len(items)
        answers = [server.ask(item, by_reference=by_reference) for item in items]
        actor.step()
        return answers


def _one(item: OutboundMessage) -> tuple[str, int]:
    return item.key, item.document["v"]


def _name(item: OutboundMessage) -> str:
    return f"{item.key}@{item.document['v']}"
