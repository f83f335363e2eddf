"""One dead letter in detail: its content, its attempts, and what a person needs to decide."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalog.selectors import systems
from kernel.difference import Difference, differences
from kernel.digest import digest_of
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.viewer import Viewer
from runtime.domain.correlation import correlation_id
from runtime.domain.recovery import NOT_ASKABLE
from runtime.permissions import SEEN, sight
from runtime.selectors.dead_letters import DeadLetter
from runtime.selectors.sql_rows import row, rows


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One line of a message's history."""

    at: datetime
    says: str
    detail: str
    tone: Tone
    reference: str = ""


@dataclass(slots=True)
class DeadLetterDetail:
    """A dead letter with its payload, its attempts and what a person needs to decide. `unproven`: an attempt before the
    one that ended it has no answer that can be trusted. `person_decides`: it may have arrived, and its target cannot be
    asked about it."""

    dead_letter: DeadLetter
    integration: str
    title: str
    owner_team_id: int
    target: str
    system: str
    fingerprint: str
    correlation: str
    payload: str
    replaced: bool
    attempts: list[AttemptLine] = field(default_factory=list)
    behind: int = 0
    unproven: bool = False
    person_decides: bool = False
    differs: list[Difference] = field(default_factory=list)
    decided: str = ""
    stream: int = 0
    raw: bool = False
    seen: int = 1
    content: str = ""


_HEAD = """st.id as stream, st.salt, i.key as integration, i.title, i.owner_team_id"""

_ONE_QUARANTINED = (
    """
select concat_ws('/', p.subscription_id, p.lane, p.position) as place, p.key, p.reason, p.reason_class,
       p.first_seen_at as since, p.attempt as attempts, s.instance, p.state, p.fingerprint, s.target, s.idempotency,
       v.system_key as system, p.subscription_id, p.lane, p.position, """
    + _HEAD
    + """, m.correlation,
       coalesce(p.payload, m.payload)::text as payload, p.payload is not null as replaced,
       (select count(*)
          from runtime_quarantine b
         where b.subscription_id = p.subscription_id
           and b.key = p.key
           and b.position > p.position) as behind
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
  join runtime_vendorstate v on v.id = s.vendor_id
  left join runtime_message m on m.stream_id = st.id and m.lane = p.lane and m.position = p.position
 where p.subscription_id = %(subscription)s
   and p.lane = %(lane)s
   and p.position = %(position)s
   and """
    + SEEN
)

_ONE_REJECTED = (
    """
select p.id::text as place, p.key, p.reason, p.reason_class, p.at as since, p.seen as attempts, '' as instance, p.state,
       p.fingerprint, '' as target, '' as system, p.raw as payload, p.decided_at, p.note, u.username as decided_by,
       p.seen, """
    + _HEAD
    + """
  from runtime_rejected p
  join runtime_stream st on st.id = p.stream_id
  join runtime_integration i on i.id = st.integration_id
  left join kernel_user u on u.id = p.decided_by_id
 where p.id = %(id)s
   and """
    + SEEN
)

_ONE_CONFLICT = (
    """
select p.id::text as place, p.key, '' as reason, 'conflict' as reason_class, p.at as since, p.seen as attempts,
       '' as instance, p.state, 'conflict' as fingerprint, '' as target, '' as system, p.payload::text as payload,
       p.decided_at, p.note, u.username as decided_by, p.seen, """
    + _HEAD
    + """,
       (select m.payload::text
          from runtime_message m
         where m.stream_id = p.stream_id
           and m.position = p.held_position
           and m.key = p.key
         limit 1) as held
  from runtime_conflict p
  join runtime_stream st on st.id = p.stream_id
  join runtime_integration i on i.id = st.integration_id
  left join kernel_user u on u.id = p.decided_by_id
 where p.id = %(id)s
   and """
    + SEEN
)

UNPROVEN = ("unknown", "sending", "accepted", "late")  # what an attempt without a trustworthy answer is called
_ATTEMPTS = """
select at, outcome, detail, reference
  from runtime_attempt
 where subscription_id = %(subscription)s
   and lane = %(lane)s
   and last >= %(position)s
   and first <= %(position)s
 order by id
 limit 200"""


