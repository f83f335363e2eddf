"""One message across source, log, targets and attempts; found by its correlation id or by its key."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catalog.selectors import systems
from kernel import clock
from kernel.ui.tones import Tone, ok, quiet, wait
from kernel.viewer import Viewer
from runtime.domain.batches import LONGEST_BATCH
from runtime.domain.correlation import address_of, correlation_id
from runtime.domain.pointers import PointerReader
from runtime.permissions import SEEN, sight
from runtime.selectors import corrections, dated_trace, trace_targets
from runtime.selectors.dated_trace import DatedMessage
from runtime.selectors.dead_letter_detail import pretty
from runtime.selectors.lane_changes import LANES_BEFORE
from runtime.selectors.sql_rows import row, rows
from runtime.selectors.trace_targets import TraceStep

LIMIT = 20


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message that a search found."""

    stream: int
    lane: int
    position: int
    key: str
    version: int | None
    received_at: datetime
    integration: str
    title: str
    environment: str
    correlation: str


@dataclass(slots=True)
class Trace:
    """`steps` in order of time.

    `payload` is indented JSON as stored; `happened` is the time that the message itself gives; `history` are the other
    messages of the same key, `corrections` those of the same fact under other keys: what it corrects, what corrects it.
    """

    message: FoundMessage
    payload: str
    release_digest: str
    run: int | None
    causation: str
    traceparent: str
    owner_team_id: int
    happened: str = ""
    erased_at: datetime | None = None
    erased_by: str = ""
    erased_why: str = ""
    steps: list[TraceStep] = field(default_factory=list)
    history: list[FoundMessage] = field(default_factory=list)
    corrections: list[FoundMessage] = field(default_factory=list)

    @property
    def conflict(self) -> int | None:
        """The number of the conflict case that let it in as a correction."""
        return corrections.cause_of(self.causation)

    @property
    def rejected(self) -> int | None:
        """The number under which it was rejected before it was stored."""
        word, _, number = self.causation.partition(" ")
        return int(number) if word == "rejected" and number.isdecimal() else None

    @property
    def waits(self) -> int:
        return sum(1 for step in self.steps if step.tone.tone in ("wait", "stop") and step.until is None)

    @property
    def tone(self) -> Tone:
        targets = [step for step in self.steps if step.until is None]
        if any(step.tone.tone == "stop" for step in targets):
            return wait(f"{self.waits} of {len(targets)} waits for a person", "user")
        if self.waits:
            return wait(f"{self.waits} of {len(targets)} waits")
        return ok("Delivered everywhere") if targets else quiet("No target")

    @property
    def begin(self) -> datetime:
        return self.steps[0].at

    @property
    def end(self) -> datetime:
        return max(step.until or step.at for step in self.steps)


_FOUND = """
select m.stream_id as stream, m.lane, m.position, m.key, m.version, m.received_at, i.key as integration, i.title,
       st.environment, m.correlation, st.salt
  from runtime_message m
  join runtime_stream st on st.id = m.stream_id
  join runtime_integration i on i.id = st.integration_id
 where """
_BY_ADDRESS = (
    _FOUND
    + "m.stream_id = %(stream)s and m.lane = %(lane)s and m.position = %(position)s and st.salt = %(salt)s and "
    + SEEN
)
_BY_CORRELATION = (
    _FOUND
    + "m.correlation = %(text)s and "
    + SEEN
    + " order by m.received_at, m.stream_id, m.lane, m.position limit %(limit)s"
)
# A key is looked up in the heads: one probe per stream, never a scan of the log.
_BY_KEY = (
    """
select m.stream_id as stream, m.lane, m.position, m.key, m.version, m.received_at, i.key as integration, i.title,
       st.environment, m.correlation, st.salt
  from runtime_stream st
  join runtime_integration i on i.id = st.integration_id
  join runtime_head h on h.stream_id = st.id
   and (h.key = %(text)s or (h.key >= %(text)s || '‖' and h.key < %(text)s || '‗'))
  join lateral (select *
                  from runtime_message m
                 where m.stream_id = st.id
                   and m.position = h.position
                   and m.key = h.key
                   and m.lane = any(array(select l.lane from runtime_lane l where l.stream_id = st.id))
                 limit 1) m on true
 where """
    + SEEN
    + """
 order by m.received_at desc
 limit %(limit)s"""
)

