"""Writes the items of a blueprint: each found by its key, changed only where it differs, reported and recorded in
the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.db.models import Model, QuerySet

from catalog.domain import naming
from catalog.services.findings import Findings
from kernel import audit, moments
from kernel.errors import Invalid
from kernel.models import User

BLUEPRINT = "blueprint"
OUTCOMES = ("created", "changed", "closed", "unchanged", "kept", "waits", "missing")
TOLD_BY_THE_DATABASE = {"endpoint", "group_mapping", "group_pattern"}
UNREAD: Any = object()


@dataclass(slots=True)
class BlueprintReport:
    """What applying a blueprint did, or would do. `lines` are (outcome, kind, key, note); what `waits` is to be
    proposed, and who is `missing` was named by a blueprint before and is not any more."""

    dry_run: bool
    lines: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, outcome: str, kind: str, key: Any, note: str = "") -> None:
        self.lines.append((outcome, kind, str(key), note))

    def number(self, outcome: str, kind: str = "") -> int:
        return sum(1 for line in self.lines if line[0] == outcome and (not kind or line[1] == kind))

    @property
    def changed_anything(self) -> bool:
        return any(line[0] in {"created", "changed", "closed"} for line in self.lines)

    def summary(self) -> str:
        counts = (
            ", ".join(
                f"{self.number(o)} {'no longer named' if o == 'missing' else o}" for o in OUTCOMES if self.number(o)
            )
            or "nothing"
        )
        return f"{'Would be: ' if self.dry_run else ''}{counts}"


@dataclass(slots=True)
class BlueprintWriter:
    """One run of a blueprint: the actor, the findings and the report so far, and the ids of the APIs that were
    touched."""

    found: Findings
    report: BlueprintReport
    actor: User | None
    base_dir: Path | None
    passwords: dict[str, str]
    touched: set[int] = field(default_factory=set)
    document: dict[str, Any] = field(default_factory=dict)
    keeps: bool = False
    """Whether what somebody else has changed since the same actor wrote it stays as it is."""
    people: Any = None
    """What the section of people has read and said."""
    prune: bool = False
    """Whether people who were named before, and are not any more, are closed."""
    waiting: list[audit.Telling] = field(default_factory=list)
    """Entries of the audit log that are written together."""
    exclusive: set[str] = field(default_factory=set)
    """Keys of the teams to which nobody belongs but whom the document names."""

    def key(self, item: dict[str, Any], pointer: str, name: str = "key") -> str:
        """The key of an item, noted when absent. Raises Invalid `estate.key` when it is no slug."""
        key = self.found.text(item.get(name), f"{pointer}/{name}", limit=100, required="Every item has a key.")
        if key and not naming.is_slug(key):
            raise Invalid(
                "estate.key",
                f"{key!r} is not a valid key.",
                {"findings": [{"pointer": f"/{name}", "message": "Small letters, digits, hyphens."}]},
            )
        return key

    def upsert(
        self,
        model: type[Model],
        kind: str,
        lookup_by: dict[str, Any],
        values: dict[str, Any],
        key: str,
        *,
        said: Collection[str],
        held: Callable[[dict[str, Any]], str] = lambda wanted: "",
        row: Any = UNREAD,
        untold: dict[str, Any] | None = None,
    ) -> Any:
        """Create with all `values`, or change those that are `said` and differ, and record it in the audit log. `held`
        gets what differs and says why it is not written; "" where it is. `row` is what is there, where the caller has
        read it; `untold` are further values of a new one, which nobody is told."""
        if row is UNREAD:
            row = model._default_manager.filter(**lookup_by).first()
        if row is None:
            if why := held({name: value for name, value in values.items() if value not in ("", [])}):
                self.report.add("waits", kind, key, why)
                return None
            row = model._default_manager.create(**lookup_by, **values, **(untold or {}))
            self.record("created", kind, key, None, values)
            return row
        changed = {name: value for name, value in values.items() if name in said and getattr(row, name) != value}
        was = {name: getattr(row, name) for name in changed}
        kept = self._changed_by_others(kind, key, was) if self.keeps and changed else set()
        if kept:
            self.report.add("kept", kind, key, f"somebody else changed {', '.join(sorted(kept))}")
            changed = {name: value for name, value in changed.items() if name not in kept}
            was = {name: value for name, value in was.items() if name not in kept}
        if not changed:
            if not kept:
                self.report.add("unchanged", kind, key)
            return row
        if why := held(changed):
            self.report.add("waits", kind, key, why)
            return row
        for name, value in changed.items():
            setattr(row, name, value)
        row.save(update_fields=list(changed))
        old, after = audit.redact(_plain(was)), audit.redact(_plain(changed))
        said = "; ".join(f"{name}: {old[name] or 'nothing'} → {after[name] or 'nothing'}" for name in after)
        self.record("changed", kind, key, was, changed, note=said)
        return row

    def said(self, item: dict[str, Any], *never_empty: str) -> set[str]:
        """The fields that an item gives: of what is there already nothing else changes. One of `never_empty` without a
        value counts as left out; of the others, an empty value empties the field."""
        return {name for name, value in item.items() if name not in never_empty or value not in (None, "")}

    def place(self, number: int, key: str, siblings: Any, rows: QuerySet[Any]) -> dict[str, int]:
        """The `position` of an item, from 1: its place among its siblings in the document where these are all that
        there are in `rows`. Otherwise one that is there stays where it is ({}), and a new one is the last."""
        named = {one.get("key") if isinstance(one, dict) else one for one in siblings}
        there = dict(rows.values_list("key", "position"))
        if there.keys() <= named:
            return {"position": number + 1}
        return {} if key in there else {"position": max(there.values(), default=0) + 1}

    def _changed_by_others(self, kind: str, key: str, now: dict[str, Any]) -> set[str]:
        """The fields that no longer hold what this actor wrote into them last, by the audit log."""
        written: dict[str, Any] = {}
        for entry in reversed(list(audit.entries_for(kind, key[:120]))):  # the oldest first
            after = entry.after if isinstance(entry.after, dict) else {}
            if entry.actor_id == (self.actor.pk if self.actor else None) and _by_blueprint(kind, after):
                written |= after
        plain = json.loads(json.dumps(_plain(now), default=str))
        return {name for name, value in plain.items() if name in written and written[name] != value}

    def record(self, outcome: str, kind: str, key: str, before: Any, after: Any, note: str = "") -> None:
        """One line in the report and one entry in the audit log."""
        self.report.add(outcome, kind, key, note)
        if kind in TOLD_BY_THE_DATABASE:
            return
        verb = f"catalog.{kind}_{'declared' if outcome == 'created' else 'changed'}"
        audit.record(
            actor=self.actor,
            verb=verb,
            subject_kind=kind,
            subject_id=key[:120],
            before=_plain(before),
            after=_plain(after),
        )

    def record_later(self, outcome: str, kind: str, key: str, before: Any, after: Any, note: str = "") -> None:
        """The same, where many are written at once: the entries are written by `record_now`."""
        self.report.add(outcome, kind, key, note)
        verb = f"catalog.{kind}_{'declared' if outcome == 'created' else 'changed'}"
        self.waiting.append(audit.Telling(verb, kind, key[:120], _plain(before), _plain(after)))

    def record_now(self) -> None:
        """Writes what `record_later` has kept."""
        audit.record_many(self.waiting, actor=self.actor)
        self.waiting.clear()

    def text(self, item: dict[str, Any], name: str, pointer: str, limit: int = 200, required: str = "") -> str:
        """A trimmed text of at most `limit` characters; `required` is what is said when it is absent."""
        return self.found.text(item.get(name), f"{pointer}/{name}", limit=limit, required=required)

    def flag(self, item: dict[str, Any], name: str, pointer: str) -> bool | None:
        """True or false; None when it is not said, noted when it is something else."""
        value = item.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.found.add(f"{pointer}/{name}", "Enter true or false.")
        return None

    def time(self, item: dict[str, Any], name: str, pointer: str) -> datetime | None:
        """A zone-aware moment, see `as_time`."""
        return as_time(item.get(name), self.found, f"{pointer}/{name}")


def _by_blueprint(kind: str, told: dict[str, Any]) -> bool:
    """Where the database tells it, every writer is told of, and in which way it wrote; before that, blueprints alone
    were."""
    return kind not in TOLD_BY_THE_DATABASE or told.get("way") == BLUEPRINT or "environment" not in told


def as_time(value: Any, found: Findings, pointer: str) -> datetime | None:
    """A zone-aware moment from YAML or ISO 8601 text (a date is midnight UTC); None when absent, noted when unreadable
    or without a zone."""
    if value in (None, ""):
        return None
    made = moments.read_or_day(value)
    if made is None:
        found.add(pointer, f"{str(value)[:60]!r} is not a valid time. {moments.WITH_ZONE} A day is midnight UTC.")
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Model):
        return getattr(value, "key", None) or getattr(value, "slug", None) or getattr(value, "level", None) or value.pk
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
