"""Runs: each execution has a row from its start, so that no page has to ask a queue what happened."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from kernel import audit, clock, outbox
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from runtime import permissions
from runtime.domain import manifest as manifests
from runtime.domain.storable import storable_text
from runtime.models import Deployment, Run, Stream, StreamSource
from runtime.services.wakeups import wake_collectors


def start(
    integration_key: str,
    environment: str,
    *,
    trigger: str,
    actor: User | None = None,
    waive_limit: bool = False,
    source: str = "",
) -> Run:
    """Start collecting; answers the first of the runs that `start_each` answers."""
    return start_each(
        integration_key, environment, trigger=trigger, actor=actor, waive_limit=waive_limit, source=source
    )[0][0]


def start_each(
    integration_key: str,
    environment: str,
    *,
    trigger: str,
    actor: User | None = None,
    waive_limit: bool = False,
    source: str = "",
) -> list[tuple[Run, bool]]:
    """A run for each source of the integration, or for the one that is named, and whether it is a new one: a source has
    one run at a time, and while that goes on, it is the answer.

    `waive_limit`: the limit of rejected records does not count for these runs; they are kept, and the cursor moves on.
    `actor` None is the product itself (a schedule). Raises NotFound `deployment.none`, Forbidden, Invalid `run.source`,
    Conflict `deployment.paused`, `run.no_source`, `run.going` where a limit is waived for a run that goes on already.
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
    with transaction.atomic():
        names = _to_read(deployment, source)
        StreamSource.objects.bulk_create(
            [StreamSource(stream=stream, name=name) for name in names], ignore_conflicts=True
        )
        found = [_start(deployment, stream, name, trigger, actor, waive_limit) for name in names]
    wake_collectors()
    return found


def _to_read(deployment: Deployment, source: str) -> list[str]:
    """Names of the sources that can be read, or the one that was asked for."""
    sources = manifests.load(deployment.release.manifest).sources
    names = [one.name for one in sources if one.connection is not None]
    if not names:
        said = "What it gets is handed in, so there is no source to read."
        raise Conflict("run.no_source", f"{deployment.integration.key}: {said}")
    if source and source not in names:
        said = f"there is no source {source!r} that can be read; choose {', '.join(names)}"
        raise Invalid("run.source", f"It cannot be read: {said}.", {"findings": [finding("/source", said)]})
    return [source] if source else names


def _start(
    deployment: Deployment, stream: Stream, name: str, trigger: str, actor: User | None, waive_limit: bool
) -> tuple[Run, bool]:
    going = Run.objects.filter(stream=stream, source=name, kind="collect", state=Run.State.RUNNING)
    run = going.first()
    made = False
    if run is None:
        values = {"trigger": trigger, "started_by": actor, "limit_waived": waive_limit}
        try:
            with transaction.atomic():
                run = Run.objects.create(
                    integration=deployment.integration,
                    deployment=deployment,
                    stream=stream,
                    source=name,
                    kind="collect",
                    **values,
                )
                made = True
        except IntegrityError:
            run = going.get()
    if made:
        after = {"run": run.pk, "trigger": trigger, "source": name} | ({"limit_waived": True} if waive_limit else {})
        audit.record("runtime.run_started", "integration", deployment.integration.key, actor=actor, after=after)
    elif waive_limit and not run.limit_waived:
        raise Conflict(
            "run.going",
            f"Run {run.pk} is reading {name} with its limit. Stop it or wait for its end, then waive the limit.",
        )
    return run, made


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
