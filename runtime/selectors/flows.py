"""The business view of the runtime: one flow per target of each deployed integration, summed up in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from catalog.selectors import systems, tiers
from kernel import clock
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.ui.wording import duration, number
from kernel.viewer import SYSTEM, Viewer
from runtime.domain import degraded
from runtime.domain.degraded import OperatingState, Undelivered
from runtime.permissions import SEEN, sight
from runtime.selectors import backlog, gates, source_looks
from runtime.selectors.backlog import Backlog
from runtime.selectors.gates import GateState
from runtime.selectors.source_looks import SourceState
from runtime.selectors.sql_rows import rows

SOURCE_NOT_READ = "Source not read"


@dataclass(slots=True)
class Flow:
    """Messages from one system to another.

    `delivered` and `hours` count confirmed ones since local midnight, by hour.
    """

    key: str
    integration: str
    title: str
    target: str
    environment: str
    team: str
    source_system: str
    target_system: str
    verb: str
    tier: int
    max_staleness_s: int | None
    degraded_mode: str | None = None
    delivered: int = 0
    hours: list[int] = field(default_factory=list)
    fleet: bool = False
    gates: list[GateState] = field(default_factory=list)
    instances: list[tuple[str, Backlog, GateState | None]] = field(default_factory=list)
    backlog: Backlog = field(default_factory=Backlog)
    not_stored: int = 0
    not_stored_since: datetime | None = None
    paused: bool = False
    source: SourceState = field(default_factory=SourceState)
    stream: int = 0

    @property
    def url(self) -> str:
        return reverse("runtime:integration", args=[self.integration])

    @property
    def for_person(self) -> int:
        """Messages that wait for a person: dead letters, unknown outcomes, rejected messages and conflicts."""
        return self.backlog.for_person + self.not_stored

    @property
    def person_since(self) -> datetime | None:
        return min(filter(None, (self.backlog.person_since, self.not_stored_since)), default=None)

    @property
    def lag(self) -> timedelta:
        """Age of the oldest message that waits to be delivered; zero when nothing waits."""
        if self.backlog.oldest_at is not None:
            return max(clock.now() - self.backlog.oldest_at, timedelta(0))
        return timedelta(0)

    @property
    def allowed(self) -> timedelta | None:
        """The greatest age that the tier allows; None where it states none."""
        return None if self.max_staleness_s is None else timedelta(seconds=self.max_staleness_s)

    @property
    def late(self) -> bool:
        return self.unread or (self.allowed is not None and self.lag > self.allowed)

    @property
    def unread(self) -> bool:
        """The source was not looked at successfully within the age that the tier allows."""
        return degraded.is_unread(self.source.look, self.allowed, clock.now())

    @property
    def source_says(self) -> str:
        """Since when the source was not read, and why; empty while it is read in time."""
        if not self.unread:
            return ""
        looked = self.source.look.looked_at
        word = "read" if self.source.expect_every is None else "heard of"
        since = f"source not {word} for {duration(clock.now() - looked)}" if looked else f"source never {word}"
        return since + (f": {self.source.failing[:120].rstrip('.')}" if self.source.failing else "")

    @property
    def stopped_by_people(self) -> bool:
        """Every instance of the target has a gate that people keep closed."""
        return bool(self.gates) and not any(gate.permitted for gate in self.gates)

    @property
    def unavailable(self) -> bool:
        """No instance of the target accepts calls now, although people permit delivery."""
        return bool(self.gates) and not self.stopped_by_people and not any(gate.open for gate in self.gates)

    @property
    def waits_for_people(self) -> bool:
        """Somebody has to look: no call gets through, people stopped it, or its source is not read in time."""
        return self.unavailable or self.stopped_by_people or self.paused or self.unread

    @property
    def first_closed_gate(self) -> tuple[GateState, str] | None:
        """The first gate of this flow that is not open, with its instance."""
        closed = ((gate, instance) for instance, _, gate in self.instances if gate is not None and not gate.open)
        return next(closed, None)

    def operating_state(self, mine: Backlog, gate: GateState | None) -> OperatingState:
        """The state of one instance of the target, and what its store may do."""
        return degraded.operating_state(
            permitted=gate is None or gate.permitted,
            takes_calls=gate is None or gate.open,
            source=self.source.look,
            lacks=Undelivered(mine.lacks_since, mine.lacks_for_person),
            ever_delivered=mine.last_delivery_at is not None,
            allowed=self.allowed,
            declared=self.degraded_mode,
            at=clock.now(),
        )

    @property
    def degraded_words(self) -> str:
        """ "Degraded: queue only" or "Degraded in 2 of 600 stores: queue only"; empty while all is normal."""
        found = [one for _, mine, gate in self.instances if (one := self.operating_state(mine, gate)).degraded]
        if not found:
            return ""
        where = f" in {number(len(found))} of {number(len(self.instances))} stores" if self.fleet else ""
        return f"Degraded{where}: {found[0].label.lower()}"

    @property
    def instances_behind(self) -> int:
        """Instances that lack a message, whose target system takes no calls, or whose source is not read in time."""
        if self.unread:
            return len(self.instances)
        return sum(1 for _, mine, gate in self.instances if mine.waiting or mine.retrying or (gate and not gate.open))

    @property
    def tone(self) -> Tone:
        if self.paused:
            return wait("Paused", "pause")
        if self.stopped_by_people:
            return stop("Stopped")
        if self.unavailable:
            return stop("Held") if self.backlog.waiting or self.backlog.retrying else wait("No answer", "alert")
        if self.for_person:
            return wait(f"{number(self.for_person)} wait{'s' if self.for_person == 1 else ''}", "user")
        if self.unread:
            return wait(SOURCE_NOT_READ if self.source.expect_every is None else "Source silent", "alert")
        if self.late:
            return wait(f"{duration(self.lag)} behind")
        if self.fleet and self.instances_behind and any(gate and not gate.open for _, _, gate in self.instances):
            return wait(f"{number(self.instances_behind)} behind", "alert")
        return ok("Flowing")

    @property
    def headline(self) -> str:
        if self.fleet:
            fine = len(self.instances) - self.instances_behind
            return f"{number(fine)} of {number(len(self.instances))} stores"
        return f"{number(self.delivered)} {self.verb}"

    @property
    def details(self) -> str:
        """The rest of the sentence after the headline."""
        parts: list[str] = []
        held = self.backlog.on_the_way
        if self.fleet:
            parts.append(f"{self._up_to_date}; {number(self.delivered)} {self.verb} today")
        if self.paused or self.stopped_by_people or self.unavailable:
            unmet = next((c for gate in self.gates for c in gate.unmet), None)
            parts.append(f"{number(held)} held safely" + (f": {unmet.says.rstrip('.')}" if unmet else ""))
        elif self.for_person:
            since = self.person_since
            oldest = f", oldest {duration(clock.now() - since)}" if since else ""
            parts.append(f"{_messages_wait(self.for_person)} for a person{oldest}")
        elif not self.fleet:
            parts.append(f"today, {number(held)} on the way" if held else "today, nothing waits")
        if self.source.held:
            states = "1 state is" if self.source.held == 1 else f"{number(self.source.held)} states are"
            parts.append(f"{states} held until a date, next {gates.at(self.source.held_until)}")
        if self.source_says:
            parts.append(self.source_says)
        return "; ".join(parts)

    @property
    def _up_to_date(self) -> str:
        """What may be said of the stores that lack nothing: up to date only where somebody looks at the source."""
        oldest = f", oldest {duration(self.lag)} behind" if self.backlog.waiting else ""
        if self.source.look.can_look:
            return "up to date" + oldest
        last = self.source.look.last_message
        heard = f"last message {duration(clock.now() - last)} ago" if last else "no message yet"
        return f"have all that came{oldest}, {heard}"

    @property
    def why_it_stopped(self) -> str:
        """For people who look at what stands: the source first, where that is the reason."""
        says = self.source_says
        return f"{says[0].upper()}{says[1:]}" if says and not self.stopped_by_people else self.details

    @property
    def sentence(self) -> str:
        """ "Sales to ERP: 12,041 posted today; 3 messages wait for a person, oldest 12 min" """
        rest = self.details.removeprefix("today, ")
        return f"{self.title}: {self.headline} {rest}" if self.fleet else f"{self.title}: {self.headline} today, {rest}"

    @property
    def chart_label(self) -> str:
        """The chart of the hours as text, for people who cannot see it."""
        busiest = max(range(len(self.hours)), key=self.hours.__getitem__, default=None)
        if busiest is None or not self.delivered:
            return f"{self.title}: nothing {self.verb} yet today"
        most = f"most in the hour from {busiest:02d}:00, {number(self.hours[busiest])}"
        return f"{self.title}, {self.verb} per hour today; {most}"


def _messages_wait(count: int) -> str:
    return "1 message waits" if count == 1 else f"{number(count)} messages wait"


_FLOWS = (
    """
