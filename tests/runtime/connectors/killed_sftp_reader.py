"""A reader of a server's folder that is killed at each of its steps in turn, and started again. A process of its own,
for it forks: `python -m tests.runtime.connectors.killed_sftp_reader FOLDER before 1` prints how often it was killed,
and what was wrong afterwards.

A step is a request to the server. It is killed before the request goes out, or once its answer has come (`after`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

from kernel import egress
from kernel.networks import Reach
from runtime.connectors.registry import open_source
from runtime.connectors.sftp_session import SftpClient
from tests.runtime.connectors.killed_reader import CUT, KILLED, LONG, call, lines, whereabouts
from tests.runtime.connectors.sftp_server import PASSWORD, USER

FILES = {
    "incoming/a.jsonl": lines("a1", "a2", "a3"),
    "incoming/a.jsonl.done": b"",
    f"incoming/{LONG}.jsonl": lines("d1", "d2"),
    f"incoming/{LONG}.jsonl.done": b"",
    "incoming/e.jsonl.gz": CUT[: len(CUT) - 4],
    "incoming/e.jsonl.gz.done": b"",
    "incoming/f.jsonl": lines("f1"),  # over the limit of rejected records
    "incoming/f.jsonl.done": b"",
    "incoming/M\udcfcnchen.jsonl": lines("m1"),
    "incoming/M\udcfcnchen.jsonl.done": b"",
}
WANTED = {"a1", "a2", "a3", "d1", "d2", "f1", "m1"}
PLACES = {"archive a", "archive d", "archive M", "quarantine e", "waiting f"}


def run(root: Path, settings: dict[str, Any]) -> None:
    """A run to its end, or the rest of one that was killed."""
    ledger = root.with_name(f"{root.name}.json")
    known = json.loads(ledger.read_text()) if ledger.exists() else {"cursor": None, "ids": [], "start": None}
    source = open_source("file_drop", settings)
    at, done = known["cursor"], False
    while not done:
        page = source.read(at, call=call({"user": USER, "password": PASSWORD}))
        at, done, over = page.cursor, page.done, str(page.cursor.get("finished", "")).startswith("f.")
        known["ids"] += [record.key for record in page.records]
        known["cursor"] = known["start"] if over else at
        ledger.with_suffix(".new").write_text(json.dumps(known))
        os.replace(ledger.with_suffix(".new"), ledger)
        if over:
            at = source.set_aside(at, "over the limit")
    source.close()


def killed_at(step: int, root: Path, settings: dict[str, Any], *, after: bool) -> bool:
    child = os.fork()
    if child == 0:
        left, ask = [step], SftpClient._request

        def counted(self: Any, kind: int, *given: Any) -> Any:
            left[0] -= 1
            if left[0] < 0 and not after:
                os._exit(KILLED)
            try:
                return ask(self, kind, *given)
            finally:
                if left[0] < 0:
                    os._exit(KILLED)

        SftpClient._request = counted
        run(root, settings)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED), code
    return code == KILLED


def main(folder: str, when: str, every: str) -> None:
    egress.configure(Reach(loopback=True), Reach())
    command = [sys.executable, "-m", "tests.runtime.connectors.sftp_server", folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        address, key = server.stdout.readline().split()  # type: ignore[union-attr]
        wrong, kills = [], 0
        for step in count(0, int(every)):
            root = Path(folder) / str(step)
            for name, content in FILES.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
            form = {"format": "jsonl", "key_fields": ["id"], "done": ".done", "page_size": 2}
            place = {"sftp": {"host_keys": [key]}, "base_url": f"{address}/{step}"}
            killed = killed_at(step, root, form | place, after=when == "after")
            run(root, form | place)
            missing = WANTED - set(json.loads(root.with_name(f"{step}.json").read_text())["ids"])
            found = {one for one in whereabouts(root) if not one.endswith((" .", " "))}
            if missing or found != PLACES:
                wrong.append(f"killed {when} step {step}: never read {sorted(missing)}, {sorted(found)}")
            shutil.rmtree(root)
            kills += killed
            if not killed:
                break
        server.communicate("")
    print(json.dumps({"kills": kills, "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
