"""How long what is kept: policies as people set them, what would go, and the work of letting it go."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from psycopg.errors import LockNotAvailable

from kernel import audit, clock
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.postgresql import lock_holders
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import retention as rules
from runtime.ledger import connections, partitions, retained_rows, retention_due
from runtime.ledger import retention as ledger
from runtime.ledger.retention_due import Due
from runtime.models import Integration, RetentionPolicy

TURN = 2.0  # seconds of work before other jobs have their turn
OURS = "tillgate-retention"
# One turn at a time. Who may only read cannot take it, as anybody could an advisory lock; writers do not wait for it.
_LOCK = "lock table runtime_retention in share update exclusive mode nowait"
_HOLDER = """
select a.application_name, a.usename || ' (process ' || a.pid || ', ' || a.application_name || ')'
  from pg_locks l
  join pg_stat_activity a on a.pid = l.pid
 where l.relation = 'runtime_retention'::regclass
   and l.granted
   and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                  'AccessExclusiveLock')
 limit 1"""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What one turn let go: names of partitions, and rows of everything else."""

    partitions: tuple[str, ...] = ()
    rows: int = 0
    ran: bool = True
    """False where somebody else holds the lock of this work."""


def in_force(integration: Integration | None = None) -> dict[str, int | None]:
    """Days by data class, None for ever: of the integration where it has its own, else of all."""
    found: dict[str, int | None] = dict.fromkeys(RetentionPolicy.DataClass.values)
    given = RetentionPolicy.objects.filter(since__lte=clock.now()).order_by("id")
    for one in (*given.filter(integration=None), *given.filter(integration=integration, integration__isnull=False)):
        found[one.data_class] = one.days
    return rules.with_messages(found)


def set_policy(
    data_class: str, days: int | None, *, integration: str = "", actor: User | None, reason: str
) -> RetentionPolicy:
    """Keep a class of data so many days, or for ever (None); of one integration, or of all that have no own policy.

    A longer time holds at once. A shorter one a week later: until then another policy takes its place, and nothing is
    lost. Raises Invalid `retention.policy` with findings, Forbidden `retention.not_allowed`, NotFound.
    """
    if actor is not None and not (allowed := permissions.may_set_retention(Viewer.of(actor))):
        raise Forbidden("retention.not_allowed", f"{allowed.reason} Nothing was changed.")
    about = Integration.objects.filter(key=integration).first() if integration else None
    if integration and about is None:
        raise NotFound("integration.unknown", f"There is no integration {integration!r}.")
    now = in_force(about)
    found = rules.problems(data_class, days, now, per_integration=about is not None)
    if not reason.strip():
        found.append(finding("/reason", "give a reason"))
    if found:
        raise Invalid("retention.policy", f"This cannot be set: {found[0]['message']}.", {"findings": found})
    shorter = days is not None and (now[data_class] is None or days < (now[data_class] or 0))
    since = clock.now() + timedelta(days=rules.GRACE_DAYS if shorter else 0)
    with transaction.atomic():
        made = RetentionPolicy.objects.create(
            data_class=data_class, integration=about, days=days, since=since, reason=reason.strip(), set_by=actor
        )
        audit.record(
            "runtime.retention_set",
            "retention",
            f"{data_class}/{integration or 'all'}",
            actor=actor,
            before={"days": now[data_class]},
            after={"days": days, "since": since.isoformat()},
            reason=reason,
        )
    return made


def due(viewer: Viewer) -> Sequence[Due]:
    """What would go now and what holds it back: counted up to a number, or estimated, as each row says. It changes
    nothing. It names integrations of every team: raises Forbidden `retention.not_allowed` for those who do not decide
    about them."""
    if not viewer.system and not (allowed := permissions.may_set_retention(viewer)):
        raise Forbidden("retention.not_allowed", allowed.reason)
    with connections.connected(name="tillgate-retention", role="report") as conn:
        return retention_due.due(conn)


def run_due(seconds: float = TURN) -> Done:
    """One turn of work, by one process at a time: at most one partition, and of everything else what fits into the
    time."""
    with connections.connected(name=f"{OURS}-lock", role="report") as locking:
        try:
            with locking.transaction():
                locking.execute(_LOCK)
                return _turn(seconds)
        except LockNotAvailable:
            holder = locking.execute(_HOLDER).fetchone()
    if holder is not None and holder[0] != f"{OURS}-lock":
        log.warning("retention could not run: %s holds a lock on runtime_retention", holder[1])
    return Done(ran=False)


def _turn(seconds: float) -> Done:
    end = time.monotonic() + seconds
    with connections.connected(name=OURS, role="report") as conn:
        rows = ledger.drop_heads(conn, until=lambda: time.monotonic() > end)
        partitions.index_keys(conn)
        while time.monotonic() < end:
            gone = retained_rows.drop_evidence(conn) + retained_rows.drop_rows(conn)
            rows += gone
            if not gone:
                break
        dropped = next(
            (one.name for one, why in ledger.due_partitions(conn) if not why and ledger.drop_partition(conn, one)), None
        )
    return Done((dropped,) if dropped else (), rows)


def run_all() -> Done:
    """Turn after turn until nothing is due, for the command."""
    names: list[str] = []
    rows = 0
    while (done := run_due()).rows or done.partitions:
        names += done.partitions
        rows += done.rows
    return Done(tuple(names), rows, done.ran)


def in_the_way() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Months that are due, that nothing holds, and that are there still; and who has locks on them or on the log."""
    with connections.connected(name=OURS, role="report") as conn:
        left = tuple(one.name for one, why in ledger.due_partitions(conn) if not why)
        return left, tuple(
            lock_holders.holders(conn.execute, ["runtime_retention", "runtime_message", *left], seconds=0)
        )