select i.key as integration, i.title, g.name as team, d.environment, d.paused, r.tier,
       s.id as subscription, s.target, s.instance, v.system_key as target_system,
       r.id as release, st.id as stream, r.manifest ->> 'degraded_mode' as degraded_mode,
       r.manifest #>> '{sources,0,name}' as first_source
  from runtime_integration i
  join auth_group g on g.id = i.owner_team_id
  join runtime_deployment d on d.integration_id = i.id and d.environment = %(environment)s and d.active
  join runtime_stream st on st.integration_id = d.integration_id and st.environment = d.environment
  join runtime_release r on r.id = d.release_id
  join runtime_subscription s on s.stream_id = st.id and s.open and s.replay_of_id is null
  join runtime_vendorstate v on v.id = s.vendor_id
 where """
    + SEEN
    + """
 order by i.key, s.target, s.instance"""
)

_TARGETS = """
select w.release_id as release, w.target,
       min(w.source_system) as source_system,
       bool_or(w.kind = 'command') as commands,
       (select count(distinct o.target) from runtime_entitywrite o where o.release_id = w.release_id) as siblings,
       (select t ->> 'source'
          from runtime_release r
         cross join jsonb_array_elements(r.manifest -> 'targets') t
         where r.id = w.release_id and t ->> 'name' = w.target
         limit 1) as source
  from runtime_entitywrite w
 where w.release_id = any(%(releases)s)
 group by w.release_id, w.target"""

_DELIVERED = """
select subscription, hour, sum(confirmed)::bigint as confirmed
  from (select subscription_id as subscription, extract(epoch from at - %(since)s)::int / 3600 as hour, confirmed
          from runtime_delivery
         where at >= %(since)s and subscription_id = any(%(ids)s)
         union all
        select subscription_id, extract(epoch from at - %(since)s)::int / 3600, 1
          from runtime_attempt
         where at >= %(since)s and subscription_id = any(%(ids)s) and outcome = 'confirmed') done
 group by subscription, hour"""

_NOT_STORED = """
select stream_id as stream, count(*) as count, min(at) as since
  from (select stream_id, at from runtime_rejected where state = 'open' and stream_id = any(%(streams)s)
         union all
        select stream_id, at from runtime_conflict where state = 'open' and stream_id = any(%(streams)s)) o
 group by stream_id"""


def midnight() -> datetime:
    """The beginning of today in the display zone."""
    return timezone.localtime(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)


def today(viewer: Viewer, environment: str) -> list[Flow]:
    """The flows that the viewer may see, with those that need attention first.

    Eleven queries, regardless of the number of flows.
    """
    found = rows(_FLOWS, sight(viewer) | {"environment": environment})
    if not found:
        return []
    flows = _assembled(found)
    _distinguish(flows.values())
    _count_today(flows, found, [row["subscription"] for row in found])
    _count_not_stored(flows, found)
    return sorted(flows.values(), key=lambda flow: (_ORDER[flow.tone.tone], flow.title))


def standing(environment: str) -> list[Flow]:
    """All flows of an environment as they stand, without what they did today: nothing here grows with the day."""
    found = rows(_FLOWS, sight(SYSTEM) | {"environment": environment})
    return list(_assembled(found).values()) if found else []


def _assembled(found: Sequence[dict[str, Any]]) -> dict[tuple[str, str], Flow]:
    ids = [row["subscription"] for row in found]
    described = _described({row["release"] for row in found})
    names = {s.key: s.name for s in systems.all_systems()}
    staleness = {t.level: t.max_staleness_s for t in tiers.all_tiers()}
    behind, gate_of = backlog.of(ids), gates.states(ids)
    looks = source_looks.of(row["stream"] for row in found)
    flows: dict[tuple[str, str], Flow] = {}
    for row in found:
        name = (row["integration"], row["target"])
        if name not in flows:
            of_target = described.get((row["release"], row["target"]))
            flows[name] = _flow(row, of_target, names, staleness)
            source = (of_target and of_target["source"]) or row["first_source"]
            flows[name].source = looks.get((row["stream"], source), SourceState())
        _add(flows[name], row, behind[row["subscription"]], gate_of.get(row["subscription"]))
    return flows


def _distinguish(found: Iterable[Flow]) -> None:
    """Add the target's name where one integration has two targets at the same system."""
    named: dict[tuple[str, str], list[Flow]] = {}
    for flow in found:
        named.setdefault((flow.integration, flow.title), []).append(flow)
    for same in named.values():
        for flow in same if len(same) > 1 else ():
            flow.title += f": {flow.target}"


