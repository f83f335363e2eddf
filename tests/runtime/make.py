"""Builders for tests of the runtime: an approved, deployed integration with any number of targets, without the way
there.

The approval is written below governance's triggers (replica role): the journeys test the way; these tests need the
state.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from django.contrib.auth.models import Group

from bench.installation import CONTRACT, blueprint
from catalog.services import blueprint as blueprints
from kernel.digest import digest_of
from runtime.connectors.protocols import OutboundMessage
from runtime.ledger import connections
from runtime.ledger.append import IncomingMessage
from runtime.ledger.streams import StreamRef, load_stream
from runtime.ledger.vendor_client import CannotAsk, SendResult
from tests import kept_rows, kept_sessions, sealed

_numbers = itertools.count(1)


def approval(
    conn: connections.Connection,
    *,
    subject_id: str,
    digest: str,
    environment: str = "production",
    kind: str = "integration",
) -> int:
    given = sealed.parameters(1_000_000 + next(_numbers), subject_id, digest, environment, kind)
    with kept_sessions.beneath_triggers_of(conn) as beneath:
        row = beneath.execute(sealed.APPROVAL, given).fetchone()
    assert row
    conn.execute(sealed.BIND, row[:1])
    return int(row[0])


@kept_rows.once
def catalog_of_orders() -> None:
    """The catalog around the order feed of the benchmarks: a shop that nobody reaches, and its contract."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "order.json").write_text(json.dumps(CONTRACT))
        blueprints.apply(blueprint("http://127.0.0.1:9"), actor=None, base_dir=Path(folder))


def systems_moved(conn: connections.Connection) -> None:
    """Where systems answer now counts as approved, without the way there."""
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        conn.execute("update runtime_approveddestination set digest = runtime_destination_now(system_key, environment)")
        conn.execute("set local session_replication_role = origin")


def void(conn: connections.Connection, approval_id: int) -> None:
    with kept_sessions.beneath_triggers_of(conn) as beneath:
        beneath.execute("update governance_approval set voided_at = clock_timestamp() where id = %s", (approval_id,))


class Flow:
    """One deployed integration in the database, with raw ids for the ledger's own tests."""

    def __init__(
        self,
        conn: connections.Connection,
        *,
        lanes: int = 2,
        immutable: bool = False,
        tier: int = 2,
        environment: str = "production",
    ) -> None:
        self.conn, self.lanes, self.environment, self.tier = conn, lanes, environment, tier
        self.key = f"flow-{next(_numbers)}"
        group = conn.execute(
            "insert into auth_group (name) "
            "values (%s) "
            "on conflict (name) do update "
            "set name = excluded.name "
            "returning id",
            ("flow-owners",),
        ).fetchone()
        assert group
        self.integration = self._id(
            "insert into runtime_integration (key, title, domain_key, owner_team_id) "
            "values (%s, %s, 'price', %s) "
            "returning id",
            self.key,
            self.key,
            group[0],
        )
        self.stream = self._id(
            "insert into runtime_stream (integration_id, environment, lanes, immutable, salt) "
            "values (%s, %s, %s, %s, %s) "
            "returning id",
            self.integration,
            environment,
            lanes,
            immutable,
            0x1234_5678_9ABC_DEF0 >> 1,
        )
        for lane in range(lanes):
            conn.execute("insert into runtime_lane (stream_id, lane) values (%s, %s)", (self.stream, lane))
        self.release, self.approval, self.deployment = 0, 0, 0
        self.deploy({"integration": self.key, "build": 1})

    def _id(self, statement: str, *values: Any) -> int:
        row = self.conn.execute(statement, values).fetchone()
        assert row
        return int(row[0])

    def deploy(self, manifest: dict[str, Any]) -> int:
        """A new release under a new approval, active instead of the one before; subscriptions follow."""
        digest = digest_of(manifest)
        with self.conn.transaction():
            self.release = self._id(
                "insert into runtime_release (integration_id, digest, manifest, tier) "
                "values (%s, %s, %s, %s) "
                "returning id",
                self.integration,
                digest,
                psycopg.types.json.Jsonb(manifest),
                self.tier,
            )
            self.approval = approval(self.conn, subject_id=self.key, digest=digest, environment=self.environment)
            self.conn.execute(
                "update runtime_deployment "
                "set active = false, ended_at = clock_timestamp() "
                "where integration_id = %s and active",
                (self.integration,),
            )
            self.deployment = self._id(
                """insert into runtime_deployment (integration_id, release_id, environment, approval_id, kind,
                   active, paused, pause_reason)
                   values (%s, %s, %s, %s, 'deploy', true, false, '') returning id""",
                self.integration,
                self.release,
                self.environment,
                self.approval,
            )
            systems = {one["name"]: one["system"] for one in manifest.get("targets", [])}
            for number, target, instance in self.conn.execute(
                "select id, target, instance from runtime_subscription where stream_id = %s", (self.stream,)
            ).fetchall():
                vendor = self.vendor(systems[target], instance) if target in systems else None
                self.conn.execute(
                    "update runtime_subscription set deployment_id = %s, vendor_id = coalesce(%s, vendor_id) "
                    "where id = %s",
                    (self.deployment, vendor, number),
                )
        return self.release

    def vendor(self, key: str | None = None, instance: str = "", **state: Any) -> int:
        made = self._id(
            "insert into runtime_vendorstate (system_key, instance, environment) values (%s, %s, %s) "
            "on conflict (system_key, instance, environment) do update set instance = excluded.instance returning id",
            key or f"{self.key}-system",
            instance,
            self.environment,
        )
        for column, value in state.items():
            self.conn.execute(f"update runtime_vendorstate set {column} = %s where id = %s", (value, made))
        return made

    def _system(self, target: str) -> str:
        """What the deployed manifest names; one of its own where that names no targets."""
        row = self.conn.execute(
            "select t.part ->> 'system' from runtime_release r, jsonb_path_query(r.manifest, '$.targets[*]') t(part) "
            "where r.id = %s and t.part ->> 'name' = %s",
            (self.release, target),
        ).fetchone()
        return row[0] if row else f"{self.key}-{target}"

    def subscribe(
        self,
        target: str = "store",
        *,
        kind: str = "vendor",
        vendor: int | None = None,
        instance: str = "",
        idempotency: str = "L",
        batch: int = 100,
        max_attempts: int = 5,
        coalesce: bool = False,
        pace: float | None = None,
        settle: float | None = 0.0,
        key_kept: float | None = None,
        deadline: float | None = None,
    ) -> int:
        made = self._id(
            """insert into runtime_subscription (stream_id, target, instance, deployment_id, vendor_id, kind,
               idempotency, coalesce, batch, max_attempts, tier, open,
                 pace, settle, key_kept, deadline)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true, %s, %s, %s, %s) returning id""",
            self.stream,
            target,
            instance,
            self.deployment,
            vendor or self.vendor(self._system(target), instance),
            kind,
            idempotency,
            coalesce,
            batch,
            max_attempts,
            self.tier,
            pace,
            settle,
            key_kept,
            deadline,
        )
        for lane in range(self.lanes):
            self.conn.execute("insert into runtime_progress (subscription_id, lane) values (%s, %s)", (made, lane))
        return made

    @property
    def ref(self) -> StreamRef:
        return load_stream(self.conn, self.stream)

    def item(self, key: str, version: int = 0, **fields: Any) -> IncomingMessage:
        import msgspec

        return IncomingMessage(key, version, msgspec.json.encode({"key": key, "version": version, **fields}))

    def expire(self) -> None:
        """As if the lease of every owner had ended."""
        for table in ("runtime_progress", "runtime_quarantine"):
            self.conn.execute(
                f"update {table} set lease_until = 'epoch', not_before = 'epoch', "
                "sent_at = least(sent_at, clock_timestamp())"
            )


