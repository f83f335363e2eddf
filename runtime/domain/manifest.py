"""The manifest of an integration: everything that an approver approves and a worker runs, under one digest.

The shape is a JSON Schema, so that every finding has a pointer and editors can complete it; the rules that a schema
cannot say follow in `_rules`. Reading is strict: an unknown member is a finding, never ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from catalog.domain.contract_engine import UnusableSchema, schema_validator
from kernel.digest import canonical_json, digest_bytes
from kernel.errors import Invalid, finding
from runtime.domain import after as afters
from runtime.domain import digested_numbers, instance_names, validity
from runtime.domain import schedule as schedules
from runtime.domain.manifest_schema import SCHEMA
from runtime.domain.open_hours import OpenHours
from runtime.domain.retry import DEFAULT_MAX_ATTEMPTS
from runtime.domain.validity import DatedVersion, Valid
from runtime.domain.vendor_times import DEFAULT_DEADLINE

MAX_BYTES = 512 * 1024
_VALIDATOR = schema_validator(SCHEMA)


class Connection(msgspec.Struct, frozen=True):
    protocol: str
    profile: str | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class HandedPosLog(msgspec.Struct, frozen=True):
    """How POSLog that is handed in is read: settings of a source that reads POSLog files, without its folders."""

    profile: str | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class HandedWebhook(msgspec.Struct, frozen=True):
    """How the vendor's webhooks that come in at the source's address are signed and read, by a profile and settings on
    top of it. `means`: they are `messages`, or tell of `changes` that are then read by the source's connection."""

    profile: str | None = None
    means: str = "messages"
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class DeclaredWrite(msgspec.Struct, frozen=True):
    """What a target changes: `replica` copies away from the system of record, `command` asks the record's own API."""

    entity: str
    kind: str
    attribute_group: str | None = None
    scope: dict[str, str] = msgspec.field(default_factory=dict)


class TargetLimits(msgspec.Struct, frozen=True):
    """Calls per second with burst, live leases, messages per UTC day. None: no limit."""

    rate: float | None = None
    burst: float | None = None
    concurrency: int | None = None
    budget: int | None = None


class TableTarget(msgspec.Struct, frozen=True):
    name: str
    key: list[str]


class ManifestTarget(msgspec.Struct, frozen=True):
    """One target. With `instances` (stores of a fleet) each instance has its own progress and circuit breaker;
    `{instance}` in `address` and in `ask_by` stands for its name. `ask_by` is how the vendor knows a message again:
    `key`, `idempotency_key`, or a template over fields of the mapped document, `{id}@{version}`. `schema` points into
    the contract at what is sent. `source` names the source that it listens to, `when` is a formula over the message;
    what it is not for is skipped and counted."""

    name: str
    system: str
    mapping: dict[str, Any]
    writes: list[DeclaredWrite]
    idempotency: str
    source: str | None = None
    when: str | None = None
    after: str | None = None
    instances: list[str] = msgspec.field(default_factory=list)
    api: str | None = None
    contract: str | None = None
    schema: str | None = None
    operation: str = ""
    connection: Connection | None = None
    table: TableTarget | None = None
    address: dict[str, str] = msgspec.field(default_factory=dict)
    ask_by: str = "key"
    batch: int = 100
    coalesce: bool = False
    zones: dict[str, str] = msgspec.field(default_factory=dict)
    holds_dates: bool = False
    dated_version: DatedVersion | None = None
    deadline: float = DEFAULT_DEADLINE
    settle: float | None = None
    key_kept: float | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    limits: TargetLimits = TargetLimits()
    objectives: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)

    @property
    def kind(self) -> str:
        return "database" if self.table else "vendor"


class RejectedLimit(msgspec.Struct, frozen=True):
    """How many records of a run may be rejected before the run fails and leaves its cursor where it was: a `share` of
    what it read, once there are more than `count`. A share of 1 accepts everything."""

    share: float = 0.5
    count: int = 20

    def passed(self, read: int, rejected: int) -> bool:
        return rejected > self.count and rejected > self.share * read


