"""A new address of mail counts when a link that was sent there was opened by its person; the old address is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from governance.services import identity
from kernel import persons, sign_ins
from kernel.errors import Invalid, Unavailable
from kernel.models import User

SALT = "tillgate.mail_change"
GOOD_FOR = timedelta(days=1)
SIGN_INS_TOLD = 5
"""So many stand in the mail to the old address: the notice of a sign-in may not have gone there yet."""


def ask(user: User, address: str) -> None:
    """Send the link to the new address. Raises Unavailable `mail.not_sent`; nothing is changed in any case."""
    told = signing.dumps({"person": user.pk, "from": user.email, "to": address}, salt=SALT, compress=True)
    link = f"{settings.PUBLIC_URL}{reverse('account-mail', args=[told])}"
    text = (
        f"{user} ({user.username}) asked that notices of Tillgate go to this address from now on.\n\n"
        f"Open this link within a day, signed in as {user.username}:\n{link}\n\n"
        "If this was not you, there is nothing to do: without the link nothing changes.\n"
    )
    _send("Confirm your new address", text, address)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def arrived(request: HttpRequest, told: str) -> HttpResponse:
    """GET asks, so that a program that looks at links changes nothing; POST changes."""
    assert isinstance(request.user, User)
    wanted = _read(told, request.user)
    if request.method != "POST":
        return render(request, "portal/mail_change.html", {"address": wanted["to"], "old": request.user.email})
    identity.require_fresh(request.user, "another address of mail")
    with transaction.atomic():
        me = User.objects.select_for_update().get(pk=request.user.pk)
        wanted = _read(told, me)
        me.email = wanted["to"]
        me.save(update_fields=["email"])
        persons.prove(me, me.email, way=persons.LINK)
    if wanted["from"] != me.email:
        _tell_old(me, wanted["from"])
    messages.success(request, f"{me.email} is proved to be your address. Notices go there from now on.")
    return redirect("account")


def drop(user: User) -> None:
    """No address any more; the one of before is told."""
    old, user.email = user.email, ""
    user.save(update_fields=["email"])
    _tell_old(user, old)


def _read(told: str, user: User) -> dict[str, Any]:
    """A link is good for its person, for a day, and until the address is another one."""
    try:
        wanted: dict[str, Any] = signing.loads(told, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        wanted = {}
    if (wanted.get("person"), wanted.get("from")) != (user.pk, user.email):
        raise Invalid(
            "mail.link",
            "This link is not good any more, or it was made for another account. Nothing was changed. Ask for a new "
            "one under My account.",
        )
    return wanted


def _tell_old(user: User, address: str) -> None:
    if not address:
        return
    text = (
        f"Notices of Tillgate for {user} ({user.username}) do not go to this address any more.\n\n"
        "If this was not you, tell an administrator at once. The last sign-ins, as the ledger has them:\n"
        + "".join(f"- {one.words}\n" for one in sign_ins.latest(user, SIGN_INS_TOLD))
    )
    try:
        _send("Your address was changed", text, address)
    except Unavailable:  # the ledger has it, and nothing can be done here about a mail server
        return


def _send(subject: str, text: str, address: str) -> None:
    try:
        EmailMessage(subject=f"[Tillgate] {subject}", body=text, to=[address]).send()
    except OSError as error:  # smtplib's errors are OSErrors
        raise Unavailable(
            "mail.not_sent", "The mail server did not take the message. Nothing was changed; try again later."
        ) from error
