"""A target that says `after: <target> confirmed` takes a message only once the other target has it.

The lane is bound by the other one's position (`sql/claim_lane.sql`, `sql/step.sql`). What the other has passed without
delivering it stands in its quarantine, or was ended there without delivery: such a message waits in quarantine here, by
itself, and is claimed when it has left the other's quarantine (`sql/claim_quarantined.sql`).
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.ledger import sql
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.quarantine import QuarantineEntry

REASON_CLASS = "after"
_NOT_THERE = sql.read("after_not_there")
_ENDED = sql.read("after_ended")
_WORDS = {"declined": "declined it", "given_up": "will not get it: a person has discarded it there"}


def split(
    conn: Connection, taken: Claim, messages: Sequence[LoggedMessage]
) -> tuple[Sequence[LoggedMessage], list[QuarantineEntry]]:
    """(messages that may go, quarantine entries of those that wait for the other target, and of the later messages of
    their keys). One query for a batch, and none where the target waits for nobody."""
    other = taken.target.after
    if other is None or not messages:
        return messages, []
    first, last = messages[0].position, messages[-1].position
    given = {"other": other, "lane": taken.lane, "first": first, "last": last}
    waiting = {position for (position,) in conn.execute(_NOT_THERE, given).fetchall()}
    if not waiting:
        return messages, []
    keys: set[str] = set()
    go: list[LoggedMessage] = []
    entries: list[QuarantineEntry] = []
    for message in messages:
        if message.position in waiting and message.key not in keys:
            keys.add(message.key)
            reason = "waits until another target has it"
            entries.append(QuarantineEntry(message.position, message.key, "behind", REASON_CLASS, reason))
        elif message.key in keys:
            entries.append(QuarantineEntry(message.position, message.key, "behind"))
        else:
            go.append(message)
    return go, entries


def ended_there(conn: Connection, taken: Claim, position: int) -> str | None:
    """Why a message is not sent here: the other target has ended it without delivery. None where it has it."""
    if taken.target.after is None:
        return None
    given = {"other": taken.target.after, "lane": taken.lane, "position": position}
    row = conn.execute(_ENDED, given).fetchone()
    if row is None:
        return None
    target, outcome, detail = row
    return f"not sent: {target} {_WORDS[outcome]}" + (f" ({detail[:300]})" if detail else "")