_ORDER = {"stop": 0, "wait": 1, "accent": 2, "ok": 3, "quiet": 4}


def _described(releases: Iterable[int]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["release"], row["target"]): row for row in rows(_TARGETS, {"releases": sorted(releases)})}


def _flow(
    row: dict[str, Any], described: dict[str, Any] | None, names: dict[str, str], staleness: dict[int, int | None]
) -> Flow:
    alone = described is None or described["siblings"] == 1
    target_name = names.get(row["target_system"], row["target_system"])
    return Flow(
        key=f"{row['integration']}.{row['target']}",
        integration=row["integration"],
        title=row["title"] if alone else f"{row['title']} → {target_name}",
        target=row["target"],
        environment=row["environment"],
        team=row["team"],
        source_system=described["source_system"] if described else "",
        target_system=row["target_system"],
        verb="posted" if described and described["commands"] else "delivered",
        tier=row["tier"],
        max_staleness_s=staleness.get(row["tier"]),
        degraded_mode=row["degraded_mode"],
        paused=row["paused"],
        stream=row["stream"],
    )


def _add(flow: Flow, row: dict[str, Any], mine: Backlog, gate: GateState | None) -> None:
    if row["instance"]:
        flow.fleet = True
    flow.instances.append((row["instance"], mine, gate))
    flow.backlog.add(mine)
    if gate is not None:
        flow.gates.append(gate)


