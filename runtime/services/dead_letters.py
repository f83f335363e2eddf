"""Dead letters: messages that wait for a person, who edits, redrives or discards them. They never expire."""
# ruff: noqa: S608 - filters are assembled from constants of this module

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from governance.domain.subject import Subject
from governance.services import approvals
from kernel import audit, clock
from kernel.digest import canonical_json, digest_of
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import AuditEntry, User
from runtime import permissions
from runtime.domain import manifest as manifests
from runtime.domain import vendor_times
from runtime.domain.recovery import NOT_ASKABLE, REUSED_KEY, key_was_reused
from runtime.ledger import connections as ledger_connections
from runtime.ledger.log_reader import LoggedMessage, decode
from runtime.ledger.mappers import Skipped, Unmappable
from runtime.models import ConflictCase, Integration, RejectedMessage, TargetSubscription
from runtime.services import intake
from runtime.services.mappers import mapper_of

APPROVAL_ABOVE = 1_000  # messages of one integration and environment within APPROVAL_WINDOW, however they are parted
APPROVAL_WINDOW = timedelta(days=1)
WAITING = ("dead", "unknown")


_PAYLOADS = """
select p.position, p.key, p.state, coalesce(p.payload, m.payload)::text, p.reason_class, p.reason
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_message m on m.stream_id = s.stream_id and m.lane = p.lane and m.position = p.position
 where {where}
 order by p.lane, p.position
 limit %s"""
_BEHIND = """
select count(*)
  from runtime_quarantine b
 where b.subscription_id = %s
   and b.state = 'behind'
   and exists (select
                 from runtime_quarantine p
                where {where}
                  and p.key = b.key
                  and p.position < b.position)"""
_REDRIVE = """
update runtime_quarantine q
   set attempt = 0,
       state = case
                 when q.state = 'unknown' and not q.reason_class = any(%s) and %s then 'sending'
                 else 'retry'
               end,
       fresh_key = q.fresh_key + (q.state = 'dead' and q.reason ~ %s)::int,
       not_arrived = q.not_arrived or (q.state = 'unknown' and (q.reason_class = any(%s) or not %s)),
       rounds = 0,
       first_sent_at = case when q.reason_class <> all(%s) and %s then q.first_sent_at end,
       not_before = greatest(
           clock_timestamp() + make_interval(secs => c.turn / %s),
           case when q.state = 'unknown' then q.sent_at + make_interval(secs => %s) end)
  from (select p.subscription_id, p.lane, p.position,
               (row_number() over (order by p.lane, p.position) - 1)::float8 as turn
          from runtime_quarantine p
         where {where}) c
 where q.subscription_id = c.subscription_id
   and q.lane = c.lane
   and q.position = c.position"""
