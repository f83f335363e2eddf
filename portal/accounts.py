"""Signing in and out with local accounts: the name and the password. `kernel.sign_in_limits` says how often they may be
tried."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from governance.domain.id_tokens import REASONS
from governance.web import oidc
from kernel import sessions, sign_in_limits, sign_ins
from kernel.errors import Forbidden
from kernel.models import User
from kernel.sign_in_limits import SignInTry
from portal import pending

BROWSER = "tillgate_browser"
"""The cookie by which a browser is known again; it opens nothing by itself."""


def pause_of(seconds: int) -> str:
    """How long to wait, in words."""
    minutes = -(-seconds // 60)
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{minutes} minute{'s' if minutes != 1 else ''}"


def too_many(tried: SignInTry) -> str:
    """For who has given a wrong password too often."""
    return f"Too many wrong passwords in a row. Wait {pause_of(tried.wait)}, then try again."


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "Wrong name or password. Both are case-sensitive.",
        "inactive": "This account is closed. Ask an administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"

    def looked_up(self) -> str:
        """The name as the account is looked up by it; empty where it can be nobody's."""
        try:
            name = str(self.fields["username"].clean(self.data.get("username")))
            name.encode()
        except (ValidationError, UnicodeEncodeError):
            return ""
        return name


@method_decorator([login_not_required, never_cache], name="dispatch")
class SignIn(LoginView):
    """`next` is followed only to this host (Django checks it), everything else leads to the inbox."""

    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    tried = SignInTry()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {
            "provider": bool(settings.OIDC["issuer"]),
            "failed": "failed" in self.request.GET,
            "not_believed": REASONS.get(self.request.GET.get("failed", ""), ""),
        }

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = SignInForm(request, data=request.POST).looked_up()
        self.tried = sign_in_limits.begin(name=name, address=_address(request), browser=_browser(request))
        if not self.tried.open:
            form = SignInForm(request, initial={"username": name})
            page = self.get_context_data(form=form, wait=pause_of(self.tried.wait))
            answer = render(request, self.template_name, page, status=429)
            answer.headers["Retry-After"] = str(self.tried.wait)
            return answer
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        self.tried.was_right()
        if asked := pending.ask(self.request, form.get_user(), self.get_success_url()):
            return asked
        answer = redirect(self.get_success_url())
        let_in(self.request, form.get_user(), answer, way="password")
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        sign_ins.failed(self.request, form.looked_up() if isinstance(form, SignInForm) else "")
        return self.render_to_response(self.get_context_data(form=form), status=422)


def let_in(request: HttpRequest, user: User, answer: HttpResponse, *, way: str) -> None:
    """The end of a sign-in with a local account, when all that is asked was asked: the session begins, the ledger
    says so, this browser and this address are known from now on, and the person hears of failures before."""
    failures = sign_ins.failures_since(user, user.last_login)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    sessions.begin(request, way=way)
    sign_ins.signed_in(request, user, way=way)
    browser = _browser(request) or secrets.token_urlsafe(32)
    sign_in_limits.know(user, address=_address(request), browser=browser)
    answer.set_cookie(
        BROWSER,
        browser,
        max_age=sign_in_limits.KNOWN_BROWSER,
        path=reverse("sign-in"),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    if failures >= sign_in_limits.OF_ACCOUNT.free:
        said = f"There were {failures} failed sign-ins with your name since you last signed in, within a day."
        messages.warning(request, f"{said} If they were not yours, tell an administrator.")


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _browser(request: HttpRequest) -> str:
    given = request.COOKIES.get(BROWSER, "")
    return given if 40 <= len(given) <= 64 and given.isascii() else ""


@never_cache
@require_http_methods(["POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session, and leads to the provider that began it. A GET does not: a link on another page must not sign
    anybody out. The way to the provider is a page of ours, as a form of ours may lead to nobody else."""
    provider = oidc.end_session_address(request)
    sign_ins.signed_out(request)
    logout(request)
    if provider is None:
        return redirect("sign-in")
    return render(request, "portal/signed_out.html", {"provider": provider})


@login_not_required
@never_cache
def administration_door(request: HttpRequest) -> HttpResponse:
    """Replaces the sign-in page of Django's administration, which has no limit of attempts."""
    if request.user.is_authenticated:
        raise Forbidden(
            "administration.not_staff",
            "The administration is for administrators. Your account is not one of them; nothing was changed.",
        )
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
