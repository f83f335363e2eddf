"""Retention as its page shows it: how long what is kept, what went, what a policy will change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from kernel import clock
from runtime.models import RetentionPolicy
from runtime.selectors.sql_rows import rows

_DROPPED = "select data_class, sum(number)::bigint as number, max(day) as until from runtime_dropped group by 1"
# What there is, as PostgreSQL estimates it: exact counts of large tables would take minutes. Small ones are counted,
# as nothing was estimated of them perhaps.
COUNTED_BELOW = 10_000
_SIZES = """
select c.relname as name, greatest(c.reltuples, 0)::bigint as rows, pg_total_relation_size(c.oid)::bigint as bytes
  from pg_class c
 where c.relnamespace = current_schema()::regnamespace
   and c.relkind = 'r'
   and (c.relname = any(%(names)s) or starts_with(c.relname, 'runtime_message_'))"""
_TABLES = {
    "runtime_delivery": "evidence",
    "runtime_attempt": "evidence",
    "runtime_run": "runs",
    "runtime_runspan": "runs",
    "runtime_firing": "runs",
    "runtime_rejected": "rejected",
    "runtime_conflict": "rejected",
    "runtime_comparison": "comparisons",
    "runtime_head": "heads",
    "kernel_outboxevent": "events",
    "governance_webhookdelivery": "events",
    "governance_pipelinedelivery": "events",
    "governance_pipelinereview": "events",
    "runtime_indicatorday": "indicators",
    "runtime_indicatorperiod": "indicators",
}


@dataclass(slots=True)
class KeptClass:
    """One class of data: its policy for all integrations, what follows, what there is and what went."""

    data_class: str
    title: str
    days: int | None = None
    since: datetime | None = None
    reason: str = ""
    following: bool = False
    following_days: int | None = None
    following_since: datetime | None = None
    rows: int = 0
    bytes: int = 0
    dropped: int = 0
    dropped_until: date | None = None


def _counted(names: Sequence[str]) -> dict[str, int]:
    """How many rows each of these tables has, up to COUNTED_BELOW; in one query."""
    one = "select '{0}' as name, (select count(*) from (select from \"{0}\" limit {1}) few) as rows"
    text = " union all ".join(one.format(name, COUNTED_BELOW) for name in names)
    return {found["name"]: found["rows"] for found in rows(text)} if names else {}


def classes() -> list[KeptClass]:
    made = {value: KeptClass(value, title) for value, title in RetentionPolicy.DataClass.choices}
    now = clock.now()
    for one in RetentionPolicy.objects.filter(integration=None).order_by("id"):
        kept = made[one.data_class]
        if one.since <= now:
            kept.days, kept.since, kept.reason, kept.following = one.days, one.since, one.reason, False
        else:
            kept.following, kept.following_days, kept.following_since = True, one.days, one.since
    for found in rows(_DROPPED):
        if found["data_class"] in made:
            made[found["data_class"]].dropped = found["number"]
            made[found["data_class"]].dropped_until = found["until"]
    sizes = rows(_SIZES, {"names": list(_TABLES)})
    counted = _counted([found["name"] for found in sizes if found["rows"] < COUNTED_BELOW])
    for found in sizes:
        kept = made[_TABLES.get(found["name"], "messages")]
        kept.rows += counted.get(found["name"], found["rows"])
        kept.bytes += found["bytes"]
    return list(made.values())


def own_policies() -> list[RetentionPolicy]:
    """Of single integrations: the newest of each."""
    found: dict[tuple[int | None, str], RetentionPolicy] = {}
    for one in RetentionPolicy.objects.exclude(integration=None).select_related("integration").order_by("id"):
        found[one.integration_id, one.data_class] = one
    return list(found.values())
