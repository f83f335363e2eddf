"""Freeze windows: plan, end, change, and keep compiled ahead of time.

One person ends a window that has not begun; from then on an approved change does
(`governance.services.freeze_changes`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from psycopg.types.range import TimestamptzRange

from governance import permissions
from governance.domain.freeze import LATER, compile_intervals, is_over, validate
from governance.models import FreezeInterval, FreezeWindow
from governance.selectors import freeze_scopes
from governance.services import changes
from kernel import audit, clock, outbox
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import AuditEntry, User
from kernel.viewer import Viewer

log = logging.getLogger(__name__)
AHEAD = timedelta(days=500)


def plan(
    *,
    actor: User | None,
    name: str,
    calendar: dict[str, Any],
    strictness: str = "changes",
    reason: str = "",
    **scope: Any,
) -> FreezeWindow:
    """A window, compiled for the next 500 days. `actor` None is the system (a blueprint). `scope` names dimensions
    (`domain.freeze.DIMENSIONS`); what it does not name means all. Raises Invalid with findings.
    """
    if actor is not None:
        changes.require_allowed(permissions.may_plan_freezes(Viewer.of(actor)), "freeze.not_allowed")
    values = {"name": name, "strictness": strictness, "calendar": calendar, "reason": reason, **scope}
    require_usable(values)
    with transaction.atomic():
        return _create(values, actor=actor)


def require_usable(values: Mapping[str, Any]) -> None:
    """Raises Invalid `freeze.calendar` or `freeze.invalid` with findings; `values` as `document_of_window` names
    them.
    """
    found = [*_findings(values), *freeze_scopes.findings(values)]
    if found:
        raise Invalid("freeze.invalid", f"The freeze cannot be planned: {found[0]['message']}", {"findings": found})
    validate(values["calendar"])
    if is_over(values["calendar"], clock.now()):
        message = "The whole window lies in the past."
        raise Invalid("freeze.calendar", f"{message}", {"findings": [finding("/until", message)]})


def _findings(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    name, reason = values["name"], values["reason"]
    if not isinstance(name, str) or not name.strip() or len(name) > 120:
        found.append(finding("/name", "Give a name of 1 to 120 characters."))
    if not isinstance(reason, str) or len(reason) > 2000:
        found.append(finding("/reason", "Give a reason of at most 2,000 characters."))
    if values["strictness"] not in FreezeWindow.Strictness.values:
        found.append(finding("/strictness", f"Choose one of: {', '.join(FreezeWindow.Strictness.values)}."))
    return found


def _create(values: Mapping[str, Any], *, actor: User | None, **said: Any) -> FreezeWindow:
    window = FreezeWindow.objects.create(
        name=values["name"].strip(),
        reason=values["reason"],
        strictness=values["strictness"],
        calendar=values["calendar"],
        created_by=actor,
        **freeze_scopes.columns(values),
    )
    compile_ahead(window)
    audit.record(
        actor=actor,
        verb="governance.freeze_planned",
        subject_kind="freeze",
        subject_id=window.pk,
        after=document_of_window(window) | said,
    )
    outbox.emit("governance.freeze_planned", key=window.pk, payload={"freeze": window.pk, "name": window.name})
    return window


def document_of_window(window: FreezeWindow) -> dict[str, Any]:
    """What people decide on when they lift or change it."""
    scope = {name: value for name, value in window.scope.items() if value is not None or name not in LATER}
    unresolved = {"unresolved": window.unresolved} if window.unresolved else {}
    return {
        "name": window.name,
        "reason": window.reason,
        "strictness": window.strictness,
        "calendar": window.calendar,
        "ended": window.ended_at is not None,
        **scope,
        **unresolved,
    }


def digest_of_window(window: FreezeWindow) -> str:
    return digest_of({"freeze": window.pk, **document_of_window(window)})


def has_begun(window: FreezeWindow) -> bool:
    """Whether its first occurrence has begun and there is something ahead: from then on it ends by a change only."""
    at = clock.now()
    return (
        window.intervals.filter(period__startswith__lte=at).exists()
        and window.intervals.filter(period__endswith__gt=at).exists()
    )


def end(window_id: int, *, actor: User, reason: str = "") -> None:
    """End a window that has not begun. Idempotent. Raises Conflict `freeze.begun`, which says what change ends one
    that has.
    """
    changes.require_allowed(permissions.may_end_freezes(Viewer.of(actor)), "freeze.not_allowed")
    with transaction.atomic():
        window = _locked(window_id)
        if window.ended_at is not None:
            return
        if has_begun(window):
            raise Conflict(
                "freeze.begun",
                f"{window.name} is in force. It ends by an approved change: open one of the kind freeze.end about "
                f"freeze {window_id}, with the reason; a release manager and an architect decide.",
                {"change": change_that_ends(window)},
            )
        _end(window, actor=actor, reason=reason)


def change_that_ends(window: FreezeWindow) -> dict[str, Any]:
    """What to send to `POST /changes` so that people decide on the end of this window."""
    subject = {"kind": "freeze", "id": str(window.pk), "digest": digest_of_window(window)}
    return {"kind": "freeze.end", "subjects": [subject], "environment": window.environment_id or "production"}


def lift(window_id: int, *, digest: str, approval_id: int, actor: User | None) -> None:
    """End the window at once, by the approval of exactly this window. Raises Conflict `freeze.changed_meanwhile`."""
    with transaction.atomic():
        _end(_approved(window_id, digest), actor=actor, approval=approval_id)


def change(
    window_id: int, *, values: Mapping[str, Any], digest: str, approval_id: int, actor: User | None
) -> FreezeWindow:
    """End the window, and in the same moment begin another with these values. Raises Conflict, Invalid."""
    require_usable(values)
    with transaction.atomic():
        old = _approved(window_id, digest)
        _end(old, actor=actor, approval=approval_id)
        return _create(values, actor=actor, replaces=old.pk, approval=approval_id)


def _approved(window_id: int, digest: str) -> FreezeWindow:
    window = _locked(window_id)
    if window.ended_at is not None or digest_of_window(window) != digest:
        raise Conflict(
            "freeze.changed_meanwhile", f"Freeze {window_id} is another one than when this was approved, or has ended."
        )
    return window


def _end(window: FreezeWindow, *, actor: User | None, reason: str = "", **said: Any) -> None:
    window.ended_at = clock.now()
    window.save(update_fields=["ended_at"])
    audit.record(
        actor=actor,
        verb="governance.freeze_ended",
        subject_kind="freeze",
        subject_id=window.pk,
        after=said or None,
        reason=reason,
    )
    outbox.emit("governance.freeze_ended", key=window.pk, payload={"freeze": window.pk, "name": window.name})


def _locked(window_id: int) -> FreezeWindow:
    window = FreezeWindow.objects.select_for_update().filter(pk=window_id).first()
    if window is None:
        raise NotFound("freeze.unknown", f"There is no freeze {window_id}.")
    return window


def compile_ahead(window: FreezeWindow, *, now: datetime | None = None) -> int:
    """Add the intervals of the next 500 days; those that began are never rewritten. Returns how many it added.
    Idempotent. In the caller's transaction, with an entry.
    """
    now = now or clock.now()
    start = window.compiled_until or min(now, clock.now()) - timedelta(days=40)
    until = now + AHEAD
    added = 0
    if window.compiled_until is not None:
        about = {"from": start.isoformat(), "until": until.isoformat()}
        audit.record("governance.freeze_compiled", "freeze", window.pk, actor=None, after=about)
    for interval in compile_intervals(window.calendar, start=start, end=until):
        _, made = FreezeInterval.objects.get_or_create(
            freeze=window, period=TimestamptzRange(interval.starts, interval.ends, "[)")
        )
        added += made
    FreezeWindow.objects.filter(pk=window.pk).update(compiled_until=until)
    return added


def compile_again(window: FreezeWindow, *, now: datetime) -> bool:
    """Whether what is stored of the occurrences ahead had to be made anew, because the rules of time zones are others
    by now. What has begun stays.
    """
    if window.compiled_until is None or window.compiled_until <= now:
        return False
    too_far = window.compiled_until > now + 2 * AHEAD  # nobody here works out so much
    wanted = {
        (one.starts, one.ends)
        for one in compile_intervals(window.calendar, start=now, end=min(window.compiled_until, now + 2 * AHEAD))
        if one.starts > now
    }
    ahead = window.intervals.filter(period__startswith__gt=now)
    if not too_far and {(period.lower, period.upper) for period in ahead.values_list("period", flat=True)} == wanted:
        return False
    with transaction.atomic():
        FreezeWindow.objects.filter(pk=window.pk).update(compiled_until=None)
        said = {"occurrences": len(wanted), "until": window.compiled_until.isoformat()}
        audit.record("governance.freeze_compiled_again", "freeze", window.pk, actor=None, after=said)
        ahead.delete()
        window.compiled_until = now
        compile_ahead(window, now=now)
    return True


def compile_all(*, now: datetime | None = None) -> int:
    """The daily task: keep every live window compiled ahead, by the rules of time zones as they are now. Returns how
    many occurrences it added. A window that cannot be compiled keeps none of the others from it; then this raises the
    first error, so that the job counts as failed.
    """
    now = now or clock.now()
    added, errors = 0, list[Exception]()
    for window in FreezeWindow.objects.filter(ended_at=None):
        try:
            added += _keep_compiled(window, now)
        except (ValueError, LookupError, TypeError) as error:
            log.error("freeze %s cannot be compiled: %s", window.pk, error)
            errors.append(error)
    if errors:
        raise errors[0]
    return added


def _keep_compiled(window: FreezeWindow, now: datetime) -> int:
    compile_again(window, now=now)
    if window.unresolved:
        _tell_unresolved(window)
    with transaction.atomic():
        due = FreezeWindow.objects.filter(pk=window.pk, compiled_until__lt=now + AHEAD - timedelta(days=30)).first()
        return compile_ahead(due, now=now) if due is not None else 0


def _tell_unresolved(window: FreezeWindow) -> None:
    """Once for each window, to those who can say what it covers."""
    verb, at = "governance.freeze_unresolved", {"subject_kind": "freeze", "subject_id": str(window.pk)}
    with transaction.atomic():
        if AuditEntry.objects.filter(verb=verb, **at).exists():
            return
        names = [freeze_scopes.unresolved_words(key, name) for key, name in sorted(window.unresolved.items())]
        audit.record(actor=None, verb=verb, after={"names": names}, **at)
        outbox.emit(verb, key=window.pk, payload={"freeze": window.pk, "name": window.name, "names": names})
