"""The worker of the sales job is killed three times in the middle; the emulators' journals show every sale once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.viewer import SYSTEM
from runtime.models import QuarantinedMessage
from runtime.selectors import runs as shown
from runtime.services import runs
from sandbox.client import Sandbox

SALES = 480
WAIT = 60.0


def posted(sandbox: Sandbox) -> Counter[str]:
    return Counter(entry.ref for entry in sandbox.erp.journal() if entry.effect == "sale.posted" and entry.ref)


def until(true: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < limit, f"waited {WAIT:.0f} s for {what}"
        time.sleep(0.02)


@pytest.mark.thorough
@pytest.mark.faults
def test_three_hard_kills_in_the_middle_of_the_sales_job_lose_nothing_and_double_nothing(
    estate, sandbox: Sandbox, drop: Path, process
):
    estate(deploy_everything=True)
    sandbox.erp.fault("latency", ms=40, ops=["sales.batch"])  # so that there is a middle
    sandbox.stores.control(sell={"count": SALES // 6, "store": "all", "drop": str(drop)})
    until(
        lambda: (
            sum(e.effect == "sale.handed" for e in sandbox.stores.journal())
            == sum(e.effect == "sale.rung" for e in sandbox.stores.journal())
            >= SALES
        ),
        "the files",
    )
    until(lambda: all(time.time() - file.stat().st_ctime > 2.5 for file in drop.rglob("*.xml")), "quiet files")
    run = runs.start("sales", "production", trigger="manual")
    environment = {"TILLGATE_LEASE_SECONDS": "5"}  # long enough that the last batch of a killed worker is seen waiting
    killed = 0
    for share in (0.15, 0.4, 0.7):
        worker = process("portal.worker", "--concurrency", "0", **environment)
        until(lambda share=share: sum(posted(sandbox).values()) >= SALES * share, f"{share:.0%} of the sales")
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        killed += 1
    assert sum(posted(sandbox).values()) < SALES, "the last kill came too late to be in the middle"
    process("portal.worker", "--concurrency", "0", **environment)

    def done() -> bool:
        """Nothing is on its way any more. What a killed worker had begun to send is `sending` until the old lease ends:
        that is on its way, too, and the page must not call the run done before."""
        made = shown.progress(SYSTEM, run.pk)
        return (
            made is not None
            and made.state != "running"
            and not made.retrying
            and not any(s.waiting for s in made.shares)
            and not QuarantinedMessage.objects.filter(state__in=["retry", "sending", "behind"]).exists()
        )

    until(done, "the run to end")
    made = shown.progress(SYSTEM, run.pk)
    journal = posted(sandbox)
    rung = {entry.ref for entry in sandbox.stores.journal() if entry.effect == "sale.rung"}
    erp = [share for share in made.shares if share.target == "erp-sales"]
    assert killed == 3
    assert [ref for ref, times in journal.items() if times > 1] == []
    assert len(journal) == sum(share.delivered for share in erp)
    assert len(rung) == made.accepted == sum(share.delivered + share.skipped + share.refused for share in erp)
    points = Counter(entry.ref for entry in sandbox.loyalty.journal() if entry.effect == "points.earned")
    assert [ref for ref, times in points.items() if times > 1] == []
    assert len(points) == sum(share.delivered for share in made.shares if share.target == "loyalty-earn")
