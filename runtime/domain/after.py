"""`after: <target> confirmed`: which target of an integration waits for which other one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

WORD = " confirmed"
PATTERN = "^[a-z0-9][a-z0-9-]{0,79}" + WORD + "$"


def target_of(text: str | None) -> str | None:
    """The target that must have a message first; None where there is none."""
    return text.removesuffix(WORD) if text else None


def problems(waits: Mapping[str, str], known: Mapping[str, tuple[bool, str]]) -> Iterator[tuple[str, str]]:
    """(target, what is wrong) of targets that wait. `known` says of each target whether it is a fleet, and its
    source."""
    for name, other in waits.items():
        if other == name:
            yield name, "a target does not wait for itself"
        elif other not in known:
            yield name, f"there is no target {other!r}"
        elif known[name][0] or known[other][0]:
            yield name, "a target with instances neither waits for another nor lets another wait"
        elif known[name][1] != known[other][1]:
            yield name, f"{other!r} listens to another source: it never gets these messages"
        elif name in _chain(waits, other):
            yield name, f"{' and '.join(sorted({name, *_chain(waits, other)}))} wait for each other"


def _chain(waits: Mapping[str, str], start: str) -> list[str]:
    """The targets for which a target waits, one after the other, itself first."""
    found = [start]
    while (following := waits.get(found[-1])) is not None and following not in found:
        found.append(following)
    return found
