"""The guard's word about one process: what refuses it, what was accepted for a while, and what it is warned of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from kernel import clock
from portal.guard import acceptance, looks, rules
from portal.guard.rules import GuardFinding
from portal.guard.setup import GuardAnswers, Setup, is_demo


@dataclass(frozen=True, slots=True)
class GuardJudgement:
    """`refusals` is what keeps it from starting. `accepted`: each with its last day."""

    demo: bool
    complete: bool
    refusals: tuple[GuardFinding, ...]
    accepted: tuple[tuple[GuardFinding, date], ...]
    warnings: tuple[GuardFinding, ...]


def of(setup: Setup, seen: GuardAnswers, accepts: Mapping[str, date], today: date) -> GuardJudgement:
    """In the demo nothing refuses: it is what it is. What was accepted until yesterday refuses today."""
    found = rules.judge(setup, seen)
    demo = is_demo(setup, seen)
    refusing = [] if demo else [one for one in found if one.refuses]
    held = {one.id: accepts[one.id] for one in refusing if accepts.get(one.id, date.min) >= today}
    return GuardJudgement(
        demo,
        seen.database,
        tuple(one for one in refusing if one.id not in held),
        tuple((one, held[one.id]) for one in refusing if one.id in held),
        () if demo else tuple(one for one in found if not one.refuses),
    )


def accepted_until() -> Mapping[str, date]:
    """What GUARD_ACCEPTS of this process says."""
    return acceptance.read(os.environ.get(acceptance.SETTING, ""), clock.now().date())


def present() -> GuardJudgement:
    """Of this process, now; its database and its Redis are asked."""
    return of(looks.setup(), looks.seen(), accepted_until(), clock.now().date())
