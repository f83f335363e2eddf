"""Starts the product's processes quickly: Django is loaded once, every process is a fork of that. Orders and reports
are JSON lines.

    {"spawn": "worker1", "kind": "worker", "fault": "vendor.after_send:3:stop", "plant": "token", "arguments": {…}}  →
    {"spawned": "worker1", "pid": 123}
    when a process has ended                                                                                       →
    {"ended": "worker1", "status": -9}

A forked worker runs `runtime.worker.loop.run_forever`, a scheduler `runtime.worker.scheduler.run_forever`, a till
pushes through `runtime.services.intake.accept` or over HTTP (`tills.py`). Known bugs are put in by `plants.py`, in the
fork, before the product's loop starts.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any


def _prepare() -> None:
    """As the product's worker before it forks its loops, and what the campaign's other processes need."""
    from portal.worker import prepare

    prepare()
    import runtime.services.intake
    import runtime.worker.scheduler  # noqa: F401
    import tests.faults.plants
    import tests.faults.tills  # noqa: F401

    gc.freeze()


def _arm(fault: str | None) -> None:
    from runtime.ledger import faultpoints

    point, _, rest = (fault or "").partition(":")
    count, _, how = rest.partition(":")
    faultpoints._point, faultpoints._left, faultpoints._how = point, int(count) if count.isdigit() else 0, how


def _worker(arguments: dict[str, Any]) -> None:
    from runtime.worker import loop

    if arguments.get("poison"):
        _poison(set(arguments["poison"]))
    loop.run_forever(tiers=arguments.get("tiers", (0, 1, 2, 3)), collect=False)


def _collector(arguments: dict[str, Any]) -> None:
    from runtime.worker import loop

    loop.run_forever(deliver=False)


def _poison(documents: set[str]) -> None:
    """Whoever maps one of these documents is ended at once, as by the kernel when memory runs out."""
    from runtime.services import sink_vendor

    plain = sink_vendor.SinkVendor.send

    def send(self: Any, items: Any, *, guard: Any) -> Any:
        if any(item.key.rpartition(":")[2] in documents or item.key in documents for item in items):
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, items, guard=guard)

    sink_vendor.SinkVendor.send = send  # type: ignore[method-assign]


def _scheduler(arguments: dict[str, Any]) -> None:
    from runtime.worker import scheduler

    scheduler.run_forever()


def _till(arguments: dict[str, Any]) -> None:
    """Pushes batch after batch of a plan that its seed decides, and writes a line for every batch that was
    acknowledged.

    After a restart it pushes the first batch without a line again: that is what a till does that got no answer.
    """
    from tests.faults.load import Plan
    from tests.faults.tills import Direct, OverHttp, hand_in

    plan = Plan(**arguments["plan"])
    path, early = Path(arguments["acknowledged"]), bool(arguments.get("early"))
    start = len(path.read_text().splitlines()) if path.exists() else 0
    over = arguments.get("http")
    way = OverHttp(over["url"], over["token"], Path(over["answers"])) if over else Direct()
    draws = random.Random(f"till {plan.seed} {plan.till} {start}")
    with path.open("a", buffering=1) as lines:
        for number in range(start, plan.batches):
            if arguments.get("pause"):
                time.sleep(arguments["pause"])
            if early:
                lines.write(f"{number}\n")
            hand_in(way, list(plan.batch(number)), draws, again=not early)
            if not early:
                lines.write(f"{number}\n")


KINDS = {"worker": _worker, "collector": _collector, "scheduler": _scheduler, "till": _till}


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_with_parent()
        os.close(0)
        os.dup2(2, 1)
        _arm(order.get("fault"))
        if order.get("plant"):
            from tests.faults import plants

            plants.put_in(order["plant"])
        KINDS[order["kind"]](order.get("arguments", {}))
        status = 0
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _end_with_parent() -> None:
    from kernel.processes import die_with_parent

    die_with_parent(signal.SIGKILL)()


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    _prepare()
    _say(ready=True)
    names: dict[int, str] = {}
    buffer = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.02)
        if ready:
            got = os.read(0, 65536)
            if not got:
                break
            buffer += got
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = _fork(order)
                names[pid] = order["spawn"]
                _say(spawned=order["spawn"], pid=pid)
        while names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            _say(ended=names.pop(pid), pid=pid, status=os.waitstatus_to_exitcode(status))
    for pid in names:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
