"""What a session has to have proved for a request: a second factor where one is asked, and lately for the
administration."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from governance.services import identity
from kernel.errors import DomainError, Forbidden
from kernel.models import User
from kernel.request import is_call
from portal import confirm, pending, problem

Next = Callable[[HttpRequest], HttpResponse]
OPEN = ("second-step", "second-step-add", "second-step-cancel", "sign-out")
WRITING = ("/add/", "/change/", "/delete/", "/password/")  # forms of the administration


class SecondFactorMiddleware:
    """Who needs a second factor and came in without one can do nothing but prove or add one."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.SECOND_FACTOR_REQUIRED or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        if not isinstance(request.user, User) or request.path in {reverse(name) for name in OPEN}:
            return self.get_response(request)
        if pending.at_the_step(request) is None:
            return self.get_response(request)
        if is_call(request.path):
            words = "Your account needs a second factor. Open any page in the browser and prove or add one."
            return problem.respond(Forbidden("sign_in.second_factor", words), request)
        return redirect("second-step")


class FreshAdministrationMiddleware:
    """Who gives roles, passwords and rights in the administration has proved lately who they are. Asked when a form
    opens, too, so that nothing that was typed is lost."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/") or not isinstance(request.user, User):
            return self.get_response(request)
        if request.method == "POST" or request.path.endswith(WRITING):
            try:
                identity.require_fresh(request.user, "the administration")
            except DomainError as error:
                if error.data.get("confirm"):
                    return confirm.ask_again(request, error.message)
                return problem.page(request, error)
        return self.get_response(request)
