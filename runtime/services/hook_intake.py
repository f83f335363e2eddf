"""Webhooks of vendors: the signature first, then what they say; stored before they are answered.

What is not signed is neither stored nor told anything. What is signed is answered with success as soon as it is kept,
also where a person has to look at it: a vendor that is refused sends the same again, and in the end nothing any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q

from kernel import clock, measures, outbox
from kernel.card_data import holds_number
from kernel.digest import digest_bytes
from kernel.errors import Invalid, NotFound, TooLarge, Unauthenticated, Unavailable
from runtime.connectors.webhook_events import WebhookEvent, read_event
from runtime.connectors.webhook_settings import WebhookSettings
from runtime.connectors.webhook_signatures import NotSigned, SentCall, verify
from runtime.domain import batches, number_gaps
from runtime.domain.manifest import ManifestSource
from runtime.domain.number_gaps import Numbers
from runtime.ledger import pool
from runtime.models import Hook, HookEvent, HookSequence
from runtime.services import hook_settings, hooks, intake, intake_place
from runtime.services.intake import IntakeReceipt

LARGEST_BODY = 1024 * 1024
NOTED_EVERY = timedelta(minutes=1)
TOLD_EVERY = timedelta(hours=1)
FAULT = "runtime.hook_fault"
_WORST = ("refused", "conflict", "accepted", "older", "duplicate")  # what is said of an event with several messages
_NOTICE = """
insert into runtime_hooknotice as held (hook_id, key, noted_at, times)
select %s, unnest(%s::text[]), clock_timestamp(), 1
    on conflict (hook_id, key) where read_at is null do update
   set times = held.times + 1, noted_at = excluded.noted_at"""
RECEIVED = measures.counter(
    "webhooks_received",
    "Webhooks of vendors by what became of them: accepted, duplicate, older, conflict, refused, noticed, ignored, "
    "repeated, unsigned, unavailable.",
    ["outcome"],
)


class Taken(NamedTuple):
    """What became of a call, and what the vendor wants to hear."""

    outcome: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    hook: Hook
    integration: str
    source: ManifestSource
    settings: WebhookSettings


def receive(key: str, headers: Mapping[str, str], body: bytes) -> Taken:
    """Raises Unauthenticated in the same words for an address that is none, an ended one, and a call that is not
    signed; TooLarge; Unavailable where it cannot be judged or stored now."""
    if len(body) > LARGEST_BODY:
        raise TooLarge("request.too_large", f"The body is larger than {LARGEST_BODY // 1024 // 1024} MB.")
    hook = Hook.objects.select_related("integration").filter(key=key, ended_at=None).first()
    if hook is None:
        RECEIVED.labels("unsigned").inc()
        raise _unknown()
    try:
        place = _place(hook)
        keys = hooks.keys_of(hook, place.settings.signature)
    except (Unavailable, NotFound, Invalid) as error:
        _fault(hook, error.message)
        RECEIVED.labels("unavailable").inc()
        raise Unavailable("hook.unavailable", "This cannot be taken now. Send it again.", {"retry_after": 60}) from None
    try:
        verify(place.settings.signature, keys, SentCall(headers, body, hooks.address_of(hook), clock.now()))
    except NotSigned as error:
        _unsigned(hook, str(error))
        RECEIVED.labels("unsigned").inc()
        raise _unknown() from None
    outcome = _take(place, headers, body)
    RECEIVED.labels(outcome).inc()
    return Taken(outcome, place.settings.answer)


def _unknown() -> Unauthenticated:
    return Unauthenticated("hook.signature", "There is no such address, or the call is not signed with its secret.")


def _place(hook: Hook) -> _Place:
    """What is deployed there now."""
    with pool.connection() as conn:
        row = intake_place.deployed_row(conn, (hook.integration.key, hook.environment))
    manifest = intake_place.deployment(row)[2]
    try:
        source = manifest.source(hook.source)
    except KeyError:
        raise NotFound("hook.source", f"The deployed release has no source {hook.source!r}.") from None
    return _Place(hook, hook.integration.key, source, hook_settings.of_source(source))


def _take(place: _Place, headers: Mapping[str, str], body: bytes) -> str:
    event = read_event(place.settings, headers, body, notifies=place.source.notifies)
    digest = digest_bytes(body)
    name = digest if not event.id or holds_number(event.id) else event.id
    if event.id and _is_known(place, name, digest):
        _alive(place)
        return "repeated"
    if event.ignored:
        outcome, why = "ignored", event.ignored
        _alive(place)
    elif event.flaw:
        outcome, why = "refused", event.flaw
    elif place.source.notifies:
        outcome, why = _notice(place, event), ""
    else:
        outcome, why = _hand_in(place, event)
    if event.number is not None:
        _number(place.hook, event)
    _keep(place.hook, name, digest, outcome, why)
    return outcome


def _is_known(place: _Place, name: str, digest: str) -> bool:
    """The same id with the same content was here: done already. The id alone proves nothing, for a vendor's header may
    not be signed."""
    since = clock.now() - timedelta(days=place.settings.ids_kept)
    rows = HookEvent.objects.filter(hook=place.hook, name=name, digest=digest, at__gte=since)
    return rows.update(times=F("times") + 1) > 0


def _hand_in(place: _Place, event: WebhookEvent) -> tuple[str, str]:
    correlations, _ = batches.correlations([event.id or None] * len(event.items))
    receipts = intake.accept(
        place.integration, place.hook.environment, event.items, source=place.source.name, correlations=correlations
    )
    counted = Counter(one.status for one in receipts)
    outcome = next((word for word in _WORST if counted[word]), "accepted")
    if not counted["accepted"]:
        _alive(place)
    return outcome, _why(receipts, outcome)


def _why(receipts: Sequence[IntakeReceipt], outcome: str) -> str:
    return next((one.reason for one in receipts if one.status == outcome and one.reason), "")


def _alive(place: _Place) -> None:
    """What comes shows that the vendor still sends, also where no message is made of it."""
    intake.accept(place.integration, place.hook.environment, [], source=place.source.name)


def _notice(place: _Place, event: WebhookEvent) -> str:
    """One row for each key that waits to be read, however often it is told of. A later notice moves its time, so that a
    reading that began before it does not count."""
    keys = sorted({digest_bytes(key.encode()) if holds_number(key) else key for key in event.changed})
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE, [place.hook.pk, keys])
    return "noticed"


def _number(hook: Hook, event: WebhookEvent) -> None:
    """The number of this event among those of its resource."""
    number = event.number
    assert number is not None
    with transaction.atomic():
        HookSequence.objects.bulk_create(
            [HookSequence(hook=hook, resource=event.resource, highest=number)], ignore_conflicts=True
        )
        row = HookSequence.objects.select_for_update().get(hook=hook, resource=event.resource)
        known = Numbers(row.highest, tuple((first, last) for first, last in row.missing))
        made = number_gaps.with_number(known, number)
        row.highest, row.missing, row.at = made.highest, [list(one) for one in made.missing], clock.now()
        row.gap_at = (row.gap_at or row.at) if made.missing else None
        row.told_at = row.told_at if made.missing else None
        row.save(update_fields=["highest", "missing", "at", "gap_at", "told_at"])


def _keep(hook: Hook, name: str, digest: str, outcome: str, why: str) -> None:
    """After everything is stored: a call that was cut off before comes again, and doing it again changes nothing."""
    HookEvent.objects.bulk_create(
        [HookEvent(hook=hook, name=name, digest=digest, outcome=outcome, why=why[:500])],
        update_conflicts=True,
        unique_fields=["hook", "name", "digest"],
        update_fields=["outcome", "why"],
    )
    Hook.objects.filter(pk=hook.pk).update(event_at=clock.now(), fault="", fault_at=None)


def _unsigned(hook: Hook, why: str) -> None:
    """Noted once a minute, told once an hour: who knows the address could send as many as they like."""
    now = clock.now()
    stale = Q(unsigned_at=None) | Q(unsigned_at__lt=now - NOTED_EVERY)
    if Hook.objects.filter(stale, pk=hook.pk).update(unsigned_at=now, unsigned_why=why[:300]):
        _tell(hook, f"a call was refused: {why}")


def _fault(hook: Hook, why: str) -> None:
    now = clock.now()
    stale = Q(fault_at=None) | Q(fault_at__lt=now - NOTED_EVERY) | ~Q(fault=why[:300])
    if Hook.objects.filter(stale, pk=hook.pk).update(fault_at=now, fault=why[:300]):
        _tell(hook, f"calls cannot be taken: {why}")


def _tell(hook: Hook, said: str) -> None:
    now = clock.now()
    untold = Q(told_at=None) | Q(told_at__lt=now - TOLD_EVERY)
    with transaction.atomic():
        if Hook.objects.filter(untold, pk=hook.pk).update(told_at=now):
            tell_owner(hook, said)


def tell_owner(hook: Hook, said: str) -> None:
    """Within a transaction."""
    payload = {"environment": hook.environment, "source": hook.source, "said": said[:300]}
    outbox.emit(FAULT, key=hook.integration.key, payload=payload)
