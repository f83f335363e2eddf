"""Topics of Kafka go the governed way: one is read to its end, and its orders are written to another, with brokers that
stand still in the middle. Another client is the witness."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.models import Message, QuarantinedMessage, RejectedMessage
from runtime.services import runs
from tests.runtime import test_governed_broker as governed
from tests.runtime.connectors.kafka_brokers import DIALECT, Brokers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
COUNT = 1_500


@pytest.fixture
def brokers() -> Iterator[Brokers]:
    made = Brokers()
    yield made
    made.close()


def connection(topic: str, **settings: Any) -> dict[str, Any]:
    plain = {"topic": topic, "dialect": DIALECT, "auth": {"kind": "none"}}
    return {"protocol": "kafka", "settings": plain | settings}


def test_a_topic_is_read_to_its_end_and_written_to_another_whatever_stands_still(
    brokers: Brokers, tmp_path: Path
) -> None:
    governed.catalog(f"kafka://{brokers.hosts[0]}", tmp_path, [f"kafka://{one}" for one in brokers.hosts[1:]])
    source = {"system": "bus", "connection": connection("orders", page_size=200)}
    target = {
        "system": "bus",
        "api": "bus-orders@v1",
        "contract": "current",
        "connection": connection("placed", idempotency="L"),
        "idempotency": "L",
        "ask_by": "idempotency_key",
        "batch": 100,
        "deadline": 1,
        "settle": 6,  # longer than the brokers stand still: what they were sent they still take then
        "writes": [{"entity": "order", "kind": "command"}],
    }
    with pytest.raises(Invalid) as told:  # by another name it would never be found, and always be sent again
        governed.deploy(governed.manifest("orders-on", source, {**target, "ask_by": "key"}))
    assert [one["pointer"] for one in told.value.findings] == ["/targets/0/ask_by"]
    governed.deploy(governed.manifest("orders-on", source, target))
    orders = [(f"A-{n}", json.dumps({"number": f"A-{n}", "total": f"{n}.50"}).encode()) for n in range(COUNT)]
    brokers.produce("placed", [("first", b"{}")])  # the topic is there
    brokers.produce("orders", orders[:1000])
    stands_still = threading.Timer(1.0, brokers.freeze)
    goes_on = threading.Timer(4.0, brokers.go_on)
    stands_still.start()
    goes_on.start()
    runs.start("orders-on", "production", trigger="manual")
    governed.work()
    goes_on.join()
    brokers.produce("orders", orders[1000:])
    ends = time.monotonic() + 60
    while time.monotonic() < ends and Message.objects.count() < COUNT:
        runs.start("orders-on", "production", trigger="manual")
        governed.work()
    while time.monotonic() < ends and (len(brokers.held("placed")) <= COUNT or QuarantinedMessage.objects.exists()):
        governed.work()
    assert not RejectedMessage.objects.exists()
    assert Message.objects.count() == COUNT
    held = [one for one in brokers.held("placed") if one.key() != b"first"]
    assert Counter(json.loads(one.value())["number"] for one in held) == Counter(f"A-{n}" for n in range(COUNT))
