"""What became of one message at each target: how it ended, what the vendor calls it and said, or what it waits for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel.errors import Invalid
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from runtime import profiles
from runtime.domain import connection_faults
from runtime.domain.outcome_codes import CONFIRMED, DECLINED, SKIPPED, SUPERSEDED
from runtime.selectors.dated_trace import DatedMessage

Row = dict[str, Any]


@dataclass(slots=True)
class TraceStep:
    """One lane of the chart. `start` and `width` in per cent of the time shown. `reference` is what the vendor calls
    the message, `answer` what it said of it, redacted."""

    who: str
    note: str
    at: datetime
    until: datetime | None
    tone: Tone
    says: str
    start: float = 0.0
    width: float = 1.2
    dead_letter: tuple[int, int, int] | None = None
    reference: str = ""
    answer: str = ""


# Of each target of a stream: its progress, the batch that holds the message, its quarantine, and what may hold it up.
TARGETS = """
select s.id as subscription, s.target, s.instance, s.kind, s.idempotency, v.system_key,
       (select jsonb_path_query_first(r.manifest, '$.targets[*] ? (@.name == $name).connection',
                                      jsonb_build_object('name', s.target))
          from runtime_deployment b
          join runtime_release r on r.id = b.release_id
         where b.id = s.deployment_id
           and q.state = 'sending')::text as connection,
       p.position as reached, d.at, d.outcome,
       d.token, d.skipped, d.declined, d.first, d.last - d.first + 1 as batch, d.outcomes, d.refs::text as refs,
       q.state, q.reason, q.reason_class, q.first_seen_at, q.not_before, q.attempt, q.rounds,
       case when v.fault <> '' then v.fault when s.fault_tries > 0 then s.fault else '' end as fault,
       case when v.fault <> '' then v.fault_detail else s.fault_detail end as fault_detail,
       case when v.fault <> '' then v.fault_since else s.fault_since end as fault_since,
       a.target as after, ap.position as after_reached,
       exists (select
                 from runtime_quarantine w
                where w.subscription_id = a.id
                  and w.lane = %(lane)s
                  and w.position = %(position)s) as held_at_after,
       (s.coalesce or s.kind = 'database')
       and exists (select
                     from runtime_message n
                    where n.stream_id = s.stream_id
                      and n.lane = %(lane)s
                      and n.key = %(key)s
                      and n.position > %(position)s
                      and n.position <= d.last) as superseded
  from runtime_subscription s
  join runtime_vendorstate v on v.id = s.vendor_id
  join runtime_progress p on p.subscription_id = s.id and p.lane = %(lane)s
  left join runtime_subscription a on a.id = s.after_subscription
  left join runtime_progress ap on ap.subscription_id = a.id and ap.lane = %(lane)s
  left join lateral (select *
                       from runtime_delivery d
                      where d.subscription_id = s.id
                        and d.lane = %(lane)s
                        and d.last >= %(position)s
                      order by d.last
                      limit 1) d on d.first <= %(position)s
  left join runtime_quarantine q on q.subscription_id = s.id and q.lane = %(lane)s and q.position = %(position)s
 where s.stream_id = %(stream)s
   and s.replay_of_id is null
 order by s.target, s.instance
 limit 1000"""

_TRIES: dict[str, Tone] = {
    "dead": stop("Refused"),
    "refused": stop("Refused"),
    "accepted": wait("Accepted, asked"),
    "unanswered": wait("No answer, asked"),
    "recovered": ok("There before"),
    "fresh_key": quiet("Fresh key"),
    "edited": quiet("Edited"),
    "corrected": quiet("Edited"),
    **dict.fromkeys(("retry", "unsent"), wait("Not now")),
    **dict.fromkeys(("behind", "blocked"), wait("Behind")),
}
BY_WORD = "by a person's word: "  # how the detail of an attempt begins that a person has confirmed
_ENDS = ("confirmed", "given_up", "declined", "skipped", "answered")


def of_message(target: Row, tries: Sequence[Row], position: int) -> list[Row]:
    """The attempts that tell something of this message: its own, and those of a whole batch where it may have been
    among what was sent. An answer to the batch may be that to another message, and is not shown here."""
    sent = _batch_code(target, position) not in (SKIPPED, SUPERSEDED)
    made = []
    for one in tries:
        if one["first"] == one["last"]:
            made.append(one)
        elif sent:
            note = f"its batch of {one['last'] - one['first'] + 1}: {one['detail']}"
            made.append(one | {"detail": note, "answer": None, "reference": None})
    return made


def tries_of(who: str, tries: Sequence[Row]) -> list[TraceStep]:
    """The attempts at a target that did not end the message."""
    made = []
    for number, one in enumerate(tries, 1):
        if one["outcome"] not in _ENDS:
            tone = _TRIES.get(one["outcome"], wait("Unknown, asked"))
            step = TraceStep(f"{who}, try {number}", one["detail"][:160], one["at"], one["at"], tone, tone.word)
            step.answer = one["answer"] or ""
            made.append(step)
    return made


def now_at(
    who: str, target: Row, tries: Sequence[Row], place: tuple[int, int], received: datetime, dates: DatedMessage | None
) -> TraceStep:
    """The current state of the message, at `place` (lane, position), at this target."""
    if target["state"]:
        return _quarantined(who, target, tries, place)
    return (
        _after_attempts(who, tries)
        or _by_date(who, target, dates)
        or _in_batch(who, target, tries, place[1])
        or _not_sent(who, target, place[1], received)
    )


def _not_sent(who: str, target: Row, position: int, received: datetime) -> TraceStep:
    """What it waits for, and since when."""
    if target["after"] and target["after_reached"] is not None and target["after_reached"] < position:
        note = f"goes after {target['after']} has confirmed it"
        return TraceStep(who, note, received, None, wait(f"Waits for {target['after']}"), "Waits")
    if target["fault"]:
        note = connection_faults.title(target["fault"], target["fault_detail"])
        since = max(received, target["fault_since"] or received)
        return TraceStep(who, note, since, None, wait("Connection fault", "alert"), "Waits")
    return TraceStep(who, "not sent yet", received, None, wait("Waits"), "Waits")


def _quarantined(who: str, target: Row, tries: Sequence[Row], place: tuple[int, int]) -> TraceStep:
    since, said = target["first_seen_at"], next((one["answer"] for one in reversed(tries) if one["answer"]), "")
    if target["state"] in ("dead", "unknown"):
        tone = stop("Waits for a person", "user") if target["state"] == "dead" else wait("Outcome unknown", "alert")
        where = (target["subscription"], *place)
        note = target["reason"][:160]
        return TraceStep(f"{who}, dead letter", note, since, None, tone, tone.word, dead_letter=where, answer=said)
    if target["state"] == "behind" and target["reason_class"] == "after":
        held = "is held there; a person settles it there" if target["held_at_after"] else "has it; goes next"
        note = f"goes after {target['after']} has confirmed it: the message {held}"
        return TraceStep(who, note, since, None, wait(f"Waits for {target['after']}"), "Waits")
    if target["state"] == "behind":
        return TraceStep(who, "an earlier message of this key is held", since, None, wait("Behind"), "Behind")
    if target["reason_class"] == "accepted":
        tone = wait("Accepted, asked again", "replay")
        return TraceStep(who, "taken by the vendor, not decided yet", since, None, tone, "Accepted", answer=said)
    if target["state"] == "sending":
        tone, asked = wait("Being asked about", "alert"), _times(target["rounds"])
        if not _can_be_asked(target):
            return _unasked(who, target, since, said)
        note = f"it may have arrived, so the vendor is asked before anything is sent again; without an answer {asked}"
        return TraceStep(who, note if target["rounds"] else note.split(";")[0], since, None, tone, "Asked", answer=said)
    tried = f"tried alone {_times(target['attempt'])}" if target["attempt"] else "goes alone next"
    note = tried + (f": {target['reason'][:120]}" if target["reason"] else "")
    tone = wait("Will be tried again", "replay")
    return TraceStep(who, note, since, None, tone, "Retry", answer=said)


def _can_be_asked(target: Row) -> bool:
    """Whether the deployed release has a way to ask about what was sent: a REST connection has one where it says so."""
    if target["idempotency"] == "U":
        return False
    connection = json.loads(target["connection"] or "{}")
    if connection.get("protocol") != "rest":
        return True
    settings = connection.get("settings") or {}
    name = connection.get("profile")
    try:
        settings = profiles.profile(name).connection(settings) if name else settings
    except Invalid:  # a profile of before
        return True
    return bool(settings.get("lookup") or settings.get("job"))


def _unasked(who: str, target: Row, since: datetime, said: str) -> TraceStep:
    """It may have arrived, and only the same again could settle that."""
    same = {"K": "is sent again under the same key", "N": "is sent again under its own name"}.get(target["idempotency"])
    if same is None:
        note = f"it may have arrived, and the vendor cannot be asked, so a person decides: {target['reason'][:120]}"
        return TraceStep(who, note, since, None, wait("Outcome unknown", "alert"), "Unknown", answer=said)
    tried = f"; sent without an outcome {_times(target['rounds'])}" if target["rounds"] else ""
    note = f"it may have arrived, and the vendor cannot be asked, so it {same} once its time is over (settle){tried}"
    return TraceStep(who, note, since, None, wait("Will be sent again", "replay"), "Again", answer=said)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _after_attempts(who: str, tries: Sequence[Row]) -> TraceStep | None:
    """A message that was ended by an attempt of its own: discarded by a person, declined, skipped, or delivered in the
    end."""
    last = {one["outcome"]: one for one in tries}
    if (one := last.get("given_up")) is not None:
        tone = quiet("Discarded by a person", "user")
        return TraceStep(who, one["detail"][:160], one["at"], None, tone, "Closed")
    if (one := last.get("confirmed")) is not None:
        by_word = one["detail"].startswith(BY_WORD)
        note, tone = one["detail"][:160] if by_word else "delivered after all", ok("Confirmed")
        tone = ok("Confirmed by a person", "user") if by_word else tone
        step = TraceStep(who, note, one["at"], None, tone, "Confirmed")
        step.reference, step.answer = one["reference"] or "", one["answer"] or ""
        return step
    if (one := last.get("declined")) is not None:
        note = one["detail"][:160] or "an answer of the vendor's business; it ends the message"
        step = TraceStep(who, note, one["at"], None, quiet("Declined by the vendor", "info"), "Declined")
        step.reference, step.answer = one["reference"] or "", one["answer"] or ""
        return step
    if (one := last.get("skipped")) is not None:
        return TraceStep(who, one["detail"][:160], one["at"], None, quiet("Skipped"), "Skipped")
    return None


def _by_date(who: str, target: Row, dates: DatedMessage | None) -> TraceStep | None:
    """A message that the target has passed because it is not in force there yet, or counts in another zone."""
    found = dates.at_target(target["target"], target["instance"]) if dates and target["skipped"] else None
    return TraceStep(who, found.note, target["at"], None, found.tone, found.tone.word) if found else None


def _batch_code(target: Row, position: int) -> str | None:
    """What became of a message in the batch that has passed it: the code of its position, or what the counts of the
    batch say where it has none."""
    if target["at"] is None:
        return None
    index, codes = position - target["first"], target["outcomes"]
    if codes is not None and index < len(codes):
        return str(codes[index])
    if target["superseded"]:
        return SUPERSEDED
    return SKIPPED if target["skipped"] and target["skipped"] == target["batch"] else None


def _in_batch(who: str, target: Row, tries: Sequence[Row], position: int) -> TraceStep | None:
    """A message that its batch has passed, with the answer to it where that was kept."""
    at, code = target["at"], _batch_code(target, position)
    if at is None:
        return None
    kept = next((one for one in reversed(tries) if one["outcome"] == "answered"), None)
    index, codes = position - target["first"], target["outcomes"]
    if code == SUPERSEDED:
        note = "a newer version of this key was in the same batch"
        return TraceStep(who, note, at, None, quiet("Superseded"), "Superseded")
    if code == SKIPPED:
        note = "the condition of the target excludes it"
        return TraceStep(who, note, at, None, quiet("Skipped (condition)"), "Skipped")
    if code == DECLINED:
        note = (kept and kept["detail"][:160]) or "an answer of the vendor's business; it ends the message"
        step = TraceStep(who, note, at, None, quiet("Declined by the vendor", "info"), "Declined")
        return _with_answer(step, kept)
    if code is None and codes is None and target["skipped"]:
        note = f"the target skipped {target['skipped']} of its batch of {target['batch']} by its condition"
        return TraceStep(who, note, at, None, ok("Passed"), "Passed")
    note = "written with its batch" if target["kind"] == "database" else "answered with its batch"
    step = TraceStep(who, note, at, None, ok("Confirmed"), "Confirmed")
    step.reference = _reference(target["refs"], codes, index)
    return _with_answer(step, kept)


def _with_answer(step: TraceStep, kept: Row | None) -> TraceStep:
    if kept is not None:
        step.reference, step.answer = step.reference or kept["reference"] or "", kept["answer"] or ""
    return step


def _reference(references: str | None, codes: str | None, index: int) -> str:
    """References stand in the order of the confirmed positions."""
    found = json.loads(references) if references else []
    place = index if codes is None else codes[:index].count(CONFIRMED)
    return str(found[place] or "")[:200] if place < len(found) else ""
