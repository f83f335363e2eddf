"""Dead letters: messages that wait for a person, grouped by the reason.

Three kinds, one page. `parked`: a quarantined message that a target refused or whose outcome is unknown. `rejected`: a
message that failed its checks before it was stored. `conflict`: an immutable event received again with different data.
Beside them `asked`: a message without an answer, about which the target is asked; it waits for no person.
"""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from catalog.selectors import systems
from kernel.counts import MOST_COUNTED, CountedSoFar
from kernel.ui.tones import Tone, stop, wait
from kernel.ui.wording import counted
from kernel.viewer import Viewer
from runtime.domain.recovery import NOT_ASKABLE
from runtime.permissions import SEEN, sight
from runtime.selectors.flows import midnight
from runtime.selectors.sql_rows import row, rows

KINDS = ("parked", "rejected", "conflict")
QUARANTINED_KINDS = ("parked", "asked")
REASONS = {
    "mapping": "The mapping cannot be applied",
    "contract": "It does not match the contract",
    "refused": "The target refuses it",
    "unknown": "Unknown whether it arrived",
    "unanswered": "Asked about: no answer that can be trusted yet",
    "unsettled": "Asked about: the target may still act on it",
    "accepted": "The target has taken it and not decided yet",
    "question": "The question about it is wrong",
    "recovery": "The target may have it from before the database went back",
    "forgotten": "The target may have it and has forgotten its key",
    "differs": "The target has another document under its name",
    "poison": "It ends the worker that tries it",
    "attempts": "Too many attempts",
    "conflict": "Received again with different data",
    "closed": "The deployed release has no such target",
}


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """Dead letters with the same reason. `target` is empty for messages that were rejected before storing.
    `person_decides`: some may have arrived, and their target cannot be asked about them."""

    kind: str
    stream: int
    integration: str
    title: str
    team: str
    owner_team_id: int
    target: str
    system: str
    fingerprint: str
    reason_class: str
    reason: str
    count: int
    waiting_behind: int
    instances: tuple[str, ...]
    oldest_at: datetime
    unknown: bool
    person_decides: bool = False

    @property
    def key(self) -> str:
        """Names the group in the address: `parked.12.erp.3e91…`."""
        return ".".join((self.kind, str(self.stream), self.target or "-", self.fingerprint))

    @property
    def heading(self) -> str:
        return headline(_PLACE.sub("[]", self.reason)) or REASONS.get(self.reason_class, "Stopped")

    @property
    def where(self) -> str:
        """ "sales · refused by S/4HANA Cloud · stores 0187, 0422" """
        verb = {
            "refused": "refused by",
            "unknown": "unknown at",
            "forgotten": "unknown at",
            "differs": "something else at",
            "mapping": "not mappable for",
            "contract": "against the contract of",
        }
        parts = [self.integration]
        if self.kind == "asked":
            parts.append(f"asked about at {self.system}")
        elif self.kind == "parked":
            parts.append(f"{verb.get(self.reason_class, 'stopped at')} {self.system}")
        else:
            parts.append("rejected before storing" if self.kind == "rejected" else "the first version is kept")
        if self.instances:
            shown = ", ".join(self.instances[:3])
            parts.append(
                f"stores {shown}" + (f" and {len(self.instances) - 3} more" if len(self.instances) > 3 else "")
            )
        return " · ".join(parts)

    @property
    def tone(self) -> Tone:
        word = counted(self.count, "message")
        return stop(word, "dead") if self.kind in ("parked", "rejected") else wait(word, "dead")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that waits. `place` is its address within its kind: `subscription/lane/position`, or a row's id."""

    kind: str
    place: str
    key: str
    reason: str
    reason_class: str
    since: datetime
    attempts: int
    instance: str
    state: str

    @property
    def url(self) -> str:
        """The page of this message."""
        if self.kind in QUARANTINED_KINDS:
            return reverse("runtime:dead-letter", args=[int(part) for part in self.place.split("/")])
        return reverse(f"runtime:{self.kind}", args=[int(self.place)])


_PLACE = re.compile(r"\[\d+\]")  # of a list in one message; the others of the group stopped elsewhere in theirs


def headline(reason: str) -> str:
    """The first sentence, short enough for a heading."""
    first = reason.strip().splitlines()[0] if reason.strip() else ""
    first = first.split(". ")[0].rstrip(".")
    return (first[:1].upper() + first[1:])[:110] + ("…" if len(first) > 110 else "")


