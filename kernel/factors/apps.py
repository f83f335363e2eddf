"""Codes of an authenticator app: RFC 6238, six digits, thirty seconds, SHA-1, as every app understands them.

A code counts one step early or late, and once: the step of the newest code that was used is kept, and only a later one
counts.
"""

from __future__ import annotations

import hmac
import io

import pyotp
import segno
from django.db import transaction

from kernel import acting, clock
from kernel.errors import Conflict, Invalid
from kernel.factors import held, sealing
from kernel.models import SecondFactor, User

SECONDS = 30
DRIFT = 1  # steps that the clock of a phone may be early or late
ISSUER = "Tillgate"


def new_secret() -> str:
    return pyotp.random_base32()


def address(user: User, secret: str) -> str:
    """What the QR code says, for people who type it."""
    return pyotp.TOTP(secret, interval=SECONDS).provisioning_uri(name=user.username, issuer_name=ISSUER)


def drawing(text: str) -> str:
    """A QR code as SVG, drawn here: no other host learns the secret."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True, nl=False, omitsize=True
    )
    return out.getvalue().decode()


def add(user: User, *, secret: str, code: str, name: str, first: bool = False) -> SecondFactor:
    """The person has shown a code of the app, so the secret has arrived there. `first`: only while there is no other.
    Raises Invalid `factor.wrong_code`; Conflict `factor.app_exists`, `factor.not_first`."""
    step = _step_of(secret, code, after=0)
    if step is None:
        raise Invalid(
            "factor.wrong_code",
            "This is not the code that the app shows for this secret now. Is the clock of the phone right?",
        )
    with acting.by(user), transaction.atomic():
        held.lock(user, first=first)
        if SecondFactor.objects.filter(user=user, kind=SecondFactor.Kind.APP).exists():
            raise Conflict("factor.app_exists", "You have an authenticator app already. Remove it first.")
        sealed = sealing.seal(secret.encode(), about=_about(user))
        return SecondFactor.objects.create(
            user=user, kind=SecondFactor.Kind.APP, name=name, sealed=sealed, step=step, used_at=clock.now()
        )


def prove(user: User, code: str) -> bool:
    """Whether this is a code of the person's app that was not used before; it is used now."""
    row = SecondFactor.objects.filter(user=user, kind=SecondFactor.Kind.APP).first()
    if row is None:
        return False
    secret = sealing.open_sealed(row.sealed, about=_about(user)).decode()
    step = _step_of(secret, code, after=row.step)
    if step is None:
        return False
    # Of two that bring one code at once, one finds the step used.
    return bool(SecondFactor.objects.filter(pk=row.pk, step__lt=step).update(step=step, used_at=clock.now()))


def _step_of(secret: str, code: str, *, after: int) -> int | None:
    """The time step whose code this is, later than `after`."""
    totp, now = pyotp.TOTP(secret, interval=SECONDS), int(clock.now().timestamp()) // SECONDS
    steps = (now, *(now + side * n for n in range(1, DRIFT + 1) for side in (-1, 1)))
    found = [step for step in steps if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())]
    return next((step for step in found if step > after), None)


def _about(user: User) -> str:
    return f"authenticator app of {user.pk}"