class FakeVendor:
    """A vendor in memory with a journal of its own. `script` gives the fate of calls: see `send`. The ledger's own
    tests use it to reach exact interleavings; whole processes meet the sandbox's emulators over sockets."""

    deadline = 0.5
    moved_at: float | None = None

    def __init__(self, *, can_ask: bool = True, honours_keys: bool = False) -> None:
        self.can_ask, self.honours_keys = can_ask, honours_keys
        self.journal: list[tuple[str, str, Any]] = []  # idempotency key, message key, document
        self.fates: list[str] = []
        self.refuse: dict[str, str] = {}
        self.calls: list[int] = []  # messages of each call of `send`
        self.asked = 0
        self.checks: list[SendResult] | None = None  # what reads find, one after the other; empty: it works
        self.known: set[str] = set()

    def _act(self, item: OutboundMessage) -> SendResult:
        if item.key in self.refuse:
            kind = self.refuse[item.key]
            if kind == "decline":
                return SendResult("declined", detail="20 points available, 1000 wanted")
            return SendResult("retry", detail="busy") if kind == "retry" else SendResult("refused", detail=kind)
        if not (self.honours_keys and item.idempotency_key in self.known):
            self.journal.append((item.idempotency_key, item.key, item.document))
        self.known.add(item.idempotency_key)
        return SendResult("confirmed", f"V{len(self.journal)}")

    def send(self, items: Any, *, guard: Any) -> list[SendResult]:
        """Fates: `ok`; `down` (nothing acted on); `cut` (all acted on, no answer); `half` (half acted on, no
        answer); `fault` (the connection is at fault, nothing acted on); `fault 2` (so after the second message)."""
        guard()
        fate = self.fates.pop(0) if self.fates else "ok"
        self.calls.append(len(items))
        if fate.startswith("fault"):
            done = int(fate[5:] or 0)
            wrong = SendResult("unsent", detail="401 Unauthorized", fault="credentials")
            return [self._act(item) for item in items[:done]] + [wrong] * (len(items) - done)
        if fate == "down":
            return [SendResult("unsent", detail="connection refused")] * len(items)
        if fate == "busy":
            return [SendResult("unsent", detail="429", retry_after=7.0)] * len(items)
        if fate == "half":
            for item in items[: len(items) // 2]:
                self._act(item)
            return [SendResult("unknown", detail="answer cut")] * len(items)
        answers = [self._act(item) for item in items]
        if fate == "signed out":
            return [SendResult("unknown", detail="a page to sign in", fault="redirect")] * len(items)
        return [SendResult("unknown", detail="answer cut")] * len(items) if fate == "cut" else answers

    def check(self) -> SendResult:
        if self.checks is None:
            raise CannotAsk
        return self.checks.pop(0) if self.checks else SendResult("confirmed")

    def ask(self, items: Any, *, by: str = "key") -> list[SendResult]:
        if not self.can_ask:
            raise CannotAsk
        self.asked += len(items)
        fate = self.fates.pop(0) if self.fates and self.fates[0] in ("mute", "fault to ask") else "ok"
        if fate == "fault to ask":
            return [SendResult("unknown", detail="401 Unauthorized", fault="credentials")] * len(items)
        if fate == "mute":
            return [SendResult("unknown", detail="no answer to the question")] * len(items)
        return [
            SendResult("confirmed", "asked") if item.idempotency_key in self.known else SendResult("unsent")
            for item in items
        ]


def group(name: str) -> Group:
    return Group.objects.get_or_create(name=name)[0]