# A question at fault is shown at once, every other one when it has had a minute to be answered.
_ASKED = """p.state = 'sending'
   and p.reason_class <> ''
   and (p.reason_class = 'question' or p.first_seen_at < clock_timestamp() - interval '1 minute')"""
_QUARANTINED = (
    """
select %(kind)s::text as kind, st.id as stream, i.key as integration, i.title, g.name as team, i.owner_team_id,
       s.target, min(v.system_key) as system, p.fingerprint, min(p.reason_class) as reason_class,
       (array_agg(p.reason order by p.first_seen_at))[1] as reason, count(*) as count,
       coalesce(array_agg(distinct s.instance) filter (where s.instance <> ''), '{}') as instances,
       min(p.first_seen_at) as oldest_at, bool_or(p.state = 'unknown') as unknown
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
  join auth_group g on g.id = i.owner_team_id
  join runtime_vendorstate v on v.id = s.vendor_id
 where {waiting}
   and st.environment = %(environment)s
   and (%(integration)s = '' or i.key = %(integration)s)
   and """
    + SEEN
    + """
 group by st.id, i.key, i.title, g.name, i.owner_team_id, s.target, p.fingerprint"""
)

# Of each target the fingerprints are found one after the other in their index, and of each only so many messages are
# looked at: what it costs is bounded by what is shown.
_DEAD = (
    """
select 'parked' as kind, st.id as stream, i.key as integration, i.title, g.name as team, i.owner_team_id, s.target,
       min(v.system_key) as system, f.fingerprint, min(c.reason_class) as reason_class,
       (array_agg(c.reason order by c.oldest_at))[1] as reason, sum(least(c.count, %(most)s - 1))::bigint as count,
       bool_or(c.count >= %(most)s) as more,
       coalesce(array_agg(distinct s.instance) filter (where s.instance <> ''), '{}') as instances,
       min(c.oldest_at) as oldest_at, bool_or(c.unknown) as unknown,
       bool_or(c.unknown and (c.not_askable or s.idempotency = 'U')) as person_decides
  from runtime_subscription s
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
  join auth_group g on g.id = i.owner_team_id
  join runtime_vendorstate v on v.id = s.vendor_id
 cross join lateral (
       with recursive found as (
              (select p.fingerprint
                 from runtime_quarantine p
                where p.subscription_id = s.id
                  and p.state in ('dead', 'unknown')
                order by p.fingerprint
                limit 1)
               union all
              select (select p.fingerprint
                        from runtime_quarantine p
                       where p.subscription_id = s.id
                         and p.state in ('dead', 'unknown')
                         and p.fingerprint > found.fingerprint
                       order by p.fingerprint
                       limit 1)
                from found
               where found.fingerprint is not null)
       select fingerprint from found where fingerprint is not null) f
 cross join lateral (
       select count(*) as count, min(few.reason_class) as reason_class, min(few.first_seen_at) as oldest_at,
              (array_agg(few.reason order by few.first_seen_at))[1] as reason,
              bool_or(few.state = 'unknown') as unknown,
              bool_or(few.state = 'unknown' and few.reason_class = any(%(not_askable)s)) as not_askable
         from (select p.reason_class, p.reason, p.first_seen_at, p.state
                 from runtime_quarantine p
                where p.subscription_id = s.id
                  and p.fingerprint = f.fingerprint
                  and p.state in ('dead', 'unknown')
                limit %(most)s) few) c
 where st.environment = %(environment)s
   and (%(integration)s = '' or i.key = %(integration)s)
   and """
    + SEEN
    + """
 group by st.id, i.key, i.title, g.name, i.owner_team_id, s.target, f.fingerprint"""
)
_REJECTED = (
    """
select 'rejected' as kind, st.id as stream, i.key as integration, i.title, g.name as team, i.owner_team_id,
       '' as target, '' as system, p.fingerprint, min(p.reason_class) as reason_class,
       (array_agg(p.reason order by p.at))[1] as reason, count(*) as count, '{}'::text[] as instances,
       min(p.at) as oldest_at, false as unknown
  from runtime_rejected p
  join runtime_stream st on st.id = p.stream_id
  join runtime_integration i on i.id = st.integration_id
  join auth_group g on g.id = i.owner_team_id
 where p.state = 'open'
   and st.environment = %(environment)s
   and (%(integration)s = '' or i.key = %(integration)s)
   and """
    + SEEN
    + """
 group by st.id, i.key, i.title, g.name, i.owner_team_id, p.fingerprint"""
)

