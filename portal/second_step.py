"""The second step of a sign-in: a code, a passkey, or the first second factor of somebody who needs one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from kernel import sessions, sign_ins
from kernel.errors import DomainError
from kernel.factors import held
from portal import accounts, enrolment, pending
from portal.pending import AtTheStep


@login_not_required
@never_cache
@sensitive_post_parameters("code", "answer")
@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest) -> HttpResponse:
    """A code or a passkey of somebody whose password was right."""
    found = pending.at_the_step(request)
    if found is None:
        return redirect("sign-in")
    if not held.has_one(found.user):
        return redirect("second-step-add")
    if request.method != "POST":
        return _ask(request, found, status=200)
    try:
        way = enrolment.answered(request, found.user)
    except DomainError as error:
        sign_ins.failed(request, found.user.username)
        return _ask(request, found, status=error.status, said=error.message)
    answer = redirect(found.way_back or "home")
    _let_in(request, found, answer, way)
    return answer


def _ask(request: HttpRequest, found: AtTheStep, *, status: int, said: str = "") -> HttpResponse:
    context = {
        "person": found.user,
        "form": enrolment.CodeForm(),
        "passkey": enrolment.passkey_question(request, found.user),
        "said": said,
    }
    return render(request, "portal/second_step.html", context, status=status)


@login_not_required
@never_cache
@sensitive_post_parameters("app-code", "passkey-answer")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Who needs a second factor and has none adds the first one here, and can do nothing else before."""
    found = pending.at_the_step(request)
    if found is None:
        return redirect("sign-in")
    if held.has_one(found.user):
        return redirect("second-step")
    if request.method != "POST":
        return _offer(request, found)
    if "app" in request.POST:
        form: Form = enrolment.AppForm(request.POST, prefix="app")
        made = enrolment.take_app(request, found.user, form, first=True)
        refused = {"app": form}
    else:
        form = enrolment.PasskeyForm(request.POST, prefix="passkey")
        made = enrolment.take_passkey(request, found.user, form, first=True)
        refused = {"passkey": form}
    if made is None:
        return _offer(request, found, **refused)
    context = {"codes": enrolment.first_codes(found.user), "next": found.way_back or "/", "made": made}
    answer = render(request, "portal/first_codes.html", context, status=201)
    _let_in(request, found, answer, made.get_kind_display().lower())
    return answer


def _offer(request: HttpRequest, found: AtTheStep, **refused: Form) -> HttpResponse:
    context: dict[str, Any] = {
        "person": found.user,
        "app": enrolment.app_offer(request, found.user, refused.get("app")),
        "passkey": enrolment.passkey_offer(request, found.user, refused.get("passkey")),
    }
    return render(request, "portal/second_step_add.html", context, status=422 if refused else 200)


def _let_in(request: HttpRequest, found: AtTheStep, answer: HttpResponse, way: str) -> None:
    pending.over(request)
    if found.signed_in:
        request.session.cycle_key()
    else:
        accounts.let_in(request, found.user, answer, way=f"password and {way}")
    sessions.prove_second(request, way=way)


@login_not_required
@require_POST
def cancel(request: HttpRequest) -> HttpResponse:
    """Not this person, or not now: the sign-in is over, and a session without a second factor as well."""
    request.session.flush()
    return redirect("sign-in")
