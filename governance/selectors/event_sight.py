"""What somebody is told of an event of the outbox: what tells of something that they may not see is not told.

Each room says of its topics when somebody sees what an event is about; a topic of which nobody says it is told to those
alone who see everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from catalog.selectors import gate_facts
from governance.selectors import sight
from kernel.viewer import Viewer

Event = Mapping[str, Any]
Seen = Callable[[Event, Viewer], bool]
_DECISIONS: Final[Mapping[str, Callable[[Viewer], Any]]] = {
    "change": sight.of_changes,
    "waiver": sight.waivers,
    "break_glass": sight.emergencies,
    "approval": sight.approvals,
}
_rules: dict[str, Seen] = {}


def register(topics: Iterable[str], seen: Seen) -> None:
    """Say of topics, or of all that begin with these words, who sees what their events are about. The longest
    beginning counts."""
    _rules.update(dict.fromkeys(topics, seen))


def rule_of(topic: str) -> Seen | None:
    found = max((begin for begin in _rules if topic.startswith(begin)), key=len, default=None)
    return None if found is None else _rules[found]


def told(event: Event, viewer: Viewer) -> dict[str, Any] | None:
    """The event as the viewer may read it, without a successor that they may not see; None for one that is about
    something that they may not see at all."""
    payload = dict(event["payload"])
    if viewer.sees_everything:
        return {**event, "payload": payload}
    seen = rule_of(str(event["topic"]))
    if viewer.user is None or seen is None or not seen(event, viewer) or not _sees_decisions(payload, viewer):
        return None
    successor = payload.get("successor")
    if successor and gate_facts.hidden_apis(slugs([successor]), viewer):
        payload["successor"] = None
    return {**event, "payload": payload}


def everybody(_event: Event, _viewer: Viewer) -> bool:
    """For what is open to everybody who is signed in."""
    return True


def slugs(references: Iterable[Any]) -> set[str]:
    """`price-api@v2` → price-api."""
    return {str(one).partition("@")[0] for one in references if one}


def _sees_decisions(payload: Mapping[str, Any], viewer: Viewer) -> bool:
    named = ((rows, payload[key]) for key, rows in _DECISIONS.items() if payload.get(key) is not None)
    return all(rows(viewer).filter(pk=number).exists() for rows, number in named)


def _api(event: Event, viewer: Viewer) -> bool:
    return not gate_facts.hidden_apis(slugs([event["key"]]), viewer)


def _record(event: Event, viewer: Viewer) -> bool:
    return bool(sight.records(viewer).filter(pk=int(event["payload"].get("record") or 0)).exists())


def _pipeline(event: Event, viewer: Viewer) -> bool:
    return bool(sight.pipelines(viewer).filter(key=event["key"]).exists())


register(["catalog."], _api)  # of an API or a version of one, but for:
register(["catalog.boundary_", "catalog.import_"], everybody)
# What the payload names as a decision is looked at for every topic (`_DECISIONS`).
register([f"governance.{one}_" for one in ("change", "waiver", "break_glass", "approval")], everybody)
register(["governance.seats_added", "governance.slots_unfillable"], everybody)
register([f"governance.{one}_" for one in ("policy", "freeze", "teams")], everybody)
register([f"governance.{one}_" for one in ("application", "deployed", "release")], _record)
register(["governance.pipeline_"], _pipeline)