class ManifestSource(msgspec.Struct, frozen=True):
    """Where messages come from. Without a connection the source is fed by intake alone, and with a `webhook` by its
    vendor; with both the vendor tells that there is something to read. `schema` points into the contract at one
    message. With several sources, message keys are prefixed by the source's name and a colon. `expect_every`: how often
    a source that is fed by intake gives a sign of life; without it nobody can tell silence from nothing new, so the age
    of its data is unknown. `expect_within`: the opening hours in which it does."""

    name: str
    system: str
    api: str | None = None
    contract: str | None = None
    schema: str | None = None
    connection: Connection | None = None
    poslog: HandedPosLog | None = None
    webhook: HandedWebhook | None = None
    rejected_limit: RejectedLimit = RejectedLimit()
    expect_every: str | None = None
    expect_within: OpenHours | None = None
    valid: Valid | None = None

    @property
    def notifies(self) -> bool:
        """Whether its webhooks tell only that something has changed."""
        return self.webhook is not None and self.webhook.means == "changes"


class EventContract(msgspec.Struct, frozen=True):
    """`state`: absolute values with a version, the newest counts. `fact`: something that happened, never changed.

    JSON Pointers into the payload: `key` to the message key, `version` to the whole number or time stamp that orders
    the states of one key (both for intake), `time` to when it happened. `schema` is what a payload must satisfy.
    `known_days`: for how long the keys of facts are known, so that a fact that comes again is no other one.
    """

    name: str
    meaning: str
    key: str = ""
    version: str = ""
    time: str = ""
    known_days: int | None = None
    schema: dict[str, Any] = msgspec.field(default_factory=dict)
    valid: Valid | None = None


class When(msgspec.Struct, frozen=True):
    when: str
    zone: str = "UTC"
    skipped: str = "shift"
    repeated: str = "first"


class Manifest(msgspec.Struct, frozen=True):
    integration: str
    title: str
    domain: str
    owner: str
    tier: int
    sources: list[ManifestSource]
    event: EventContract
    targets: list[ManifestTarget]
    note: str = ""
    lanes: int = 4
    schedule: When | None = None
    degraded_mode: str | None = None

    def target(self, name: str) -> ManifestTarget:
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(name)

    def source(self, name: str | None) -> ManifestSource:
        """The source of that name; None means the first."""
        for source in self.sources:
            if name is None or source.name == name:
                return source
        raise KeyError(name)

    def source_of(self, target: ManifestTarget) -> ManifestSource:
        return self.source(target.source)

    def valid_of(self, source: ManifestSource) -> Valid | None:
        """Where what this source gives says from when until when it is in force; None where it is not dated."""
        return source.valid or self.event.valid

    def prefix(self, source: ManifestSource) -> str:
        """What the ledger puts before the source's own keys."""
        return f"{source.name}:" if len(self.sources) > 1 else ""

    @property
    def by_arrival(self) -> bool:
        """Whether states come in by intake without a version, so that the one that arrives last counts."""
        pushed = any(source.connection is None for source in self.sources)
        return pushed and self.event.meaning == "state" and not self.event.version

    def pins(self) -> Iterator[tuple[str, str, str]]:
        """(role, API version reference, contract digest) of everything that the approval covers with it."""
        for source in self.sources:
            if source.api and source.contract:
                yield f"source {source.name}", source.api, source.contract
        for target in self.targets:
            if target.api and target.contract:
                yield f"target {target.name}", target.api, target.contract


@dataclass(frozen=True, slots=True)
class ParsedManifest:
    """A manifest that is sound in itself, with the digest of exactly what was given."""

    manifest: Manifest
    data: dict[str, Any]
    digest: str


