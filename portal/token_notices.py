"""Before a token ends, those hear of it who can make another: a pipeline or a till that is refused is too late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.urls import reverse

from governance.services import notices
from kernel import clock, outbox
from kernel.models import ApiToken, User

TOPIC: Final = "kernel.token_ends"
KIND: Final = "token"
BEFORE = timedelta(days=7)
AT_ONCE = 200


def tell_due() -> int:
    """An event for each token in use that ends within a week, once. Returns how many."""
    now = clock.now()
    with transaction.atomic():
        ending = ApiToken.objects.filter(revoked_at=None, user__is_active=True, last_used_at__isnull=False)
        ending = ending.filter(expires_at__gt=now, expires_at__lte=now + BEFORE, created_at__lt=now - BEFORE)
        people = {token.pk: _people(token.user) for token in ending.select_related("user").order_by("expires_at")}
        told = notices.told(TOPIC, (one for several in people.values() for one in several), people)
        due = [token for token, several in people.items() if several and token not in told][:AT_ONCE]
        for token in due:
            outbox.emit(TOPIC, key=token, payload={"token": token, "webhooks": False})
    return len(due)


def on_ends(event: Mapping[str, Any]) -> None:
    """`kernel.token_ends`. One notice for a token, by however many events."""
    token = ApiToken.objects.select_related("user").filter(pk=event["payload"]["token"], revoked_at=None).first()
    if token is None:
        return
    text = f"The token {token.name} of {token.user.username} ends on {token.expires_at:%Y-%m-%d}. Make another before"
    notices.write({"topic": TOPIC, "id": token.pk}, _people(token.user), KIND, f"{text}.", reverse("tokens"))


def _people(owner: User) -> set[int]:
    """The person whose it is; of a service account the people of its teams, and administrators where there are none."""
    if owner.kind == User.Kind.PERSON:
        return {owner.pk}
    people = User.objects.filter(is_active=True, kind=User.Kind.PERSON)
    theirs = people.filter(groups__in=owner.groups.all()).values_list("pk", flat=True)
    return set(theirs) or set(people.filter(is_superuser=True).values_list("pk", flat=True))
