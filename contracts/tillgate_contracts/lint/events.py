"""Events: identified, timed, keyed, and described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import LintView, Placed
from tillgate_contracts.lint.words import squeezed
from tillgate_contracts.reading import escape, follow

_IDS = frozenset(("id", "eventid", "messageid", "ceid", "uuid"))
_TIMES = frozenset(
    ("time", "timestamp", "occurredat", "eventtime", "cetime", "createdat", "eventdate", "senttime", "sentat")
)
_EVENTS = ("asyncapi",)


def messages(view: LintView) -> Iterator[tuple[str, Placed]]:
    """Every message of the document once, with its name."""
    seen: set[str] = set()
    components = view.tree.get("components")
    places: list[tuple[str, str, Any]] = []
    for name, value in _map(_map(components).get("messages")).items():
        places.append((name, f"/components/messages/{escape(name)}", value))
    for address, channel in _map(view.tree.get("channels")).items():
        for name, value in _map(_map(channel).get("messages")).items():
            places.append((name, f"/channels/{escape(address)}/messages/{escape(name)}", value))
        for verb in ("publish", "subscribe"):
            value = _map(_map(channel).get(verb)).get("message")
            several = _map(value).get("oneOf")
            pointer = f"/channels/{escape(address)}/{verb}/message"
            if isinstance(several, list):
                places += [
                    (f"{address} {verb}", f"{pointer}/oneOf/{number}", one) for number, one in enumerate(several)
                ]
            elif isinstance(value, dict):
                places.append((f"{address} {verb}", pointer, value))
    for name, pointer, value in places:
        placed = view.follow(value, pointer)
        if placed.value and placed.pointer not in seen:
            seen.add(placed.pointer)
            yield str(placed.value.get("name") or name), placed


def _names(view: LintView, message: Placed) -> set[str]:
    found: set[str] = set()
    for key in ("payload", "headers"):
        schema = follow(view.tree, message.value.get(key))
        stack = [schema]
        for _ in range(50):
            if not stack:
                break
            one = follow(view.tree, stack.pop())
            if isinstance(one, dict):
                found |= {squeezed(name) for name in _map(one.get("properties"))}
                parts = one.get("allOf")
                stack += parts if isinstance(parts, list) else []
    traits = message.value.get("traits")
    for trait in traits if isinstance(traits, list) else ():
        headers = follow(view.tree, _map(follow(view.tree, trait)).get("headers"))
        found |= {squeezed(name) for name in _map(_map(headers).get("properties"))}
    return found


@rule(
    "event-identified",
    "eewi",
    title="Every event has an id and a time",
    why="Receivers drop duplicates by id and order by time; delivery is at least once.",
    hint="Use the CloudEvents attributes id, source, type and time, in headers or payload.",
    families=_EVENTS,
)
def event_identified(view: LintView) -> Iterator[Violation]:
    for name, message in messages(view):
        names = _names(view, message)
        missing = [word for word, known in (("id", _IDS), ("time", _TIMES)) if not names & known]
        if missing:
            yield Violation(message.pointer, f"The message {name} has no {' and no '.join(missing)}.")


@rule(
    "event-correlated",
    "wwii",
    title="Every event carries a correlation id",
    why="One business fact is followed over all systems by it.",
    hint="Declare correlationId, or a property of that name.",
    families=_EVENTS,
)
def event_correlated(view: LintView) -> Iterator[Violation]:
    for name, message in messages(view):
        if not message.value.get("correlationId") and not _names(view, message) & {
            "correlationid",
            "traceparent",
            "ceid",
            "requestid",
        }:
            yield Violation(message.pointer, f"The message {name} has no correlation id.")


@rule(
    "event-key",
    "wiii",
    title="Events on a partitioned log have a key",
    why="Order is kept per key only.",
    hint="Declare the key in bindings.kafka.key, or x-ordering-key.",
    families=_EVENTS,
    condition=lambda view: (
        "" if any("kafka" in url for url in view.document.servers) else "no partitioned log is declared"
    ),
)
def event_key(view: LintView) -> Iterator[Violation]:
    for name, message in messages(view):
        bindings = _map(follow(view.tree, message.value.get("bindings")))
        if (
            "key" not in _map(bindings.get("kafka"))
            and not message.value.get("x-ordering-key")
            and not _trait_key(view, message)
        ):
            yield Violation(message.pointer, f"The message {name} declares no key.")


def _trait_key(view: LintView, message: Placed) -> bool:
    traits = message.value.get("traits")
    for trait in traits if isinstance(traits, list) else ():
        bindings = _map(follow(view.tree, _map(follow(view.tree, trait)).get("bindings")))
        if "key" in _map(bindings.get("kafka")):
            return True
    return False


@rule(
    "event-has-payload",
    "eeww",
    title="Every message describes its payload",
    why="What is not described cannot be compared or validated.",
    hint="Add payload with a schema.",
    families=_EVENTS,
)
def event_has_payload(view: LintView) -> Iterator[Violation]:
    for name, message in messages(view):
        if not message.value.get("payload"):
            yield Violation(message.pointer, f"The message {name} has no payload.")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
