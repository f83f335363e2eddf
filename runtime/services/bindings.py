"""How a release serves its targets: compiled mapping, filter, and a vendor client. Built once per worker, release and target."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from runtime.connectors.protocols import Call, Item, Outcome, Refused, Retriable, Secrets, Sink, Unknown
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, Target
from runtime.ledger.claims import LEASE_SECONDS, Claim
from runtime.ledger.connections import Connection
from runtime.ledger.copying import cell
from runtime.ledger.database_target import Table
from runtime.ledger.parked import DatabaseServing
from runtime.ledger.parking import Lines, Mapper, Skipped, Unmappable
from runtime.ledger.reading import Message
from runtime.ledger.vendor_target import Bind, Binding
from runtime.ledger.vendors import Answer, CannotAsk, Outgoing, Vendor
from runtime.mapping import MappingError, compile_mapping, encode, parse
from runtime.mapping.rows import NOT_QUICK, compile_lines
from runtime.services import connections

_ITEM_FAULTS = {400, 409, 413, 415, 422}  # statuses by which a vendor means the content, not the caller
_FIELD = re.compile(r"\{(\w+)\}")


def filter_mapping(formula: str) -> dict[str, Any]:
    """A `when` of a target as a mapping of one field, so that it is the same language with the same checks."""
    return {"mapping": "when", "version": "1", "fields": [{"to": "keep", "formula": formula, "type": "boolean"}]}


def mapper_of(manifest: Manifest, target: Target) -> Mapper:
    """The mapper of one target. Raises Invalid when the mapping or the filter cannot be read."""
    run = compile_mapping(parse(target.mapping))
    keep = compile_mapping(parse(filter_mapping(target.when))) if target.when else None

    prefix = manifest.prefix(manifest.source_of(target))
    if keep is None and not prefix:
        return _plain_mapper(run)

    def mapped(message: Message) -> Any:
        if not message.key.startswith(prefix):
            raise Skipped
        try:
            if keep is not None and keep(message.document).get("keep") is not True:
                raise Skipped
            return run(message.document, message.correlation)
        except MappingError as error:
            raise Unmappable(str(error), pattern=error.pattern) from None

    return mapped


def _plain_mapper(run: Callable[..., Any]) -> Mapper:
    """Without filter and prefix: the usual case on the hot path."""

    def mapped(message: Message) -> Any:
        try:
            return run(message[2], message[3])
        except MappingError as error:
            raise Unmappable(str(error), pattern=error.pattern) from None

    return mapped


def row_mapper(mapper: Mapper, columns: Sequence[str]) -> Mapper:
    """The same as a tuple in the order of the table's columns; a value that the mapping left out is null."""

    pick = itemgetter(*columns) if len(columns) > 1 else None

    def row(message: Message) -> tuple[Any, ...]:
        mapped = mapper(message)
        if pick is not None and len(mapped) == len(columns):
            picked: tuple[Any, ...] = pick(mapped)
            return picked
        return tuple([mapped.get(column) for column in columns])

    return row


def table_mapper(manifest: Manifest, target: Target, columns: Sequence[str]) -> Mapper:
    """The mapper of a table target. Where nothing is filtered, whole batches go the short way from payloads to lines."""
    one = row_mapper(mapper_of(manifest, target), columns)
    if target.when or manifest.prefix(manifest.source_of(target)):
        return one
    quick = compile_lines(parse(target.mapping), cell)
    if quick is None:
        return one

    def many(payloads: Sequence[bytes]) -> list[str] | None:
        try:
            return quick(payloads)
        except NOT_QUICK:
            return None

    return Lines(one, many)


def columns_of(target: Target) -> tuple[str, ...]:
    """The columns that the mapping fills, in its order."""
    return tuple(".".join(field.target) for field in parse(target.mapping).fields)


