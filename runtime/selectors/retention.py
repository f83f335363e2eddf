"""Retention as its page shows it: how long what is kept, what went, what a policy will change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kernel import clock
from runtime.models import RetentionPolicy
from runtime.selectors.sql_rows import rows

_DROPPED = "select data_class, sum(number)::bigint as number, max(day) as until from runtime_dropped group by 1"
# What there is, as PostgreSQL estimates it: exact counts of large tables would take minutes.
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
    for found in rows(_SIZES, {"names": list(_TABLES)}):
        kept = made[_TABLES.get(found["name"], "messages")]
        kept.rows += found["rows"]
        kept.bytes += found["bytes"]
    return list(made.values())


def own_policies() -> list[RetentionPolicy]:
    """Of single integrations: the newest of each."""
    found: dict[tuple[int | None, str], RetentionPolicy] = {}
    for one in RetentionPolicy.objects.exclude(integration=None).select_related("integration").order_by("id"):
        found[one.integration_id, one.data_class] = one
    return list(found.values())