_ONE = """
select m.key, m.payload::text as payload, m.run_id as run, coalesce(m.causation, '') as causation,
       coalesce(m.traceparent, '') as traceparent, m.previous, m.received_at, coalesce(r.digest, '') as release_digest,
       coalesce(r.manifest #>> '{event,time}', '') as time_pointer,
       i.owner_team_id, n.trigger, n.kind, n.started_at, e.at as erased_at, e.reason as erased_why,
       coalesce(u.username, 'system') as erased_by
  from runtime_message m
  join runtime_stream st on st.id = m.stream_id
  join runtime_integration i on i.id = st.integration_id
  left join runtime_release r on r.id = m.release_id
  left join runtime_run n on n.id = m.run_id
  left join runtime_erasure e on e.stream_id = m.stream_id and e.lane = m.lane and e.position = m.position
  left join kernel_user u on u.id = e.by_id
 where m.stream_id = %(stream)s
   and m.lane = %(lane)s
   and m.position = %(position)s"""

_TRIES = f"""
select t.subscription_id as subscription, t.first, t.last, t.at, t.outcome, t.detail, t.reference,
       coalesce(t.answer, t.payload::text) as answer
  from runtime_attempt t
  join runtime_subscription s on s.id = t.subscription_id
 where s.stream_id = %(stream)s
   and t.lane = %(lane)s
   and t.last between %(position)s and %(position)s + {LONGEST_BATCH}
   and t.first <= %(position)s
 order by t.id
 limit 500"""

_CHAIN = (
    """
with recursive chain as (
       select m.stream_id, m.lane, m.position, m.previous, m.key, 0 as depth
         from runtime_message m
        where m.stream_id = %(stream)s
          and m.lane = %(lane)s
          and m.position = %(position)s
        union all
       select m.stream_id, m.lane, m.position, m.previous, m.key, c.depth + 1
         from chain c
         join lateral (select *
                         from runtime_message m
                        where m.stream_id = c.stream_id
                          and m.lane = any("""
    + LANES_BEFORE
    + """)
                          and m.position = c.previous
                          and m.key = c.key
                        limit 1) m on true
        where c.previous > 0
          and c.depth < %(limit)s)
select m.stream_id as stream, m.lane, m.position, m.key, m.version, m.received_at, i.key as integration, i.title,
       st.environment, m.correlation, st.salt
  from chain c
  join lateral (select *
                  from runtime_message m
                 where m.stream_id = c.stream_id
                   and m.lane = c.lane
                   and m.position = c.position
                 limit 1) m on true
  join runtime_stream st on st.id = m.stream_id
  join runtime_integration i on i.id = st.integration_id
 where c.depth > 0
 order by m.position desc"""
)


def search(viewer: Viewer, text: str) -> list[FoundMessage]:
    """Messages with this correlation id or this key, or let in by this conflict case (`conflict 7`). Empty for text
    that can be none of them."""
    text = text.strip()
    if not text or "\0" in text or len(text) > 300:
        return []
    seen = sight(viewer) | {"text": text, "limit": LIMIT}
    known = address_of(text)
    if known is not None:
        salt, place = known
        if salt < 2**63 and place.position < 2**63:
            mine = {"stream": place.stream, "lane": place.lane, "position": place.position, "salt": salt}
            if found := rows(_BY_ADDRESS, seen | mine):
                return _found(found)
    named = _found(rows(_BY_CORRELATION, seen)) or _found(rows(_BY_KEY, seen))
    if not named and (case := corrections.cause_of(text)) is not None:
        named = _found(rows(corrections.BY_CASE, seen | {"case": case}))
    return named


def _found(listed: Sequence[dict[str, Any]]) -> list[FoundMessage]:
    made = []
    for one in listed:
        salt = one.pop("salt")
        one["correlation"] = one["correlation"] or correlation_id(salt, one["stream"], one["lane"], one["position"])
        made.append(FoundMessage(**one))
    return made


