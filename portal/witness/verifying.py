"""The whole verification of the ledger: its chain, the heads that were witnessed outside, the functions and triggers
that write it, and that each approval in force has its entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from governance.selectors import unrecorded
from kernel import audit_chain, clock, sql_definitions, sql_guards
from kernel.audit_chain import Verification, Witnessed
from portal.database_roles import RIGHTS
from portal.witness import heads, keys, lines, witnessing
from portal.witness.heads import LedgerHead, NoHead

ROOMS = ("kernel", "catalog", "governance", "runtime")
OWN = tuple(table for table, right in RIGHTS.items() if right == "select")  # written by the owner alone
OLD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """`chain` is the outcome. `notes` are sentences about what is not wrong, but has to be known: a restored backup,
    a witness that is old or that there is none of."""

    chain: Verification
    witnessed: int = 0
    newest: LedgerHead | None = None
    notes: tuple[str, ...] = ()


def verify(
    *, witness: Path | None = None, anchor: tuple[int, str] | None = None, tail: bool = False, within: float = math.inf
) -> LedgerCheck:
    """Against the witness file of this installation, or another one; with `tail` against its last day. A path that is
    empty stands for no witness. Raises TakesTooLongError after `within` seconds."""
    path = witness if witness is not None else Path(settings.WITNESS_FILE)
    reading = lines.read(path, tail=tail) if str(path) != "." else lines.Reading(())
    expected, restored = standing(reading.heads)
    chain = audit_chain.verify(anchor=anchor, witnessed=expected, within=within)
    found = [*_wrong_in(path, reading), *_broken_lines(reading.heads)]
    found += [*sql_guards.differences(ROOMS), *sql_definitions.written_by_others(OWN), *unrecorded.approvals()]
    if chain.sound and found:
        chain = replace(chain, sound=False, reason="; ".join(found[:5]))
    newest = reading.heads[-1] if reading.heads else None
    return LedgerCheck(chain, len(expected), newest, (*restored, *_age(newest)))


def standing(found: Sequence[LedgerHead]) -> tuple[list[Witnessed], list[str]]:
    """The heads that the ledger still has to show, and a sentence for each restoration that was stated."""
    kept: list[LedgerHead] = []
    told = []
    for head in found:
        if head.restored:
            limit = int(head.restored.get("from_position", 0))
            kept = [one for one in kept if one.position <= limit]
            told.append(_restoration(head, limit))
        if not head.breaks:
            kept.append(head)
    return [head.witnessed for head in kept if head.position], told


def _restoration(head: LedgerHead, limit: int) -> str:
    said = head.restored.get("note") or head.restored.get("reason", "")
    return (
        f"The database went back to position {limit} (rewind {head.restored.get('rewind')}, "
        f"{str(head.restored.get('at', ''))[:16]}: {said}); {head.restored.get('gone', 0)} heads witnessed after it "
        "are not expected any more"
    )


def _wrong_in(path: Path, reading: lines.Reading) -> list[str]:
    if reading.wrong:
        return [f"the witness is not in order: {reading.wrong}"]
    if not reading.newest:
        return []
    try:
        heads.signed_by(reading.newest, keys.known())
    except NoHead as error:
        return [f"the newest head in {path.name} is {error}"]
    return []


def _broken_lines(found: Sequence[LedgerHead]) -> list[str]:
    return [
        f"on {head.database_time:%Y-%m-%d %H:%M} UTC the ledger did not continue what was witnessed: {head.breaks}"
        for head in witnessing.open_lines(found)
        if head.breaks
    ]


def _age(newest: LedgerHead | None) -> list[str]:
    if newest is None:
        return ["No head was witnessed outside the database yet: a ledger that was cut at its end does not show"]
    age = clock.now() - newest.database_time
    if age > witnessing.AT_LEAST_EVERY + OLD:
        return [f"The newest witness is of {newest.database_time:%Y-%m-%d %H:%M} UTC: does the scheduler run?"]
    return []
