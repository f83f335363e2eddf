"""Replays as their pages show them: what was selected, what a dry run found, how far the delivery has got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.selectors import systems
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.viewer import Viewer
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class ReplayPass:
    """Result of a pass over the selected positions: a dry run or the delivery. All counts are messages of the log.

    `skipped`: by the target's condition, by the key bounds, quarantined at the target itself, or older than the key's
    latest state.
    """

    subscription: int
    total: int
    passed: int
    confirmed: int
    superseded: int
    skipped: int
    refused: int
    person: int
    retrying: int
    open: bool
    last_at: datetime | None

    @property
    def percent(self) -> int:
        return int(100 * self.passed / self.total) if self.total else 100

    @property
    def done(self) -> bool:
        return self.passed >= self.total and not self.retrying


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One plan with both of its passes. `messages` counts what was selected when it was planned."""

    id: int
    state: str
    integration: str
    title: str
    owner_team_id: int
    environment: str
    target_id: int
    target: str
    instance: str
    system: str
    idempotency: str
    since: datetime
    until: datetime
    key_from: str
    key_to: str
    messages: int
    pace: float | None
    digest: str
    reason: str
    planned_at: datetime
    planned_by: str
    started_at: datetime | None
    started_by: str
    ended_at: datetime | None
    approval_id: int | None
    change_id: int | None
    trial: ReplayPass | None
    delivery: ReplayPass | None

    @property
    def live(self) -> bool:
        """Whether something still changes without a person."""
        moving = self.state == "running" and self.delivery is not None and not self.delivery.done
        trying = self.state == "planned" and self.trial is not None and not self.trial.done
        return moving or trying

    @property
    def subject(self) -> str:
        """The subject of a change about it: `sales/journal@sha256:…`."""
        return "/".join(filter(None, (self.integration, self.target, self.instance))) + f"@{self.digest}"

    @property
    def keys(self) -> str:
        if not (self.key_from or self.key_to):
            return "all keys"
        if self.key_from == self.key_to:
            return f"keys that begin with {self.key_from}"
        bounds = (f"from {self.key_from}" if self.key_from else "", f"up to {self.key_to}" if self.key_to else "")
        return f"keys {' '.join(filter(None, bounds))}"

    @property
    def tone(self) -> Tone:
        if self.state == "cancelled":
            return quiet("Cancelled")
        if self.state == "done":
            return ok("Done")
        if self.state == "planned":
            return wait("Planned", "calendar")
        if self.delivery is not None and self.delivery.person:
            return wait(f"{self.delivery.person:,} with a person", "user")
        if self.delivery is not None and self.delivery.done:
            return ok("All sent")
        return Tone("accent", "Running", "pulse")

    @property
    def trial_tone(self) -> Tone:
        if self.trial is None:
            return quiet("Not tried")
        if not self.trial.done:
            return Tone("accent", "Trying", "pulse") if self.trial.open else quiet("Set aside")
        return stop(f"{self.trial.refused:,} cannot be mapped") if self.trial.refused else ok("All can be mapped")


_REPLAYS = (
    """
select r.id, r.state, i.key as integration, i.title, i.owner_team_id, st.environment, s.id as target_id, s.target,
       s.instance, v.system_key as system, s.idempotency, r.since, r.until, r.key_from, r.key_to, r.messages, r.pace,
       r.digest, r.reason, r.planned_at, coalesce(p.username, 'system') as planned_by, r.started_at,
       coalesce(b.username, 'system') as started_by, r.ended_at, r.approval_id, a.change_id, r.trial_id,
       r.subscription_id
  from runtime_replay r
  join runtime_subscription s on s.id = r.target_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
  join runtime_vendorstate v on v.id = s.vendor_id
  left join kernel_user p on p.id = r.planned_by_id
  left join kernel_user b on b.id = r.started_by_id
  left join governance_approval a on a.id = r.approval_id
 where (%(id)s::bigint is null or r.id = %(id)s)
   and (%(environment)s = '' or st.environment = %(environment)s)
   and """
    + SEEN
    + """
 order by r.id desc
 limit %(limit)s"""
)

