"""The vendors' half of a campaign: answers that do not say what happened, effects that come late, keys that are
forgotten, passwords that are rotated, one item that fails for ever.

Every kind has a name; `--only NAME` leaves the others out, so that one of them can be looked at alone:

    cuts       an answer cut after acting, a batch applied in part, 503 before acting
    behind     502, 503 or 504 of a proxy after the vendor behind it acted
    failures   500, 507 and 520 of the vendor itself, before or after it acted, to writes and to questions
    lies       200 with a sign-in page, an error member or nothing that was asked for; acting or not
    slow       the effect comes after the caller has given up, and a question before that finds nothing (blind vendors:
               of classes L and U alone)
    jobs       202 with a job; the effect comes later, or the job is refused
    forgotten  answers lost, then an outage longer than the vendor keeps its keys
    rotated    another password is accepted for a while
    poison     one sale for which the ERP answers 500 for ever
    moved      acts, and then sends the caller to a sign-in page
    certificate  the loyalty engine presents a certificate that has expired, that nobody knows or that is another's
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.client import Control, Sandbox
from sandbox.lies import LIES
from tests.faults.certificates import WRONG
from tests.faults.harness import Installation
from tests.faults.judge import Allowed
from tests.faults.load import KEY_KEPT, Plan

KINDS = ("cuts", "behind", "failures", "lies", "slow", "jobs", "forgotten", "rotated", "poison", "moved", "certificate")
FAILURES = (500, 507, 520)
ELSEWHERE = ("redirect", "sign_in")  # lies that lead the caller to another place
SOURCES = ("odd", "unread")  # what is wrong with a source: `source_faults.py`
SLOW_MS = (900.0, 3600.0)  # longer than a call may take and than a lease, shorter than the vendors' own time limit
OUTAGE = KEY_KEPT + 2.0  # seconds
JOBS = ("sales.batch", "loyalty.batch", "loyalty.earn")  # operations that may become a job; stores refuse some prices


@dataclass
class VendorFaults:
    """What vendors do wrong in one round. `kinds` is empty where nothing is injected."""

    installation: Installation
    random: random.Random
    kinds: frozenset[str]
    plans: list[Plan]
    undo: list[tuple[float, Any]]
    blind: bool = False
    poison: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)  # sales that may wait for a person at every target
    forgotten: bool = False
    due: dict[str, float] = field(default_factory=dict)
    away_until: float = 0.0  # when the outage ends that outlasts the keys

    @property
    def allowed(self) -> Allowed:
        refused, taken = ({n: self._bodies(n, state) for n in ("erp", "loyalty")} for state in ("refused", "nothing"))
        return Allowed(frozenset(self.poison), frozenset(self.excused), self.forgotten, refused, taken)

    def _bodies(self, vendor: str, state: str) -> str:
        control: Control = getattr(self._sandbox, vendor)
        return "\n".join(control.control(jobs=state)["jobs"])

    def goes_on(self) -> set[str]:
        """Sales that may still be tried or asked about when everything else is at rest."""
        sales = set().union(*(plan.expected_sales() for plan in self.plans))
        return self.installation.poison | self.installation.goes_on | self.allowed.goes_on(sales)

    @property
    def _sandbox(self) -> Sandbox:
        sandbox = self.installation.vendors.sandbox
        assert sandbox is not None
        return sandbox

    @property
    def _controls(self) -> tuple[Control, ...]:
        return (self._sandbox.erp, self._sandbox.stores, self._sandbox.loyalty)

    def begin(self, length: float) -> None:
        """What holds throughout the round, and when the rest comes; `length` is the expected one, in seconds."""
        for control in self._controls:
            self._throughout(control)
        self._sandbox.loyalty.control(set={"kept_seconds": KEY_KEPT if "forgotten" in self.kinds else 86_400.0})
        if "poison" in self.kinds:
            plan = self.random.choice(self.plans)
            self.poison = {plan.sale(plan.batches // 3, self.random.choice((0, 5)))}
            self.installation.poison |= self.poison
            self.installation.history.note("poison", sale=sorted(self.poison)[0])
        self.keep_poison()
        now = time.monotonic()
        if "rotated" in self.kinds:
            self.due["rotated"] = now + length * self.random.uniform(0.15, 0.35)
        if "certificate" in self.kinds:
            self.due["certificate"] = now + length * self.random.uniform(0.05, 0.3)
        if "forgotten" in self.kinds:
            self.due["forgotten"] = now + length * self.random.uniform(0.4, 0.6)

    def keep_poison(self) -> None:
        """Also when everything else is over, and in the rounds that follow: it stays one message that a person has to
        decide about."""
        if poison := sorted(self.installation.poison):
            self._sandbox.erp.fault("status", ops="writes", status=500, holding=poison)

    def _throughout(self, control: Control) -> None:
        """Rates are per call; one kind alone comes more often."""
        often = 4.0 if len(self.kinds) == 1 else 1.0
        if "cuts" in self.kinds:
            control.fault("cut_after", rate=0.03)
            control.fault("cut_prefix", rate=0.03)
            control.fault("status", ops="writes", status=503, rate=0.01, retry_after=1)
        if "behind" in self.kinds:
            for status in (502, 503, 504):
                control.fault("status", ops="writes", status=status, when="after", rate=0.01 * often)
        if "failures" in self.kinds:
            for status in FAILURES:
                control.fault("status", ops="writes", status=status, rate=0.007 * often)
                control.fault("status", ops="writes", status=status, when="after", rate=0.007 * often)
                control.fault("status", ops="reads", status=status, rate=0.01 * often)
        if "lies" in self.kinds:
            stores = control.port == self._sandbox.stores.port  # newer versions would wait behind one said to be taken
            untrue = [lie for lie in LIES if lie != "empty" or not stores]
            control.fault("lie", rate=0.015 * often, lie=untrue)
            control.fault("lie", rate=0.015 * often, when="after", lie=[x for x in LIES if x not in ELSEWHERE])
        if "moved" in self.kinds:
            control.fault("lie", rate=0.005 * often, when="after", lie=list(ELSEWHERE))
        if "slow" in self.kinds:
            # A repetition under the same key is within the contract of K and N, also while the first one is under way;
            # a vendor that does not know keys shows it as a second effect, so there only the others are slow.
            ops = ["salesorder.create", "loyalty.earn"] if self.blind else ["writes"]
            control.fault("slow", ops=ops, rate=0.015 * often, ms=list(SLOW_MS))
        if "jobs" in self.kinds:
            control.fault("async", ops=list(JOBS), rate=0.015 * often, ms=[300, 1500], refuse=0.3)

    def inject(self) -> None:
        now = time.monotonic()
        for name, at in list(self.due.items()):
            if now >= at:
                del self.due[name]
                getattr(self, f"_{name}")()

    def _rotated(self) -> None:
        """Another password for some seconds, at every vendor that asks for one."""
        which = self.random.choice((self._sandbox.erp, self._sandbox.loyalty))
        part = "password" if which.port == self._sandbox.erp.port else "key"
        self.installation.history.note("rotated", part=part)
        which.control(auth={part: "rotated"})
        self.undo.append((time.monotonic() + 3.0, lambda: which.control(auth="restore")))

    def _certificate(self) -> None:
        """Another certificate for some seconds."""
        vendors, name = self.installation.vendors, self.random.choice(WRONG)
        self.installation.history.note("certificate", what=name)
        vendors.present(name)
        self.undo.append((time.monotonic() + 3.0, lambda: vendors.present("right")))

    def _forgotten(self) -> None:
        """The loyalty engine acts and its answers are lost, then it is away for longer than it keeps its keys."""
        loyalty = self._sandbox.loyalty
        self.forgotten = True
        self.installation.history.note("forgotten")
        loyalty.fault("cut_after", rate=1.0, ops=["loyalty.batch"])
        self.undo.append((time.monotonic() + 2.0, lambda: loyalty.control(offline=True)))
        self.away_until = time.monotonic() + 2.0 + OUTAGE
        self.undo.append((self.away_until, self._back))

    @property
    def away(self) -> bool:
        """Whether the round has to go on, so that keys are forgotten before the vendor is back."""
        return "forgotten" in self.due or time.monotonic() < self.away_until

    def _back(self) -> None:
        self._sandbox.loyalty.clear()
        self._throughout(self._sandbox.loyalty)

    def calm(self) -> None:
        """Everything is over, but for the poison."""
        self.due.clear()
        for control in self._controls:
            control.clear()
            control.control(auth="restore")
        self.keep_poison()