class SinkVendor:
    """A connector's sink as the ledger wants a vendor: it answers, it never raises for what the other side does."""

    def __init__(self, sink: Sink, secrets: Secrets, target: Target, instance: str, *, prefix: str = "") -> None:
        self.sink, self.secrets, self.target, self.instance, self.prefix = sink, secrets, target, instance, prefix
        self.deadline = min(
            target.deadline, LEASE_SECONDS / 2
        )  # a call must end well within the lease, or it never starts
        self.address = {name: value.replace("{instance}", instance) for name, value in target.address.items()}

    def close(self) -> None:
        self.sink.close()

    def _call(self, items: Sequence[Outgoing]) -> Call:
        return Call(
            self.secrets,
            self.deadline,
            items[0].correlation if len(items) == 1 else None,
            traceparent(items[0]) if len(items) == 1 else None,
        )

    def _name(self, item: Outgoing) -> str:
        """How the vendor knows this message again."""
        if self.target.ask_by == "key":
            return item.key.removeprefix(self.prefix)
        if self.target.ask_by == "idempotency_key":
            return item.idempotency_key
        document = item.document if isinstance(item.document, dict) else {}
        return _FIELD.sub(
            lambda m: self.instance if m[1] == "instance" else str(document.get(m[1], "")), self.target.ask_by
        )

    def _item(self, item: Outgoing) -> Item:
        name = self._name(item)
        key = name if self.target.idempotency == "N" else item.idempotency_key
        return Item(item.key, key, encode(item.document), self.address, None, item.correlation)

    def send(self, items: Sequence[Outgoing], *, guard: Callable[[], None]) -> list[Answer]:
        answers: list[Answer] = []
        for start in range(0, len(items), self.sink.max_batch):
            part = items[start : start + self.sink.max_batch]
            answers += self._part(part, guard)
            if any(answer.status == "unsent" for answer in answers):
                answers += [Answer("unsent", detail="not reached")] * (len(items) - len(answers))
                break
        return answers

    def _part(self, part: Sequence[Outgoing], guard: Callable[[], None]) -> list[Answer]:
        """A call that is refused as a whole because of its content is halved until the message that is meant is alone."""
        guard()
        try:
            outcomes = self.sink.write([self._item(item) for item in part], call=self._call(part))
        except Retriable as error:
            return [Answer("unsent", detail=error.reason, retry_after=error.after)] * len(part)
        except Unknown as error:
            return [Answer("unknown", detail=error.reason)] * len(part)
        except Refused as error:
            if error.status not in _ITEM_FAULTS:
                return [Answer("unsent", detail=f"{error.message} [{error.code}]")] * len(part)
            if len(part) == 1:
                return [
                    Answer(
                        "refused", detail=f"{error.message} [{error.code}]", pattern=f"{error.code}: {error.message}"
                    )
                ]
            middle = len(part) // 2
            first = self._part(part[:middle], guard)
            if any(answer.status == "unsent" for answer in first):
                return [*first, *[Answer("unsent", detail="not reached")] * (len(part) - middle)]
            return [*first, *self._part(part[middle:], guard)]
        return [_answer(outcome) for outcome in outcomes]

    def ask(self, items: Sequence[Outgoing]) -> list[Answer]:
        names = [self._name(item) for item in items]
        more: dict[str, Any] = {"address": self.address} if self.address else {}
        try:
            found = self.sink.ask(names, call=Call(self.secrets, self.deadline), **more)
        except Refused as error:
            if error.code == "sink.cannot_ask":
                raise CannotAsk from None
            return [Answer("unknown", detail=f"{error.message} [{error.code}]")] * len(items)
        except Retriable as error:
            return [Answer("unknown", detail=error.reason, retry_after=error.after)] * len(items)
        return [_found(found, name) for name in names]


def traceparent(item: Outgoing) -> str | None:
    """A W3C trace context whose trace is the message's correlation and whose span is this delivery; None where the id is no trace id."""
    if len(item.correlation) != 32 or set(item.correlation) - set("0123456789abcdef") or not int(item.correlation, 16):
        return None
    span = hashlib.blake2b(item.idempotency_key.encode(), digest_size=8).hexdigest()
    return f"00-{item.correlation}-{span}-01"


def _found(found: dict[str, str | None], name: str) -> Answer:
    if name not in found:
        return Answer("unknown", detail="the answer says nothing about this message")
    reference = found[name]
    return Answer("unsent") if reference is None else Answer("confirmed", reference)


