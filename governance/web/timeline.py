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
        tone, void = tones.OUTCOMES[event.kind], data.get("decision") in voided
        if void and not event.text:
            return [
                TimelineEntry(
                    "event",
                    "tick",
                    event.at,
                    actor,
                    tone.word.lower(),
                    digest=data.get("digest", ""),
                    node_tone="quiet",
                    void=True,
                )
            ]
        node: str = "quiet" if void else tone.tone
        return [
            TimelineEntry(
                "comment",
                "tick" if event.kind == "approve" else "comment",
                event.at,
                actor,
                "",
                data.get("digest", ""),
                text=event.text,
                node_tone=node,
                tone=tone,
                void=void,
            )
        ]
    if event.kind in ("revised", "moved", "amended"):
        return _moved(event, actor, data)
    if event.kind == "checked":
        said = [
            f"{data[key]} {key.replace('_', ' ')}"
            for key in ("passed", "failed", "not_run", "not_applicable")
            if data.get(key)
        ]
        node = "stop" if data.get("failed") else "wait" if data.get("not_run") else "ok"
        return [
            TimelineEntry(
                "event",
                {"stop": "stop", "wait": "wait", "ok": "ok"}[node],
                event.at,
                "Checks",
                f"ran: {', '.join(said)}",
                data.get("digest", ""),
                node_tone=node,
            )
        ]
    icon, words = _WORDS.get(event.kind, ("info", event.kind.replace("_", " ")))
    node = {"approved": "ok", "applied": "ok", "not_applied": "stop", "withdrawn": "quiet"}.get(event.kind, "")
    details = (
        [f"`{data['rule']}` at `{data.get('pointer') or 'the whole document'}` as {str(data['as']).replace('_', ' ')}"]
        if event.kind == "accepted"
        else []
    )
    if data.get("asks"):
        details.append(f"It also needs: {', '.join(data['asks'])}.")
    return [
        TimelineEntry(
            "event",
            icon,
            event.at,
            actor,
            words,
            data.get("digest", ""),
            text=event.text,
            node_tone=node,
            details=details,
        )
    ]


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
