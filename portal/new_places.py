"""A person hears of a sign-in from a place that they have not signed in from: another network, or another family of
browsers. The ledger's entry says that it is one, so every way of signing in is alike, and a session that began so can
neither take the entry back nor put the line in the inbox away (`notices.mark_read`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from governance.services import notices
from kernel import outbox, sign_ins
from kernel.models import AuditEntry

TOPIC: Final = "kernel.signed_in_anew"
KIND: Final = notices.NEW_PLACE
KNOWN_FOR = sign_ins.PLACE_KNOWN_FOR
LOOKED_BACK = timedelta(days=1)  # an entry that no scheduler saw for so long is not told any more
MOST_A_DAY = 5  # of one person; who makes more of them was told of the first ones
AT_ONCE = 200


def tell_due() -> int:
    """An event for each sign-in of the last day that its person has to hear of, once. Returns how many."""
    with transaction.atomic():
        since = AuditEntry.objects.filter(verb=sign_ins.SIGNED_IN, subject_kind=sign_ins.KIND, after__new_place=True)
        entries = list(since.filter(at__gt=Now() - LOOKED_BACK).order_by("id"))
        told = notices.told(TOPIC, {int(entry.subject_id) for entry in entries}, [entry.pk for entry in entries])
        so_far: Counter[str] = Counter()
        due = []
        for entry in entries:
            so_far[entry.subject_id] += 1
            if so_far[entry.subject_id] <= MOST_A_DAY and entry.pk not in told:
                due.append((entry, so_far[entry.subject_id] == MOST_A_DAY))
        for entry, is_last in due[:AT_ONCE]:
            payload = {"person": int(entry.subject_id), "entry": entry.pk, "last": is_last, "webhooks": False}
            outbox.emit(TOPIC, key=entry.pk, payload=payload)
    return len(due[:AT_ONCE])


def on_new_place(event: Mapping[str, Any]) -> None:
    """`kernel.signed_in_anew`. One notice for an entry, by however many events."""
    about = event["payload"]
    entry = AuditEntry.objects.filter(pk=about["entry"], verb=sign_ins.SIGNED_IN).first()
    if entry is None:
        return
    text = f"You signed in on {sign_ins.of_entry(entry).words}, a new place. Not you? End that session and change your"
    text += " password under My account, and tell an administrator."
    if about.get("last"):
        text += " Your page lists further ones of today."
    notices.write({"topic": TOPIC, "id": entry.pk}, [about["person"]], KIND, text, reverse("account"))