def _count_today(flows: dict[tuple[str, str], Flow], found: Sequence[dict[str, Any]], ids: Sequence[int]) -> None:
    since = midnight()
    owner = {row["subscription"]: flows[row["integration"], row["target"]] for row in found}
    hours = int((clock.now() - since).total_seconds() // 3600) + 1
    for flow in flows.values():
        flow.hours = [0] * hours
    for row in rows(_DELIVERED, {"since": since, "ids": list(ids)}):
        flow = owner[row["subscription"]]
        flow.delivered += row["confirmed"]
        if 0 <= row["hour"] < hours:
            flow.hours[row["hour"]] += row["confirmed"]


def _count_not_stored(flows: dict[tuple[str, str], Flow], found: Sequence[dict[str, Any]]) -> None:
    """Rejected messages and conflicts belong to the source: they count once, for the first target of the
    integration.
    """
    first: dict[int, Flow] = {}
    for row in found:
        first.setdefault(row["stream"], flows[row["integration"], row["target"]])
    for row in rows(_NOT_STORED, {"streams": list(first)}):
        flow = first[row["stream"]]
        flow.not_stored, flow.not_stored_since = row["count"], row["since"]


def environments_seen(viewer: Viewer, chosen: str) -> list[tuple[str, str, bool]]:
    """(key, name, current) of every environment, production first."""
    known = systems.environments()
    listed = [(key, name) for key, name, _ in known] or [("production", "Production")]
    return [(key, name, key == chosen) for key, name in sorted(listed, key=lambda e: e[0] != "production")]


def summary(flows: Sequence[Flow]) -> Tone:
    """One tone for the heading of the page."""
    if not flows:
        return quiet("Nothing deployed")
    stopped = sum(1 for flow in flows if flow.tone.tone == "stop")
    person = sum(1 for flow in flows if flow.for_person)
    late = sum(1 for flow in flows if flow.tone.tone == "wait")
    if stopped:
        return stop(f"{stopped} flow{'s' if stopped > 1 else ''} stopped")
    if person:
        return wait(f"{person} flow{'s need' if person > 1 else ' needs'} a person", "user")
    if late:
        return wait(f"{late} flow{'s' if late > 1 else ''} late", "wait")
    return ok("All flows run")
