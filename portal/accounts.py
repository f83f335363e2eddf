"""Signing in and out with local accounts. Failed attempts are limited per name and per address, in Redis."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from kernel.errors import Forbidden

log = logging.getLogger(__name__)

PER_NAME = parse("5/5minutes")
PER_ADDRESS = parse("30/5minutes")


@cache
def _limiter(url: str) -> SlidingWindowCounterRateLimiter:
    return SlidingWindowCounterRateLimiter(storage_from_string(url, socket_timeout=1, socket_connect_timeout=1))


def _keys(request: HttpRequest, name: str) -> tuple[tuple[RateLimitItem, str], ...]:
    return (PER_NAME, f"sign-in:name:{name.lower()[:150]}"), (
        PER_ADDRESS,
        f"sign-in:address:{request.META.get('REMOTE_ADDR', '')}",
    )


def too_many_failures(request: HttpRequest, name: str) -> bool:
    """Whether this name or this address has failed too often in the last five minutes.

    Without Redis nobody is locked out, and the log says so.
    """
    try:
        return not all(_limiter(settings.REDIS_URL).test(limit, key) for limit, key in _keys(request, name))
    except Exception as error:  # any failure of the counter: signing in must not depend on Redis
        log.warning("sign-in attempts are not limited, Redis does not answer: %s", type(error).__name__)
        return False


def count_failure(request: HttpRequest, name: str) -> None:
    try:
        for limit, key in _keys(request, name):
            _limiter(settings.REDIS_URL).hit(limit, key)
    except Exception as error:
        log.warning("a failed sign-in was not counted, Redis does not answer: %s", type(error).__name__)


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "Wrong name or password. Both are case-sensitive.",
        "inactive": "This account is closed. Ask an administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"


@method_decorator([login_not_required, never_cache], name="dispatch")
class SignIn(LoginView):
    """`next` is followed only to this host (Django checks it), everything else leads to the inbox."""

    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {
            "provider": bool(settings.OIDC["issuer"]),
            "failed": "failed" in self.request.GET,
        }

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = request.POST.get("username", "")
        if too_many_failures(request, name):
            page = self.get_context_data(form=SignInForm(request), locked=True)
            answer = render(request, self.template_name, page, status=429)
            answer.headers["Retry-After"] = "300"
            return answer
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        count_failure(self.request, form.data.get("username", ""))
        return self.render_to_response(self.get_context_data(form=form), status=422)


@require_http_methods(["POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session. A GET does not: a link on another page must not sign anybody out."""
    logout(request)
    return redirect("sign-in")


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