_CONFLICTS = (
    """
select 'conflict' as kind, st.id as stream, i.key as integration, i.title, g.name as team, i.owner_team_id,
       '' as target, '' as system, 'conflict' as fingerprint, 'conflict' as reason_class, '' as reason,
       count(*) as count, '{}'::text[] as instances, min(p.at) as oldest_at, false as unknown
  from runtime_conflict p
  join runtime_stream st on st.id = p.stream_id
  join runtime_integration i on i.id = st.integration_id
  join auth_group g on g.id = i.owner_team_id
 where p.state = 'open'
   and st.environment = %(environment)s
   and (%(integration)s = '' or i.key = %(integration)s)
   and """
    + SEEN
    + """
 group by st.id, i.key, i.title, g.name, i.owner_team_id"""
)

_BEHIND = """
select s.stream_id as stream, s.target, sum(c.count)::bigint as count, bool_or(c.count > %(most)s) as more
  from runtime_subscription s
 cross join lateral (
       select count(*) as count
         from (select
                 from runtime_quarantine p
                where p.subscription_id = s.id
                  and p.state = 'behind'
                limit %(most)s + 1) few) c
 where s.stream_id = any(%(streams)s)
   and c.count > 0
 group by 1, 2"""


def asked_groups(viewer: Viewer, environment: str, *, integration: str = "") -> list[DeadLetterGroup]:
    """Messages that are asked about for more than a moment: they wait for no person, who may act on them, though."""
    chosen = sight(viewer) | {"environment": environment, "integration": integration, "kind": "asked"}
    return _made(rows(_QUARANTINED.replace("{waiting}", _ASKED), chosen))


def groups(viewer: Viewer, environment: str, *, integration: str = "") -> list[DeadLetterGroup]:
    """The oldest group first, because it has waited longest. Four queries. Of each target and kind of error at most
    MOST_COUNTED messages are counted; where there are more, the count is an CountedSoFar."""
    chosen = sight(viewer) | {"environment": environment, "integration": integration, "most": MOST_COUNTED + 1}
    dead = rows(_DEAD, chosen | {"not_askable": NOT_ASKABLE})
    for one in dead:
        one["count"] = CountedSoFar(one["count"]) if one.pop("more") else one["count"]
    return _made([*dead, *(row for statement in (_REJECTED, _CONFLICTS) for row in rows(statement, chosen))])


def _made(found: list[dict[str, Any]]) -> list[DeadLetterGroup]:
    if not found:
        return []
    streams = sorted({row["stream"] for row in found if row["kind"] in QUARANTINED_KINDS})
    waiting = rows(_BEHIND, {"streams": streams, "most": MOST_COUNTED}) if streams else []
    behind = {(r["stream"], r["target"]): CountedSoFar(r["count"] - 1) if r["more"] else r["count"] for r in waiting}
    names = {s.key: s.name for s in systems.all_systems()}
    made = [
        DeadLetterGroup(
            **(row | {"system": names.get(row["system"], row["system"]), "instances": tuple(row["instances"])}),
            waiting_behind=behind.get((row["stream"], row["target"]), 0),
        )
        for row in found
    ]
    return sorted(made, key=lambda group: group.oldest_at)


def group_of(found: Sequence[DeadLetterGroup], key: str) -> DeadLetterGroup | None:
    return next((group for group in found if group.key == key), None)


_OF_GROUP = {
    "parked": """
select %(kind)s::text as kind, concat_ws('/', p.subscription_id, p.lane, p.position) as place, p.key, p.reason,
       p.reason_class, p.first_seen_at as since, p.attempt as attempts, s.instance, p.state
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
 where s.stream_id = %(stream)s
   and s.target = %(target)s
   and p.fingerprint = %(fingerprint)s
   and p.state = any(%(states)s)
 order by p.first_seen_at, p.subscription_id, p.lane, p.position
 limit %(limit)s""",
    "rejected": """
select 'rejected' as kind, id::text as place, key, reason, reason_class, at as since, seen as attempts,
       '' as instance, state
  from runtime_rejected
 where stream_id = %(stream)s
   and fingerprint = %(fingerprint)s
   and state = 'open'
 order by at, id
 limit %(limit)s""",
    "conflict": """
select 'conflict' as kind, id::text as place, key, '' as reason, 'conflict' as reason_class, at as since,
       seen as attempts, '' as instance, state
  from runtime_conflict
 where stream_id = %(stream)s
   and state = 'open'
 order by at, id
 limit %(limit)s""",
}


