"""Schedules: due times become runs, each exactly once, with any number of schedulers."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from kernel import audit, clock
from kernel.errors import DomainError, Invalid, NotFound, finding
from kernel.models import User
from runtime import permissions
from runtime.domain import schedule as rules
from runtime.models import Firing, Run, Schedule
from runtime.services import runs


def fire_due(*, at: datetime | None = None, limit: int = 50) -> int:
    """Start the runs that are due. Answers how many due times were acted on.

    A due time is a unique row: the scheduler that inserts it fires. Due times that passed while no scheduler ran are
    fired once, not one by one. Sources whose run is still going are left out; where all are, the due time is
    `overlapped`. A paused integration makes it `skipped`.
    """
    moment, fired = at or clock.now(), 0
    for schedule_id in list(
        Schedule.objects.filter(enabled=True).order_by("next_due_at").values_list("pk", flat=True)[:1000]
    ):
        if fired >= limit:
            break
        fired += _fire(schedule_id, moment)
    return fired


def plan_again() -> int:
    """A clock was set back: what is due later than a schedule says, seen from now, is due when it says. Answers how
    many were; a due time of which a run was started already starts none again."""
    now, moved = clock.now(), 0
    for schedule in Schedule.objects.filter(enabled=True, next_due_at__gt=now):
        due = rules.following(
            schedule.expression, schedule.zone, now, skipped=schedule.skipped, repeated=schedule.repeated
        )
        later = Schedule.objects.filter(pk=schedule.pk, next_due_at=schedule.next_due_at, next_due_at__gt=due)
        moved += later.update(next_due_at=due)
    return moved


def _fire(schedule_id: int, moment: datetime) -> int:
    with transaction.atomic():
        schedule = (
            Schedule.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("integration")
            .filter(pk=schedule_id, enabled=True)
            .first()
        )
        if schedule is None or (schedule.next_due_at is not None and schedule.next_due_at > moment):
            return 0
        due = schedule.next_due_at
        schedule.next_due_at = rules.following(
            schedule.expression, schedule.zone, moment, skipped=schedule.skipped, repeated=schedule.repeated
        )
        schedule.save(update_fields=["next_due_at"])
        if due is None:
            return 0
        firing, made = Firing.objects.get_or_create(schedule=schedule, due_at=due)
        if not made:
            return 0
        firing.outcome, firing.run = _run(schedule)
        firing.save(update_fields=["outcome", "run"])
        return 1


def _run(schedule: Schedule) -> tuple[str, Run | None]:
    try:
        with transaction.atomic():
            found = runs.start_each(schedule.integration.key, schedule.environment, trigger="schedule")
    except DomainError:
        return "skipped", None
    started = [run for run, made in found if made]
    return ("fired", started[0]) if started else ("overlapped", found[0][0])


def change(
    schedule_id: int,
    *,
    enabled: bool,
    actor: User | None,
    expression: str | None = None,
    zone: str | None = None,
    skipped: str | None = None,
    repeated: str | None = None,
) -> Schedule:
    """Switch a schedule on or off, or move it. Raises Invalid `schedule.invalid`, Forbidden."""
    with transaction.atomic():
        schedule = (
            Schedule.objects.select_for_update(of=("self",))
            .select_related("integration__owner_team")
            .filter(pk=schedule_id)
            .first()
        )
        if schedule is None:
            raise NotFound("schedule.unknown", f"There is no schedule {schedule_id}.")
        permissions.require_operate(actor, schedule.integration)
        before = {"enabled": schedule.enabled, "expression": schedule.expression, "zone": schedule.zone}
        schedule.expression, schedule.zone = expression or schedule.expression, zone or schedule.zone
        schedule.skipped, schedule.repeated = skipped or schedule.skipped, repeated or schedule.repeated
        if found := rules.problems(schedule.expression, schedule.zone):
            raise Invalid(
                "schedule.invalid",
                f"The schedule cannot be used: {found[0]}.",
                {"findings": [finding("/expression", text) for text in found]},
            )
        schedule.enabled, schedule.next_due_at = enabled, None
        schedule.full_clean(exclude=["integration"])
        schedule.save()
        audit.record(
            "runtime.schedule_changed",
            "integration",
            schedule.integration.key,
            actor=actor,
            before=before,
            after={"enabled": enabled, "expression": schedule.expression, "zone": schedule.zone},
        )
        return schedule
