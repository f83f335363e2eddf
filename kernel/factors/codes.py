"""A code that a person typed: of the authenticator app, or a recovery code."""

from __future__ import annotations

from django.db import transaction

from kernel import outbox, sign_in_limits
from kernel.errors import Conflict, Invalid
from kernel.factors import apps, recovery
from kernel.models import User

APP, RECOVERY = "authenticator app", "recovery code"
TOLD_AT = (sign_in_limits.OF_CODES.free, 20, 100, 500)  # wrong codes in a row after which the person is told by mail


class TooManyCodes(Conflict):
    """No code of this person is looked at now."""

    status = 429
    title = "Too many tries"


def prove(user: User, typed: str) -> str:
    """Use the code; `APP` or `RECOVERY`. A try is counted before it is looked at. Raises Invalid `factor.wrong_code`;
    TooManyCodes `factor.wait`, in which case nothing was looked at."""
    code = "".join(typed.split())[:100]
    tried = sign_in_limits.begin_code(user)
    if not tried.open:
        minutes = -(-tried.wait // 60)
        words = "a minute" if minutes == 1 else f"{minutes} minutes"
        raise TooManyCodes(
            "factor.wait", f"Too many wrong codes. Nothing was looked at. Wait {words}, or use a passkey."
        )
    if len(code) == 6 and code.isascii() and code.isdecimal():
        way = APP if apps.prove(user, code) else ""
    else:
        way = RECOVERY if recovery.prove(user, code) else ""
    if not way:
        if tried.failures in TOLD_AT:
            _tell(user, tried.failures)
        raise Invalid("factor.wrong_code", "This code is not right, or it was used already. Wait for the next one.")
    tried.was_right()
    return way


def _tell(user: User, tries: int) -> None:
    """Who types codes at the second step knows the password."""
    with transaction.atomic():
        payload = {"person": user.pk, "tries": tries}
        outbox.emit("kernel.second_factor_guessed", key=user.pk, payload=payload)
