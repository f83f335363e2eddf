"""What a seed makes of a simulated world, and what its judge says of it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.ledger.leases import LEASE_SECONDS
from tests.faults.sim_database import SimConnection

VENDOR, TABLE = 1, 2  # subscriptions
SILENT_SECONDS = 20 * LEASE_SECONDS  # the product waits a day for a vendor that answers nobody
NEVER = 86_400.0  # longer than any schedule


FAULTS = ("kill", "kill after", "lose", "lose after", "pause", "restart", "cut off")
WEIGHTS = (4, 4, 1, 3, 6, 1, 2)
DOZES = ("claim", "vendor.before_send", "quarantine.before_commit")
DROWSY_WEIGHTS = (1, 1, 0, 1, 20, 0, 5)


class Killed(BaseException):
    """SIGKILL: nothing of the process runs after it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a seed makes of the world. `window`: pauses may also fall between the lease check and the write to the
    socket. `overwrites`: the vendor has no versions, and holds what took effect last. `drowsy`: processes stand still,
    at this place most, and vendors act late, far more often than anything else happens."""

    seed: int
    lanes: int
    keys: int
    messages: int
    workers: int
    batch: int
    idempotency: str
    asks: bool
    honours: bool
    coalesce: bool
    table: bool
    faults: int
    fault_rate: float
    decisions: int
    intakes: int
    stay: float
    trouble: float
    killers: frozenset[str]
    refused: frozenset[str]
    unmappable: frozenset[str]
    max_attempts: int
    window: bool
    deadline: float = LEASE_SECONDS / 8
    settle: float = 0.0
    key_kept: float = NEVER
    references: bool = False
    queues: bool = False
    shows_queue: bool = True
    declined: frozenset[str] = frozenset()
    stubborn: frozenset[tuple[str, int]] = frozenset()
    odd: bool = False
    overwrites: bool = False
    drowsy: str = ""

    @classmethod
    def of(cls, seed: int, *, window: bool = False, calm: bool = False) -> Shape:
        r = random.Random(f"shape {seed}")
        idempotency = r.choices("LKNU", (5, 3, 2, 1))[0]
        keys = r.randint(2, 5)
        names = [f"k{i}" for i in range(keys)]
        rare = {name: r.random() for name in names}
        poison = r.random() < 0.04 and not calm
        return cls(
            seed=seed,
            lanes=r.choice((1, 1, 2)),
            keys=keys,
            messages=r.randint(4, 14),
            workers=r.choice((2, 2, 3)),
            batch=r.choice((1, 2, 3, 5)),
            idempotency=idempotency,
            asks=idempotency == "L" or (idempotency in "KN" and r.random() < 0.5),
            honours=idempotency in "KN",
            coalesce=r.random() < 0.2,
            table=r.random() < 0.5,
            faults=0 if calm else r.randint(1, 7),
            fault_rate=r.choice((0.01, 0.03, 0.08)),
            decisions=0 if calm else r.choice((0, 0, 1, 2, 4)),
            intakes=r.choice((0, 1, 2)),
            stay=r.choice((0.0, 0.3, 0.6)),
            trouble=0.0 if calm else r.choice((0.05, 0.25)),
            killers=frozenset(n for n in names if poison and rare[n] < 0.3),
            refused=frozenset(n for n in names if rare[n] > 0.9),
            unmappable=frozenset(n for n in names if 0.87 < rare[n] < 0.9),
            max_attempts=r.randint(3, 5),
            window=window,
            **_other_side(seed, idempotency, names, calm=calm),
        )._without_versions()

    @classmethod
    def drowsy_of(cls, seed: int) -> Shape:
        """Where everybody stands still now and then, for any time up to two leases."""
        r, shape = random.Random(f"drowsy {seed}"), cls.of(seed)
        settle = LEASE_SECONDS * r.choice((1.0, 2.0, 3.0))
        if r.random() < 0.6:
            shape = replace(shape, idempotency="L", asks=True, honours=False, overwrites=False, key_kept=NEVER)
        faults, rate = r.randint(20, 120), r.choice((0.02, 0.1))
        shape = replace(shape, workers=r.choice((1, 2, 3)), batch=r.choice((1, 2)), deadline=LEASE_SECONDS / 8)
        shape = replace(shape, intakes=2, keys=r.choice((2, 3)), messages=r.randint(8, 16))
        return replace(shape, drowsy=r.choice(DOZES), faults=faults, fault_rate=rate, trouble=0.35, settle=settle)

    def _without_versions(self) -> Shape:
        """Half of the vendors of class N overwrite: no question tells whether a state of theirs is the newest."""
        if self.idempotency != "N" or random.Random(f"versions {self.seed}").random() < 0.5:
            return self
        return replace(self, overwrites=True, asks=False, honours=False, shows_queue=False)


def _other_side(seed: int, idempotency: str, names: list[str], *, calm: bool) -> dict[str, Any]:
    """What a seed makes of the vendor: slower than the lease, late after its caller has given up (`settle` seconds at
    most), forgetful (`key_kept`), with a lookup by business reference, with a queue, with refusals of its business, and
    with messages at which it fails for ever."""
    r = random.Random(f"vendor {seed}")
    deadline = LEASE_SECONDS * r.choice((1 / 8, 1 / 8, 1 / 8, 1.4))
    settle = LEASE_SECONDS * r.choice((0.3, 1.0, 3.0))
    forgets = idempotency == "K" and r.random() < 0.6
    rare = {name: r.random() for name in names}
    stubborn = [(name, r.randint(1, 3)) for name in names] if r.random() < 0.15 and not calm else []
    return {
        "deadline": deadline,
        "settle": settle,
        "key_kept": deadline + 2.2 * settle + LEASE_SECONDS * r.uniform(1.0, 3.0) if forgets else NEVER,
        "references": r.random() < 0.5,
        "queues": r.random() < 0.3 and not calm,
        "shows_queue": r.random() < 0.5,
        "declined": frozenset(n for n in names if rare[n] < 0.05),
        "stubborn": frozenset(stubborn[:1]),
        "odd": r.random() < 0.25 and not calm,
    }


@dataclass(slots=True)
class Effect:
    subscription: int
    key: str
    version: int
    release: int
    at: float
    late: bool
    conn: SimConnection | None


@dataclass(slots=True)
class Verdict:
    """What one schedule ended with. Every count but `counts` must be zero."""

    seed: int
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    unauthorised: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    KINDS = ("lost", "twice", "disorder", "unauthorised", "unknown")

    @property
    def clean(self) -> bool:
        return not any(getattr(self, kind) for kind in self.KINDS)

    def found(self) -> dict[str, list[str]]:
        return {kind: getattr(self, kind) for kind in self.KINDS if getattr(self, kind)}
