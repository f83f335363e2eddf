"""`manage.py check --deploy`: what the guard would refuse, one line each, judged as production even in the demo."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from kernel import clock
from portal.guard import judgement, looks, rules
from portal.guard.rules import GuardFinding


def ready_for_production(**_: Any) -> list[CheckMessage]:
    seen = looks.seen()
    accepts = judgement.accepted_until()
    today = clock.now().date()
    found: list[CheckMessage] = []
    for one in rules.judge(looks.setup(), seen):
        until = accepts.get(one.id)
        held = until is not None and until >= today
        found.append(_message(one, f" Accepted until {until}." if held else "", refuses=one.refuses and not held))
    if not seen.database:
        said = "Nobody could look at the database: DATABASE_URL does not answer."
        found.append(Error(said, hint="Start the server, or correct the address.", id="tillgate.guard.unanswered"))
    return found


def _message(one: GuardFinding, more: str, *, refuses: bool) -> CheckMessage:
    kind = Error if refuses else Warning
    said = one.said[0].upper() + one.said[1:]
    return kind(f"{said}.{more}", hint=one.advice, id=f"tillgate.guard.{one.id}")
