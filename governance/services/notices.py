"""Notices: one line in the inbox and one e-mail, once per event and person, as a reaction to the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q
from django.urls import NoReverseMatch, reverse

from governance.models import Approval, BreakGlass, ChangeRequest, Decision, Notice
from governance.selectors import rights
from governance.services import unfillable
from kernel import clock
from kernel.models import AuditEntry, User


def tell(event: Mapping[str, Any]) -> None:
    """Handler of `governance.*`. Idempotent: one notice per event and person, and one e-mail."""
    payload = event["payload"]
    if event["topic"].startswith("governance.break_glass_"):
        _about_break_glass(event, payload)
    elif event["topic"] == "governance.freeze_unresolved":
        text = f"Say what the freeze {payload['name']} covers: {' '.join(payload['names'])}"
        write(event, members("release-managers"), "freeze", text, address("governance:freezes"))
    elif event["topic"] == "governance.approval_voided" and payload.get("change") is None:
        _emergency_over(event, payload)
    elif "change" in payload and (change := ChangeRequest.objects.filter(pk=payload["change"]).first()) is not None:
        _about_change(event, payload, change)


def _about_change(event: Mapping[str, Any], payload: Mapping[str, Any], change: ChangeRequest) -> None:
    title, url = change.title, address("governance:change", change.pk)
    match event["topic"]:
        case "governance.change_submitted" | "governance.seats_added":
            write(event, _asked(change), "review", f"Please review: {title}", url)
        case "governance.slots_unfillable":
            who = ", ".join(payload.get("slots", ()))
            write(event, unfillable.helpers(change), "unfillable", f"Nobody can decide as {who}: {title}", url)
        case "governance.change_decided" | "governance.change_rejected" | "governance.change_approved":
            words = {"governance.change_approved": "Approved", "governance.change_rejected": "Rejected"}
            word = words.get(
                event["topic"], "Changes requested" if payload.get("outcome") == "request_changes" else "New approval"
            )
            write(event, _writers(change), "decided", f"{word}: {title}", url)
        case "governance.approval_voided":
            people = {*_writers(change), *Decision.objects.filter(change=change).values_list("person_id", flat=True)}
            write(event, people, "voided", f"No longer approved, {payload.get('reason', 'it changed')}: {title}", url)
        case "governance.change_not_applied":
            write(event, _writers(change), "not_applied", f"Could not be applied: {title}", url)
        case "governance.change_commented":
            people = {
                *_writers(change),
                *Decision.objects.filter(change=change).values_list("person_id", flat=True),
            } - {payload.get("actor")}
            write(event, people, "comment", f"New comment: {title}", url)


def _about_break_glass(event: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    case = BreakGlass.objects.filter(pk=int(payload.get("break_glass") or 0)).first()
    if case is None:
        return
    people = members(*case.owner_team_ids, "architects", "release-managers")
    step = event["topic"].rpartition("_")[2]
    if step == "overdue":
        step = "review is overdue"
    write(
        event,
        people,
        "break_glass",
        f"Break-glass {step}: {case.subject_id} in {case.environment}",
        address("governance:break-glass"),
    )


def _emergency_over(event: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """A break-glass approval was voided before its end."""
    row = Approval.objects.select_related("break_glass").filter(pk=int(payload.get("approval") or 0)).first()
    if row is None or row.break_glass is None:
        return
    case = row.break_glass
    people = {case.opened_by_id, case.confirmed_by_id, *members(*case.owner_team_ids)} - {None}
    text = f"Break-glass ended, {row.void_reason}: {case.subject_id} in {case.environment}"
    write(event, [p for p in people if p], "voided", text, address("governance:break-glass"))


def _writers(change: ChangeRequest) -> set[int]:
    return {person for person in (change.author_id, change.submitter_id) if person}


def _asked(change: ChangeRequest) -> set[int]:
    """The people who may fill a slot, are not absent and have not decided."""
    decided = set(change.decisions.filter(voided_at=None).values_list("person_id", flat=True))
    people = rights.eligible(change.pk, change.revision, clock.now())
    return {p.id for listed in people.values() for p in listed if not p.absent} - decided


def write(
    event: Mapping[str, Any],
    people: Iterable[int],
    kind: str,
    text: str,
    url: str,
    *,
    inbox: bool = True,
    email: bool = True,
) -> None:
    """One line and one e-mail for each of these people about an event of the outbox. Idempotent by the event's id.
    Without `inbox` the line is there as one that is read."""
    source = _source(event)
    line = {"kind": kind, "text": text[:300], "url": url, "read_at": None if inbox else clock.now()}
    for person in sorted(set(people)):
        Notice.objects.get_or_create(person_id=person, source=source, defaults=line)
    for notice in Notice.objects.select_related("person").filter(source=source, mailed_at=None):
        if email and notice.person.email and notice.person.is_active and notice.person.kind == User.Kind.PERSON:
            body = f"{notice.text}\n\n{settings.PUBLIC_URL}{notice.url}\n"
            EmailMessage(subject=f"[Tillgate] {notice.text}"[:200], body=body, to=[notice.person.email]).send()
        Notice.objects.filter(pk=notice.pk).update(mailed_at=clock.now())


def told(topic: str, people: Iterable[int], events: Iterable[int]) -> set[int]:
    """Which of these events of one topic some of these people have a notice of."""
    sources = {f"{topic}:{event}": event for event in events}
    rows = Notice.objects.filter(person_id__in=set(people), source__in=sources).values_list("source", flat=True)
    return {sources[source] for source in rows}


def members(*teams: int | str) -> set[int]:
    """Active people of these teams, each given by its group's id or by its key."""
    wanted = Q(groups__in=[team for team in teams if isinstance(team, int)])
    wanted |= Q(groups__team__key__in=[team for team in teams if isinstance(team, str)])
    return set(User.objects.filter(wanted, is_active=True, kind=User.Kind.PERSON).values_list("pk", flat=True))


def unread(beginning: str, event: Mapping[str, Any]) -> set[int]:
    """The people with an unread notice that begins so, from an earlier event than this one."""
    rows = Notice.objects.filter(text__startswith=beginning, read_at=None).exclude(source=_source(event))
    return set(rows.values_list("person_id", flat=True))


def close(kind: str, url: str, holding: str) -> None:
    """What these notices asked for is over: they are read. `holding` is a part of their text."""
    Notice.objects.filter(kind=kind, url=url, text__contains=holding, read_at=None).update(read_at=clock.now())


def _source(event: Mapping[str, Any]) -> str:
    return f"{event['topic']}:{event['id']}"


def address(name: str, *arguments: Any) -> str:
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return "/"


NEW_PLACE = "new_place"
"""The kind of notices about a sign-in from a new place; the number of the ledger's entry ends their source."""
KEPT_UNREAD = timedelta(days=3)
_MARGIN = timedelta(minutes=1)


def mark_read(*, person: User, began: datetime | None = None) -> int:
    """Every notice of this person, but for those of a new place in a session that may be the one they tell of. How many
    stay. Idempotent. `began`: when the session began in which they were read."""
    rows = Notice.objects.filter(person=person, read_at=None)
    recent = rows.filter(kind=NEW_PLACE, created_at__gt=clock.now() - KEPT_UNREAD)
    entries = {notice.pk: int(notice.source.rpartition(":")[2]) for notice in recent}
    told_of = dict(AuditEntry.objects.filter(pk__in=entries.values()).values_list("pk", "at"))
    stay = [pk for pk, entry in entries.items() if began is None or began >= told_of.get(entry, began) - _MARGIN]
    rows.exclude(pk__in=stay).update(read_at=clock.now())
    return len(stay)