def trace(message: FoundMessage) -> Trace:
    """All that is known of a message that `search` found, which has checked what the viewer may see. Six queries."""
    place = {"stream": message.stream, "lane": message.lane, "position": message.position}
    one = row(_ONE, place)
    if one is None:
        raise LookupError("a message that was found a moment ago is gone")
    made = Trace(
        message,
        pretty(one["payload"]),
        one["release_digest"],
        one["run"],
        one["causation"],
        one["traceparent"],
        one["owner_team_id"],
        happened=_happened(one["payload"], one["time_pointer"]),
    )
    if one["erased_at"] is not None:
        made.payload, made.erased_at = "", one["erased_at"]
        made.erased_by, made.erased_why = one["erased_by"], one["erased_why"]
    names = {s.key: s.name for s in systems.all_systems()}
    dates = dated_trace.of_message(message.stream, message.key, message.position)
    targets, tries = rows(trace_targets.TARGETS, place | {"key": message.key}), rows(_TRIES, place)
    made.steps = list(_steps(message, one, targets, tries, names, dates))
    _scale(made.steps)
    made.history = _found(rows(_CHAIN, place | {"limit": LIMIT}))
    made.corrections = _found(rows(corrections.SAME_FACT, place | corrections.names_of(message.key, made.causation)))
    return made


def _happened(payload: str, pointer: str) -> str:
    """When it happened, as the message itself says it where the manifest (`event.time`) tells; empty otherwise."""
    if not pointer:
        return ""
    try:
        found, said = PointerReader(pointer)(json.loads(payload, parse_float=Decimal))
    except (ValueError, RecursionError):
        return ""
    return str(said)[:80] if found and isinstance(said, str | int) and not isinstance(said, bool) else ""


def _steps(
    message: FoundMessage,
    one: dict[str, Any],
    targets: Sequence[dict[str, Any]],
    tries: Sequence[dict[str, Any]],
    names: dict[str, str],
    dates: DatedMessage | None = None,
) -> Sequence[TraceStep]:
    received = message.received_at
    steps: list[TraceStep] = []
    after: dict[int, datetime] = {}  # where a message stands at a target comes after the tries that led there
    if one["started_at"] is not None and one["started_at"] <= received:
        note = "came in by intake" if one["kind"] == "intake" else f"run {one['run']}, started by {one['trigger']}"
        steps.append(TraceStep("Source", note, one["started_at"], received, ok("Read"), "Read"))
    steps.append(TraceStep("Tillgate, accept", "stored in the log", received, received, ok("Stored"), "Stored"))
    if dates is not None and dates.copied is not None:
        note = f"in force from {dated_trace.local(*dates.copied)}; put into the log once more"
        steps.append(TraceStep("Tillgate, validity", note, received, received, ok("In force"), "In force"))
    of_target: dict[int, list[dict[str, Any]]] = {}
    for attempt in tries:
        of_target.setdefault(attempt["subscription"], []).append(attempt)
    for target in targets:
        name = names.get(target["system_key"], target["system_key"])
        who = f"{name}{' ' + target['instance'] if target['instance'] else ''}, {target['target']}"
        mine = trace_targets.of_message(target, of_target.get(target["subscription"], []), message.position)
        tried = trace_targets.tries_of(who, mine)
        here = message.lane, message.position
        now = trace_targets.now_at(who, target, mine, here, received, dates)
        after[id(now)] = max([now.at, *(step.at for step in tried)])
        steps += [*tried, now]
    return sorted(steps, key=lambda step: (after.get(id(step), step.at), step.until is None))


def _scale(steps: list[TraceStep]) -> None:
    """Place the bars between the first and the last moment; a bar that waits reaches to the end."""
    begin = min(step.at for step in steps)
    waits = any(step.until is None and step.tone.tone in ("wait", "stop") for step in steps)
    last = max(step.until or step.at for step in steps)
    end = max(last + (last - begin) * 0.4 if waits else last, begin + timedelta(milliseconds=1))
    span = (min(end, clock.now()) - begin).total_seconds() or 1.0
    for step in steps:
        step.start = min(100 * (step.at - begin).total_seconds() / span, 98.8)
        if step.until is None and step.tone.tone in ("wait", "stop"):
            step.width = 100 - step.start
        elif step.until is not None:
            step.width = max(min(100 * (step.until - step.at).total_seconds() / span, 100 - step.start), 1.2)
