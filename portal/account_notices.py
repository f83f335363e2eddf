"""A person hears what became of the ways into their account: a password, a right to administer, a token, an address
that somebody set. Each entry of the ledger is looked at, so that pages, the administration, a shell and SQL are
alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from governance.services import notices
from kernel import outbox
from kernel.models import AuditEntry, User

TOPIC: Final = "kernel.account_touched"
KIND: Final = "account"
LOOKED_BACK = timedelta(days=1)  # an entry that no scheduler saw for so long is not told any more
AT_ONCE = 200

OWN: Final = {"kernel.password_changed": "Your password was changed by you"}
BY_OTHERS: Final = {
    "kernel.password_reset": "{by} set another password for your account",
    "kernel.password_taken": "{by} took the password of your account away",
    "kernel.account_reopened": "{by} opened your account again",
    "kernel.account_changed": "{by} gave your account another address of mail",
    "kernel.superuser_given": "{by} made you an administrator",
    "kernel.token_issued": "{by} made a token that acts as you: {name}",
}


def tell_due() -> int:
    """An event for each entry of the last day that its person has to hear of, once. Returns how many."""
    with transaction.atomic():
        since = AuditEntry.objects.filter(verb__in=[*OWN, *BY_OTHERS], at__gt=Now() - LOOKED_BACK)
        entries = {entry.pk: entry for entry in since.order_by("id")}
        about = [(entry, person) for entry in entries.values() if (person := _person_of(entry)) is not None]
        told = notices.told(TOPIC, (person for _, person in about), entries)
        due = [(entry, person) for entry, person in about if entry.pk not in told]
        made = [(entry, person) for entry, person in due if _words(entry, person)][:AT_ONCE]
        for entry, person in made:
            payload = {"person": person, "entry": entry.pk, "webhooks": False}
            outbox.emit(TOPIC, key=entry.pk, payload=payload)
    return len(made)


def on_touched(event: Mapping[str, Any]) -> None:
    """`kernel.account_touched`. One notice for an entry, by however many events."""
    about = event["payload"]
    entry = AuditEntry.objects.filter(pk=about["entry"]).first()
    words = _words(entry, about["person"]) if entry else ""
    if entry is None or not words:
        return
    text = f"{words}. If you did not expect it, tell somebody who administers Tillgate at once."
    address = reverse("person", args=[about["person"]])
    notices.write({"topic": TOPIC, "id": entry.pk}, [about["person"]], KIND, text, address)


def _person_of(entry: AuditEntry) -> int | None:
    if entry.subject_kind == "user":
        return int(entry.subject_id) if User.objects.filter(pk=entry.subject_id).exists() else None
    name = str((entry.after or {}).get("user", ""))
    return User.objects.filter(username=name).values_list("pk", flat=True).first()


def _words(entry: AuditEntry, person: int) -> str:
    """Empty for what the person did and need not hear of."""
    after = entry.after or {}
    if entry.verb == "kernel.account_changed" and after.get("email") != "changed":
        return ""
    if entry.actor_id == person:
        return OWN.get(entry.verb, "")
    by = "The system" if entry.actor_id is None and entry.actor_text == "system" else str(entry.actor_text)[:100]
    return BY_OTHERS.get(entry.verb, "").format(by=by, name=str(after.get("name", ""))[:60])
