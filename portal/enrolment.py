"""Adding a second factor and answering with one, as the pages of the account and of the sign-in both do it.

What a browser is asked is kept in its session: the secret of an app until a code of it was shown (encrypted), and the
question to a passkey until it is answered.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.safestring import mark_safe

from kernel import sessions
from kernel.errors import DomainError, Invalid
from kernel.factors import apps, codes, passkeys, recovery, sealing
from kernel.models import RecoveryCode, SecondFactor, User

APP_SECRET, QUESTION = "app_secret", "passkey_question"


class AppForm(forms.Form):
    name = forms.CharField(max_length=60, label="Name", initial="Phone", help_text="Where the app is.")
    code = forms.CharField(
        max_length=20,
        label="Code that the app shows now",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PasskeyForm(forms.Form):
    name = forms.CharField(max_length=60, label="Name", initial="This device", help_text="Which device or key it is.")
    answer = forms.CharField(
        max_length=passkeys.LONGEST_ANSWER,
        widget=forms.HiddenInput,
        error_messages={"required": "The browser brought no passkey. It needs script, and an address that it trusts."},
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=100,
        label="Code",
        help_text="Of your authenticator app, or a recovery code.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


def app_offer(request: HttpRequest, user: User, form: forms.Form | None = None) -> dict[str, Any]:
    """The secret to add to an app, the same one until it is added."""
    secret = _offered(request, user)
    if not secret:
        secret = apps.new_secret()
        request.session[APP_SECRET] = sealing.seal(secret.encode(), about=_offer_to(user))
    drawn = apps.drawing(apps.address(user, secret))
    return {
        "form": form or AppForm(prefix="app"),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "drawing": mark_safe(drawn),  # noqa: S308 - drawn by the library, squares only
    }


def take_app(request: HttpRequest, user: User, form: forms.Form, *, first: bool = False) -> SecondFactor | None:
    """The app is added when the form has a code of it; else the form says why not."""
    if not form.is_valid():
        return None
    secret, code = _offered(request, user), "".join(form.cleaned_data["code"].split())
    try:
        if not secret:
            raise Invalid("factor.offer_over", "The page was open for too long. Scan the code that it shows now.")
        made = apps.add(user, secret=secret, code=code, name=form.cleaned_data["name"], first=first)
    except DomainError as error:
        form.add_error("code", error.message)
        return None
    del request.session[APP_SECRET]
    _known_from_now(request, codes.APP)
    return made


def passkey_offer(request: HttpRequest, user: User, form: forms.Form | None = None) -> dict[str, Any]:
    options, request.session[QUESTION] = passkeys.begin_adding(user)
    return {"form": form or PasskeyForm(prefix="passkey"), "options": json.dumps(options), "origin": passkeys.origin()}


def take_passkey(request: HttpRequest, user: User, form: forms.Form, *, first: bool = False) -> SecondFactor | None:
    """The passkey is added when the form has the browser's answer; else the form says why not."""
    question = request.session.pop(QUESTION, None)
    if not form.is_valid():
        return None
    try:
        made = passkeys.add(user, question, form.cleaned_data["answer"], name=form.cleaned_data["name"], first=first)
    except DomainError as error:
        form.add_error(None, error.message)
        return None
    _known_from_now(request, "passkey")
    return made


def _known_from_now(request: HttpRequest, way: str) -> None:
    if isinstance(request.user, User):
        sessions.prove_second(request, way=way)


def first_codes(user: User) -> list[str]:
    """Recovery codes for somebody who has none yet."""
    return [] if RecoveryCode.objects.filter(user=user).exists() else recovery.make(user)


def passkey_question(request: HttpRequest, user: User) -> dict[str, str] | None:
    """What to ask one of the person's passkeys; None for a person without."""
    begun = passkeys.begin_proving(user)
    if begun is None:
        return None
    options, request.session[QUESTION] = begun
    return {"options": json.dumps(options), "origin": passkeys.origin()}


def answered(request: HttpRequest, user: User) -> str:
    """By which second factor the sent form proves this person. Raises Invalid and TooManyCodes with the reason."""
    if answer := request.POST.get("answer", ""):
        row = passkeys.prove(user, request.session.pop(QUESTION, None), answer)
        return f"passkey {row.name}"
    return codes.prove(user, request.POST.get("code", ""))


def _offered(request: HttpRequest, user: User) -> str:
    kept = request.session.get(APP_SECRET)
    try:
        return sealing.open_sealed(str(kept), about=_offer_to(user)).decode() if kept else ""
    except Invalid:
        return ""


def _offer_to(user: User) -> str:
    return f"offer to {user.pk}"
