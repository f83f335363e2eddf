"""What webhooks told of and did not bring: read by the source's own connection, many notices by one reading.

A notice is done when a reading has succeeded that began after it. What a vendor never tells is read by the schedule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, Q, QuerySet

from kernel import clock
from kernel.errors import DomainError, NotFound
from runtime.domain import manifest as manifests
from runtime.domain import number_gaps
from runtime.models import Deployment, Hook, HookEvent, HookNotice, HookSequence, Run, Stream
from runtime.services import hook_intake, hook_settings, runs

AFTER_FAILURE = timedelta(minutes=1)
GAP_WAITS = timedelta(minutes=15)  # for numbers that overtook one another
IDS_KEPT = timedelta(days=30)  # where the manifest does not say
NOTICES_KEPT = timedelta(days=30)
NUMBERS_KEPT = timedelta(days=400)
MOST_AT_ONCE, MOST_PARTS = 5_000, 100


def attend() -> int:
    """Start the readings that are due and settle what was read. Answers how many were started. Any number of schedulers
    may do it at once."""
    waiting = HookNotice.objects.filter(read_at=None).values("hook").annotate(since=Min("noted_at"))
    rows = {row["hook"]: row["since"] for row in waiting}
    hooks = Hook.objects.filter(pk__in=rows).select_related("integration") if rows else ()
    return sum(_attend(hook) for hook in hooks)


def _attend(hook: Hook) -> int:
    now = clock.now()
    if hook.ended_at is not None:
        HookNotice.objects.filter(hook=hook, read_at=None).update(read_at=now)
        return 0
    stream = Stream.objects.filter(integration=hook.integration, environment=hook.environment).first()
    read = Run.objects.filter(stream=stream, kind="collect", source=hook.source).order_by("-id")
    if (done := read.filter(state=Run.State.SUCCEEDED).first()) is not None:
        HookNotice.objects.filter(hook=hook, read_at=None, noted_at__lt=done.started_at).update(read_at=now)
    if not HookNotice.objects.filter(hook=hook, read_at=None).exists():
        return 0
    last = read.first()
    if last is not None and last.state == Run.State.RUNNING:
        return 0
    pause = _pause(hook, failed=last is not None and last.state == Run.State.FAILED)
    with transaction.atomic():
        due = Q(fetched_at=None) | Q(fetched_at__lt=now - pause)
        if not Hook.objects.filter(due, pk=hook.pk).update(fetched_at=now):
            return 0
        try:
            with transaction.atomic():
                return sum(
                    made
                    for _, made in runs.start_each(
                        hook.integration.key, hook.environment, trigger="webhook", source=hook.source
                    )
                )
        except DomainError:  # paused, or not deployed: what waits is read later
            return 0


def _pause(hook: Hook, *, failed: bool) -> timedelta:
    try:
        wanted = timedelta(seconds=hook_settings.of_source(_source(hook)).fetch_every)
    except DomainError:
        return AFTER_FAILURE
    return max(wanted, AFTER_FAILURE) if failed else wanted


def _source(hook: Hook) -> manifests.ManifestSource:
    deployment = (
        Deployment.objects.filter(integration=hook.integration_id, environment=hook.environment, active=True)
        .select_related("release")
        .first()
    )
    if deployment is None:
        raise NotFound("deployment.none", "It is not deployed.")
    try:
        return manifests.load(deployment.release.manifest).source(hook.source)
    except KeyError:
        raise NotFound("hook.source", f"There is no source {hook.source!r}.") from None


def tell_gaps() -> int:
    """Say once of each resource that numbers are missing for longer than they overtake one another."""
    since = clock.now() - GAP_WAITS
    told = 0
    for row in HookSequence.objects.filter(gap_at__lt=since, told_at=None, hook__ended_at=None)[:100]:
        with transaction.atomic():
            if HookSequence.objects.filter(pk=row.pk, told_at=None).update(told_at=clock.now()):
                hook = Hook.objects.select_related("integration").get(pk=row.hook_id)
                missing = number_gaps.said(row.missing)
                hook_intake.tell_owner(hook, f"events of {row.resource[:60]} are missing: numbers {missing}")
                told += 1
    return told


def forget() -> int:
    """Drop ids that are no longer remembered, notices that were read, and numbers of resources that have ended."""
    now, gone = clock.now(), 0
    for hook in Hook.objects.select_related("integration"):
        gone += _drop(HookEvent.objects.filter(hook=hook, at__lt=now - _ids_kept(hook)).order_by("at"))
    gone += _drop(HookNotice.objects.filter(read_at__lt=now - NOTICES_KEPT).order_by("read_at"))
    return gone + _drop(HookSequence.objects.filter(at__lt=now - NUMBERS_KEPT).order_by("at"))


def _drop(rows: QuerySet[Any]) -> int:
    """In parts, so that no statement takes long; what is left after so many waits for the next hour."""
    gone = 0
    for _ in range(MOST_PARTS):
        numbers = list(rows.values_list("pk", flat=True)[:MOST_AT_ONCE])
        gone += rows.model.objects.filter(pk__in=numbers).delete()[0] if numbers else 0
        if len(numbers) < MOST_AT_ONCE:
            break
    return gone


def _ids_kept(hook: Hook) -> timedelta:
    try:
        return timedelta(days=hook_settings.of_source(_source(hook)).ids_kept)
    except DomainError:
        return IDS_KEPT
