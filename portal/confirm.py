"""Proving once more who one is, before a decision and the like: by the password, a code or a passkey."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from governance.services import identity
from kernel import sessions, sign_in_limits, sign_ins
from kernel.errors import DomainError
from kernel.factors import held
from kernel.models import User
from portal import accounts, enrolment


class ConfirmForm(forms.Form):
    password = forms.CharField(
        strip=False, label="Password", widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


def is_local(user: User) -> bool:
    """Signs in with a password of ours, not through the identity provider."""
    return user.has_usable_password() and not identity.is_of_provider(user)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Counted like a sign-in."""
    assert isinstance(request.user, User)
    me, way_back = request.user, _way_back(request)
    if not is_local(me):
        return redirect(way_back)
    if request.method != "POST":
        return ask(request, way_back)
    if "answer" in request.POST or "code" in request.POST:
        try:
            sessions.prove_second(request, way=enrolment.answered(request, me))
        except DomainError as error:
            sign_ins.failed(request, me.username)
            return ask(request, way_back, status=error.status, refused=error.message)
        return _confirmed(request, way_back)
    form, tried = ConfirmForm(request.POST), sign_in_limits.begin_own(me)
    if not tried.open:
        form.add_error("password", accounts.too_many(tried))
    elif form.is_valid() and not me.check_password(form.cleaned_data["password"]):
        sign_ins.failed(request, me.username)
        form.add_error("password", "This is not your password.")
    elif form.is_valid():
        tried.was_right()
    if not form.is_valid():
        return ask(request, way_back, form=form, status=422)
    sessions.prove(request)
    return _confirmed(request, way_back)


def _confirmed(request: HttpRequest, way_back: str) -> HttpResponse:
    messages.success(request, "Confirmed. Now go on.")
    return redirect(way_back)


def ask_again(request: HttpRequest, said: str) -> HttpResponse:
    """In place of a deed that needs a fresh proof: nothing was done, what was written is shown again."""
    change = request.path.partition("decision")[0] if request.method == "POST" else request.get_full_path()
    came_from = request.headers.get("Referer", "")
    allowed = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, request.is_secure())
    way_back = came_from if request.method == "POST" and came_from and allowed else change or reverse("home")
    return ask(request, way_back, status=403, said=said, note=request.POST.get("note", ""))


def ask(
    request: HttpRequest,
    way_back: str,
    *,
    form: forms.Form | None = None,
    status: int = 200,
    refused: str = "",
    **more: str,
) -> HttpResponse:
    assert isinstance(request.user, User)
    factors = held.of(request.user)
    context: dict[str, Any] = {
        "form": form or ConfirmForm(),
        "next": way_back,
        "refused": refused,
        "code": enrolment.CodeForm() if factors else None,
        "passkey": enrolment.passkey_question(request, request.user),
        **more,
    }
    return render(request, "portal/confirm.html", context, status=status)


def _way_back(request: HttpRequest) -> str:
    given = request.POST.get("next") or request.GET.get("next") or ""
    allowed = url_has_allowed_host_and_scheme(given, {request.get_host()}, request.is_secure())
    return given if given and allowed else reverse("home")
