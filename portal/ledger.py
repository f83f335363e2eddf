"""The ledger page: who did what to which subject, with the state of its hash chain; filter, page by page, export.

Every signed-in person may read what is about things that they may see. Secrets were redacted when the entries were
written.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core import signing
from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from governance.selectors import sight
from kernel import clock, sign_ins
from kernel.audit_chain import TakesTooLongError
from kernel.difference import differences
from kernel.errors import Invalid
from kernel.models import AuditEntry, AuditLink
from kernel.ui.tones import Tone, ok, quiet, stop
from kernel.ui.wording import counted
from kernel.viewer import Viewer
from portal import people
from portal.witness import verifying

PAGE = 50
EXPORT_LIMIT = 100_000
CHECK_EVERY = timedelta(minutes=5)
CHECK_LIMIT_MS = 5_000
_CACHE_KEY = "tillgate:ledger:verification"
COLUMNS = (
    *("position", "at", "actor", "verb", "subject_kind", "subject_id", "reason"),
    *("before", "after", "request_id", "written_by", "previous_hash", "hash"),
)


class LedgerFilter(forms.Form):
    """The query string of the page; every field may be empty."""

    verb = forms.CharField(
        required=False, max_length=100, label="What happened", help_text="The beginning is enough: governance."
    )
    actor = forms.CharField(required=False, max_length=200, label="Who")
    kind = forms.CharField(required=False, max_length=60, label="Kind of subject")
    subject = forms.CharField(required=False, max_length=120, label="Subject")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="Until", widget=forms.DateInput(attrs={"type": "date"}))
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("since") and cleaned.get("until") and cleaned["until"] < cleaned["since"]:
            self.add_error("until", "Choose a day that is not before the first one.")
        return cleaned


@dataclass(frozen=True, slots=True)
class ChainState:
    """The badge: result and time of the last full verification; `entries` counts what was verified."""

    tone: Tone
    says: str
    entries: int
    head: str
    checked_at: datetime | None


@never_cache
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    form = LedgerFilter(request.GET)
    viewer = Viewer.of(request.user)
    rows = list(entries(form.cleaned_data, viewer)[: PAGE + 1]) if form.is_valid() else []
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    chosen: dict[str, str] = {key: str(value) for key, value in request.GET.items() if key != "before" and value}
    context = {
        "form": form,
        "entries": [_told(row) | {"person": _person(row, viewer)} for row in rows],
        "chain": chain_state(),
        "filtered": bool(chosen),
        "older": urlencode(chosen | {"before": str(rows[-1].pk)}) if more else "",
        "paged": bool(request.GET.get("before")),
        "newest": urlencode(chosen),
        "chosen": urlencode(chosen),
    }
    fragment: bool = request.htmx  # type: ignore[attr-defined]
    return render(request, "portal/_ledger_entries.html" if fragment else "portal/ledger.html", context)


@never_cache
@require_safe
def export(request: HttpRequest, form: str) -> HttpResponse | StreamingHttpResponse:
    """The filtered entries with their hashes, oldest first, at most 100,000, as CSV or as a JSON array."""
    chosen = LedgerFilter(request.GET)
    if not chosen.is_valid():
        raise Invalid(
            "ledger.filter",
            "The filter cannot be read: "
            + "; ".join(f"{name}: {' '.join(map(str, texts))}" for name, texts in chosen.errors.items()),
        )
    rows = (
        entries(chosen.cleaned_data | {"before": None}, Viewer.of(request.user))
        .order_by("id")[:EXPORT_LIMIT]
        .iterator(chunk_size=1000)
    )
    write, kind = (_csv, "text/csv; charset=utf-8") if form == "csv" else (_json, "application/json")
    name = f"ledger-{clock.now():%Y%m%d-%H%M%S}.{form}"
    return StreamingHttpResponse(
        write(map(_flat, rows)), content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9000, 1, 1)  # beyond them a zone or a day more is no date any more


def entries(chosen: dict[str, Any], viewer: Viewer) -> QuerySet[AuditEntry]:
    """Newest first, without what is about things that the viewer may not see.

    `verb` matches from its beginning, `actor` anywhere, days are whole days in the display zone.
    """
    found: QuerySet[AuditEntry] = sight.ledger(AuditEntry.objects.select_related("actor", "link"), viewer)
    found = found.order_by("-id")
    if chosen.get("verb"):
        found = found.filter(verb__startswith=chosen["verb"].strip())
    if chosen.get("actor"):
        found = found.filter(actor_text__icontains=chosen["actor"].strip())
    if chosen.get("kind"):
        found = found.filter(subject_kind=chosen["kind"].strip())
    if chosen.get("subject"):
        found = found.filter(subject_id=chosen["subject"].strip())
    if chosen.get("since"):
        found = found.filter(at__gte=_midnight(max(chosen["since"], _FIRST_DAY)))
    if chosen.get("until"):
        found = found.filter(at__lt=_midnight(min(chosen["until"], _LAST_DAY) + timedelta(days=1)))
    if chosen.get("before"):
        found = found.filter(id__lt=chosen["before"])
    return found


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)


def chain_state() -> ChainState:
    """The last verification of the chain; a new one every five minutes, of at most five seconds."""
    kept = _recall()
    if kept is not None:
        return kept
    head = AuditLink.objects.order_by("-position").first()
    if head is None:
        return ChainState(quiet("Empty"), "No entry has been written yet.", 0, "", None)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"set local statement_timeout = {CHECK_LIMIT_MS}")
            checked = verifying.verify(tail=True, within=CHECK_LIMIT_MS / 1000)
    except (OperationalError, TakesTooLongError):
        says = (
            f"{head.position:,} entries are too many to verify while a page loads. "
            "Run `python manage.py verify_ledger` instead."
        )
        return _keep(ChainState(quiet("Not checked"), says, 0, head.hash, None))
    found = checked.chain
    if found.sound:
        notes = "".join(f" {note}." for note in checked.notes)
        return _keep(
            ChainState(
                ok("Intact"),
                f"{counted(found.entries, 'entry', 'entries')} verified, none altered.{_witnessed(checked)}{notes}",
                found.entries,
                found.head,
                clock.now(),
            )
        )
    at = f" at position {found.broken_at:,}" if found.broken_at else ""
    return _keep(
        ChainState(
            stop("Altered"),
            f"Altered{at}: {found.reason}. Tell security before anybody approves anything.",
            found.entries,
            found.head,
            clock.now(),
        )
    )


def _witnessed(checked: verifying.LedgerCheck) -> str:
    if checked.newest is None:
        return ""
    newest = checked.newest
    return f" The newest witness is of {newest.database_time:%d %b %H:%M} UTC, position {newest.position:,}."


def _recall() -> ChainState | None:
    """The kept state, where it was signed here within the last five minutes: the cache may be written by others."""
    try:
        kept = signing.loads(cache.get(_CACHE_KEY) or "", salt=_CACHE_KEY)
        if datetime.fromisoformat(kept.pop("until")) < clock.now():
            return None
        at = kept.pop("checked_at")
        return ChainState(Tone(*kept.pop("tone")), checked_at=datetime.fromisoformat(at) if at else None, **kept)
    except Exception:  # the cache only saves time
        return None


def _keep(state: ChainState) -> ChainState:
    kept = {
        "tone": (state.tone.tone, state.tone.word, state.tone.icon),
        "says": state.says,
        "entries": state.entries,
        "head": state.head,
        "checked_at": state.checked_at.isoformat() if state.checked_at else None,
        "until": (clock.now() + CHECK_EVERY).isoformat(),
    }
    try:
        cache.set(_CACHE_KEY, signing.dumps(kept, salt=_CACHE_KEY), CHECK_EVERY.total_seconds())
    except Exception:
        return state
    return state


def forget_chain_state() -> None:
    """The next page verifies the chain anew."""
    cache.delete(_CACHE_KEY)


def _told(entry: AuditEntry) -> dict[str, Any]:
    room, _, event = entry.verb.rpartition(".")
    return {
        "entry": entry,
        "position": entry.link.position if hasattr(entry, "link") else None,
        "room": room,
        "event": event.replace("_", " "),
        "differences": [
            {"pointer": found.pointer or "/", "kind": found.kind, "old": _shown(found.old), "new": _shown(found.new)}
            for found in differences(
                entry.before if entry.before is not None else {}, entry.after if entry.after is not None else {}
            )[:40]
        ],
    }


def _person(entry: AuditEntry, viewer: Viewer) -> int | None:
    """The person whom an entry is about, where the viewer may open the page about them."""
    if entry.subject_kind not in ("user", "second_factor", sign_ins.KIND) or not entry.subject_id.isdecimal():
        return None
    number = int(entry.subject_id)
    return number if people.may_see(viewer, number) else None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 400 else text[:400] + "…"


def _flat(entry: AuditEntry) -> dict[str, Any]:
    link = entry.link if hasattr(entry, "link") else None
    return {
        "position": link.position if link else None,
        "at": entry.at.astimezone(UTC).isoformat(),
        "actor": entry.actor_text,
        "verb": entry.verb,
        "subject_kind": entry.subject_kind,
        "subject_id": entry.subject_id,
        "reason": entry.reason,
        "before": entry.before,
        "after": entry.after,
        "request_id": entry.request_id,
        "written_by": entry.written_by,
        "previous_hash": link.previous_hash if link else None,
        "hash": link.hash if link else None,
    }


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet takes a leading =, +, -, @ for a formula; a quote in front keeps it text (OWASP, CSV injection)."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _json(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    between = "["
    for row in rows:
        yield between + "\n" + json.dumps(row, ensure_ascii=False)
        between = ","
    yield "[]" if between == "[" else "\n]\n"
