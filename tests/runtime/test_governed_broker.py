"""A broker of AMQP 0-9-1 goes the governed way: registered, approved, read and published to, with connections and
workers that end in the middle. The broker's own queues are the witness."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest

from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.services import approvals
from runtime.ledger import connections
from runtime.models import QuarantinedMessage, RejectedMessage
from runtime.services import deployments, intake, integrations, runs
from runtime.worker.loop import WorkerLoop
from tests.faults.proxy import FaultProxy
from tests.portal import rabbitmq
from tests.runtime import make
from tests.runtime.connectors.test_amqp import channel_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.thorough,
    pytest.mark.skipif(not rabbitmq.here(), reason="no RabbitMQ on this machine: apt-get install rabbitmq-server"),
]
COUNT = 2_000
ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Order",
    "type": "object",
    "required": ["number"],
    "properties": {"number": {"type": "string"}, "total": {"type": "string"}},
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbitmq.RabbitMQ]:
    with rabbitmq.running(tmp_path_factory.mktemp("rabbitmq")) as made:
        yield made


@pytest.fixture
def proxy(broker: rabbitmq.RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setenv("SANDBOX_BROKER", f"tillgate:{broker.password}")
    with FaultProxy(("127.0.0.1", broker.port), seed=7) as made:
        yield made


@pytest.fixture
def channel(broker: rabbitmq.RabbitMQ) -> Iterator[Any]:
    made = channel_of(broker)
    yield made
    made.connection.close()


def catalog(url: str, folder: Path, further_hosts: list[str] | None = None) -> None:
    endpoint = {"base_url": url, "auth_kind": "basic", "secret_ref": "env:SANDBOX_BROKER"}
    if further_hosts:
        endpoint = {"base_url": url, "further_hosts": further_hosts}
    api = {
        "slug": "bus-orders",
        "name": "Orders on the bus",
        "purpose": "orders",
        "domain": "orders",
        "owner_team": "bus-team",
        "layer": "system",
        "style": "event",
        "tier": 2,
        "data_class": "internal",
        "system": "bus",
        "versions": [
            {"label": "v1", "contract": "order.json", "state": "published", "published_at": "2025-01-01T00:00:00Z"}
        ],
        "entities": [{"entity": "order", "access": "command"}],
    }
    (folder / "order.json").write_text(json.dumps(ORDER))
    given = {
        "blueprint": 1,
        "teams": [{"key": "bus-team", "name": "Bus", "kind": "domain"}],
        "environments": [{"key": "production", "name": "Production"}],
        "domains": [{"key": "orders", "name": "Orders", "owner_team": "bus-team"}],
        "systems": [
            {"key": "bus", "name": "Message bus", "owner_team": "bus-team", "endpoints": {"production": endpoint}},
            {"key": "shop", "name": "Web shop", "owner_team": "bus-team"},
            {"key": "read-model", "name": "Read model", "owner_team": "bus-team"},
        ],
        "tiers": [{"level": level, "name": f"Tier {level}", "rules": {}} for level in range(4)],
        "entities": [{"key": "order", "name": "Order", "domain": "orders"}],
        "boundaries": [{"entity": "order", "system": "bus", "from": "2024-01-01T00:00:00Z"}],
        "apis": [api],
    }
    blueprint.apply(given, actor=None, base_dir=folder)


def deploy(manifest: dict[str, Any]) -> None:
    release = integrations.register(integrations.pinned(manifest), actor=None)
    name = manifest["integration"]
    with connections.connected() as conn:
        make.approval(conn, subject_id=name, digest=release.digest)
    approval = approvals.require(Subject("integration", name, release.digest), release.digest, "production")
    deployments.deploy(name, approval=approval, actor=None)


def manifest(name: str, source: dict[str, Any], target: dict[str, Any], **event: Any) -> dict[str, Any]:
    fields = [
        {"to": "number", "from": "number", "type": "string", "required": True},
        {"to": "total", "from": "total", "type": "string"},
    ]
    return {
        "integration": name,
        "title": name,
        "domain": "orders",
        "owner": "bus-team",
        "tier": 2,
        "lanes": 2,
        "sources": [{"name": "orders", **source}],
        "event": {"name": "order.placed", "meaning": "fact", **event},
        "targets": [{"name": "target", "mapping": {"mapping": name, "version": 1, "fields": fields}, **target}],
    }


def from_queue(queue: str) -> dict[str, Any]:
    settings = {"queue": queue, "page_size": 100}
    return manifest(
        "orders-in",
        {"system": "bus", "connection": {"protocol": "amqp", "settings": settings}},
        {
            "system": "read-model",
            "table": {"name": "broker_target", "key": ["number"]},
            "idempotency": "N",
            "writes": [{"entity": "order", "kind": "replica"}],
        },
    )


def to_queue(queue: str) -> dict[str, Any]:
    settings = {"routing_key": queue, "idempotency": "K"}
    return manifest(
        "orders-out",
        {"system": "shop"},
        {
            "system": "bus",
            "api": "bus-orders@v1",
            "contract": "current",
            "connection": {"protocol": "amqp", "settings": settings},
            "idempotency": "K",
            "key_kept": 86400,
            "settle": 0.2,
            "batch": 50,
            "deadline": 2,
            "writes": [{"entity": "order", "kind": "command"}],
        },
        key="/number",
    )


def work(seconds: float = 60) -> None:
    WorkerLoop(poll=0.05).run(until_idle=True, seconds=seconds)


def test_a_queue_is_read_to_its_end_whatever_ends_in_the_middle(
    channel: Any, proxy: FaultProxy, tmp_path: Path
) -> None:
    channel.queue_declare("orders", durable=True, auto_delete=False)
    for number in range(COUNT):
        body = json.dumps({"number": f"A-{number}", "total": f"{number}.50"}).encode()
        channel.basic_publish(amqp.Message(body, message_id=f"id-{number}", delivery_mode=2), "", "orders")
    with connections.connected() as conn:
        conn.execute("drop table if exists broker_target")
        conn.execute("create table broker_target (number text primary key, total text, _position bigint not null)")
        catalog(f"amqp://127.0.0.1:{proxy.port}/", tmp_path)
        deploy(from_queue("orders"))
        for cut in (40_000, 90_000, 0):
            proxy.set(cut_down=cut)  # the connection ends after so many bytes, at every try
            runs.start("orders-in", "production", trigger="manual")
            work()
        found = conn.execute("select count(*), count(distinct number) from broker_target").fetchone()
        heads = conn.execute("select count(*) from runtime_message").fetchone()
        conn.execute("drop table broker_target")
    left = channel.queue_declare("orders", passive=True).message_count
    assert not RejectedMessage.objects.exists()
    assert (found, heads, left) == ((COUNT, COUNT), (COUNT,), 0)


def test_every_order_is_published_whatever_ends_in_the_middle(channel: Any, proxy: FaultProxy, tmp_path: Path) -> None:
    channel.queue_declare("shop", durable=True, auto_delete=False)
    catalog(f"amqp://127.0.0.1:{proxy.port}/", tmp_path)
    deploy(to_queue("shop"))
    proxy.set(cut_response=0.05)
    intake.accept("orders-out", "production", [{"number": f"B-{n}", "total": f"{n}.50"} for n in range(400)])
    work()
    proxy.clear()
    waits_again = time.monotonic() + 30
    while QuarantinedMessage.objects.exists() and time.monotonic() < waits_again:
        work()
    counted = Counter[str]()
    ids = dict[str, str]()
    while (message := channel.basic_get("shop", no_ack=True)) is not None:
        number = json.loads(message.body)["number"]
        counted[number] += 1
        assert ids.setdefault(message.properties["message_id"], number) == number
    assert sorted(counted) == sorted(f"B-{n}" for n in range(400))
    assert len(ids) == 400  # what was sent twice bears the id that its readers know