def of_group(group: DeadLetterGroup, *, limit: int = 50) -> list[DeadLetter]:
    """The oldest messages of a group that `groups` returned."""
    chosen = {"stream": group.stream, "target": group.target, "fingerprint": group.fingerprint, "limit": limit}
    chosen |= {"states": _states(group), "kind": group.kind}
    return [DeadLetter(**one) for one in rows(_OF_GROUP["parked" if group.kind == "asked" else group.kind], chosen)]


def _states(group: DeadLetterGroup) -> list[str]:
    return ["sending"] if group.kind == "asked" else ["dead", "unknown"]


def _count_of(what: str, waits: str) -> str:
    """Rows that wait for a person, counted up to `most`."""
    return f"""
select count(*) as number
  from (select
          from {what}
          join runtime_integration i on i.id = st.integration_id
         where {waits}
           and {SEEN}
         limit %(most)s) few"""


_COUNT = " union all ".join(
    (
        _count_of(
            "runtime_quarantine p join runtime_subscription s on s.id = p.subscription_id "
            "join runtime_stream st on st.id = s.stream_id",
            "p.state in ('dead', 'unknown')",
        ),
        _count_of("runtime_rejected p join runtime_stream st on st.id = p.stream_id", "p.state = 'open'"),
        _count_of("runtime_conflict p join runtime_stream st on st.id = p.stream_id", "p.state = 'open'"),
    )
)


def count_all(viewer: Viewer) -> int:
    """The number of dead letters in all environments, for the navigation: CountedSoFar where one kind has more than it
    counts."""
    found = [row["number"] for row in rows(_COUNT, sight(viewer) | {"most": MOST_COUNTED + 1})]
    number = sum(min(one, MOST_COUNTED) for one in found)
    return CountedSoFar(number) if max(found) > MOST_COUNTED else number


_SETTLED = (
    """
select (select count(*)
          from runtime_stream st
          join runtime_integration i on i.id = st.integration_id
         cross join lateral (select
                               from runtime_rejected r
                              where r.stream_id = st.id
                                and r.decided_at >= %(since)s) p
         where st.environment = %(environment)s
           and """
    + SEEN
    + """)
     + (select count(*)
          from runtime_stream st
          join runtime_integration i on i.id = st.integration_id
         cross join lateral (select
                               from runtime_conflict r
                              where r.stream_id = st.id
                                and r.decided_at >= %(since)s) p
         where st.environment = %(environment)s
           and """
    + SEEN
    + """)
     + (select count(*)
          from runtime_attempt t
          join runtime_subscription s on s.id = t.subscription_id
          join runtime_stream st on st.id = s.stream_id
          join runtime_integration i on i.id = st.integration_id
         where t.at >= %(since)s
           and t.outcome in ('confirmed', 'given_up')
           and t.first = t.last
           and st.environment = %(environment)s
           and """
    + SEEN
    + """) as settled"""
)


def settled_today(viewer: Viewer, environment: str) -> int:
    """The number of dead letters decided, delivered or discarded since local midnight."""
    found = row(_SETTLED, sight(viewer) | {"environment": environment, "since": midnight()})
    return int(found["settled"]) if found else 0


def subscriptions(group: DeadLetterGroup) -> list[int]:
    """The targets (each store of a fleet is one) with messages of a group of kind `parked` or `asked`."""
    chosen = {"stream": group.stream, "target": group.target, "fingerprint": group.fingerprint}
    chosen |= {"states": _states(group)}
    return [one["id"] for one in rows(_SUBSCRIPTIONS, chosen)]


_SUBSCRIPTIONS = """
select distinct s.id
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
 where s.stream_id = %(stream)s
   and s.target = %(target)s
   and p.fingerprint = %(fingerprint)s
   and p.state = any(%(states)s)
 order by s.id"""