_EDIT_PAYLOAD = """
update runtime_quarantine
   set payload = %s
 where subscription_id = %s
   and lane = %s
   and position = %s
   and state in ('dead', 'unknown')
returning key"""
_DISCARD = """
with gone as (
       delete
         from runtime_quarantine p
        where {where}
       returning p.lane, p.position, p.token, p.key)
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail)
select %s, lane, position, position, token, clock_timestamp(), 'given_up', %s
  from gone"""


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Dead letters of one target, narrowed by fingerprint, reason class or exact `(lane, position)` addresses."""

    subscription: int
    fingerprint: str | None = None
    reason_class: str | None = None
    addresses: tuple[tuple[int, int], ...] = ()

    def where(self) -> tuple[str, list[Any]]:
        parts, values = ["p.subscription_id = %s and p.state in ('dead', 'unknown')"], [self.subscription]
        if self.fingerprint:
            parts.append("p.fingerprint = %s")
            values.append(self.fingerprint)  # type: ignore[arg-type]
        if self.reason_class:
            parts.append("p.reason_class = %s")
            values.append(self.reason_class)  # type: ignore[arg-type]
        if self.addresses:
            parts.append("(p.lane, p.position) in (select * from unnest(%s::int[], %s::bigint[]))")
            values += [[a[0] for a in self.addresses], [a[1] for a in self.addresses]]  # type: ignore[list-item]
        return " and ".join(parts), values


@dataclass(frozen=True, slots=True)
class RedriveDryRun:
    """Result of a dry run: how many messages match, how many would now pass the mapping, and why the others would
    not. `fresh_keys`: the vendor knows their key from another message, so each is asked about by its business reference
    and, where it is not there, sent under a fresh one. `not_askable`: redriving is the decision that they did not
    arrive.
    """

    total: int
    would_map: int
    still_refused: Sequence[tuple[str, int]]
    behind: int
    unknown: int
    fresh_keys: int = 0
    not_askable: int = 0


def _subscription(subscription_id: int, actor: User | None) -> TargetSubscription:
    found = (
        TargetSubscription.objects.select_related("stream__integration__owner_team", "deployment__release")
        .filter(pk=subscription_id)
        .first()
    )
    if found is None:
        raise NotFound("subscription.unknown", f"There is no target {subscription_id}.")
    permissions.require_operate(actor, found.stream.integration)
    return found


def dry_run(chosen: DeadLetterFilter, *, actor: User | None, limit: int = 10_000) -> RedriveDryRun:
    """Dry run: map every chosen message with the deployed release as it is now. Sends nothing, changes nothing."""
    subscription = _subscription(chosen.subscription, actor)
    manifest = manifests.load(subscription.deployment.release.manifest)
    mapper = mapper_of(manifest, manifest.target(subscription.target))
    where, values = chosen.where()
    reasons: dict[str, int] = {}
    passes = unknown = fresh = not_askable = 0
    with connection.cursor() as cursor:
        cursor.execute(_PAYLOADS.format(where=where), [*values, limit])
        rows = cursor.fetchall()
        cursor.execute(_BEHIND.format(where=where), [subscription.pk, *values])
        waiting = int(cursor.fetchone()[0])
    for position, key, state, payload, reason_class, reason in rows:
        unknown += state == "unknown"
        not_askable += state == "unknown" and (reason_class in NOT_ASKABLE or subscription.idempotency == "U")
        fresh += state == "dead" and key_was_reused(reason)
        try:
            mapper.one(LoggedMessage(position, key, decode(payload.encode()), ""))
            passes += 1
        except Skipped:
            passes += 1
        except Unmappable as error:
            reasons[error.pattern] = reasons.get(error.pattern, 0) + 1
    refused = sorted(reasons.items(), key=lambda pair: -pair[1])
    return RedriveDryRun(len(rows), passes, refused, waiting, unknown, fresh, not_askable)


def subject_of(subscription: TargetSubscription, chosen: DeadLetterFilter, count: int) -> Subject:
    """The subject that an approver of a large redrive decides on."""
    content = {
        "subscription": subscription.pk,
        "fingerprint": chosen.fingerprint,
        "reason": chosen.reason_class,
        "addresses": chosen.addresses,
        "count": count,
    }
    return Subject("replay", f"{subscription.stream.integration.key}/{subscription.target}/redrive", digest_of(content))


def redriven_lately(integration_key: str, environment: str) -> int:
    """How many messages were redriven within APPROVAL_WINDOW without an approval."""
    entries = AuditEntry.objects.filter(
        verb="runtime.redriven",
        subject_kind="integration",
        subject_id=integration_key,
        at__gte=clock.now() - APPROVAL_WINDOW,
    ).values_list("after", flat=True)
    return sum(e["count"] for e in entries if e and e.get("environment") == environment and not e.get("approved"))


def redrive(chosen: DeadLetterFilter, *, rate: float | None = None, actor: User | None, reason: str = "") -> int:
    """Let workers deliver dead letters again, `rate` a second; returns how many. First-seen time and history stay.

    For a message of unknown outcome the vendor is queried first. A vendor without a lookup cannot be: redriving is then
    this person's decision that the message did not arrive, and is recorded as such; nothing is sent before the vendor's
    `settle` time since the last send has passed. One whose key the vendor knows from
    another message gets a fresh key, and is asked about by its business reference first. Above APPROVAL_ABOVE messages
    of one integration within APPROVAL_WINDOW, including earlier redrives, an approval of `subject_of` is needed. Raises
    Invalid, Forbidden, NotApproved.
    """
    subscription = _subscription(chosen.subscription, actor)
    if rate is not None and rate <= 0:
        raise Invalid("redrive.rate", "The rate is messages per second, more than zero.")
    where, values = chosen.where()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"select count(*) from runtime_quarantine p where {where}", values)
        count = int(cursor.fetchone()[0])
        integration, environment = subscription.stream.integration, subscription.stream.environment
        Integration.objects.select_for_update().get(pk=integration.pk)  # two halves at the same time are one whole
        approved = count + redriven_lately(integration.key, environment) > APPROVAL_ABOVE
        if count and approved:
            subject = subject_of(subscription, chosen, count)
            approvals.require(subject, subject.digest, environment, actor=actor)
        asks = subscription.idempotency != "U"
        settle = vendor_times.DEFAULT_SETTLE if subscription.settle is None else subscription.settle
        decided: list[Any] = [NOT_ASKABLE, asks, REUSED_KEY, NOT_ASKABLE, asks, NOT_ASKABLE, asks, rate or 1e9, settle]
        cursor.execute(_REDRIVE.format(where=where), [*decided, *values])
        place = {"target": subscription.target, "instance": subscription.instance, "environment": environment}
        counts = {"count": count, "approved": approved, "rate": rate, "fingerprint": chosen.fingerprint}
        audit.record(
            "runtime.redriven", "integration", integration.key, actor=actor, reason=reason, after=place | counts
        )
        cursor.execute("select pg_notify('tillgate_work', '')")
    return count


def edit_payload(
    subscription_id: int, lane: int, position: int, *, payload: Any, actor: User | None, reason: str
) -> None:
    """Replace the payload of one dead letter.

    The stored message stays as it arrived; the edited payload is sent instead.
    """
    subscription = _subscription(subscription_id, actor)
    if not reason.strip():
        raise Invalid("dead_letter.reason", "Give a reason for the change.")
    try:
        text = canonical_json(payload).decode()
    except (TypeError, ValueError) as error:
        raise Invalid("dead_letter.payload", f"The payload is not JSON: {error}.") from None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_EDIT_PAYLOAD, [text, subscription_id, lane, position])
        row = cursor.fetchone()
        if row is None:
            raise NotFound("dead_letter.unknown", "This dead letter does not exist any more.")
        audit.record(
            "runtime.dead_letter_mended",
            "integration",
            subscription.stream.integration.key,
            actor=actor,
            reason=reason,
            after={"target": subscription.target, "lane": lane, "position": position, "key": row[0]},
        )


def discard(chosen: DeadLetterFilter, *, actor: User | None, reason: str) -> int:
    """Decide not to deliver these messages. Later messages of their keys continue. Needs a reason; history stays."""
    subscription = _subscription(chosen.subscription, actor)
    if not reason.strip():
        raise Invalid("dead_letter.reason", "Give a reason for discarding these messages.")
    where, values = chosen.where()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DISCARD.format(where=where), [*values, subscription.pk, reason[:2000]])
        count = int(cursor.rowcount)
        audit.record(
            "runtime.given_up",
            "integration",
            subscription.stream.integration.key,
            actor=actor,
            reason=reason,
            after={"target": subscription.target, "count": count, "fingerprint": chosen.fingerprint},
        )
        cursor.execute("select pg_notify('tillgate_work', '')")
    return count


def resubmit_rejected(rejected_id: int, *, payload: Any, actor: User | None, note: str = "") -> intake.IntakeReceipt:
    """Submit a corrected version of a rejected message, as if the source had sent it.

    Raises Invalid when it is rejected again.
    """
    rejected = (
        RejectedMessage.objects.select_related("stream__integration__owner_team")
        .filter(pk=rejected_id, state="open")
        .first()
    )
    if rejected is None:
        raise NotFound("rejected.unknown", "This rejected message does not exist any more.")
    integration = rejected.stream.integration
    permissions.require_operate(actor, integration)
    receipt = intake.accept(integration.key, rejected.stream.environment, [payload])[0]
    if receipt.status == "refused":
        raise Invalid("rejected.again", f"It is rejected again: {receipt.reason}.")
    _decide(
        RejectedMessage, rejected_id, "fixed", integration, actor, note, {"status": receipt.status, "key": receipt.key}
    )
    return receipt


def dismiss_rejected(rejected_id: int, *, actor: User | None, note: str) -> None:
    """Decide that a rejected message is not needed. Needs a reason."""
    rejected = (
        RejectedMessage.objects.select_related("stream__integration__owner_team")
        .filter(pk=rejected_id, state="open")
        .first()
    )
    if rejected is None:
        raise NotFound("rejected.unknown", "This rejected message does not exist any more.")
    if not note.strip():
        raise Invalid("dead_letter.reason", "Give a reason for dismissing it.")
    permissions.require_operate(actor, rejected.stream.integration)
    _decide(RejectedMessage, rejected_id, "dismissed", rejected.stream.integration, actor, note, {})


def settle_conflict(conflict_id: int, *, keep: bool, actor: User | None, note: str) -> None:
    """Close a conflict case.

    `keep`: the first message stands. Otherwise the other content is appended under the key with the suffix `#2`, `#3`,
    …, as a message of its own that says what it corrects; what was delivered is not undone.
    """
    case = (
        ConflictCase.objects.select_related("stream__integration__owner_team")
        .filter(pk=conflict_id, state="open")
        .first()
    )
    if case is None:
        raise NotFound("conflict.unknown", "There is no such open case.")
    if not note.strip():
        raise Invalid("conflict.reason", "Say why.")
    permissions.require_operate(actor, case.stream.integration)
    if not keep:
        _append_correction(case)
    _decide(
        ConflictCase,
        conflict_id,
        "kept" if keep else "replaced",
        case.stream.integration,
        actor,
        note,
        {"key": case.key},
    )


def _append_correction(case: ConflictCase) -> None:
    from runtime.ledger.append import IncomingMessage, append, load_stream

    with ledger_connections.connected(name="tillgate-corrections") as conn:
        stream = load_stream(conn, case.stream_id)
        payload = canonical_json(case.payload)
        for number in range(2, 100):
            done = append(
                conn, stream, [IncomingMessage(f"{case.key}#{number}", 0, payload, causation=f"conflict {case.pk}")]
            )
            if done.accepted or done.unchanged:
                return
    raise Conflict("conflict.too_many", "This key has been corrected too often.")


def _decide(
    model: Any, pk: int, state: str, integration: Integration, actor: User | None, note: str, after: dict[str, Any]
) -> None:
    from django.db.models.functions import Now

    with transaction.atomic():
        if not model.objects.filter(pk=pk, state="open").update(
            state=state, decided_by=actor, decided_at=Now(), note=note
        ):
            raise Conflict("case.decided", "Somebody has decided this meanwhile.")
        audit.record(
            f"runtime.{model.__name__.lower()}_{state}",
            "integration",
            integration.key,
            actor=actor,
            reason=note,
            after={"id": pk, **after},
        )
