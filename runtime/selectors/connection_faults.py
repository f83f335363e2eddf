"""Connections at fault: of a vendor, of one of its targets alone, of a source; what waits for them, and what to do."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from catalog.selectors import systems, teams
from kernel import clock
from kernel.ui.tones import Tone, stop, wait
from kernel.ui.wording import counted, relative
from kernel.viewer import Viewer
from runtime.domain import connection_faults as words
from runtime.domain.connection_faults import FaultyConnection
from runtime.models import TargetSubscription, VendorState
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class ConnectionFaultRow:
    """One fault. `subscription` is set where one target alone has it, `run` where a source could not be read; then
    there is no vendor and nothing waits here. `question`: messages go on, and only those without an answer wait, for
    they are asked about in vain. `integrations` are those that the viewer may see; `owners` are the group
    ids of the teams that own them, or the system; `owner_names` the names of these teams."""

    vendor: int | None
    subscription: int | None
    run: int | None
    system_key: str
    instance: str
    environment: str
    kind: str
    detail: str
    since: datetime
    next_at: datetime | None
    probing: bool
    waiting: int
    integrations: tuple[str, ...]
    targets: tuple[str, ...]
    owners: tuple[int, ...]
    connection: FaultyConnection
    owner_names: tuple[str, ...] = ()
    question: bool = False

    @property
    def label(self) -> str:
        name = self.connection.system
        name = f"{name}, {self.instance}" if self.instance else name
        if self.run is not None:
            return f"{name} as a source"
        return f"{name}: {self.targets[0]}" if self.subscription is not None and self.targets else name

    @property
    def title(self) -> str:
        return words.title(self.kind, "" if self.run is not None else self.detail, question=self.question)

    @property
    def waiting_words(self) -> str:
        """ "14 messages wait"."""
        return f"{counted(self.waiting, 'message')} wait{'s' if self.waiting == 1 else ''}"

    @property
    def to_do(self) -> str:
        return words.to_do(self.kind, self.connection, question=self.question)

    @property
    def tone(self) -> Tone:
        if self.question:
            return wait("Fault of the question")
        return wait("One call tries") if self.probing else stop("Connection fault")

    @property
    def next_words(self) -> str:
        """When the next probe goes out: "in 4 min", "now"."""
        now = clock.now()
        if self.next_at is None or self.next_at <= now:
            return "with the next message" if not self.waiting else "now"
        return relative(self.next_at, since=now).replace("just now", "in a moment")

    @property
    def url(self) -> str:
        if self.run is not None:
            return reverse("runtime:run", args=[self.run])
        return reverse("runtime:vendor", args=[self.vendor])


_TARGETS = (
    """
with at_fault as (
       select id as vendor, null::bigint as subscription, fault, fault_detail, fault_since, open_until as next_at,
              probe_until > clock_timestamp() as probing, false as question
         from runtime_vendorstate
        where fault <> ''
        union all
       select vendor_id, id, fault, fault_detail, fault_since, held_until, false, false
         from runtime_subscription
        where fault_tries > 0
          and open
        union all
       select s.vendor_id, s.id, s.question_fault, s.question_fault_detail, s.question_fault_since,
              (select min(q.not_before)
                 from runtime_quarantine q
                where q.subscription_id = s.id
                  and q.state = 'sending'), false, true
         from runtime_subscription s
        where s.question_fault <> ''
          and exists (select
                        from runtime_quarantine q
                       where q.subscription_id = s.id
                         and q.state in ('sending', 'unknown')))
select f.vendor, f.subscription, null::bigint as run, v.system_key, v.instance, v.environment, f.fault as kind,
       f.fault_detail as detail, f.fault_since as since, f.next_at, f.probing, f.question, t.waiting,
       t.integrations, t.targets, t.owners
  from at_fault f
  join runtime_vendorstate v on v.id = f.vendor
 cross join lateral (
       select coalesce(sum(w.waiting), 0)::bigint as waiting,
              array_agg(distinct i.key) filter (where """
    + SEEN
    + """) as integrations,
              array_agg(distinct s.target) as targets, array_agg(distinct i.owner_team_id) as owners
         from runtime_subscription s
         join runtime_stream st on st.id = s.stream_id
         join runtime_integration i on i.id = st.integration_id
        cross join lateral (
              select case when f.question then 0 else
                     (select coalesce(sum(greatest(
                               least(l.next - 1, coalesce(p.upto, l.next - 1)) - p.position, 0)), 0)
                        from runtime_progress p
                        join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
                       where p.subscription_id = s.id)
                   + (select coalesce(sum(l.next - c.first), 0)
                        from runtime_lanechange c
                        join runtime_lane l on l.stream_id = s.stream_id
                       where c.id = s.lane_change) end
                   + (select count(*)
                        from runtime_quarantine q
                       where q.subscription_id = s.id
                         and (q.state in ('behind', 'sending') or (q.state = 'retry' and not f.question))) as waiting) w
        where s.vendor_id = f.vendor
          and (s.open or f.question)
          and (f.subscription is null or s.id = f.subscription)) t
 where (%(environment)s = '' or v.environment = %(environment)s)
   and (%(vendor)s::bigint is null or v.id = %(vendor)s)
   and (t.integrations is not null or v.system_key = any(%(owned)s))
   and (%(integration)s = '' or %(integration)s = any(t.integrations))
 order by f.fault_since"""
)

# The newest run that ended of each source: a success after a fault ends it. Runs from before they named their source
# count for each source of their stream.
_SOURCES = (
    """