_PASSES = """
with subs as (select id, open, stream_id from runtime_subscription where id = any(%(ids)s)),
     first as (
       select s.id, p.lane, p.position, p.upto,
              (select r.spans -> p.lane::text
                 from runtime_replay r
                where r.subscription_id = s.id
                   or r.trial_id = s.id) as span
         from subs s
         join runtime_progress p on p.subscription_id = s.id),
     far as (
       select id, sum(upto - (span ->> 0)::bigint + 1)::bigint as total,
              sum(position - (span ->> 0)::bigint + 1)::bigint as passed
         from first
        group by id),
     done as (
       select d.subscription_id as id, sum(d.confirmed)::bigint as confirmed, sum(d.superseded)::bigint as superseded,
              sum(d.skipped)::bigint as skipped, sum(d.refused)::bigint as refused, max(d.at) as last_at
         from runtime_delivery d
        where d.subscription_id = any(%(ids)s)
        group by 1),
     later as (
       select subscription_id as id, count(*) as confirmed
         from runtime_attempt
        where subscription_id = any(%(ids)s)
          and outcome = 'confirmed'
          and first = last
        group by 1),
     held as (
       select q.subscription_id as id, count(*) filter (where q.state in ('dead', 'unknown')) as person,
              count(*) filter (where q.state not in ('dead', 'unknown')) as retrying
         from runtime_quarantine q
        where q.subscription_id = any(%(ids)s)
        group by 1)
select s.id as subscription, f.total, f.passed, coalesce(d.confirmed, 0) + coalesce(l.confirmed, 0) as confirmed,
       coalesce(d.superseded, 0) as superseded, coalesce(d.skipped, 0) as skipped, coalesce(d.refused, 0) as refused,
       coalesce(h.person, 0) as person, coalesce(h.retrying, 0) as retrying, s.open, d.last_at
  from subs s
  join far f using (id)
  left join done d using (id)
  left join later l using (id)
  left join held h using (id)"""


def listed(viewer: Viewer, environment: str, *, limit: int = 100) -> list[ReplayRow]:
    """Newest first, of integrations that the viewer may see, in three queries."""
    return _made(rows(_REPLAYS, sight(viewer) | {"environment": environment, "id": None, "limit": limit}))


def one(viewer: Viewer, replay_id: int) -> ReplayRow | None:
    """None when there is none or the viewer may not see it."""
    if replay_id >= 2**63:
        return None
    return next(iter(_made(rows(_REPLAYS, sight(viewer) | {"environment": "", "id": replay_id, "limit": 1}))), None)


def by_digest(viewer: Viewer, digest: str) -> ReplayRow | None:
    """The plan that a change is about."""
    found = rows("select id from runtime_replay where digest = %(digest)s", {"digest": digest})
    return one(viewer, found[0]["id"]) if found else None


def _made(found: list[dict[str, Any]]) -> list[ReplayRow]:
    ids = [number for row in found for number in (row["trial_id"], row["subscription_id"]) if number is not None]
    passes = {row["subscription"]: ReplayPass(**row) for row in rows(_PASSES, {"ids": ids})} if ids else {}
    names = {s.key: s.name for s in systems.all_systems()} if found else {}
    made = []
    for row in found:
        trial, delivery = passes.get(row.pop("trial_id")), passes.get(row.pop("subscription_id"))
        made.append(
            ReplayRow(**(row | {"system": names.get(row["system"], row["system"])}), trial=trial, delivery=delivery)
        )
    return made


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """A target of a replay. `instances`: the stores of a fleet, empty for a single target."""

    integration: str
    title: str
    target: str
    system: str
    subscriptions: dict[str, int]

    @property
    def key(self) -> str:
        return f"{self.integration}/{self.target}"

    @property
    def label(self) -> str:
        count = f", {len(self.subscriptions)} stores" if self.fleet else ""
        return f"{self.title}: {self.target} ({self.system}{count})"

    @property
    def fleet(self) -> bool:
        return "" not in self.subscriptions


_CHOICES = (
    """
select i.key as integration, i.title, s.target, v.system_key as system, s.instance, s.id
  from runtime_subscription s
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
  join runtime_vendorstate v on v.id = s.vendor_id
 where s.replay_of_id is null
   and s.open
   and st.environment = %(environment)s
   and """
    + SEEN
    + """
 order by i.title, s.target, s.instance"""
)


def choices(viewer: Viewer, environment: str) -> list[ReplayTarget]:
    """Targets of integrations that the viewer may see, in one query and one for the names."""
    names = {s.key: s.name for s in systems.all_systems()}
    made: dict[tuple[str, str], ReplayTarget] = {}
    for row in rows(_CHOICES, sight(viewer) | {"environment": environment}):
        chosen = made.setdefault(
            (row["integration"], row["target"]),
            ReplayTarget(row["integration"], row["title"], row["target"], names.get(row["system"], row["system"]), {}),
        )
        chosen.subscriptions[row["instance"]] = row["id"]
    return list(made.values())