def _answer(outcome: Outcome) -> Answer:
    if outcome.status == "confirmed":
        return Answer("confirmed", outcome.reference)
    if outcome.status == "unknown":
        return Answer("unknown", detail=outcome.message)
    detail = f"{outcome.message} [{outcome.code}]" if outcome.code else outcome.message
    if outcome.code in ("not_sent", "busy"):
        return Answer("unsent", detail=detail, retry_after=outcome.retry_after or None)
    if outcome.retriable:
        return Answer("retry", detail=detail, pattern=outcome.code, retry_after=outcome.retry_after)
    return Answer("refused", detail=detail, pattern=f"{outcome.code}: {outcome.message}")


@dataclass(slots=True)
class _Kept:
    until: float
    binding: Binding


KEEP_SECONDS = 60.0


class Binder:
    """Bindings by (release, target, instance), kept for a minute so that a changed endpoint or secret is met soon."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._manifests: dict[int, Manifest] = {}
        self._vendors: dict[tuple[int, str, str], _Kept] = {}
        self._tables: dict[tuple[int, str], DatabaseServing] = {}

    def close(self) -> None:
        for kept in self._vendors.values():
            _close(kept.binding.vendor)
        self._vendors.clear()

    def manifest(self, release: int) -> Manifest:
        """The manifest of a release; releases never change."""
        if release not in self._manifests:
            row = self.conn.execute("select manifest from runtime_release where id = %s", (release,)).fetchone()
            if row is None:
                raise LookupError(f"there is no release {release}")
            self._manifests[release] = manifests.load(row[0])
        return self._manifests[release]

    def environment(self, taken: Claim) -> str:
        row = self.conn.execute("select environment from runtime_stream where id = %s", (taken.stream,)).fetchone()
        if row is None:
            raise LookupError(f"there is no stream {taken.stream}")
        return str(row[0])

    def vendor(self, taken: Claim) -> Bind:
        """`bind(release)` for the claimed target."""

        def bind(release: int) -> Binding:
            key = (release, taken.target, taken.instance)
            kept = self._vendors.get(key)
            if kept is not None and kept.until > time.monotonic():
                return kept.binding
            if kept is not None:
                _close(kept.binding.vendor)
            manifest = self.manifest(release)
            target = manifest.target(taken.target)
            if target.connection is None:
                raise LookupError(f"the target {target.name} of release {release} has no connection")
            sink, secrets = connections.open_sink(
                target.connection, system=target.system, environment=self.environment(taken)
            )
            prefix = manifest.prefix(manifest.source_of(target))
            binding = Binding(
                mapper_of(manifest, target), SinkVendor(sink, secrets, target, taken.instance, prefix=prefix)
            )
            self._vendors[key] = _Kept(time.monotonic() + KEEP_SECONDS, binding)
            return binding

        return bind

    def unconnected(self, taken: Claim) -> Bind:
        """The same for a child of this process: the client has no connection open that both would use. It opens one when it needs it."""
        vendor = self.vendor(taken)

        def bind(release: int) -> Binding:
            binding = vendor(release)
            _close(binding.vendor)
            return binding

        return bind

    def mapper(self, taken: Claim) -> Mapper:
        """The mapper of the claimed target alone, without a client."""
        manifest = self.manifest(taken.release)
        return mapper_of(manifest, manifest.target(taken.target))

    def table(self, taken: Claim) -> DatabaseServing:
        key = (taken.release, taken.target)
        if key not in self._tables:
            manifest = self.manifest(taken.release)
            target = manifest.target(taken.target)
            if target.table is None:
                raise LookupError(f"the target {target.name} of release {taken.release} has no table")
            columns = columns_of(target)
            mapper = table_mapper(manifest, target, columns)
            self._tables[key] = DatabaseServing(Table(target.table.name, tuple(target.table.key), columns), mapper)
        return self._tables[key]


def _close(vendor: Vendor) -> None:
    close = getattr(vendor, "close", None)
    if close is not None:
        close()
