"""Rejected messages are judged again by the deployed release; what passes is stored as if it had just been read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from governance.domain.subject import Subject
from governance.services import approvals, effects
from kernel import audit
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import User
from runtime import permissions
from runtime.connectors.page_cards import looked_through
from runtime.connectors.protocols import JudgesAgain, Record, RejectedRecord, SourceConnector
from runtime.domain import manifest as manifests
from runtime.domain import masking
from runtime.domain.batches import read_item
from runtime.domain.manifest import ManifestSource
from runtime.domain.storable import storable_text
from runtime.ledger import connections as ledger_connections
from runtime.ledger.append import Finer, IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.lane_locks import lock_lanes
from runtime.ledger.quarantine import fingerprint
from runtime.ledger.streams import StreamRef, load_stream
from runtime.models import Deployment, RejectedMessage, Stream
from runtime.services import finer_versions, handed_poslog, intake, system_connections
from runtime.services.dating import DatedItems, items_of
from runtime.services.message_checks import Rejection, payload_digest
from runtime.services.record_checks import RecordChecks

BATCH = 500
APPROVAL_ABOVE = 10_000
UNPLACED = ("unreadable", "validity")  # rejected for a reason that leaves their place among others unknown
_FIXED = """
update runtime_rejected
   set state = 'fixed', decided_by_id = %s, decided_at = clock_timestamp(), note = %s
 where id = any(%s) and state = 'open'"""
_STILL = """
update runtime_rejected
   set reason_class = %s, reason = %s, fingerprint = %s
 where id = %s and state = 'open'"""
_OPEN = "select id from runtime_rejected where id = any(%s) and state = 'open' order by id for update"
# Where states carry no version, what came after a message was rejected counts more than that message. A message that
# was rejected itself came when it was rejected, not when it was judged again or corrected.
_NEWER = """
select x.number, m.run_id
  from unnest(%s::int[], %s::text[], %s::timestamptz[], %s::bigint[]) as x(number, key, at, id)
  join runtime_head h on h.stream_id = %s and h.key = x.key
  join runtime_message m
    on m.stream_id = h.stream_id and m.lane = any(%s) and m.position = h.position and m.key = h.key
  left join runtime_rejected r
    on r.stream_id = h.stream_id
       and r.id = case when m.causation ~ '^rejected [0-9]{1,18}$' then substr(m.causation, 10)::bigint end
 where (coalesce(least(r.last_at, r.decided_at), m.received_at), coalesce(r.id, 9223372036854775807))
       >= (x.at, x.id)"""


@dataclass(slots=True)
class Rejudgement:
    """What became, or would become, of rejected messages: `passed` are stored (unless it was a dry run), `outdated`
    have a newer state by now, `still` are rejected again, by reason."""

    total: int = 0
    passed: int = 0
    outdated: int = 0
    still: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Judged:
    """One rejected message: the item for the log, or why not. `ordered`: its version counts, not its arrival."""

    row: RejectedMessage
    item: IncomingMessage | None = None
    rejection: Rejection | None = None
    source: str = ""
    ordered: bool = True
    outdated: bool = False


def judge_again(
    integration_key: str, environment: str, *, pattern: str = "", dry_run: bool, actor: User | None, reason: str = ""
) -> Rejudgement:
    """All open rejected messages of an integration, or those of one group (`pattern`: its fingerprint).

    Above APPROVAL_ABOVE an approval of `subject_of` is needed. Raises NotFound `deployment.none`, Forbidden, Invalid,
    NotApproved.
    """
    deployment = (
        Deployment.objects.select_related("integration__owner_team", "release")
        .filter(integration__key=integration_key, environment=environment, active=True)
        .first()
    )
    if deployment is None:
        raise NotFound("deployment.none", f"{integration_key} is not deployed in {environment}; nothing can be judged.")
    permissions.require_operate(actor, deployment.integration)
    if not dry_run and not reason.strip():
        raise Invalid("rejected.reason", "Say why they are judged again.")
    stream = Stream.objects.get(integration=deployment.integration, environment=environment)
    chosen = RejectedMessage.objects.filter(stream=stream, state="open").order_by("last_at", "id")
    chosen = chosen.filter(fingerprint=pattern) if pattern else chosen
    ids = list(chosen.values_list("pk", flat=True))
    if not dry_run and len(ids) > APPROVAL_ABOVE:
        about = subject_of(integration_key, stream.pk, pattern, ids)
        with transaction.atomic():
            held = effects.require(about, environment, actor=actor)
            approvals.mark_used(held.id, actor=actor)
    judge = _Judge(deployment, stream, actor, reason)
    try:
        for start in range(0, len(ids), BATCH):
            rows = RejectedMessage.objects.filter(pk__in=ids[start : start + BATCH]).order_by("last_at", "id")
            judge.batch(list(rows), dry_run)
    finally:
        judge.close()
    if not dry_run:
        _record(judge.done, integration_key, environment, pattern, actor, reason)
    return judge.done


def _record(
    done: Rejudgement, integration_key: str, environment: str, pattern: str, actor: User | None, reason: str
) -> None:
    after = {"environment": environment, "fingerprint": pattern, "passed": done.passed, "outdated": done.outdated}
    after["still"] = done.still.total()
    with transaction.atomic():
        audit.record(
            "runtime.rejected_judged_again", "integration", integration_key, actor=actor, reason=reason, after=after
        )


def subject_of(integration_key: str, stream: int, pattern: str, ids: Sequence[int]) -> Subject:
    """What an approver of a large judgement decides on: these messages."""
    content = {"stream": stream, "fingerprint": pattern, "count": len(ids), "first": min(ids), "last": max(ids)}
    return Subject("reading", f"{integration_key}/rejected", digest_of(content))


class _Judge:
    def __init__(self, deployment: Deployment, stream: Stream, actor: User | None, reason: str) -> None:
        self.manifest = manifests.load(deployment.release.manifest)
        self.release, self.stream, self.actor, self.reason = deployment.release_id, stream, actor, reason
        self.checks: dict[str, RecordChecks] = {}
        self.opened: dict[str, SourceConnector] = {}
        self.done = Rejudgement()

    def close(self) -> None:
        for one in self.opened.values():
            one.close()

    def batch(self, rows: Sequence[RejectedMessage], dry_run: bool) -> None:
        judged: Sequence[_Judged] = [self._one(row) for row in rows]
        with ledger_connections.connected(name="tillgate-judge") as conn, conn.transaction():
            stream = load_stream(conn, self.stream.pk)
            judged = self._still_open(conn, stream, judged)
            self._look_for_newer(conn, stream, judged)
            good = [one for one in judged if one.item is not None and not one.outdated]
            late = [one for one in judged if one.outdated]
            if not dry_run:
                self._store(conn, stream, good, late, [one for one in judged if one.rejection is not None])
        self.done.total += len(judged)
        self.done.passed += len(good)
        self.done.outdated += len(late)
        self.done.still.update(one.rejection.reason for one in judged if one.rejection is not None)

    def _store(
        self,
        conn: Connection,
        stream: StreamRef,
        good: Sequence[_Judged],
        late: Sequence[_Judged],
        still: Sequence[_Judged],
    ) -> None:
        for name, ordered in dict.fromkeys((one.source, one.ordered) for one in good):
            items = [one.item for one in good if one.item is not None and (one.source, one.ordered) == (name, ordered)]
            finer = self._finer(name)
            done = append(conn, stream, items, release_id=self.release, ordered=ordered, finer=finer)
            if done.too_old:
                raise Conflict("rejected.too_old", "Some are older than what is known of such facts. Dismiss these.")
            if (dated := self._dated(name)) is not None:
                dated.keep(conn, stream, items, done)
        actor = self.actor.pk if self.actor else None
        conn.execute(_FIXED, (actor, storable_text(self.reason)[:2000], [one.row.pk for one in good]))
        conn.execute(_FIXED, (actor, "a newer state of this key had come by then", [one.row.pk for one in late]))
        for one in still:
            assert one.rejection is not None
            said = storable_text(one.rejection.reason)[:2000]
            mark = fingerprint(one.row.source, one.rejection.reason_class, one.rejection.reason)
            conn.execute(_STILL, (one.rejection.reason_class, said, mark, one.row.pk))
        conn.execute("select pg_notify('tillgate_work', '')")

    def _one(self, row: RejectedMessage) -> _Judged:
        payload = row.raw.encode()
        if payload_digest(payload) != row.digest:
            return self._still(row, "unreadable", "only a part of what came is kept; read the source again", payload)
        source = self._source(row)
        if source is None:
            said = f"the deployed release has no source {row.source!r}" if row.source else "its source is not known"
            return self._still(row, "unreadable", f"{said}; read the source again, or hand it in again", payload)
        if source.connection is None:
            return self._handed_in(row, source, payload)
        record = self._record(source, payload)
        if isinstance(record, RejectedRecord):
            return self._still(row, "unreadable", record.reason, payload)
        if source.name not in self.checks:
            self.checks[source.name] = RecordChecks(self.manifest, source)
        made = self.checks[source.name].one(record)
        if isinstance(made, Rejection):
            return _Judged(row, rejection=made)
        if (dated := self._dated(source.name)) is not None:
            items, undated = dated.sort([made])
            if undated:
                return _Judged(row, rejection=undated[0])
            made = items[0]
        return _Judged(row, item=made._replace(causation=came_from(row.pk)), source=source.name)

    def _dated(self, name: str) -> DatedItems | None:
        return items_of(self.manifest, self.manifest.source(name)) if name else None

    def _finer(self, name: str) -> Finer | None:
        connector = self.opened.get(name)
        return finer_versions.of_event(self.manifest) if connector is None else finer_versions.of_source(connector)

    def _handed_in(self, row: RejectedMessage, source: ManifestSource, payload: bytes) -> _Judged:
        """A message that was handed in: its key and version are where intake finds them."""
        of_till = handed_poslog.is_receipt(payload)
        item = handed_poslog.item_again(source, payload) if of_till else read_item(payload)
        if isinstance(item, RejectedRecord):
            return self._still(row, "unreadable", item.reason, payload)
        made = intake.message_of_item(self.manifest, source, item)
        if isinstance(made, Rejection):
            return _Judged(row, rejection=made)
        if masking.was_masked(made.key):
            return self._still(row, "unreadable", masking.KEY_WAS_MASKED, payload)
        message = made._replace(causation=came_from(row.pk))
        return _Judged(row, item=message, source=source.name, ordered=not self.manifest.by_arrival)

    def _still(self, row: RejectedMessage, reason_class: str, reason: str, payload: bytes) -> _Judged:
        return _Judged(row, rejection=Rejection(row.key, reason_class, reason, payload))

    def _source(self, row: RejectedMessage) -> ManifestSource | None:
        named = [one for one in self.manifest.sources if one.name == row.source]
        if named or row.source:
            return named[0] if named else None
        return self.manifest.sources[0] if len(self.manifest.sources) == 1 else None

    def _record(self, source: ManifestSource, payload: bytes) -> Record | RejectedRecord:
        assert source.connection is not None
        if source.name not in self.opened:
            self.opened[source.name] = system_connections.unconnected_source(source.connection)
        connector = self.opened[source.name]
        if isinstance(connector, JudgesAgain):
            return looked_through(connector.judged_again(payload), before=handed_poslog.is_xml(payload))
        return RejectedRecord("", "this kind of source cannot be judged again; read it again", payload)

    def _still_open(self, conn: Connection, stream: StreamRef, judged: Sequence[_Judged]) -> Sequence[_Judged]:
        """Those that nobody has decided meanwhile. They and the lanes of their keys, which come first everywhere, stay
        locked to the end of the transaction."""
        lock_lanes(conn, stream, [one.item.key for one in judged if one.item is not None])
        found = conn.execute(_OPEN, ([one.row.pk for one in judged],)).fetchall()
        still = {pk for (pk,) in found}
        return [one for one in judged if one.row.pk in still]

    def _look_for_newer(self, conn: Connection, stream: StreamRef, judged: Sequence[_Judged]) -> None:
        """States without a version that have had a newer message since they were rejected are outdated. Where it came
        in the same run and the key was not known then, which of them is newer cannot be told: a person decides."""
        asked = [one for one in judged if one.item is not None and not one.item.version]
        if stream.immutable or not asked:
            return
        came = [(one.item.key, one.row.last_at, one.row.pk) for one in asked if one.item is not None]
        for number, run in newer_messages(conn, stream, came).items():
            one = asked[number]
            if run is not None and run == one.row.run_id and one.row.reason_class in UNPLACED:
                said = "whether it is older than what the same run stored of its key cannot be told; a person decides"
                one.rejection = Rejection(one.row.key, "unreadable", said, one.row.raw.encode())
                one.item = None
            else:
                one.outdated = True


def came_from(rejected: int) -> str:
    """What a message says of itself that was a rejected one before."""
    return f"rejected {rejected}"


def newer_messages(
    conn: Connection, stream: StreamRef, asked: Sequence[tuple[str, datetime, int]]
) -> dict[int, int | None]:
    """Which of these keys, each with the time and number of a rejection, have had a message since, by their place, and
    the run it came with. Their lanes stay locked to the end of the transaction, so that no other comes in between."""
    keys = [key for key, _, _ in asked]
    lock_lanes(conn, stream, keys)
    most = max([stream.lanes, *(before for _, before in stream.changes or ())])
    rejections = [at for _, at, _ in asked], [pk for _, _, pk in asked]
    values = list(range(len(keys))), keys, *rejections, stream.id, list(range(most))
    return dict(conn.execute(_NEWER, values).fetchall())