def quarantined(viewer: Viewer, subscription: int, lane: int, position: int) -> DeadLetterDetail | None:
    """A quarantined message with its history; None when there is none or the viewer may not see it."""
    place = {"subscription": subscription, "lane": lane, "position": position}
    found = row(_ONE_QUARANTINED, sight(viewer) | place)
    if found is None:
        return None
    detail = _detail("parked", found)
    detail.correlation = found["correlation"] or correlation_id(found["salt"], found["stream"], lane, position)
    detail.replaced, detail.behind = found["replaced"], found["behind"]
    detail.content = digest_of(found["payload"])
    tried = rows(_ATTEMPTS, place)
    detail.attempts = [_attempt(one) for one in tried]
    detail.unproven = found["state"] == "dead" and any(one["outcome"] in UNPROVEN for one in tried)
    asks, is_unknown = found["idempotency"] != "U", found["state"] == "unknown"
    detail.person_decides = (is_unknown and (not asks or found["reason_class"] in NOT_ASKABLE)) or (
        detail.unproven and not asks
    )
    return detail


def rejected(viewer: Viewer, number: int) -> DeadLetterDetail | None:
    """A message that was rejected before storing."""
    found = row(_ONE_REJECTED, sight(viewer) | {"id": number})
    if found is None:
        return None
    detail = _detail("rejected", found)
    detail.raw, detail.seen, detail.decided = True, found["seen"], _decided(found)
    return detail


def conflict(viewer: Viewer, number: int) -> DeadLetterDetail | None:
    """A conflicting later version, with its differences from the stored version."""
    found = row(_ONE_CONFLICT, sight(viewer) | {"id": number})
    if found is None:
        return None
    detail = _detail("conflict", found)
    detail.seen, detail.decided = found["seen"], _decided(found)
    if found["held"] is not None:
        detail.differs = differences(_plain(found["held"]), _plain(found["payload"]))
    return detail


def _detail(kind: str, found: dict[str, Any]) -> DeadLetterDetail:
    keys = ("place", "key", "reason", "reason_class", "since", "attempts", "instance", "state")
    facts = systems.by_key(found["system"]) if found["system"] else None
    return DeadLetterDetail(
        dead_letter=DeadLetter(kind=kind, **{key: found[key] for key in keys}),
        integration=found["integration"],
        title=found["title"],
        owner_team_id=found["owner_team_id"],
        target=found["target"],
        system=facts.name if facts else found["system"],
        fingerprint=found["fingerprint"],
        correlation="",
        payload=pretty(found["payload"]) if kind != "rejected" else (found["payload"] or ""),
        replaced=False,
        stream=found["stream"],
    )


def _plain(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def pretty(text: str | None) -> str:
    """Indented JSON with every digit as it was stored (23.950 stays 23.950); text that is not JSON stays as it is."""
    if text is None:
        return ""
    try:
        read = json.loads(text, parse_float=lambda digits: f"\0{digits}\0")  # no stored text can hold NUL
    except (ValueError, RecursionError):
        return text
    return _DIGITS.sub(r"\1", json.dumps(read, indent=2, ensure_ascii=False))


_DIGITS = re.compile(r'"\\u0000([^"\\]*)\\u0000"')


def _decided(found: dict[str, Any]) -> str:
    if not found["decided_at"]:
        return ""
    by = f" by {found['decided_by']}" if found["decided_by"] else ""
    note = f": {found['note']}" if found["note"] else ""
    return f"{found['state'].capitalize()}{by}{note}"


_OUTCOMES: dict[str, tuple[str, Tone]] = {
    "confirmed": ("Delivered", ok("Confirmed")),
    "dead": ("Refused", stop("Refused")),
    "refused": ("Refused", stop("Refused")),
    "retry": ("Not now", wait("Not now")),
    "sending": ("No answer yet", wait("Unknown, asked")),
    "unknown": ("No trustworthy answer", wait("Unknown, asked")),
    "behind": ("Waits for an earlier message", quiet("Behind")),
    "late": ("Sent after its lease", wait("Late", "alert")),
    "declined": ("Declined by the target", wait("Declined", "user")),
    "unanswered": ("Called, no outcome", wait("Settled since")),
    "recovered": ("Asked about after the database went back", ok("There before")),
    "fresh_key": ("Sent under another key", quiet("Fresh key")),
    "edited": ("Edited by a person after it may have arrived", quiet("Edited")),
    "corrected": ("Edited by a person", quiet("Edited")),
    "given_up": ("Discarded by a person", quiet("Discarded")),
    "redriven": ("Sent again by a person", wait("Redriven", "replay")),
    "fixed": ("Corrected by a person", wait("Corrected", "user")),
}


def _attempt(one: dict[str, Any]) -> AttemptLine:
    says, tone = _OUTCOMES.get(one["outcome"], (one["outcome"].capitalize(), quiet(one["outcome"].capitalize())))
    return AttemptLine(one["at"], says, one["detail"], tone, one["reference"] or "")