select null::bigint as vendor, null::bigint as subscription, u.id as run, u.fault_system as system_key, '' as instance,
       st.environment, u.fault as kind, u.error as detail, u.ended_at as since, null::timestamptz as next_at,
       false as probing, 0::bigint as waiting, array[i.key] as integrations, '{}'::text[] as targets,
       array[i.owner_team_id] as owners
  from runtime_deployment d
  join runtime_stream st on st.integration_id = d.integration_id and st.environment = d.environment
  join runtime_integration i on i.id = d.integration_id
  join runtime_release r on r.id = d.release_id
 cross join lateral (select e ->> 'name' as name
                       from jsonb_array_elements(r.manifest -> 'sources') e
                      where e ? 'connection') s
 cross join lateral (select n.id, n.fault, n.fault_system, n.error, n.ended_at
                       from runtime_run n
                      where n.integration_id = i.id
                        and n.stream_id = st.id
                        and n.source in (s.name, '')
                        and n.kind = 'collect'
                        and n.state in ('succeeded', 'failed')
                      order by n.id desc
                      limit 1) u
 where d.active
   and u.fault <> ''
   and (%(environment)s = '' or st.environment = %(environment)s)
   and (%(integration)s = '' or i.key = %(integration)s)
   and ("""
    + SEEN
    + """ or u.fault_system = any(%(owned)s))
 order by u.ended_at"""
)


def of_targets(
    viewer: Viewer, environment: str = "", *, vendor: int | None = None, integration: str = ""
) -> list[ConnectionFaultRow]:
    """Faults at which messages wait, of vendors that integrations visible to the viewer call or that the viewer's team
    owns."""
    return _found(_TARGETS, viewer, {"environment": environment, "vendor": vendor, "integration": integration})


def of_sources(viewer: Viewer, environment: str = "", *, integration: str = "") -> list[ConnectionFaultRow]:
    """Sources whose last run could not read them for a fault of the connection."""
    found = _found(_SOURCES, viewer, {"environment": environment, "integration": integration})
    return list({one.run: one for one in found}.values())


def listed(viewer: Viewer, environment: str = "", *, integration: str = "") -> list[ConnectionFaultRow]:
    """Both, the oldest first."""
    found = of_targets(viewer, environment, integration=integration) + of_sources(
        viewer, environment, integration=integration
    )
    return sorted(found, key=lambda fault: fault.since)


def mine(viewer: Viewer) -> list[ConnectionFaultRow]:
    """Faults of systems and integrations that the viewer's teams own: what the inbox shows."""
    if not viewer.team_ids:
        return []
    return [fault for fault in listed(viewer) if not viewer.team_ids.isdisjoint(fault.owners)]


def owners_of(vendor: int, subscription: int | None) -> set[int]:
    """Group ids of the teams that own a vendor's system and the integrations that call it, or one target of it."""
    called = TargetSubscription.objects.filter(vendor_id=vendor, open=True)
    if subscription is not None:
        called = called.filter(pk=subscription)
    owners = set(called.values_list("stream__integration__owner_team_id", flat=True))
    key = VendorState.objects.filter(pk=vendor).values_list("system_key", flat=True).first()
    system = systems.by_key(key) if key else None
    if system is not None and system.owner_team_id is not None:
        owners.add(system.owner_team_id)
    return owners


def _found(statement: str, viewer: Viewer, chosen: dict[str, Any]) -> list[ConnectionFaultRow]:
    known = {system.key: system for system in systems.all_systems()}
    owned = [key for key, system in known.items() if system.owner_team_id in viewer.team_ids]
    endpoints = functools.cache(systems.endpoint)
    team_names = functools.cache(lambda: {team.id: team.name for team in teams.all_teams()})
    made = []
    for one in rows(statement, sight(viewer) | chosen | {"owned": owned}):
        name = known[one["system_key"]].name if one["system_key"] in known else one["system_key"]
        endpoint = endpoints(one["system_key"], one["environment"])
        where = FaultyConnection(
            name, one["environment"], endpoint.secret_ref if endpoint else "", endpoint.base_url if endpoint else ""
        )
        owner = known[one["system_key"]].owner_team_id if one["system_key"] in known else None
        one["owners"] = [*(one["owners"] or ()), *(() if owner is None else (owner,))]
        lists = {field: tuple(one[field] or ()) for field in ("integrations", "targets", "owners")}
        named = tuple(sorted({team_names()[owner] for owner in lists["owners"] if owner in team_names()}))
        made.append(ConnectionFaultRow(**(one | lists), connection=where, owner_names=named))
    return made
