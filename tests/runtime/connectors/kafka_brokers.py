"""Brokers for tests: those that come with librdkafka, which speak Kafka's protocol over sockets of their own, in a
process that can be stopped and killed. They are no Kafka: no transactions on disk, no time stamps, versions up to 2.3.

    python -m tests.runtime.connectors.kafka_brokers NUMBER
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

DIALECT = "2.3"


class Brokers:
    def __init__(self, number: int = 3) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.hosts: list[str] = json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.go_on()
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def settings(self, topic: str, **more: Any) -> dict[str, Any]:
        first, *others = self.hosts
        return {
            "base_url": f"kafka://{first}",
            "further_hosts": [f"kafka://{one}" for one in others],
            "auth": {"kind": "none"},
            "dialect": DIALECT,
            "topic": topic,
        } | more

    def produce(self, topic: str, values: list[tuple[str | None, bytes | None]]) -> None:
        """By the other client: the witness of what is read."""
        producer = Producer({"bootstrap.servers": ",".join(self.hosts)})
        for key, value in values:
            producer.produce(topic, value=value, key=key)
        assert producer.flush(20) == 0

    def held(self, topic: str) -> list[Any]:
        """Every record of the topic, by the other client."""
        consumer = Consumer(
            {"bootstrap.servers": ",".join(self.hosts), "group.id": "witness", "enable.auto.commit": False}
        )
        try:
            parts = [
                TopicPartition(topic, n, 0) for n in consumer.list_topics(topic, timeout=10).topics[topic].partitions
            ]
            ends = sum(consumer.get_watermark_offsets(one, timeout=10)[1] for one in parts)
            consumer.assign(parts)
            found: list[Any] = []
            while len(found) < ends:
                found += [one for one in consumer.consume(100, timeout=0.2) if one.error() is None]
            return found
        finally:
            consumer.close()


def main() -> None:
    cluster = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": int(sys.argv[1])})
    hosts = [f"{one.host}:{one.port}" for one in cluster.list_topics(timeout=10).brokers.values()]
    print(json.dumps(hosts), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
