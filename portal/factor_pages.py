"""Second factors on the page of the account: add, rename, remove, new recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from governance import permissions
from governance.services import identity
from kernel import sessions
from kernel.errors import Conflict, Invalid
from kernel.factors import held, recovery
from kernel.models import SecondFactor, User
from portal import enrolment


def _me(request: HttpRequest) -> User:
    """The person of the session, who proved lately to be that person."""
    assert isinstance(request.user, User)
    identity.require_fresh(request.user, "a change of your second factors")
    return request.user


@never_cache
@sensitive_post_parameters("app-code")
@require_http_methods(["GET", "HEAD", "POST"])
def add_app(request: HttpRequest) -> HttpResponse:
    me = _me(request)
    form = enrolment.AppForm(request.POST, prefix="app") if request.method == "POST" else None
    if form is not None and (made := enrolment.take_app(request, me, form)):
        return _added(request, me, made)
    context = {"app": enrolment.app_offer(request, me, form)}
    return render(request, "portal/add_app.html", context, status=422 if form else 200)


@never_cache
@sensitive_post_parameters("passkey-answer")
@require_http_methods(["GET", "HEAD", "POST"])
def add_passkey(request: HttpRequest) -> HttpResponse:
    me = _me(request)
    form = enrolment.PasskeyForm(request.POST, prefix="passkey") if request.method == "POST" else None
    if form is not None and (made := enrolment.take_passkey(request, me, form)):
        return _added(request, me, made)
    context = {"passkey": enrolment.passkey_offer(request, me, form)}
    return render(request, "portal/add_passkey.html", context, status=422 if form else 200)


def _added(request: HttpRequest, me: User, made: SecondFactor) -> HttpResponse:
    """With the first one, sessions that were begun without it end, and the recovery codes are shown."""
    codes = enrolment.first_codes(me)
    if not codes:
        messages.success(request, f"{made} is added.")
        return redirect("account")
    ended = sessions.end_others(me, but=request.session.session_key)
    context: dict[str, Any] = {"codes": codes, "made": made, "ended": ended}
    return render(request, "portal/recovery_codes.html", context, status=201)


@require_POST
def rename(request: HttpRequest, number: int) -> HttpResponse:
    name = " ".join(request.POST.get("name", "").split())[:60]
    if not name:
        raise Invalid("factor.name", "A second factor needs a name.")
    held.rename(_me(request), number, name)
    return redirect("account")


@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    me = _me(request)
    if permissions.second_factor_asked_of(me) and not sessions.vouched(request) and len(held.of(me)) == 1:
        raise Conflict(
            "factor.last", "Your account needs a second factor, and this is the only one. Add another first."
        )
    gone = held.remove(me, number)
    messages.success(request, f"{gone} is removed.")
    return redirect("account")


@require_POST
def new_codes(request: HttpRequest) -> HttpResponse:
    me = _me(request)
    if not held.has_one(me):
        raise Conflict("factor.none", "Recovery codes stand for a second factor. Add one first.")
    context = {"codes": recovery.make(me)}
    return render(request, "portal/recovery_codes.html", context, status=201)
