"""The infrastructure below the business: workers, claims, leases, retries, unknown outcomes, dead letters by hour."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from kernel import clock, measures, replaced_processes
from kernel.models import ReplacedProcess
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.ui.wording import counted
from kernel.viewer import Viewer
from runtime.domain import expected_workers
from runtime.domain.refused_calls import RefusedSpell
from runtime.permissions import SEEN, sight
from runtime.selectors import refused_calls
from runtime.selectors.flows import midnight
from runtime.selectors.sql_rows import row, rows

SILENT = timedelta(seconds=30)
JUST_NOW = timedelta(hours=1)
UNTOUCHED = f"{measures.PREFIX}untouched_lanes"  # the scheduler counts them (`runtime.worker.silent_work`)


@dataclass(frozen=True, slots=True)
class WorkerRow:
    name: str
    kind: str
    started_at: datetime
    beat_at: datetime
    draining: bool

    @property
    def state(self) -> str:
        if clock.now() - self.beat_at > SILENT:
            return "silent"
        return "draining" if self.draining else "alive"

    @property
    def tone(self) -> Tone:
        return {"silent": stop("Silent"), "draining": wait("Draining", "pause"), "alive": ok("Alive", "pulse")}[
            self.state
        ]


@dataclass(slots=True)
class Infrastructure:
    """Counts for what the viewer may see. `untouched`: lanes of all integrations with ready work that no worker takes,
    as the scheduler has seen it.
    `missing`: how many workers fewer than the setting EXPECTED_WORKERS says are there."""

    ready: int = 0
    claimed: int = 0
    unknown: int = 0
    retrying: int = 0
    behind: int = 0
    untouched: int = 0
    workers: list[WorkerRow] = field(default_factory=list)
    dead_letters: list[tuple[str, int]] = field(default_factory=list)
    missing: int = 0
    replaced: list[ReplacedProcess] = field(default_factory=list)
    refused: list[RefusedSpell] = field(default_factory=list)

    @property
    def refused_tone(self) -> str:
        """Of the notice about refused calls: a spell of the last hour may not be over."""
        return "stop" if any(clock.now() - one.until < JUST_NOW for one in self.refused) else "wait"

    @property
    def alive(self) -> int:
        return sum(1 for worker in self.workers if worker.tone.tone != "stop")

    @property
    def workers_tone(self) -> Tone:
        if self.untouched:
            return stop(f"{counted(self.untouched, 'lane')} of ready work that no worker takes")
        if self.missing:
            return stop(f"{counted(self.missing, 'worker')} missing")
        if not self.workers:
            return quiet("No worker has reported")
        silent = len(self.workers) - self.alive
        return stop(f"{silent} silent") if silent else ok(f"{self.alive} alive", "pulse")


_WORK = (
    """
select coalesce(sum(greatest(least(l.next - 1, coalesce(p.upto, l.next - 1)) - p.position, 0)), 0)::bigint as ready,
       count(*) filter (where p.owner is not null and p.lease_until > clock_timestamp()) as claimed,
       count(*) filter (where p.intent is not null and p.owner is null) as open_intents,
       (select coalesce(max((m.counted -> %(untouched)s ->> '[]')::float8), 0)::int
          from kernel_processmetrics m
         where m.beat_at > clock_timestamp() - interval '2 min') as untouched
  from runtime_subscription s
  join runtime_progress p on p.subscription_id = s.id
  join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
 where st.environment = %(environment)s
   and s.open
   and """
    + SEEN
)

_QUARANTINED = (
    """
select count(*) filter (where p.state not in ('behind', 'dead', 'unknown')) as retrying,
       count(*) filter (where p.state = 'behind') as behind,
       count(*) filter (where p.state = 'unknown') as unknown
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
 where st.environment = %(environment)s
   and """
    + SEEN
)

_DEAD_LETTERS = (
    """
select extract(epoch from at - %(since)s)::int / 3600 as hour, count(*) as count
  from (select p.first_seen_at as at, st.environment, st.integration_id
          from runtime_quarantine p
          join runtime_subscription s on s.id = p.subscription_id
          join runtime_stream st on st.id = s.stream_id
         where p.state in ('dead', 'unknown')
           and p.first_seen_at >= %(since)s
         union all
        select p.at, st.environment, st.integration_id
          from runtime_rejected p
          join runtime_stream st on st.id = p.stream_id
         where p.at >= %(since)s
         union all
        select p.at, st.environment, st.integration_id
          from runtime_conflict p
          join runtime_stream st on st.id = p.stream_id
         where p.at >= %(since)s) o
  join runtime_integration i on i.id = o.integration_id
 where o.environment = %(environment)s
   and """
    + SEEN
    + """
 group by 1"""
)

_WORKERS = """
select name, kind, started_at, beat_at, draining
  from runtime_worker
 where beat_at > %(since)s
 order by kind, name"""


def state(viewer: Viewer, environment: str) -> Infrastructure:
    """In six queries. Workers that have been silent for a day are omitted."""
    chosen = sight(viewer) | {"environment": environment, "since": midnight(), "untouched": UNTOUCHED}
    work, held = row(_WORK, chosen) or {}, row(_QUARANTINED, chosen) or {}
    made = Infrastructure(
        ready=work.get("ready", 0),
        claimed=work.get("claimed", 0),
        unknown=held.get("unknown", 0),
        retrying=held.get("retrying", 0) + work.get("open_intents", 0),
        behind=held.get("behind", 0),
        untouched=work.get("untouched", 0),
    )
    made.workers, made.replaced = workers(), replaced_processes.lately()
    made.refused = refused_calls.lately()
    made.missing = sum(missing(made.workers).values())
    hours = int((clock.now() - midnight()).total_seconds() // 3600) + 1
    found = {one["hour"]: one["count"] for one in rows(_DEAD_LETTERS, chosen)}
    made.dead_letters = [(f"{hour:02d}", found.get(hour, 0)) for hour in range(hours)]
    return made


def workers() -> list[WorkerRow]:
    """Those with a sign of life within a day that are not known to be gone (`runtime.ledger.ended_workers`)."""
    return [WorkerRow(**one) for one in rows(_WORKERS, {"since": clock.now() - timedelta(days=1)})]


def missing(workers: Iterable[WorkerRow]) -> dict[str, int]:
    """By kind, how many fewer work than EXPECTED_WORKERS says; 0 where none is missing, and nothing without it."""
    alive = Counter(worker.kind for worker in workers if worker.state == "alive")
    expected = expected_workers.of(settings.EXPECTED_WORKERS)
    return {kind: max(count - alive[kind], 0) for kind, count in expected.items()}
