"""Between the two steps of a sign-in: the password was right, and nobody is signed in yet.

`ask` is the one way from the first step (`portal.accounts`) to the second (`portal.second_step`). What is kept between
them is bound to the session of this browser, lasts a few minutes and ends with the password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare

from governance import permissions
from kernel import clock, sessions
from kernel.factors import held
from kernel.models import User

PENDING = "pending"
WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class AtTheStep:
    """Who has to prove a second factor now. `signed_in`: in a session that began without one."""

    user: User
    way_back: str
    signed_in: bool


def ask(request: HttpRequest, user: User, way_back: str) -> HttpResponse | None:
    """After a right password: the way to the second step, or None where this person needs none. The session begins
    anew, so that none that somebody else knows becomes this person's."""
    if not held.has_one(user) and not permissions.second_factor_asked_of(user):
        return None
    request.session.flush()
    request.session[PENDING] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "at": clock.now().isoformat(),
        "next": way_back,
    }
    return redirect("second-step")


def at_the_step(request: HttpRequest) -> AtTheStep | None:
    """Who is between the steps in this session; None: nobody, or for too long, or the password is another one by
    now."""
    if isinstance(request.user, User):
        lacking = not sessions.second_of(request) and permissions.second_factor_asked_of(request.user)
        return AtTheStep(request.user, "", signed_in=True) if lacking else None
    kept = request.session.get(PENDING)
    if not kept or clock.now() - datetime.fromisoformat(kept["at"]) > WITHIN:
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    if user is None or not constant_time_compare(kept["password"], user.get_session_auth_hash()):
        return None
    return AtTheStep(user, str(kept["next"]), signed_in=False)


def over(request: HttpRequest) -> None:
    request.session.pop(PENDING, None)
