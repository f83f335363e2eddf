"""Dead letters: messages that wait for a person, who edits, redrives or discards them. They never expire."""
# ruff: noqa: S608 - filters are assembled from constants of this module

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from governance.domain.subject import Subject
from governance.services import effects
from kernel import audit, clock
from kernel.digest import canonical_json, digest_of
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import AuditEntry, User
from runtime import permissions
from runtime.domain import manifest as manifests
from runtime.domain import vendor_times
from runtime.domain.manifest import Manifest
from runtime.domain.recovery import NOT_ASKABLE, REUSED_KEY, key_was_reused
from runtime.ledger.log_reader import LoggedMessage, decode
from runtime.ledger.mappers import Skipped, Unmappable
from runtime.models import Integration, TargetSubscription
from runtime.services import asking_now, closed_targets, edited_names, redrive_refusals, seen_content, target_times
from runtime.services.mappers import mapper_of

APPROVAL_ABOVE = 1_000  # messages of one integration and environment within APPROVAL_WINDOW, however they are parted
APPROVAL_WINDOW = timedelta(days=1)
WAITING = ("dead", "unknown")


UNPROVEN = """
select min(t.at) as first_at, max(t.at) as last_at
  from runtime_attempt t
 where t.subscription_id = p.subscription_id
   and t.lane = p.lane
   and t.last >= p.position
   and t.first <= p.position
   and t.outcome in ('unknown', 'sending', 'accepted', 'late')
   and p.state = 'dead'
   and not p.not_arrived"""
# Of what may have arrived: nobody can be asked about it, and the same again could be a second one.
CANNOT_BE_ASKED_ABOUT = "p.state = 'unknown' and (not %(asks)s or p.reason_class = any(%(not_askable)s))"
_PAYLOADS = (
    """
select p.position, p.key, p.state, coalesce(p.payload, m.payload)::text, p.reason_class, p.reason,
       e.last_at is not null as unproven,
       extract(epoch from clock_timestamp() - coalesce(
           p.first_sent_at, case when p.state = 'dead' then e.first_at else p.first_seen_at end))::float8 as age
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_message m on m.stream_id = s.stream_id and m.lane = p.lane and m.position = p.position
 cross join lateral ("""
    + UNPROVEN
    + """) e
 where {where}
 order by p.lane, p.position
 limit %(limit)s"""
)
_BEHIND = """
select count(*)
  from runtime_quarantine b
 where b.subscription_id = %(subscription)s
   and b.state = 'behind'
   and exists (select
                 from runtime_quarantine p
                where {where}
                  and p.key = b.key
                  and p.position < b.position)"""
_MATCHED = "select count(*) from runtime_quarantine p where {where}"
_LOCK = """
select 1
  from runtime_quarantine p
 where {where}
 order by p.lane, p.position
   for update"""
LAST_SENT = """case p.state
          when 'unknown' then p.sent_at
          when 'sending' then coalesce(p.sent_at, p.first_seen_at)
          else greatest(p.sent_at, e.last_at)
        end"""
