"""Runs: each execution has a row from its start, so that no page has to ask a queue what happened."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from kernel import audit, clock, outbox
from kernel.errors import Conflict, NotFound
from kernel.models import User
from runtime import permissions
from runtime.models import Deployment, Run, Stream
from runtime.services.message_checks import storable_text
from runtime.services.wakeups import wake_collectors


def start(
    integration_key: str, environment: str, *, trigger: str, actor: User | None = None, waive_limit: bool = False
) -> Run:
    """Start collecting. A stream has one collecting run at a time; while one runs, it is the answer.

    `waive_limit`: the limit of rejected records does not count for this run; they are kept, and the cursor moves on.
    `actor` None is the product itself (a schedule). Raises NotFound `deployment.none`, Forbidden, Conflict
    `deployment.paused`.
    """
    deployment = (
        Deployment.objects.select_related("integration__owner_team", "release")
        .filter(integration__key=integration_key, environment=environment, active=True)
        .first()
    )
    if deployment is None:
        raise NotFound("deployment.none", f"{integration_key} is not deployed in {environment}; nothing can run.")
    permissions.require_operate(actor, deployment.integration)
    if deployment.paused:
        raise Conflict(
            "deployment.paused",
            f"{integration_key} is paused in {environment}: {deployment.pause_reason}. Resume it first.",
        )
    stream = Stream.objects.get(integration=deployment.integration, environment=environment)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                integration=deployment.integration,
                deployment=deployment,
                stream=stream,
                kind="collect",
                trigger=trigger,
                started_by=actor,
                limit_waived=waive_limit,
            )
            audit.record(
                "runtime.run_started",
                "integration",
                integration_key,
                actor=actor,
                after={"run": run.pk, "trigger": trigger} | ({"limit_waived": True} if waive_limit else {}),
            )
    except IntegrityError:
        return Run.objects.get(stream=stream, kind="collect", state=Run.State.RUNNING)
    wake_collectors()
    return run


def cancel(run_id: int, *, actor: User | None, reason: str = "") -> Run:
    """Stop collecting after the current page. Accepted messages stay and are delivered.

    Raises NotFound `run.unknown`, Forbidden, Conflict `run.ended`.
    """
    with transaction.atomic():
        run = (
            Run.objects.select_for_update(of=("self",))
            .select_related("integration__owner_team")
            .filter(pk=run_id)
            .first()
        )
        if run is None:
            raise NotFound("run.unknown", f"There is no run {run_id}.")
        permissions.require_operate(actor, run.integration)
        if run.state != Run.State.RUNNING:
            raise Conflict("run.ended", f"Run {run_id} has {run.state} already.")
        run.state, run.ended_at, run.error = Run.State.CANCELLED, clock.now(), reason
        run.save(update_fields=["state", "ended_at", "error"])
        audit.record(
            "runtime.run_cancelled",
            "integration",
            run.integration.key,
            actor=actor,
            after={"run": run_id},
            reason=reason,
        )
        return run


def finish(run_id: int, *, error: str = "", fault: str = "", system: str = "") -> None:
    """Called by source polling. A cancelled run stays cancelled. `fault`: the connection to `system` is at fault."""
    with transaction.atomic():
        state: Any = Run.State.FAILED if error else Run.State.SUCCEEDED
        if Run.objects.filter(pk=run_id, state=Run.State.RUNNING).update(
            state=state,
            ended_at=clock.now(),
            error=storable_text(error)[:2000],
            fault=fault,
            fault_system=system[:80] if fault else "",
        ):
            run = Run.objects.select_related("integration").get(pk=run_id)
            outbox.emit(
                f"runtime.run_{state}",
                key=run.integration.key,
                payload={"run": run_id, "error": storable_text(error)[:500]},
            )
