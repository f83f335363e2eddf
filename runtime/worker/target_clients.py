"""Mappers and clients of the targets that a worker serves, built once per release and target."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from catalog.domain.facts import EndpointFacts
from catalog.selectors import systems
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest
from runtime.ledger import sql
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection
from runtime.ledger.database_target import MappedTable, Table
from runtime.ledger.dated_states import at_hand
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine_claims import QuarantineClaim
from runtime.ledger.vendor_client import VendorClient
from runtime.ledger.vendor_target import MappedVendor, VendorOfRelease
from runtime.services import system_connections
from runtime.services.mappers import columns_of, mapper_of, table_mapper
from runtime.services.sink_questions import SentByRelease
from runtime.services.sink_vendor import SinkVendor
from runtime.services.state_questions import names_prove
from runtime.services.system_connections import OpenedSink
from runtime.worker.dated_mapper import TargetDating, dated
from runtime.worker.later_release import LaterRelease, can_ask_for, sent_by_release
from runtime.worker.renewed_vendor import RenewedVendor
from runtime.worker.replay_delivery import narrowed
from runtime.worker.same_again import SameAgain

_ASKING_RELEASE = sql.read("asking_release")
KEEP_SECONDS = 60.0  # a changed secret is used after at most this time, or at the next fault or probe
LOOK_SECONDS = 1.0  # and so is a changed endpoint of the catalog
_MOVED = """
update runtime_vendorstate
   set base_url_since = case when base_url = '' then null else clock_timestamp() end,
       base_url = %s
 where id = %s
   and base_url is distinct from %s"""
_MOVED_AGO = """
select extract(epoch from clock_timestamp() - base_url_since)::float8
  from runtime_vendorstate
 where id = %s"""


@dataclass(slots=True)
class _Kept:
    until: float
    client: MappedVendor
    place: tuple[str, str]
    endpoint: EndpointFacts | None


class TargetClients:
    """The clients of one worker, which share its ledger connection."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._manifests: dict[int, Manifest] = {}
        self._vendors: dict[tuple[int, int, str, str], _Kept] = {}
        self._tables: dict[tuple[int, str], MappedTable] = {}
        self._endpoints: dict[tuple[str, str], tuple[float, EndpointFacts | None]] = {}
        self._narrow: Callable[[Mapper], Mapper] | None = None

    def close(self) -> None:
        for kept in self._vendors.values():
            _disconnect(kept.client.vendor)
        self._vendors.clear()

    def for_replay(self, taken: Claim) -> TargetClients:
        """The same clients, whose mappers skip what the replay of this claim does not send."""
        made = copy.copy(self)
        made._narrow = lambda mapper: narrowed(self.conn, taken, mapper)
        return made

    def vendor(self, taken: Claim, *, connected: bool = True) -> VendorOfRelease:
        """For each release, the mapper and vendor client of the claimed target. What another release than the present
        one has sent is asked about as the present one says.

        `connected=False` is for a forked child: the client has no open connection that parent and child would share,
        and opens one when it needs it.
        """

        def of_release(release: int) -> MappedVendor:
            client = self._vendor(taken, release, self._asking(taken, release))
            if not connected:
                _disconnect(client.vendor)
            mapper = client.mapper if self._narrow is None else self._narrow(client.mapper)
            mapper = self._dated(taken, release, mapper)
            if release != taken.target.release and isinstance(taken, QuarantineClaim):
                client = replace(client, again=self._same_again(taken, release))
            return client if mapper is client.mapper else replace(client, mapper=mapper)

        return of_release

    def table(self, taken: Claim) -> MappedTable:
        """The claimed table with the mapper of the claimed release."""
        key = (taken.target.release, taken.target.name)
        if key not in self._tables:
            self._tables[key] = self._open_table(taken)
        made = self._tables[key]
        mapper = made.mapper if self._narrow is None else self._narrow(made.mapper)
        mapper = self._dated(taken, taken.target.release, mapper)
        return made if mapper is made.mapper else replace(made, mapper=mapper)

    def mapper(self, taken: Claim) -> Mapper:
        """The mapper of the claimed target alone, without a client."""
        manifest = self._manifest(taken.target.release)
        target = manifest.target(taken.target.name)
        if target.table is not None:
            return self.table(taken).mapper
        mapper = mapper_of(manifest, target)
        mapper = mapper if self._narrow is None else self._narrow(mapper)
        return self._dated(taken, taken.target.release, mapper)

    def _dated(self, taken: Claim, release: int, mapper: Mapper) -> Mapper:
        """For a source that is dated, a mapper that leaves out states that do not count now. A quarantined message is
        tried where no connection may be used, so what is known of it is looked up first."""
        manifest = self._manifest(release)
        target = manifest.target(taken.target.name)
        source = manifest.source_of(target)
        valid, stream = manifest.valid_of(source), taken.target.stream
        if valid is None:
            return mapper
        dating = TargetDating(valid, target, taken.target.instance, manifest.prefix(source))
        if isinstance(taken, QuarantineClaim):
            known = at_hand(self.conn, stream, [taken.key])
            return dated(mapper, dating, lambda keys: known)
        return dated(mapper, dating, lambda keys: at_hand(self.conn, stream, keys))

    def _manifest(self, release: int) -> Manifest:
        """Kept for good: a release never changes."""
        if release not in self._manifests:
            row = self.conn.execute("select manifest from runtime_release where id = %s", (release,)).fetchone()
            if row is None:
                raise LookupError(f"there is no release {release}")
            self._manifests[release] = manifests.load(row[0])
        return self._manifests[release]

    def _environment(self, taken: Claim) -> str:
        """That of the claimed deployment: its approval is for no other."""
        row = self.conn.execute(
            "select environment from runtime_deployment where id = %s", (taken.target.deployment,)
        ).fetchone()
        if row is None:
            raise LookupError(f"there is no deployment {taken.target.deployment}")
        return str(row[0])

    def _asking(self, taken: Claim, release: int) -> int:
        """The release by which the target is asked about what `release` has sent: the claimed one, or under a closed
        gate the newest that may ask; `release` itself where that one has no such target at the same system."""
        asking = taken.target.release
        if taken.lease.ask_only:
            row = self.conn.execute(_ASKING_RELEASE, (taken.subscription,)).fetchone()
            asking = row[0] if row else asking
        if asking == release or not can_ask_for(self._manifest(asking), self._manifest(release), taken.target.name):
            return release
        return asking

    def _vendor(self, taken: Claim, release: int, asking: int) -> MappedVendor:
        key = (release, asking, taken.target.name, taken.target.instance)
        kept = self._vendors.get(key)
        fresh = kept is not None and kept.until > time.monotonic() and not taken.lease.probe
        if kept is not None and fresh and self._endpoint(kept.place) == kept.endpoint:
            return kept.client
        if kept is not None:
            _disconnect(kept.client.vendor)
            self._endpoints.pop(kept.place, None)
        place = self._manifest(asking).target(taken.target.name).system, self._environment(taken)
        endpoint = self._endpoint(place)
        client = self._open_asking(taken, release, asking)
        client.vendor.moved_at = self._moved_at(taken, endpoint)
        self._vendors[key] = _Kept(time.monotonic() + KEEP_SECONDS, client, place, endpoint)
        return client

    def _endpoint(self, place: tuple[str, str]) -> EndpointFacts | None:
        """Where the catalog says that a system answers in an environment, as it was a moment ago."""
        looked = self._endpoints.get(place)
        if looked is None or looked[0] + LOOK_SECONDS < time.monotonic():
            looked = self._endpoints[place] = time.monotonic(), systems.endpoint(*place)
        return looked[1]

    def _moved_at(self, taken: Claim, endpoint: EndpointFacts | None) -> float | None:
        """Since when, in monotonic seconds, the claimed system is called where it is called now; None where it was
        never called elsewhere. Noted before the first call to another address."""
        vendor = taken.target.vendor
        if endpoint is not None:
            self.conn.execute(_MOVED, (endpoint.base_url, vendor, endpoint.base_url))
        row, now = self.conn.execute(_MOVED_AGO, (vendor,)).fetchone(), time.monotonic()
        return None if row is None or row[0] is None else now - row[0]

    def _open_asking(self, taken: Claim, release: int, asking: int) -> MappedVendor:
        if asking == release:
            return MappedVendor(self._sent_mapper(taken, release), self._open_vendor(taken, release))
        sent_by = sent_by_release(self._manifest(release), taken.target.name, taken.target.instance)
        now = self._open_vendor(taken, asking, sent_by)
        return MappedVendor(
            self._sent_mapper(taken, release), LaterRelease(now, lambda: self._open_vendor(taken, release))
        )

    def _same_again(self, taken: Claim, release: int) -> SameAgain:
        now, name = taken.target.release, taken.target.name
        mapper = self._sent_mapper(taken, now)
        return SameAgain(self._manifest(release), self._manifest(now), name, taken.target.instance, mapper)

    def _sent_mapper(self, taken: Claim, release: int) -> Mapper:
        manifest = self._manifest(release)
        return mapper_of(manifest, manifest.target(taken.target.name))

    def _open_vendor(self, taken: Claim, release: int, sent_by: SentByRelease | None = None) -> RenewedVendor:
        manifest = self._manifest(release)
        target = manifest.target(taken.target.name)
        if target.connection is None:
            raise LookupError(f"the target {target.name} of release {release} has no connection")
        place, prefix = self._environment(taken), manifest.prefix(manifest.source_of(target))
        connection, instance = target.connection, taken.target.instance
        prove = names_prove(manifest, target)

        def open_sink(unless: object | None) -> OpenedSink | None:
            return system_connections.open_sink_or_fault(
                connection, system=target.system, environment=place, release=release, unless=unless
            )

        def wrap(opened: OpenedSink) -> SinkVendor:
            sink, secrets = opened.sink, opened.secrets
            return SinkVendor(sink, secrets, target, instance, prefix=prefix, sent_by=sent_by, prove=prove)

        return RenewedVendor(open_sink, wrap)

    def _open_table(self, taken: Claim) -> MappedTable:
        manifest = self._manifest(taken.target.release)
        target = manifest.target(taken.target.name)
        if target.table is None:
            raise LookupError(f"the target {target.name} of release {taken.target.release} has no table")
        columns = columns_of(target)
        mapper = table_mapper(manifest, target, columns)
        return MappedTable(Table(target.table.name, tuple(target.table.key), columns), mapper)


def _disconnect(vendor: VendorClient) -> None:
    close = getattr(vendor, "close", None)
    if close is not None:
        close()
