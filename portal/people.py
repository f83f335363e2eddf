"""One person: what the account may do now, and what was given to whom, by whom, as the ledger has it. Administrators
and the person see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from catalog.selectors import teams
from kernel import clock, persons, sign_ins
from kernel.errors import NotFound
from kernel.models import ApiToken, AuditEntry, User
from kernel.ui.tones import Tone, ok, quiet
from kernel.viewer import Permission, Viewer

LIMIT = 200
KINDS = ("user", "second_factor", "token", "group", "group_mapping")
OF_A_PERSON = ("user", "second_factor", sign_ins.KIND)
FAMILIES = ("kernel.", "governance.group_mapping_", "catalog.group_")
WORDS = {
    "kernel.account_created": "Account made",
    "kernel.account_changed": "Account changed",
    "kernel.account_closed": "Account closed",
    "kernel.account_kept_closed": "Closed account kept closed",
    "kernel.account_reopened": "Account opened again",
    "kernel.account_deleted": "Account deleted",
    "kernel.password_reset": "Password set",
    "kernel.password_taken": "Password taken away",
    "kernel.password_changed": "Own password changed",
    "kernel.password_stored_anew": "Password stored in a newer way",
    "kernel.mail_proved": "Address of mail proved",
    "kernel.mail_proof_forgotten": "Proved address of mail forgotten",
    "kernel.accounts_joined": "Known to be one person with",
    "kernel.accounts_parted": "No longer one person with",
    "kernel.factor_added": "Own second factor added",
    "kernel.factor_removed": "Own second factor removed",
    "kernel.factor_given": "Second factor made by somebody else",
    "kernel.factor_reset": "Second factor removed by somebody else",
    "kernel.factor_replaced": "Second factor replaced",
    "kernel.factor_renamed": "Second factor renamed",
    "kernel.recovery_codes_made": "Own recovery codes made",
    "kernel.recovery_codes_removed": "Own recovery codes removed",
    "kernel.recovery_code_used": "Recovery code used",
    "kernel.passkey_count_went_back": "Passkey refused: there may be a copy",
    "kernel.superuser_given": "Made administrator of everything",
    "kernel.superuser_taken": "No longer administrator of everything",
    "kernel.staff_given": "Let into the administration",
    "kernel.staff_taken": "No longer let into the administration",
    "kernel.role_given": "Put into team",
    "kernel.role_taken": "Taken out of team",
}


@dataclass(frozen=True, slots=True)
class Given:
    """One line: what was given or taken, to whom, by whom."""

    what: str
    whom: str
    detail: str
    by: str
    written_by: str
    at: datetime
    entry: int


def may_see(viewer: Viewer, person_id: int) -> Permission:
    allowed = viewer.sees_everything or viewer.id == person_id
    return Permission(allowed, "" if allowed else "Administrators and the person see this.")


@never_cache
@require_safe
def person(request: HttpRequest, person_id: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = User.objects.filter(pk=person_id).first() if may_see(viewer, person_id) else None
    if found is None:
        raise NotFound("person.unknown", "There is no such person, or you may not see what was given to them.")
    live = ApiToken.objects.filter(user=found, revoked_at=None, expires_at__gt=clock.now())
    context = {
        "person": found,
        "tone": _tone(found),
        "teams": teams.of_user(found),
        "others": User.objects.filter(pk__in=persons.accounts_of(found.pk)).exclude(pk=found.pk).order_by("username"),
        "live_tokens": live.count(),
        "received": _lines(_about(found)),
        "gave": _lines(_by(found)),
        "sign_ins": _lines(AuditEntry.objects.filter(subject_kind=sign_ins.KIND, subject_id=str(found.pk))),
        "me": viewer.id == found.pk,
    }
    return render(request, "portal/person.html", context)


def _tone(account: User) -> Tone:
    return ok("Open") if account.is_active else quiet("Closed")


def _about(account: User) -> QuerySet[AuditEntry]:
    tokens = ApiToken.objects.filter(user=account).annotate(number=Cast("pk", CharField())).values("number")
    about = Q(subject_kind__in=("user", "second_factor"), subject_id=str(account.pk)) | Q(
        subject_kind="token", subject_id__in=tokens
    )
    return AuditEntry.objects.filter(about)


def _by(account: User) -> QuerySet[AuditEntry]:
    family = Q()
    for beginning in FAMILIES:
        family |= Q(verb__startswith=beginning)
    own = Q(subject_kind__in=("user", "second_factor"), subject_id=str(account.pk))
    return AuditEntry.objects.filter(family, actor=account, subject_kind__in=KINDS).exclude(own)


def _lines(rows: QuerySet[AuditEntry]) -> list[Given]:
    entries = list(rows.select_related("actor").order_by("-pk")[:LIMIT])
    people = {str(u.pk): str(u) for u in User.objects.filter(pk__in=[r.subject_id for r in entries if _is_person(r)])}
    return [
        Given(
            what=WORDS.get(row.verb) or row.verb.partition(".")[2].replace("_", " ").capitalize(),
            whom=people.get(row.subject_id, row.subject_id) if _is_person(row) else _named(row),
            detail=_detail(row),
            by=row.actor_text,
            written_by=row.written_by,
            at=row.at,
            entry=row.pk,
        )
        for row in entries
    ]


def _is_person(row: AuditEntry) -> bool:
    return row.subject_kind in OF_A_PERSON and row.subject_id.isdecimal()


def _named(row: AuditEntry) -> str:
    about = row.after or row.before or {}
    name = about.get("user") or about.get("team") or about.get("name") or row.subject_id
    return f"{row.subject_kind.replace('_', ' ')} of {name}" if "user" in about else str(name)


def _detail(row: AuditEntry) -> str:
    """The values that say what it was about, in one line; a changed account tells which of its fields."""
    before: dict[str, Any] = row.before or {}
    after: dict[str, Any] = row.after or {}
    if row.verb == "kernel.account_changed":
        changed = {key: value for key, value in after.items() if before.get(key) != value}
    else:
        left_out = ("username", "user", "group", "is_active", "prefix", "first_name", "last_name")
        changed = {key: value for key, value in {**before, **after}.items() if key not in left_out}
    return ", ".join(f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in changed.items() if value != "")


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
