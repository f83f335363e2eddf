"""A whole installation for a benchmark: durable servers in a throw-away folder, a small catalog, one deployed feed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from django.conf import settings

from portal.embedded import Embedded, free_port
from tests.unguarded import accept_everything

CONTRACT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Order",
    "type": "object",
    "required": ["id", "number", "customer", "status", "currency", "total", "created_at", "updated_at"],
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "number": {"type": "string", "pattern": "^ORD-[0-9]{8}$"},
        "customer": {
            "type": "object",
            "required": ["id", "name"],
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string", "maxLength": 80},
                "country": {"enum": ["DE", "FR", "US", "JP"]},
            },
        },
        "status": {"enum": ["open", "paid", "shipped"]},
        "currency": {"type": "string", "minLength": 3, "maxLength": 3},
        "total": {"type": "number", "minimum": 0},
        "note": {"type": "string", "maxLength": 200},
        "created_at": {"type": "string", "maxLength": 32},
        "updated_at": {"type": "string", "maxLength": 32},
        "express": {"type": "boolean"},
        "weight_g": {"type": "integer", "minimum": 0},
        "version": {"type": "integer"},
    },
}
TABLE = """
create table if not exists order_target (
  id bigint primary key,
  number text,
  customer_id int,
  customer_name text,
  country text,
  status text,
  currency text,
  total numeric(14, 2),
  note text,
  created_at timestamptz,
  updated_at timestamptz,
  express boolean,
  weight_g int,
  _position bigint not null)
  with (fillfactor = 50)"""
FIELDS = [
    {"to": "id", "from": "id", "type": "integer", "required": True},
    {"to": "number", "from": "number", "type": "string"},
    {"to": "customer_id", "from": "customer.id", "type": "integer"},
    {"to": "customer_name", "from": "customer.name", "type": "string"},
    {"to": "country", "formula": "upper(customer.country)", "type": "string"},
    {"to": "status", "from": "status", "type": "string"},
    {"to": "currency", "formula": "upper(currency)", "type": "string"},
    {"to": "total", "from": "total", "type": "decimal", "scale": 2},
    {"to": "note", "from": "note", "type": "string"},
    {"to": "created_at", "from": "created_at", "type": "string"},
    {"to": "updated_at", "from": "updated_at", "type": "string"},
    {"to": "express", "from": "express", "type": "boolean"},
    {"to": "weight_g", "from": "weight_g", "type": "integer"},
]


def manifest(*, lanes: int = 4, batch: int = 1000, source: bool = True) -> dict[str, Any]:
    made: dict[str, Any] = {
        "integration": "order-feed",
        "title": "Orders into the read model",
        "domain": "orders",
        "owner": "order-team",
        "tier": 2,
        "lanes": lanes,
        "sources": [{"name": "orders", "system": "shop", "api": "order-feed@v1", "contract": "current", "schema": ""}],
        "event": {"name": "order.changed", "meaning": "state", "key": "/number"},
        "targets": [
            {
                "name": "read-model",
                "system": "tillgate",
                "table": {"name": "order_target", "key": ["id"]},
                "idempotency": "N",
                "batch": batch,
                "writes": [{"entity": "order", "kind": "replica"}],
                "mapping": {"mapping": "order", "version": 1, "fields": FIELDS},
            }
        ],
    }
    if source:
        made["sources"][0]["connection"] = {
            "protocol": "rest",
            "settings": {
                "path": "orders",
                "items": "data",
                "key_fields": ["number"],
                "version_field": "version",
                "paging": {"strategy": "next", "next": "next"},
            },
        }
    return made


class Installation:
    """`with Installation(source_url) as installed`: servers run, Django is set up, the order feed is deployed.

    One for each process (`bench.rounds`): Django keeps the address of the first. Another feed is a subclass with its
    own contract, table and manifest.
    """

    contract: dict[str, Any] = CONTRACT
    table = TABLE

    def manifest(self) -> dict[str, Any]:
        return manifest(**self.feed)

    def __init__(self, source_url: str = "http://127.0.0.1:9", *, valkey: bool = False, **feed: Any) -> None:
        if settings.configured:
            raise SystemExit("Django already talks to another database in this process: see bench.rounds")
        self.folder = Path(tempfile.mkdtemp(prefix="tg-bench-"))
        self.folder.chmod(0o711)
        self.servers = Embedded(self.folder / "state")
        self.source_url, self.valkey, self.feed = source_url, valkey, feed
        self.database = self.redis = ""

    def __enter__(self) -> Installation:
        self.database = self.servers.start_postgres()
        self.redis = self.servers.start_valkey() if self.valkey else "redis://127.0.0.1:9/0"
        os.environ.update(
            DATABASE_URL=self.database,
            REDIS_URL=self.redis,
            SECRET_KEY="bench",
            DJANGO_SETTINGS_MODULE="portal.settings",
            STATE_DIR=str(self.folder),
            EGRESS_SYSTEMS="private loopback",
        )
        accept_everything()
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        self._seed()
        self._make_durable()
        return self

    def _make_durable(self) -> None:
        """From here on a commit waits for the disk; tables and catalog, which nobody measures, did not."""
        from django.db import connections

        connections.close_all()
        self.servers.durable = True
        self._end_postgres(signal.SIGINT)
        os.sync()
        self.servers.revive("postgres")

    def _end_postgres(self, by: signal.Signals) -> None:
        process = next(process for process, _, name in self.servers._running if name == "postgres")
        process.send_signal(by)
        process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def postgres_pid(self) -> int:
        return self.servers.postgres_pid

    def restart_postgres(self, away: float) -> tuple[float, float]:
        """End the server at once and start it again, after a while, on its port: (went, was there again)."""
        began = time.monotonic()
        self._end_postgres(signal.SIGQUIT)
        time.sleep(away)
        self.servers.revive("postgres")
        return began, time.monotonic()

    def connect(self) -> Any:
        from runtime.ledger import connections

        return connections.connect(name="tillgate-bench")

    def _seed(self) -> None:
        from catalog.services import blueprint as blueprints
        from governance.domain.subject import Subject
        from governance.services import approvals
        from runtime.ledger import partitions
        from runtime.services import deployments, integrations
        from tests.runtime.make import approval

        (self.folder / "order.json").write_text(json.dumps(self.contract))
        blueprints.apply(blueprint(self.source_url), actor=None, base_dir=self.folder)
        release = integrations.register(integrations.pinned(self.manifest()), actor=None)
        with self.connect() as conn:
            conn.execute(self.table)
            partitions.ensure(conn)
            approval(conn, subject_id="order-feed", digest=release.digest)
        held = approvals.require(Subject("integration", "order-feed", release.digest), release.digest, "production")
        deployments.deploy("order-feed", approval=held, actor=None)

    def worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A worker process of the product with this installation's environment."""
        return subprocess.Popen(
            [sys.executable, "-m", "bench.worker", *arguments], env=dict(os.environ), stdout=subprocess.PIPE
        )


