"""My account: password, second factors, mail, time zone, sessions."""

from __future__ import annotations

import zoneinfo
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm as DjangoPasswordChangeForm
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from catalog.selectors import teams
from governance import permissions
from governance.services import identity
from kernel import audit, clock, persons, sessions, sign_in_limits, sign_ins
from kernel.factors import held, recovery
from kernel.models import ApiToken, SecondFactor, User
from kernel.ui.wording import counted
from portal import accounts, confirm, mail_change


class DetailsForm(forms.Form):
    email = forms.EmailField(
        required=False, max_length=254, label="Mail", help_text="Where notices go. Empty: none are sent."
    )
    time_zone = forms.CharField(
        required=False,
        max_length=60,
        label="Time zone",
        help_text="Of the times on your pages: Europe/Berlin. Empty: as set here for everybody.",
    )

    def clean_time_zone(self) -> str:
        given = str(self.cleaned_data["time_zone"]).strip()
        if given and given not in zoneinfo.available_timezones():
            raise forms.ValidationError("This is the name of a time zone, such as Europe/Berlin.")
        return given


class PasswordChangeForm(DjangoPasswordChangeForm):
    """It stands in the midst of a page: the focus stays at the top."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)


def _ended(number: int) -> str:
    return f"{counted(number, 'other session')} ended"


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(
    request: HttpRequest, *, details: forms.Form | None = None, password: forms.Form | None = None
) -> HttpResponse:
    me = _me(request)
    refused = details or password
    context: dict[str, Any] = {
        "me": me,
        "local": confirm.is_local(me),
        "address_proved": persons.has_proved(me),
        "unsettled": persons.UNSETTLED if persons.is_unsettled(me.pk) else "",
        "details": details or DetailsForm(initial={"email": me.email, "time_zone": me.time_zone}),
        "password": password or PasswordChangeForm(me),
        "sessions": [
            {"session": one, "this": one.pk == sessions.kept_as(request.session.session_key)}
            for one in sessions.live(me)
        ],
        "factors": (factors := held.of(me)),
        "has_app": any(one.kind == SecondFactor.Kind.APP for one in factors),
        "codes_left": recovery.left(me),
        "asked": permissions.second_factor_asked_of(me),
        "teams": teams.of_user(me),
        "live_tokens": ApiToken.objects.filter(user=me, revoked_at=None, expires_at__gt=clock.now()).count(),
    }
    return render(request, "portal/account.html", context, status=422 if refused else 200)


@require_POST
def details(request: HttpRequest) -> HttpResponse:
    me, form = _me(request), DetailsForm(request.POST)
    if not form.is_valid():
        return _page(request, details=form)
    said = _new_address(me, form.cleaned_data["email"], prove="prove" in request.POST)
    me.time_zone = form.cleaned_data["time_zone"]
    me.save(update_fields=["time_zone"])
    messages.success(request, f"Your details are saved.{said}")
    return redirect("account")


def _new_address(me: User, address: str, *, prove: bool) -> str:
    """An address counts when its link was opened; none at all counts at once. With `prove` the link goes to the present
    one as well, which somebody else wrote there."""
    if address == me.email and not (address and prove):
        return ""
    identity.require_fresh(me, "another address of mail")
    if address:
        mail_change.ask(me, address)
        return f" Open the link that was sent to {address}; until then notices go where they went."
    mail_change.drop(me)
    return " You get no notices by mail any more."


@sensitive_post_parameters()
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """Other sessions end with the old password. Tokens go on: they have a secret of their own."""
    me = _me(request)
    form, tried = PasswordChangeForm(me, request.POST), sign_in_limits.begin_own(me)
    if not tried.open:
        form.add_error(None, accounts.too_many(tried))
        return _page(request, password=form)
    right = form.is_valid()
    if "old_password" not in form.errors:
        tried.was_right()
    if not confirm.is_local(me) or not right:
        return _page(request, password=form)
    with transaction.atomic():
        form.save()
        update_session_auth_hash(request, cast(User, form.user))
        ended = _end_others(request, me)
    sessions.prove(request)
    messages.success(request, f"Your password is changed; {_ended(ended)}. Your tokens go on.")
    return redirect("account")


@require_POST
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        ended = _end_others(request, _me(request))
    messages.success(request, f"{_ended(ended)}.")
    return redirect("account")


def _end_others(request: HttpRequest, me: User) -> int:
    ended = sessions.end_others(me, but=request.session.session_key)
    if ended:
        about = {"ended": ended, "session": sign_ins.session_of(request)}
        audit.record("kernel.sessions_ended", "sign_in", me.pk, actor=me, after=about)
    return ended
