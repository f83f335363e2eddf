"""The conversation of a change as entries that a template prints without deciding anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from governance.models import ChangeEvent, ChangeRequest
from governance.web import tones
from kernel.ui.tones import Tone


@dataclass(slots=True)
class TimelineEntry:
    """`kind` is event, comment or break. `words` is the sentence after the actor, `void` strikes the digest out."""

    kind: str
    icon: str
    at: datetime
    actor: str = ""
    words: str = ""
    digest: str = ""
    from_digest: str = ""
    text: str = ""
    node_tone: str = ""
    tone: Tone | None = None
    void: bool = False
    details: list[str] = field(default_factory=list)


_WORDS = {
    "opened": ("plus", "opened a draft"),
    "submitted": ("change", "submitted"),
    "amended": ("change", "changed the proposal"),
    "reworded": ("change", "edited the title or the reason"),
    "withdrawn": ("close", "withdrew the change"),
    "approved": ("gate-open", "All approvals are given: approved"),
    "applied": ("ok", "put it into effect"),
    "not_applied": ("alert", "It could not be put into effect"),
    "taken_back": ("replay", "retracted their decision"),
    "accepted": ("shield", "accepted a breaking difference"),
}


def entries(change: ChangeRequest) -> list[TimelineEntry]:
    """Oldest first. Decisions on an earlier revision are struck out, and a line says that they no longer count."""
    made: list[TimelineEntry] = []
    voided = set(change.decisions.exclude(voided_at=None).values_list("id", flat=True))
    for event in change.events.select_related("actor"):
        made += _entry(event, voided)
    return made


def _entry(event: ChangeEvent, voided: set[int]) -> list[TimelineEntry]:
    data: dict[str, Any] = event.data or {}
    actor = str(event.actor) if event.actor else ""
    if event.kind == "comment":
        return [TimelineEntry("comment", "comment", event.at, actor, text=event.text)]
    if event.kind in tones.OUTCOMES:
        return [_decision(event, actor, data, void=data.get("decision") in voided)]
    if event.kind in ("revised", "moved", "amended"):
        return _moved(event, actor, data)
    if event.kind == "checked":
        return [_checked(event, data)]
    icon, words = _WORDS.get(event.kind, ("info", event.kind.replace("_", " ")))
    node = {"approved": "ok", "applied": "ok", "not_applied": "stop", "withdrawn": "quiet"}.get(event.kind, "")
    details = []
    if event.kind == "accepted":
        place = data.get("pointer") or "the whole document"
        details.append(f"`{data['rule']}` at `{place}` as {str(data['as']).replace('_', ' ')}")
    if data.get("asks"):
        details.append(f"It also needs: {', '.join(data['asks'])}.")
    digest = data.get("digest", "")
    return [
        TimelineEntry("event", icon, event.at, actor, words, digest, text=event.text, node_tone=node, details=details)
    ]


def _decision(event: ChangeEvent, actor: str, data: dict[str, Any], *, void: bool) -> TimelineEntry:
    """A void decision without a note is one quiet line; any other shows its note."""
    tone, digest = tones.OUTCOMES[event.kind], data.get("digest", "")
    if void and not event.text:
        word = tone.word.lower()
        return TimelineEntry("event", "tick", event.at, actor, word, digest=digest, node_tone="quiet", void=True)
    icon, node = "tick" if event.kind == "approve" else "comment", "quiet" if void else tone.tone
    return TimelineEntry(
        "comment", icon, event.at, actor, "", digest, text=event.text, node_tone=node, tone=tone, void=void
    )


def _checked(event: ChangeEvent, data: dict[str, Any]) -> TimelineEntry:
    outcomes = ("passed", "failed", "not_run", "not_applicable")
    said = [f"{data[key]} {key.replace('_', ' ')}" for key in outcomes if data.get(key)]
    node = "stop" if data.get("failed") else "wait" if data.get("not_run") else "ok"
    words = f"ran: {', '.join(said)}"
    return TimelineEntry("event", node, event.at, "Checks", words, data.get("digest", ""), node_tone=node)


def _moved(event: ChangeEvent, actor: str, data: dict[str, Any]) -> list[TimelineEntry]:
    replaced = event.kind == "revised"
    words = (
        "replaced what is proposed:"
        if replaced
        else "changed the proposal"
        if event.kind == "amended"
        else "The content changed"
    )
    first = TimelineEntry(
        "event",
        "upload" if replaced else "change",
        event.at,
        actor,
        words,
        digest=data.get("to") or data.get("digest", ""),
        from_digest=data.get("from", ""),
        details=[str(reason).capitalize() + "." for reason in data.get("reasons", [])],
    )
    count = data.get("voided_approvals", 0)
    if "voided_approvals" not in data:
        return [first]
    note = (
        f"{count} approval{'s were' if count != 1 else ' was'} for something else. "
        "Earlier decisions stay readable but no longer count."
        if count
        else "Nobody had approved the earlier one."
    )
    return [
        first,
        TimelineEntry(
            "break",
            "alert",
            event.at,
            text=note,
            words="Earlier approvals no longer count" if count else "A new revision begins",
        ),
    ]
