"""Reading a source again, from its start or from a date: planned, approved above a limit, started.

What is known already is stored once only: the heads drop it. So a source may be read again at any time; what it costs
is the reading.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from governance.domain.approval import SealedApproval
from governance.domain.subject import Subject
from governance.services import approvals, effects
from kernel import audit, clock
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from runtime import permissions
from runtime.connectors import registry
from runtime.connectors.protocols import StartsAtDate
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Connection, Manifest, ManifestSource
from runtime.models import Deployment, ReadAgain, Run, Stream, StreamSource
from runtime.services import runs, system_connections

APPROVAL_ABOVE = 10_000  # messages that are known already and come again
APPROVAL_AGE = timedelta(days=90)

_KNOWN = "select count(*) from (select 1 from runtime_head where stream_id = %s limit %s) t"
_ARRIVED = "select count(*) from (select 1 from runtime_message where stream_id = %s and received_at >= %s limit %s) t"


def plan(
    integration_key: str,
    environment: str,
    *,
    source: str = "",
    since: datetime | None = None,
    actor: User | None,
    reason: str,
) -> ReadAgain:
    """Fix where reading shall begin again; nothing is read yet. `source` empty: all sources of the integration.

    Raises NotFound `deployment.none`, Forbidden, Invalid `reading.plan` with findings.
    """
    deployment = _deployment(integration_key, environment)
    permissions.require_operate(actor, deployment.integration)
    manifest = manifests.load(deployment.release.manifest)
    if found := list(_problems(manifest, source, since, reason)):
        raise Invalid("reading.plan", f"It cannot be read again: {found[0]['message']}.", {"findings": found})
    stream = Stream.objects.get(integration=deployment.integration, environment=environment)
    messages = _known(stream, since)
    begins = since or deployment.integration.created_at
    with transaction.atomic():
        made = ReadAgain.objects.create(
            stream=stream,
            source=source,
            since=since,
            messages=messages,
            needs_approval=messages > APPROVAL_ABOVE or (messages > 0 and begins < clock.now() - APPROVAL_AGE),
            reason=reason.strip(),
            planned_by=actor,
        )
        made.digest = digest_of(
            {
                "plan": made.pk,
                "stream": stream.pk,
                "source": source,
                "since": since.isoformat() if since else None,
                "messages": messages,
            }
        )
        made.save(update_fields=["digest"])
        _record("runtime.reading_planned", made, actor, reason, messages=messages)
    return made


def subject(reading: ReadAgain) -> Subject:
    """What an approver decides on: this plan, and no other one."""
    return Subject("reading", f"{reading.stream.integration.key}/{reading.source or 'all'}", reading.digest)


def approval_for(reading: ReadAgain, *, actor: User | None) -> SealedApproval | None:
    """The approval that lets it start; None where it needs none. Raises NotApproved."""
    if not reading.needs_approval:
        return None
    about = subject(reading)
    return approvals.require(about, about.digest, reading.stream.environment, actor=actor)


def start(reading_id: int, *, actor: User | None) -> ReadAgain:
    """Set the cursor back and start a run; twice changes nothing. Raises NotApproved, Conflict, Forbidden."""
    with transaction.atomic():
        reading = _locked(reading_id, actor)
        if reading.state == ReadAgain.State.STARTED:
            return reading
        if reading.state != ReadAgain.State.PLANNED:
            raise Conflict("reading.cancelled", "This plan was cancelled. Make another one.")
        stream = reading.stream
        deployment = _deployment(stream.integration.key, stream.environment)
        manifest = manifests.load(deployment.release.manifest)
        chosen = {one.name: one for one in _chosen(manifest, reading.source)}
        if not chosen:
            said = "The deployed release has no source to read again any more. Cancel this plan."
            raise Conflict("reading.no_source", said)
        places = list(StreamSource.objects.select_for_update().filter(stream=stream, name__in=chosen).order_by("id"))
        going = Run.objects.filter(stream=stream, kind="collect", state=Run.State.RUNNING)
        if going.filter(source__in=chosen).exists():
            raise Conflict("reading.busy", "A run is reading this source now. Stop it, or wait for its end.")
        if (found := approval_for(reading, actor=actor)) is not None:
            effects.look_again(found)
        held = approval_for(reading, actor=actor)
        if held is not None:
            approvals.mark_used(held.id, actor=actor)
        reading.cursor_before = {one.name: one.cursor for one in places if one.cursor is not None} or None
        for place in places:
            place.cursor = None if reading.since is None else _cursor_at(chosen[place.name], reading.since)
            place.token += 1  # a reader that has not noticed that its run ended cannot move the cursor any more
            place.not_before, place.wait_reason = clock.now(), ""
            place.save(update_fields=["cursor", "token", "not_before", "wait_reason"])
        started = [
            runs.start(stream.integration.key, stream.environment, trigger="manual", actor=actor, source=name)
            for name in chosen
        ]
        reading.run = started[0]
        reading.state, reading.started_by, reading.started_at = ReadAgain.State.STARTED, actor, clock.now()
        reading.approval_id = held.id if held else None
        reading.save(update_fields=["cursor_before", "run", "state", "started_by", "started_at", "approval"])
        _record("runtime.reading_started", reading, actor, reading.reason, run=reading.run.pk)
    return reading


def cancel(reading_id: int, *, actor: User | None, reason: str) -> ReadAgain:
    """Give a plan up. A run that was started is stopped on its own page."""
    if not reason.strip():
        said = "give a reason"
        raise Invalid("reading.reason", "Give a reason for giving it up.", {"findings": [finding("/reason", said)]})
    with transaction.atomic():
        reading = _locked(reading_id, actor)
        if reading.state != ReadAgain.State.PLANNED:
            raise Conflict("reading.ended", f"This plan is {reading.state} already.")
        reading.state = ReadAgain.State.CANCELLED
        reading.save(update_fields=["state"])
        _record("runtime.reading_cancelled", reading, actor, reason)
    return reading


# -- steps -------------------------------------------------------------------------------------------------------------
def sources_of(manifest: Manifest) -> list[ManifestSource]:
    """Sources that can be read again."""
    return [one for one in manifest.sources if one.connection is not None and not _gives_files(one.connection)]


def _gives_files(connection: Connection) -> bool:
    """False also for a connector that is not there any more: it reads nothing either way, and says so itself."""
    try:
        return registry.traits(connection.protocol).reads_files
    except Invalid:
        return False


def _chosen(manifest: Manifest, source: str) -> list[ManifestSource]:
    return [one for one in sources_of(manifest) if not source or one.name == source]


def _problems(manifest: Manifest, source: str, since: datetime | None, reason: str) -> Any:
    if not reason.strip():
        yield finding("/reason", "give a reason")
    named = [one for one in manifest.sources if not source or one.name == source]
    if not named:
        yield finding("/source", f"there is no source {source!r} in the deployed release")
    for one in named:
        if one.connection is None:
            yield finding("/source", f"{one.name} is handed in and not read; its sender has to send again")
        elif _gives_files(one.connection):
            yield finding("/source", f"{one.name} gives files: move them from its archive to its incoming folder again")
    if since is None:
        return
    if since >= clock.now():
        yield finding("/since", "the date lies in the past")
    for one in _chosen(manifest, source):
        if _cursor_at(one, since) is None:
            yield finding("/since", f"{one.name} cannot be read from a date, only from its start")


def _cursor_at(source: ManifestSource, since: datetime) -> dict[str, Any] | None:
    assert source.connection is not None
    opened = system_connections.unconnected_source(source.connection)
    try:
        return opened.cursor_at(since) if isinstance(opened, StartsAtDate) else None
    finally:
        opened.close()


def _known(stream: Stream, since: datetime | None) -> int:
    """How many messages are known that would come again, up to one above the limit."""
    with connection.cursor() as cursor:
        if since is None:
            cursor.execute(_KNOWN, [stream.pk, APPROVAL_ABOVE + 1])
        else:
            cursor.execute(_ARRIVED, [stream.pk, since, APPROVAL_ABOVE + 1])
        return int(cursor.fetchone()[0])


def _deployment(key: str, environment: str) -> Deployment:
    found = (
        Deployment.objects.select_related("integration__owner_team", "release")
        .filter(integration__key=key, environment=environment, active=True)
        .first()
    )
    if found is None:
        raise NotFound("deployment.none", f"{key} is not deployed in {environment}; nothing can be read.")
    return found


def _locked(reading_id: int, actor: User | None) -> ReadAgain:
    found = (
        ReadAgain.objects.select_for_update(of=("self",))
        .select_related("stream__integration__owner_team")
        .filter(pk=reading_id)
        .first()
    )
    if found is None:
        raise NotFound("reading.unknown", f"There is no plan {reading_id} to read again.")
    permissions.require_operate(actor, found.stream.integration)
    return found


def _record(verb: str, reading: ReadAgain, actor: User | None, reason: str, **after: Any) -> None:
    since = reading.since.isoformat() if reading.since else "start"
    place = {"plan": reading.pk, "environment": reading.stream.environment, "source": reading.source, "since": since}
    key = reading.stream.integration.key
    audit.record(verb, "integration", key, actor=actor, reason=reason, after=place | after)


__all__ = ["APPROVAL_ABOVE", "approval_for", "cancel", "plan", "sources_of", "start", "subject"]
