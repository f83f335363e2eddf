"""Deploy, roll back, pause, resume: the only ways to run a release. Each fetches an approval and locks its row."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from governance.domain.approval import SealedApproval
from governance.domain.subject import Subject
from governance.services import approvals, effects
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import User
from runtime import permissions
from runtime.domain import after
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.domain.recovery import QUESTION_AT_FAULT
from runtime.models import (
    Deployment,
    Integration,
    Lane,
    Progress,
    QuarantinedMessage,
    Release,
    Schedule,
    Stream,
    StreamSource,
    TargetSubscription,
    VendorState,
)
from runtime.models.subscriptions import LONG_AGO
from runtime.services import (
    dating,
    integrations,
    known_keys,
    lane_changes,
    manifest_checks,
    recovery,
    source_names,
    target_times,
)


def deploy(integration_key: str, *, approval: SealedApproval, actor: User | None, kind: str = "deploy") -> Deployment:
    """Deploy the approved release to the approval's environment. Deploying the running release changes nothing.

    The change behind the approval is looked at again (`effects.look_again`), digest and validity under the locked
    approval row, and by a trigger. Raises NotApproved with `data["unmet"]`, Conflict `deployment.not_sound` where the
    estate has moved on since (findings), Forbidden.
    """
    digest, environment = approval.subject.digest, approval.environment
    with transaction.atomic():
        permissions.require_operate(actor, _locked(integration_key))
    effects.look_again(approval)
    with transaction.atomic():
        effects.one_after_the_other()
        integration = _locked(integration_key)
        permissions.require_operate(actor, integration)
        release = integrations.release_of(integration_key, digest)
        held = approvals.require(Subject("integration", integration_key, digest), digest, environment, actor=actor)
        manifest = manifests.load(release.manifest)
        found = manifest_checks.everything(manifest, clock.now())
        if found := [*found, *source_names.changed(manifest, integration, environment)]:
            raise Conflict(
                "deployment.not_sound",
                f"{integration_key} cannot be deployed: {found[0]['message']}.",
                {"findings": found},
            )
        running = Deployment.objects.filter(integration=integration, environment=environment, active=True).first()
        if running is not None and running.release_id == release.pk and running.approval_id == held.id:
            return running
        made = _activate(integration, release, environment, held.id, actor, kind, running)
        _wire(integration, made, manifest)
        approvals.mark_used(held.id, actor=actor)
        verb = "runtime.rolled_back" if kind == "rollback" else "runtime.deployed"
        audit.record(
            verb,
            "integration",
            integration_key,
            actor=actor,
            before={"release": running.release.digest} if running else None,
            after={"digest": digest, "environment": environment, "approval": held.id, "deployment": made.pk},
        )
        outbox.emit(
            verb, key=integration_key, payload={"deployment": made.pk, "digest": digest, "environment": environment}
        )
        return made


def rollback(integration_key: str, *, approval: SealedApproval, actor: User | None) -> Deployment:
    """Deploy an earlier release again, under an approval of its digest. It must have run in this environment before."""
    ran = Deployment.objects.filter(
        integration__key=integration_key,
        environment=approval.environment,
        release__digest=approval.subject.digest,
        active=False,
    )
    if not ran.exists():
        raise Conflict(
            "deployment.never_ran",
            f"This release of {integration_key} never ran in {approval.environment}; deploy it instead.",
        )
    return deploy(integration_key, approval=approval, actor=actor, kind="rollback")


def pause(integration_key: str, environment: str, *, reason: str, actor: User | None) -> Deployment:
    """Workers claim no new work from now on. They still query calls that were sent and not answered."""
    if not reason.strip():
        raise Invalid("deployment.reason", "Give a reason for the pause.")
    return _set_paused(integration_key, environment, paused=True, reason=reason.strip(), actor=actor)


def resume(integration_key: str, environment: str, *, actor: User | None) -> Deployment:
    return _set_paused(integration_key, environment, paused=False, reason="", actor=actor)


def retire(integration_key: str, environment: str, *, reason: str, actor: User | None) -> Deployment:
    """End a deployment permanently. Progress and history stay; a later deployment continues where this one stopped."""
    with transaction.atomic():
        integration, deployment = _running(integration_key, environment)
        permissions.require_operate(actor, integration)
        Deployment.objects.filter(pk=deployment.pk).update(active=False, ended_at=clock.now())
        Schedule.objects.filter(integration=integration, environment=environment).update(enabled=False)
        audit.record(
            "runtime.retired",
            "integration",
            integration_key,
            actor=actor,
            after={"environment": environment},
            reason=reason,
        )
        outbox.emit(
            "runtime.retired", key=integration_key, payload={"deployment": deployment.pk, "environment": environment}
        )
        deployment.refresh_from_db()
        return deployment


def _locked(key: str) -> Integration:
    found = Integration.objects.select_for_update(of=("self",)).select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}.")
    return found


def _running(key: str, environment: str) -> tuple[Integration, Deployment]:
    integration = _locked(key)
    deployment = (
        Deployment.objects.select_for_update()
        .filter(integration=integration, environment=environment, active=True)
        .first()
    )
    if deployment is None:
        raise NotFound("deployment.none", f"{key} is not deployed in {environment}.")
    return integration, deployment


def _set_paused(key: str, environment: str, *, paused: bool, reason: str, actor: User | None) -> Deployment:
    with transaction.atomic():
        integration, deployment = _running(key, environment)
        permissions.require_operate(actor, integration)
        if deployment.paused == paused:
            return deployment
        deployment.paused, deployment.pause_reason = paused, reason
        deployment.save(update_fields=["paused", "pause_reason"])
        verb = "runtime.paused" if paused else "runtime.resumed"
        audit.record(verb, "integration", key, actor=actor, after={"environment": environment}, reason=reason)
        outbox.emit(verb, key=key, payload={"deployment": deployment.pk, "environment": environment})
        return deployment


def _activate(
    integration: Integration,
    release: Release,
    environment: str,
    approval_id: int,
    actor: User | None,
    kind: str,
    running: Deployment | None,
) -> Deployment:
    if running is not None:
        Deployment.objects.filter(pk=running.pk).update(active=False, ended_at=clock.now())
    return Deployment.objects.create(
        integration=integration,
        release=release,
        environment=environment,
        approval_id=approval_id,
        kind=kind,
        deployed_by=actor,
        paused=running.paused if running else False,
        pause_reason=running.pause_reason if running else "",
    )


def _wire(integration: Integration, deployment: Deployment, manifest: Manifest) -> None:
    """Stream, lanes, subscriptions and schedule as the manifest says.

    Targets that stay keep their progress; removed targets are closed and keep their history; a new target starts at the
    beginning of the stream.
    """
    environment = deployment.environment
    stream, made = Stream.objects.get_or_create(
        integration=integration,
        environment=environment,
        defaults={"lanes": manifest.lanes, "immutable": manifest.event.meaning == "fact"},
    )
    lane_changes.want(stream, manifest.lanes)
    if made:
        Lane.objects.bulk_create(Lane(stream=stream, lane=lane) for lane in range(manifest.lanes))
    elif stream.immutable != (manifest.event.meaning == "fact"):
        raise Conflict(
            "deployment.meaning",
            "A stream of immutable events cannot become one of states, or the reverse; use another integration.",
        )
    StreamSource.objects.bulk_create(
        [StreamSource(stream=stream, name=source.name) for source in manifest.sources], ignore_conflicts=True
    )
    transaction.on_commit(lambda: dating.plan_again(stream.pk, manifest))
    _lock_lanes_first(stream, manifest.tier)
    kept = [
        _subscribe(stream, deployment, manifest, target, instance)
        for target in manifest.targets
        for instance in target.instances or [""]
    ]
    TargetSubscription.objects.filter(stream=stream, replay_of=None).exclude(pk__in=kept).update(open=False)
    QuarantinedMessage.objects.filter(
        subscription__in=kept, state=QuarantinedMessage.State.SENDING, reason_class=QUESTION_AT_FAULT
    ).update(not_before=Now())
    _wait_for_others(stream, manifest)
    lane_changes.go_on(stream)
    known_keys.declare(integration, manifest)
    _schedule(integration, environment, manifest)


def _lock_lanes_first(stream: Stream, tier: int) -> None:
    """A claim locks a lane, then it may write its target. Where lanes follow their target into another tier, or are
    woken with it, they are locked before it, too."""
    targets = TargetSubscription.objects.filter(stream=stream, replay_of=None)
    if targets.filter(~Q(tier=tier) | Q(open=False)).exists():
        places = Progress.objects.filter(subscription__in=targets).order_by("subscription_id", "lane")
        list(places.select_for_update(of=("self",)).values_list("lane", flat=True))


def _subscribe(
    stream: Stream, deployment: Deployment, manifest: Manifest, target: ManifestTarget, instance: str
) -> int:
    limits = target.limits
    vendor, _ = VendorState.objects.get_or_create(
        system_key=target.system, instance=instance, environment=deployment.environment
    )
    if limits != type(limits)():
        VendorState.objects.filter(pk=vendor.pk).update(
            rate=limits.rate, burst=limits.burst, concurrency=limits.concurrency, budget=limits.budget
        )
    values: dict[str, Any] = {
        "deployment": deployment,
        "vendor": vendor,
        "kind": target.kind,
        "idempotency": target.idempotency,
        "coalesce": target.coalesce,
        "batch": target.batch,
        "max_attempts": target.max_attempts,
        "tier": manifest.tier,
        "open": True,
        **target_times.held_by_subscription(target),
        "held_until": LONG_AGO,  # what was at fault may be corrected by this release: it is tried at once
        "question_fault": "",
        "question_fault_detail": "",
        "question_fault_since": None,
    }
    subscription, made = TargetSubscription.objects.update_or_create(
        stream=stream, target=target.name, instance=instance, replay_of=None, defaults=values
    )
    if made:
        lane_changes.start(subscription, ask_until=recovery.ask_until_now())
    TargetSubscription.objects.filter(replay_of=subscription, open=True).update(deployment=deployment)
    return subscription.pk


def _wait_for_others(stream: Stream, manifest: Manifest) -> None:
    """`after` of each target: the subscription that must have a message first."""
    mine = TargetSubscription.objects.filter(stream=stream, replay_of=None)
    ids = dict(mine.values_list("target", "pk"))
    for target in manifest.targets:
        other = after.target_of(target.after)
        mine.filter(target=target.name).update(after_subscription=ids[other] if other else None)


def _schedule(integration: Integration, environment: str, manifest: Manifest) -> None:
    if manifest.schedule is None:
        Schedule.objects.filter(integration=integration, environment=environment).update(enabled=False)
        return
    when = manifest.schedule
    Schedule.objects.update_or_create(
        integration=integration,
        environment=environment,
        defaults={
            "expression": when.when,
            "zone": when.zone,
            "skipped": when.skipped,
            "repeated": when.repeated,
            "enabled": True,
            "next_due_at": None,
        },
    )