_COUNT = (
    """
select count(*), count(e.last_at), count(*) filter (where """
    + CANNOT_BE_ASKED_ABOUT
    + f"""),
       extract(epoch from max({LAST_SENT}) - clock_timestamp())::float8 + %(settle)s
  from runtime_quarantine p
 cross join lateral ("""
    + UNPROVEN
    + """) e
 where {where}"""
)
# `asks`: the vendor can be asked, or the same again has one effect. `decided`: a person says that it did not arrive.
_REDRIVE = (
    """
update runtime_quarantine q
   set attempt = 0,
       state = case
                 when %(decided)s then 'retry'
                 when q.state = 'sending' then 'sending'
                 when q.state = 'unknown' then 'sending'
                 when c.last_at is not null and %(asks_dead)s then 'sending'
                 else 'retry'
               end,
       reason_class = case when %(decided)s and q.reason_class = 'accepted' then 'unknown' else q.reason_class end,
       accepted_as = case when %(decided)s then '' else q.accepted_as end,
       fresh_key = q.fresh_key + (q.state = 'dead' and q.reason ~ %(reused_key)s)::int,
       not_arrived = q.not_arrived or %(decided)s,
       rounds = 0,
       first_sent_at = case
                         when not %(decided)s and q.reason_class <> all(%(not_askable)s) and %(asks)s
                         then coalesce(q.first_sent_at, c.first_at)
                       end,
       sent_at = greatest(q.sent_at, c.last_at),
       not_before = greatest(
           clock_timestamp() + make_interval(secs => c.turn / %(rate)s),
           case when q.state = 'unknown' then q.sent_at + make_interval(secs => %(settle)s) end)
  from (select p.subscription_id, p.lane, p.position, e.first_at, e.last_at,
               (row_number() over (order by p.lane, p.position) - 1)::float8 as turn
          from runtime_quarantine p
         cross join lateral ("""
    + UNPROVEN
    + """) e
         where {where}) c
 where q.subscription_id = c.subscription_id
   and q.lane = c.lane
   and q.position = c.position"""
)
_SENT = (
    """
select coalesce(p.payload, m.payload)::text, p.key
  from runtime_quarantine p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_message m on m.stream_id = s.stream_id and m.lane = p.lane and m.position = p.position
 cross join lateral ("""
    + UNPROVEN
    + """) e
 where p.subscription_id = %s
   and p.lane = %s
   and p.position = %s
   and (p.state = 'unknown' or e.last_at is not null)
   for update of p"""
)
_EDIT_PAYLOAD = """
update runtime_quarantine
   set payload = %s
 where subscription_id = %s
   and lane = %s
   and position = %s
   and state in ('dead', 'unknown')
returning key"""
# `edited`: what may have arrived is not what is sent from now on (`runtime/ledger/edited.py` asks for this row). Either
# way a replay leaves the message out: what is stored is not what was decided.
_EDITED = """
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail, payload)
select subscription_id, lane, position, position, token, clock_timestamp(), %s, %s, %s::json
  from runtime_quarantine
 where subscription_id = %s and lane = %s and position = %s"""