def parse(data: Any) -> ParsedManifest:
    """Reads plain data. Raises Invalid `manifest.invalid` whose `data["findings"]` holds every finding with its JSON
    Pointer. `$schema`, by which an editor knows what to complete, is no part of the manifest."""
    if not isinstance(data, dict):
        raise Invalid(
            "manifest.invalid", "A manifest is an object.", {"findings": [finding("", "a manifest is an object")]}
        )
    if isinstance(data.get("$schema"), str):
        data = {name: value for name, value in data.items() if name != "$schema"}
    try:
        canonical = canonical_json(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(
            "manifest.invalid",
            f"The manifest holds something that JSON has not: {error}.",
            {"findings": [finding("", str(error))]},
        ) from None
    if len(canonical) > MAX_BYTES:
        said = f"the manifest has {len(canonical)} bytes; at most {MAX_BYTES} are read"
        raise Invalid("manifest.too_large", said + ".", {"findings": [finding("", said)]})
    found = [finding(_pointer(error.instance_path), error.message[:300]) for error in _VALIDATOR.iter_errors(data)]
    found += digested_numbers.unlike(data)
    if found:
        raise refusal(found)
    manifest = msgspec.convert(data, Manifest)
    found = list(_rules(manifest))
    if found:
        raise refusal(found)
    return ParsedManifest(manifest, data, digest_bytes(canonical))


def load(data: Mapping[str, Any]) -> Manifest:
    """A manifest that was checked when its release was registered."""
    return msgspec.convert(data, Manifest)


def refusal(found: list[dict[str, Any]]) -> Invalid:
    first = found[0]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return Invalid(
        "manifest.invalid",
        f"The manifest cannot be used: {first['message']} (at {first['pointer'] or '/'}){more}.",
        {"findings": found},
    )


def _pointer(path: Any) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _rules(manifest: Manifest) -> Iterator[dict[str, Any]]:
    names = [target.name for target in manifest.targets]
    for index, target in enumerate(manifest.targets):
        at = f"/targets/{index}"
        if names.index(target.name) != index:
            yield finding(f"{at}/name", f"there are two targets {target.name!r}")
        yield from _target_rules(manifest, target, at)
    known = [source.name for source in manifest.sources]
    for index, source in enumerate(manifest.sources):
        if known.index(source.name) != index:
            yield finding(f"/sources/{index}/name", f"there are two sources {source.name!r}")
        if (source.api is None) != (source.contract is None):
            yield finding(f"/sources/{index}", "an API version is pinned with the digest of its contract, both or none")
        if source.poslog is not None and source.connection is not None:
            said = (
                "only a source that is fed by intake says here how POSLog is read; this one says it in its connection"
            )
            yield finding(f"/sources/{index}/poslog", said)
        if source.poslog is not None and source.webhook is not None:
            yield finding(f"/sources/{index}/webhook", "POSLog is handed in by tills; a source has one of the two")
        if source.notifies and source.connection is None:
            said = "changes that webhooks tell of are read by the source's connection; it has none"
            yield finding(f"/sources/{index}/webhook/means", said)
        if source.webhook is not None and not source.notifies and source.connection is not None:
            said = "a source that is read by a connection is told of `changes`; messages come from one without"
            yield finding(f"/sources/{index}/webhook/means", said)
        if source.expect_every is not None and source.connection is not None:
            said = "only a source that is fed by intake promises signs of life; this one is looked at on a schedule"
            yield finding(f"/sources/{index}/expect_every", said)
        if source.expect_within is not None:
            said = "hours say when signs of life are due, and `expect_every` how often; it is missing"
            if problem := source.expect_within.problem() or (said if source.expect_every is None else ""):
                yield finding(f"/sources/{index}/expect_within", problem)
    pushed = [source for source in manifest.sources if source.connection is None]
    if manifest.schedule is not None and len(pushed) == len(manifest.sources):
        yield finding("/schedule", "a schedule needs a source with a connection to read from")
    if pushed and not manifest.event.key:
        yield finding("/event/key", "an integration that is fed by intake says where the key of a message is")
    if manifest.event.key and not manifest.event.key.startswith("/"):
        yield finding("/event/key", "a JSON Pointer starts with a slash")
    if manifest.event.version and manifest.event.meaning == "fact":
        yield finding("/event/version", "facts are never replaced, so they have no version; only states have one")
    if manifest.event.known_days is not None and manifest.event.meaning == "state":
        yield finding("/event/known_days", "only facts are known for a time; of a state the newest is always known")
    if manifest.event.schema:
        try:
            schema_validator(manifest.event.schema)
        except UnusableSchema as error:
            yield finding("/event/schema", f"not a JSON Schema: {error}")
    if manifest.schedule is not None:
        for message in schedules.problems(manifest.schedule.when, manifest.schedule.zone):
            yield finding("/schedule", message)
    yield from _dating_rules(manifest)
    yield from _after_rules(manifest)


def _after_rules(manifest: Manifest) -> Iterator[dict[str, Any]]:
    waits = {target.name: other for target in manifest.targets if (other := afters.target_of(target.after))}
    first = manifest.sources[0].name
    known = {target.name: (bool(target.instances), target.source or first) for target in manifest.targets}
    at = {target.name: f"/targets/{index}/after" for index, target in enumerate(manifest.targets)}
    yield from (finding(at[name], said) for name, said in afters.problems(waits, known))
    for target in manifest.targets:
        if target.after and target.table is not None:
            yield finding(at[target.name], "a table of the product's own database does not wait for another target")


def _dating_rules(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """What is asked of dates: only states have a period, zones exist, and a target names them only where they count."""
    places = [("/event/valid", manifest.event.valid)]
    places += [(f"/sources/{index}/valid", source.valid) for index, source in enumerate(manifest.sources)]
    for at, valid in places:
        if valid is not None:
            yield from (finding(f"{at}/{member}", said) for member, said in validity.problems(valid))
            if manifest.event.meaning == "fact":
                yield finding(at, "only states are in force for a while; a fact happened")
    for index, target in enumerate(manifest.targets):
        at = f"/targets/{index}"
        known = target.source is None or any(source.name == target.source for source in manifest.sources)
        used = target.zones or target.holds_dates or target.dated_version
        if used and known and manifest.valid_of(manifest.source_of(target)) is None:
            yield finding(at, "zones, holds_dates and dated_version need a source or event that says `valid`")
        for instance, zone in target.zones.items():
            if instance not in target.instances:
                yield finding(f"{at}/zones/{instance}", f"there is no instance {instance!r}")
            if not validity.known_zone(zone):
                yield finding(f"{at}/zones/{instance}", f"there is no time zone {zone!r}")
        if target.holds_dates and target.zones:
            yield finding(f"{at}/zones", "a target that holds dates itself counts them by itself, too")
        if target.dated_version is not None and target.table is not None:
            yield finding(f"{at}/dated_version", "a table keeps the order by itself")


def _target_rules(manifest: Manifest, target: ManifestTarget, at: str) -> Iterator[dict[str, Any]]:
    if target.source is None and len(manifest.sources) > 1:
        yield finding(f"{at}/source", "with several sources a target says which one it listens to")
    if target.source is not None and all(source.name != target.source for source in manifest.sources):
        yield finding(f"{at}/source", f"there is no source {target.source!r}")
    if (target.table is None) == (target.connection is None):
        yield finding(at, "a target has either a connection or a table of the product's own database")
    if (target.api is None) != (target.contract is None):
        yield finding(at, "an API version is pinned with the digest of its contract, both or none")
    if target.connection is not None and target.api is None:
        yield finding(at, "a target outside the product names the API version that it calls")
    if target.idempotency == "U" and target.batch != 1:
        yield finding(
            f"{at}/batch", "a target of class U takes one message at a time, so that at most one can be in doubt"
        )
    yield from (finding(f"{at}/instances/{place}", said) for place, said in instance_names.problems(target.instances))
    if target.key_kept is not None and target.idempotency != "K":
        yield finding(f"{at}/key_kept", "only a target of class K relies on keys that its vendor keeps for a time")
    if target.coalesce and manifest.event.meaning == "fact":
        yield finding(f"{at}/coalesce", "facts are never coalesced; only states are")
    if target.limits.rate is not None and target.limits.burst is None:
        yield finding(f"{at}/limits/burst", "a rate needs a burst")


__all__ = [
    "SCHEMA",
    "Connection",
    "DeclaredWrite",
    "EventContract",
    "HandedPosLog",
    "HandedWebhook",
    "Manifest",
    "ManifestSource",
    "ManifestTarget",
    "ParsedManifest",
    "RejectedLimit",
    "TableTarget",
    "TargetLimits",
    "When",
    "load",
    "parse",
    "refusal",
]