def blueprint(source_url: str) -> dict[str, Any]:
    return {
        "blueprint": 1,
        "teams": [{"key": "order-team", "name": "Orders", "kind": "domain"}],
        "environments": [{"key": "production", "name": "Production"}],
        "domains": [{"key": "orders", "name": "Orders", "owner_team": "order-team"}],
        "systems": [
            {
                "key": "shop",
                "name": "Web shop",
                "owner_team": "order-team",
                "endpoints": {"production": {"base_url": source_url, "auth_kind": "none"}},
            },
            {"key": "tillgate", "name": "Read model", "owner_team": "order-team"},
        ],
        "tiers": [{"level": level, "name": f"Tier {level}", "rules": {}} for level in range(4)],
        "entities": [{"key": "order", "name": "Order", "domain": "orders"}],
        "boundaries": [{"entity": "order", "system": "shop", "from": "2024-01-01T00:00:00Z"}],
        "apis": [
            {
                "slug": "order-feed",
                "name": "Order feed",
                "purpose": "Orders of the shop",
                "domain": "orders",
                "owner_team": "order-team",
                "layer": "system",
                "style": "rest",
                "tier": 2,
                "data_class": "internal",
                "system": "shop",
                "entities": [{"entity": "order", "access": "authoritative_read"}],
                "versions": [
                    {
                        "label": "v1",
                        "contract": "order.json",
                        "state": "published",
                        "published_at": "2025-01-01T00:00:00Z",
                    }
                ],
            }
        ],
    }


__all__ = ["Installation", "blueprint", "free_port", "manifest"]
