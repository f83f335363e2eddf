"""A worker that is frozen between the look at its lease and the call: a real process, really stopped."""

from __future__ import annotations

import os
import signal
import time
from threading import Thread
from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import ManifestTarget
from runtime.ledger.append import Fenced
from runtime.services.sink_vendor import SinkVendor
from runtime.worker.forked_trial import in_forked_child
from tests.runtime.connectors.server import Server

pytestmark = pytest.mark.faults
DEADLINE = 0.3


def stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def wake_later(reader: int) -> None:
    """Let the process go on that says its number here, once its call could no longer end in time."""
    pid = int(os.read(reader, 20))
    while not stopped(pid):
        time.sleep(0.001)
    time.sleep(DEADLINE)
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("where", ["in the look at the lease", "after it"])
def test_a_worker_frozen_before_its_call_sends_nothing_when_its_time_is_over(where: str) -> None:
    """Another worker owns the lane by then, and may have sent the same."""
    reader, writer = os.pipe()
    lease = [0.0]
    with Server(lambda seen: (200, {}, {"id": 1})) as server:
        client = SinkVendor(
            open_sink("rest", {"base_url": server.url, "path": "w", "idempotency": "N"}),
            Secrets(),
            ManifestTarget("t", "s", {}, [], "N", deadline=DEADLINE),
            "",
        )

        def freeze() -> None:
            os.write(writer, str(os.getpid()).encode())
            os.kill(os.getpid(), signal.SIGSTOP)

        def guard() -> None:
            if time.monotonic() + DEADLINE > lease[0]:
                raise Fenced("no time left in the lease for a call")
            if where == "in the look at the lease":
                freeze()

        write = client.sink.write

        def frozen_write(*given: Any, **more: Any) -> Any:
            freeze()
            return write(*given, **more)

        if where == "after it":
            client.sink.write = frozen_write  # type: ignore[method-assign]

        def send() -> str:
            lease[0] = time.monotonic() + 1.5 * DEADLINE
            try:
                [result] = client.send([OutboundMessage("k", "tg-1", b"", {"id": "1"}, 1)], guard=guard)
            except Fenced:
                return "fenced"
            return result.status

        waking = Thread(target=wake_later, args=(reader,))
        waking.start()
        status = in_forked_child(send, time.monotonic() + 30)
        waking.join()
        client.close()
        assert status == ("unsent" if where == "after it" else "fenced")
        assert server.seen == []
    os.close(reader)
    os.close(writer)
