"""The campaign's web server: nothing of it is left when the campaign is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.harness import ROOT

pytestmark = [pytest.mark.faults, pytest.mark.thorough]
CAMPAIGN = """
import os, sys, time
from pathlib import Path
from tests.faults.harness import WebServer
web = WebServer(Path(sys.argv[1]), dict(os.environ), 1)
web.start()
web.await_answer()
print(web.process.pid, *web.children(), flush=True)
time.sleep(600)
"""


def test_its_processes_end_with_the_campaign_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CAMPAIGN, str(tmp_path)]
    environment = os.environ | {"SECRET_KEY": "faults"}
    campaign = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert campaign.stdout is not None
    pids = [int(pid) for pid in campaign.stdout.readline().split()]
    assert len(pids) >= 3, "granian and its two processes"
    os.kill(campaign.pid, signal.SIGKILL)
    campaign.wait()
    campaign.stdout.close()
    ends = time.monotonic() + 20
    while alive := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < ends, alive
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False