_DISCARD = """
with gone as (
       delete
         from runtime_quarantine p
        where {where}
       returning p.lane, p.position, p.token, p.key)
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail)
select %(subscription)s, lane, position, position, token, clock_timestamp(), 'given_up', %(reason)s
  from gone"""


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Dead letters of one target, narrowed by fingerprint, reason class or exact `(lane, position)` addresses. `asked`:
    the messages that are asked about instead. An exact address means both kinds; what a worker is trying at this moment
    is never meant, nor what came after `until`."""

    subscription: int
    fingerprint: str | None = None
    reason_class: str | None = None
    addresses: tuple[tuple[int, int], ...] = ()
    asked: bool = False
    until: datetime | None = None

    def where(self, *, redriven: bool = False) -> tuple[str, dict[str, Any]]:
        """A condition on `p` (runtime_quarantine), and its values. `redriven`: of these, what is asked about now."""
        asked = "(p.state = 'sending' and p.lease_until < clock_timestamp())"
        waiting = asked if self.asked or redriven else "p.state in ('dead', 'unknown')"
        parts, values = ["p.subscription_id = %(subscription)s"], dict[str, Any](subscription=self.subscription)
        parts.append(f"({waiting} or {asked})" if self.addresses else waiting)
        if self.until:
            parts.append("p.first_seen_at <= %(until)s")
            values["until"] = self.until
        if self.fingerprint:
            parts.append("p.fingerprint = %(fingerprint)s")
            values["fingerprint"] = self.fingerprint
        if self.reason_class:
            parts.append("p.reason_class = %(reason_class)s")
            values["reason_class"] = self.reason_class
        if self.addresses:
            parts.append("(p.lane, p.position) in (select * from unnest(%(lanes)s::int[], %(positions)s::bigint[]))")
            values |= {"lanes": [a[0] for a in self.addresses], "positions": [a[1] for a in self.addresses]}
        return " and ".join(parts), values


@dataclass(frozen=True, slots=True)
class RedriveDryRun:
    """Result of a dry run: how many messages match, how many would now pass the mapping, and why the others would
    not. `fresh_keys`: the vendor knows their key from another message, so each is asked about by its business reference
    and, where it is not there, sent under a fresh one. `not_askable`: they may have arrived and nobody can be asked, so
    a redrive is refused unless it says that they did not. `key_forgotten`: they may have arrived under a key that the
    vendor has forgotten, so they come back to a person. `unproven`: dead letters of which an earlier try has no
    trustworthy answer; they are asked about first.
    """

    total: int
    would_map: int
    still_refused: Sequence[tuple[str, int]]
    behind: int
    unknown: int
    fresh_keys: int = 0
    not_askable: int = 0
    key_forgotten: int = 0
    unproven: int = 0


def operated_subscription(subscription_id: int, actor: User | None) -> TargetSubscription:
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
    subscription = operated_subscription(chosen.subscription, actor)
    manifest = manifests.load(subscription.deployment.release.manifest)
    mapper = mapper_of(manifest, manifest.target(subscription.target))
    where, values = chosen.where()
    reasons: dict[str, int] = {}
    passes = unknown = fresh = not_askable = unproven = forgotten = 0
    with connection.cursor() as cursor:
        cursor.execute(_PAYLOADS.format(where=where), values | {"limit": limit})
        rows = cursor.fetchall()
        cursor.execute(_BEHIND.format(where=where), values)
        waiting = int(cursor.fetchone()[0])
    keys_hold_for = _keys_hold_for(subscription, manifest)
    for position, key, state, payload, reason_class, reason, earlier, age in rows:
        decides = state == "unknown" and (reason_class in NOT_ASKABLE or subscription.idempotency == "U")
        unknown += state in ("unknown", "sending")
        not_askable += decides
        unproven += earlier
        asks = (state in ("unknown", "sending") and not decides) or (earlier and subscription.idempotency in "KL")
        forgotten += asks and age is not None and not 0 <= age < keys_hold_for
        fresh += state == "dead" and key_was_reused(reason)
        try:
            mapper.one(LoggedMessage(position, key, decode(payload.encode()), ""))
            passes += 1
        except Skipped:
            passes += 1
        except Unmappable as error:
            reasons[error.pattern] = reasons.get(error.pattern, 0) + 1
    refused = sorted(reasons.items(), key=lambda pair: -pair[1])
    return RedriveDryRun(len(rows), passes, refused, waiting, unknown, fresh, not_askable, forgotten, unproven)


def _keys_hold_for(subscription: TargetSubscription, manifest: Manifest) -> float:
    """For how many seconds after its first send a message can be asked about, or sent again, under its key. Without an
    end where the vendor keeps no keys of ours, or can be asked by business reference."""
    if subscription.idempotency != "K" or subscription.kind != "vendor":
        return float("inf")
    if target_times.asks_by_reference(manifest.target(subscription.target)):
        return float("inf")
    kept = subscription.key_kept or vendor_times.DEFAULT_KEY_KEPT
    settle = vendor_times.DEFAULT_SETTLE if subscription.settle is None else subscription.settle
    return vendor_times.key_protects_for(kept, subscription.deadline or vendor_times.DEFAULT_DEADLINE, settle)


def subject_of(
    subscription: TargetSubscription, chosen: DeadLetterFilter, count: int, *, word: str = "redrive"
) -> Subject:
    """The subject that an approver of a large redrive, or of many confirmed by a word (`confirm`), decides on."""
    content = {
        "subscription": subscription.pk,
        "fingerprint": chosen.fingerprint,
        "reason": chosen.reason_class,
        "addresses": chosen.addresses,
        "count": count,
    }
    return Subject("replay", f"{subscription.stream.integration.key}/{subscription.target}/{word}", digest_of(content))


def decided_lately(integration_key: str, environment: str) -> int:
    """How many messages were redriven or confirmed within APPROVAL_WINDOW without an approval."""
    entries = AuditEntry.objects.filter(
        verb__in=("runtime.redriven", "runtime.confirmed_by_person"),
        subject_kind="integration",
        subject_id=integration_key,
        at__gte=clock.now() - APPROVAL_WINDOW,
    ).values_list("after", flat=True)
    return sum(e["count"] for e in entries if e and e.get("environment") == environment and not e.get("approved"))


def require_approval_of_many(
    subscription: TargetSubscription, chosen: DeadLetterFilter, count: int, actor: User | None, *, word: str = "redrive"
) -> bool:
    """Inside a transaction: whether so many messages, with those of lately, need an approval, which is there then.
    Raises NotApproved."""
    integration, environment = subscription.stream.integration, subscription.stream.environment
    Integration.objects.select_for_update().get(pk=integration.pk)  # two halves at the same time are one whole
    if count + decided_lately(integration.key, environment) <= APPROVAL_ABOVE:
        return False
    if count:
        subject = subject_of(subscription, chosen, count, word=word)
        effects.require(subject, environment, actor=actor)
    return True


def lock_chosen(cursor: CursorWrapper, where: str, values: dict[str, Any]) -> None:
    """In the transaction of a person's decision, and before it: the chosen messages stay as they are until it is made.
    Raises Conflict `dead_letter.decided` where another one was made of all of them while this one waited."""
    cursor.execute(_MATCHED.format(where=where), values)
    matched = int(cursor.fetchone()[0])
    cursor.execute(_LOCK.format(where=where), values)
    if matched and not cursor.rowcount:
        raise _decided()


def demand_some(count: int) -> int:
    """The number of messages that a decision has changed. Raises Conflict `dead_letter.decided` where it is none: they
    were there when they were chosen."""
    if not count:
        raise _decided()
    return count


def _decided() -> Conflict:
    return Conflict(
        "dead_letter.decided",
        "Somebody else has decided about this meanwhile, or a worker is trying it at this moment. Nothing was changed: "
        "look at its history.",
    )


def redrive(
    chosen: DeadLetterFilter,
    *,
    rate: float | None = None,
    actor: User | None,
    reason: str = "",
    not_arrived: bool = False,
) -> int:
    """Let workers deliver dead letters again, `rate` a second; returns how many. First-seen time and history stay.

    For a message of unknown outcome the vendor is queried first, or sent the same again where that has one effect.
    Where neither is so (class U, a key that was forgotten or lost), it is sent only where a person says that it did not
    arrive, and only once the vendor's `settle` time since the last send has passed. One whose key the vendor
    knows from another message gets a fresh key, and is asked about by its business reference first. Above
    APPROVAL_ABOVE messages of one integration within APPROVAL_WINDOW, including earlier redrives and confirmations, an
    approval of `subject_of` is needed.

    What is asked about is asked about now, also under an open circuit breaker (`asking_now`). A dead letter of which an
    earlier try has no trustworthy answer is asked about before it is sent. `not_arrived`: this person has looked at the
    target and says so; nothing is asked, and the reason is kept. Raises Invalid, Forbidden, NotApproved; Conflict
    `redrive.unsettled` where the target may still act on one of them, `redrive.unproven` where something that may have
    arrived cannot be asked about and nobody has said that, `redrive.closed` where the target takes no more work.
    """
    subscription = operated_subscription(chosen.subscription, actor)
    if rate is not None and rate <= 0:
        raise Invalid("redrive.rate", "The rate is messages per second, more than zero.")
    if not_arrived and not reason.strip():
        raise Invalid("redrive.reason", "Say how you know that these messages did not arrive; the ledger keeps it.")
    closed_targets.demand_open(subscription)
    where, values = chosen.where()
    asks = subscription.idempotency != "U"
    settle = vendor_times.DEFAULT_SETTLE if subscription.settle is None else subscription.settle
    about = {"not_askable": NOT_ASKABLE, "asks": asks, "settle": settle}
    with transaction.atomic(), connection.cursor() as cursor:
        lock_chosen(cursor, where, values)
        cursor.execute(_COUNT.format(where=where), values | about)
        count, earlier, unknown, wait = cursor.fetchone()
        if (unproven := unknown + (0 if asks else earlier)) and not not_arrived:
            raise redrive_refusals.unproven(unproven)
        if not_arrived and wait is not None and wait > 0:
            raise redrive_refusals.too_early(wait)
        integration, environment = subscription.stream.integration, subscription.stream.environment
        approved = require_approval_of_many(subscription, chosen, count, actor)
        given: dict[str, Any] = about | {"reused_key": REUSED_KEY}
        given |= {"decided": not_arrived, "asks_dead": subscription.idempotency in "KL", "rate": rate or 1e9}
        cursor.execute(_REDRIVE.format(where=where), values | given)
        count = int(cursor.rowcount)
        if not not_arrived:
            asking_now.let_it_probe(cursor, subscription, *chosen.where(redriven=True))
        place = {"target": subscription.target, "instance": subscription.instance, "environment": environment}
        counts = {"count": count, "approved": approved, "rate": rate, "fingerprint": chosen.fingerprint}
        counts |= {"not_arrived": True} if not_arrived else {}
        audit.record(
            "runtime.redriven", "integration", integration.key, actor=actor, reason=reason, after=place | counts
        )
        cursor.execute("select pg_notify('tillgate_work', '')")
    return count


def edit_payload(
    subscription_id: int,
    lane: int,
    position: int,
    *,
    payload: Any,
    actor: User | None,
    reason: str,
    seen: str | None = None,
) -> None:
    """Replace the payload of one dead letter. `seen`: the digest of the content that this person has seen
    (`DeadLetterDetail.content`); None: whatever it is.

    The stored message stays as it arrived; the edited payload is sent instead. Where an earlier one may have arrived,
    what a question finds counts only where it shows the edited content. Raises Conflict
    `dead_letter.name_sent` where it may have arrived, and its target would know the edited one by another name;
    `dead_letter.edited` where somebody else has edited it since it was seen.
    """
    subscription = operated_subscription(subscription_id, actor)
    if not reason.strip():
        raise Invalid("dead_letter.reason", "Give a reason for the change.")
    try:
        text = canonical_json(payload).decode()
    except (TypeError, ValueError) as error:
        raise Invalid("dead_letter.payload", f"The payload is not JSON: {error}.") from None
    with transaction.atomic(), connection.cursor() as cursor:
        if seen is not None:
            seen_content.demand(cursor, (subscription_id, lane, position), seen)
        cursor.execute(_SENT, [subscription_id, lane, position])
        outcome = "corrected"
        if (sent := cursor.fetchone()) is not None:
            manifest = manifests.load(subscription.deployment.release.manifest)
            documents = decode(sent[0].encode()), decode(text.encode())
            if edited_names.keep(subscription, manifest, sent[1], *documents):
                outcome = "edited"
        words = f"by a person: {reason.strip()}"[:2000]
        cursor.execute(_EDITED, [outcome, words, text, subscription_id, lane, position])
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
    subscription = operated_subscription(chosen.subscription, actor)
    if not reason.strip():
        raise Invalid("dead_letter.reason", "Give a reason for discarding these messages.")
    where, values = chosen.where()
    with transaction.atomic(), connection.cursor() as cursor:
        lock_chosen(cursor, where, values)
        cursor.execute(_DISCARD.format(where=where), values | {"reason": reason[:2000]})
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
