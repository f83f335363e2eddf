"""What was observed, as plain data: names, types and values of closed lists, with counts and dates."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec

MOST_FINDINGS = 500
MOST_NAMES = 20

#: By kind: whether it says that traffic and contract contradict each other, and its words.
DRIFT_KINDS: Final[dict[str, tuple[bool, str]]] = {
    "undeclared-member": (True, "{place} has members that the contract does not list: {what}."),
    "undeclared-map": (
        True,
        "{place} has more than {most} members that the contract does not list; it looks like a map.",
    ),
    "missing-member": (True, "{place} lacks what the contract requires: {what}."),
    "wrong-type": (True, "{place} is {what}; the contract says {declared}."),
    "enum-value-new": (True, "{place} has values that are not in its list: {what}."),
    "enum-value-unseen": (False, "{place}: these values of its list were never seen: {what}."),
    "operation-undeclared": (True, "{calls} went to operations that the contract does not list: {what}."),
    "operation-uncalled": (False, "These operations were never called: {what}."),
    "status-undeclared": (True, "Answers have a status that the contract does not list: {what}."),
    "parameter-undeclared": (True, "Calls have query parameters that the contract does not list: {what}."),
}


class DriftFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `side` is request, response or "", `place` a path such as `lines[].price`, `what` holds names,
    types, codes or values of a closed list. `count` of `seen` had it, `refused` of them in what its receiver refused;
    `unnamed`: how often it was something that is not named, since it may be data about somebody.
    """

    kind: str
    operation: str
    side: str = ""
    place: str = ""
    what: tuple[str, ...] = ()
    declared: str = ""
    count: int = 0
    seen: int = 0
    refused: int = 0
    unnamed: int = 0

    @property
    def contradicts(self) -> bool:
        """False for what merely was not seen."""
        return DRIFT_KINDS[self.kind][0]

    @property
    def message(self) -> str:
        """One sentence with names in backticks."""
        where = f"`{self.place}`" if self.place else "The body"
        several = [f"`{one}`" for one in self.what]
        if self.unnamed or not several:
            several.append("others that are not named" if several else "not named, as they may be data about somebody")
        words, calls = DRIFT_KINDS[self.kind][1], counted(self.count, "call")
        return words.format(place=where, what=", ".join(several), declared=self.declared, calls=calls, most=MOST_NAMES)


class DriftResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one observation found. `bodies` were compared with what the contract says of them,
    `unread_bodies` could not be: no JSON, too large, or not recorded."""

    contract: str
    format: str
    source: str
    observed_from: dt.datetime | None
    observed_until: dt.datetime | None
    exchanges: int
    skipped: int
    bodies: int
    unread_bodies: int
    operations_known: int
    operations_seen: int
    differences: tuple[DriftFinding, ...]
    left_out: int = 0

    @property
    def contradictions(self) -> int:
        return sum(1 for one in self.differences if one.contradicts)

    @property
    def is_evidence(self) -> bool:
        """Whether what was seen speaks for the contract where nothing contradicts it."""
        return speaks(self.exchanges, self.bodies, self.unread_bodies)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; each difference with its sentence."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        for made, one in zip(found["differences"], self.differences, strict=True):
            made["message"] = one.message
        return {"schema_version": "1", "command": "observe", **found}


def speaks(exchanges: int, bodies: int, unread_bodies: int) -> bool:
    """Whether an observation without contradiction is evidence: something was seen, and of the bodies that the contract
    describes more were compared than could not be read."""
    return exchanges > 0 and (bodies > unread_bodies or unread_bodies == 0)


def as_text(result: DriftResult) -> str:
    """The same for a terminal."""
    lines = [f"observe: {counted(result.contradictions, 'difference')}"]
    if result.observed_from and result.observed_until:
        lines.append(
            f"  observed    {result.observed_from:%Y-%m-%d %H:%M} to {result.observed_until:%Y-%m-%d %H:%M} UTC"
        )
    lines.append(f"  exchanges   {result.exchanges:,} compared, {result.skipped:,} not comparable")
    lines.append(f"  bodies      {result.bodies:,} compared, {result.unread_bodies:,} not readable")
    lines.append(f"  operations  {result.operations_seen:,} of {result.operations_known:,} seen")
    for one in result.differences:
        mark = "DIFFERS" if one.contradicts else "unseen"
        where = " ".join(part for part in (one.operation, one.side) if part)
        lines += ["", f"{mark} {one.kind}{f' in {where}' if where else ''}", f"    {one.message}"]
        if one.seen:
            refused = f", {one.refused:,} of them refused" if one.refused else ""
            lines.append(f"    {one.count:,} of {one.seen:,}{refused}")
    if result.left_out:
        lines += ["", f"{result.left_out:,} more differences are left out."]
    return "\n".join(lines) + "\n"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
