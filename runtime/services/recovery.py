"""What follows a rewind of the database: people hear of it, its window ends, and recovery ends by itself."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from kernel import audit, clock, outbox
from kernel.errors import Conflict, NotFound
from runtime.ledger import connections, rewind
from runtime.models import Rewind
from runtime.selectors import recovery as selectors

log = logging.getLogger(__name__)
LATELY = timedelta(hours=1)
_UNDER_WAY = f"""
select
  from ({rewind.CALLS_OF_BEFORE}) t
  join runtime_rewind r on r.at > clock_timestamp() - make_interval(secs => t.longest)
 where t.vendor_id = %s"""  # noqa: S608 - a part of constants


def attend() -> int:
    """Announce what was noticed, end windows whose time is over, and end recovery when nothing is left to ask about.

    Any number of processes may do this at once. Returns how much changed.
    """
    done = 0
    for found in Rewind.objects.filter(announced_at=None).order_by("id"):
        done += _announce(found.pk)
    for found in Rewind.objects.filter(window_ended_at=None, window_until__lt=clock.now()):
        done += end_window(found.pk, note="its time was over")
    for found in Rewind.objects.filter(ended_at=None).exclude(window_ended_at=None):
        if not selectors.lanes_left():
            done += _end(found.pk)
    return done


def _announce(number: int) -> int:
    with transaction.atomic():
        if not Rewind.objects.filter(pk=number, announced_at=None).update(announced_at=clock.now()):
            return 0
        found = Rewind.objects.get(pk=number)
        facts: dict[str, Any] = {
            "reason": found.reason,
            "before": found.before,
            "after": found.after,
            "lanes": found.lanes,
            "window_until": found.window_until.isoformat(),
        }
        audit.record("runtime.rewound", "rewind", number, actor=None, after=facts, reason=found.note)
        outbox.emit("runtime.rewound", key=number, payload={"at": found.at.isoformat(), **facts})
    return 1


def state_restored(*, note: str, hours: float | None = None) -> Rewind:
    """A person says that this database was restored. Raises Conflict `recovery.noticed` where the runtime has noticed
    it by itself within the last hour, `recovery.working` while workers hold lanes."""
    with connections.connected(name="tillgate-restored") as conn:
        noticed = (
            Rewind.objects.filter(at__gt=clock.now() - LATELY, window_ended_at=None).exclude(reason="stated").first()
        )
        if noticed is not None:
            raise Conflict(
                "recovery.noticed",
                f"The runtime has noticed it by itself: rewind {noticed.pk}, {noticed.get_reason_display().lower()}. "
                "Nothing has to be stated.",
            )
        try:
            number = rewind.state_restored(conn, note=note, hours=rewind.WINDOW_HOURS if hours is None else hours)
        except rewind.StillWorking as error:
            raise Conflict(
                "recovery.working",
                f"{error}. They would go on under the keys of before: stop all workers, then run this again.",
            ) from None
    _announce(number)
    return Rewind.objects.get(pk=number)


def end_window(number: int, *, note: str) -> int:
    """What arrives from now on is new and is sent without a question. Returns 0 where the window had ended before.

    Raises NotFound for a rewind that does not exist.
    """
    if not Rewind.objects.filter(pk=number).exists():
        raise NotFound("recovery.unknown", f"There is no rewind {number}.")
    with connections.connected(name="tillgate-recovery") as conn:
        if not rewind.end_window(conn, number):
            return 0
    with transaction.atomic():
        audit.record("runtime.recovery_window_ended", "rewind", number, actor=None, reason=note)
    log.warning(
        "the recovery window of rewind %s has ended: what arrives from now on is sent without a question", number
    )
    return 1


def _end(number: int) -> int:
    with transaction.atomic():
        if not Rewind.objects.filter(pk=number, ended_at=None).update(ended_at=clock.now()):
            return 0
        audit.record("runtime.recovered", "rewind", number, actor=None)
        outbox.emit("runtime.recovered", key=number, payload={"with_people": selectors.with_people()})
    log.warning("recovery after rewind %s has ended: every lane has passed what was to be asked about", number)
    return 1


def ask_until_now() -> int | None:
    """For a target that is made now: while a window is open, its vendor may know what it will be sent."""
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from runtime_rewind where window_ended_at is null)")
        row = cursor.fetchone()
    return rewind.ENDLESS if row and row[0] else None


def calls_of_before_under_way(vendor_id: int) -> bool:
    """Whether the database went back so lately that this vendor may still be called by those who do not know it, or act
    on their calls."""
    with connection.cursor() as cursor:
        cursor.execute(_UNDER_WAY, [vendor_id])
        return cursor.fetchone() is not None
