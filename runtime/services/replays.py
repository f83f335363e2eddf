"""Replay: stored messages again, by the same code path. A dry run maps them and keeps a hash of what would have been sent."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection, transaction

from governance.domain.subject import Subject
from governance.services import approvals
from kernel import audit
from kernel.digest import digest_of
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.ledger.claims import Claim, Proof, release, step
from runtime.ledger.connections import Connection
from runtime.ledger.parking import map_messages
from runtime.ledger.reading import take
from runtime.models import Lane, Progress, Subscription
from runtime.services.bindings import Binder

APPROVAL_ABOVE = 10_000
_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def bounds(subscription: Subscription, *, since: datetime, until: datetime | None = None) -> dict[int, tuple[int, int]]:
    """{lane: (first, last)} of the messages that arrived in a period and were passed by this subscription."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select m.lane, min(m.position), max(m.position) from runtime_message m
                 join runtime_progress p on p.subscription_id = %s and p.lane = m.lane and m.position <= p.position
                where m.stream_id = %s and m.received_at >= %s and (%s::timestamptz is null or m.received_at < %s) group by m.lane""",
            [subscription.pk, subscription.stream_id, since, until, until],
        )
        return {lane: (first, last) for lane, first, last in cursor.fetchall()}


def subject_of(subscription: Subscription, spans: dict[int, tuple[int, int]]) -> Subject:
    """What an approver of a large replay decides on: exactly these positions of this target."""
    identity = f"{subscription.stream.integration.key}/{subscription.target}{'/' + subscription.instance if subscription.instance else ''}"
    return Subject(
        "replay",
        identity,
        digest_of({"subscription": subscription.pk, "spans": {str(k): list(v) for k, v in sorted(spans.items())}}),
    )


def open_replay(
    subscription_id: int, *, spans: dict[int, tuple[int, int]], dry: bool, pace: float | None, actor: User | None, reason: str
) -> Subscription:
    """A replay is another subscription over the same log with its own progress.

    `pace` in messages per second and lane. Delivered again means: with a vendor of class K, L or N the message's own key is
    asked for or honoured, so a repetition has no second effect; class U is refused. Above APPROVAL_ABOVE messages an approval
    of `subject_of` is needed. Raises Invalid, Forbidden, NotApproved.
    """
    subscription = (
        Subscription.objects.select_related("stream__integration__owner_team", "deployment").filter(pk=subscription_id).first()
    )
    if subscription is None:
        raise NotFound("subscription.unknown", f"There is no target {subscription_id}.")
    if not spans or not reason.strip():
        raise Invalid("replay.empty", "A replay names the messages and the reason.")
    if actor is not None and not (allowed := permissions.may_operate(Viewer.of(actor), subscription.stream.integration)):
        raise Forbidden("integration.not_operator", allowed.reason)
    if not dry and subscription.idempotency == "U":
        raise Conflict(
            "replay.unsafe",
            "This target neither keeps keys nor can be asked: a replay could act twice. Redrive single messages instead.",
        )
    count = sum(last - first + 1 for first, last in spans.values())
    with transaction.atomic():
        if not dry and count > APPROVAL_ABOVE:
            subject = subject_of(subscription, spans)
            approvals.require(subject, subject.digest, subscription.stream.environment, actor=actor)
        made = Subscription.objects.create(
            stream=subscription.stream, target=subscription.target, instance=subscription.instance, deployment=subscription.deployment, vendor=subscription.vendor,
            kind="dry" if dry else subscription.kind, idempotency=subscription.idempotency, coalesce=subscription.coalesce, batch=subscription.batch,
            max_attempts=subscription.max_attempts, tier=3, pace=pace, replay_of=subscription,
        )  # fmt: skip
        lanes = set(Lane.objects.filter(stream=subscription.stream).values_list("lane", flat=True))
        Progress.objects.bulk_create(
            Progress(subscription=made, lane=lane, position=first - 1, upto=last)
            for lane, (first, last) in sorted(spans.items())
            if lane in lanes
        )
        audit.record(
            actor=actor, verb="runtime.replay_opened", subject_kind="integration", subject_id=subscription.stream.integration.key, reason=reason,
            after={"replay": made.pk, "dry": dry, "messages": count, "spans": {str(k): list(v) for k, v in spans.items()}},
        )  # fmt: skip
        return made


def close_finished() -> int:
    """Close replays that have reached their end; answers how many."""
    done = 0
    for replay in Subscription.objects.filter(open=True).exclude(replay_of=None):
        rows: list[Any] = list(Progress.objects.filter(subscription=replay).values_list("position", "upto"))
        if rows and all(upto is not None and position >= upto for position, upto in rows):
            done += Subscription.objects.filter(pk=replay.pk, open=True).update(open=False)
    return done


def deliver_dry(conn: Connection, taken: Claim, binder: Binder, *, max_batches: int) -> int:
    """Map and hash, send nothing. The evidence of each batch carries the hash, so two runs over the same log can be compared."""
    manifest = binder.manifest(taken.release)
    target = manifest.target(taken.target)
    mapper = binder.table(taken).mapper if target.table is not None else binder.mapper(taken)
    position, passed = taken.position, 0
    for _ in range(max_batches):
        messages = take(conn, taken, position, taken.batch_size())
        if not messages:
            break
        mapped, stops, skipped = map_messages(messages, mapper)
        content = hashlib.sha256()
        for message, document in mapped:
            content.update(f"{message.position}\n".encode() + _encode(document) + b"\n")
        proof = Proof(
            messages[0].position, messages[-1].position, "dry", len(mapped), 0, len(skipped), len(stops), 0, [content.hexdigest()]
        )  # fmt: skip
        step(conn, taken, messages[-1].position, proof=proof)
        position, passed = messages[-1].position, passed + len(messages)
    release(conn, taken, wait=passed / taken.pace if taken.pace else 0.0)
    return passed


__all__ = ["APPROVAL_ABOVE", "bounds", "close_finished", "deliver_dry", "open_replay", "subject_of"]
