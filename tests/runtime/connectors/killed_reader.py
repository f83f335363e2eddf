"""A reader of a folder that is killed at each of its steps in turn, and started again. A process of its own, for it
forks: `python -m tests.runtime.connectors.killed_reader FOLDER STORY` prints how often it was killed, and what was
wrong afterwards.

A step is whatever touches the folder: a rename, a link, a deletion, a folder that is made, a file that is opened, a
folder that is listed. The ledger stands in `ledger.json`: what was read and the cursor behind it, in one step.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from runtime.connectors.protocols import CallContext, Secrets
from runtime.connectors.registry import open_source

STEPS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.listdir", "os.scandir", "os.utime"})
KILLED, LONG = 9, "d" * 236
FORM: dict[str, Any] = {"format": "jsonl", "key_fields": ["id"], "quiet": 0, "patience": 0, "page_size": 2}


def call(secrets: dict[str, str] | None = None) -> CallContext:
    """Of its own: this module runs outside of pytest, where the suite of connectors is no package."""
    return CallContext(Secrets(secrets or {}), 10.0)


def lines(*ids: str) -> bytes:
    return b"".join(b'{"id": "%s"}\n' % one.encode() for one in ids)


CUT = gzip.compress(lines("e1") * 50)
FILES = {
    "incoming/a.jsonl": lines("a1", "a2", "a3"),
    "incoming/store 7/b.jsonl.gz": gzip.compress(lines("b1", "b2", "b3")),
    "incoming/c.jsonl": lines("c1") * 99,  # too large
    f"incoming/{LONG}.jsonl": lines("d1", "d2"),
    "incoming/e.jsonl.gz": CUT[: len(CUT) - 4],
    "incoming/f.jsonl": lines("f1"),  # over the limit of rejected records
    "incoming/M\udcfcnchen.jsonl": lines("m1"),
}
LEFT = {
    "work/.a.jsonl.1": lines("a1", "a2", "a3"),  # as a release before this one left them when it was killed
    f"work/.{LONG}.jsonl.4194305": lines("d1"),
    "work/b.jsonl.e9da1bae3eba": lines("b1", "b2", "b3"),
    "work/M\udcfc.jsonl.e9da1bae3eba": lines("m1"),
}
STORIES: dict[str, tuple[dict[str, bytes], dict[str, Any], set[str]]] = {
    "arrived": (FILES, {"max_size": 1_000}, {"archive a", "archive b", "archive d", "archive M"}),
    "marked": (
        {name: FILES[name] for name in ("incoming/a.jsonl", "incoming/store 7/b.jsonl.gz")}
        | {"incoming/a.jsonl.done": b"", "incoming/store 7/b.jsonl.gz.done": b""},
        {"done": ".done"},
        {"archive a", "archive b"},
    ),
    "elsewhere": ({"incoming/a.jsonl": FILES["incoming/a.jsonl"]}, {}, {"archive a"}),
    "left": (LEFT, {}, {"archive a", "archive b", "archive d", "archive M"}),
}
ASIDE = {"quarantine c", "quarantine e", "waiting f"}


def run(root: Path, settings: dict[str, Any]) -> None:
    """A run to its end, or the rest of one that was killed. Over the limit of rejected records its cursor stays where
    the run began, until the file is set aside."""
    ledger = root / "ledger.json"
    known = json.loads(ledger.read_text()) if ledger.exists() else {"cursor": None, "ids": [], "start": None}
    source = open_source("file_drop", {"root": str(root), **FORM, **settings})
    at, done = known["cursor"], False
    while not done:
        page = source.read(at, call=call())
        at, done, over = page.cursor, page.done, str(page.cursor.get("finished", "")).startswith("f.")
        known["ids"] += [record.key for record in page.records]
        known["cursor"] = known["start"] if over else at
        ledger.with_name("ledger.new").write_text(json.dumps(known))
        os.replace(ledger.with_name("ledger.new"), ledger)
        if over:
            at = source.set_aside(at, "over the limit")
    source.close()


def killed_at(step: int, root: Path, work: Callable[[], None]) -> bool:
    """Whether the work, in a process of its own, was killed before its step of that number."""
    child = os.fork()
    if child == 0:
        left = [step]

        def watch(event: str, given: tuple[Any, ...]) -> None:
            if event in STEPS and any(os.fsdecode(one).startswith(str(root)) for one in given if isinstance(one, str)):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(KILLED)

        sys.addaudithook(watch)
        work()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED), code
    return code == KILLED


def whereabouts(root: Path) -> set[str]:
    """Folder and beginning of the name of every file, without what explains them."""
    found = set()
    for folder, _, names in os.walk(root):
        for name in names:
            place = Path(folder).relative_to(root).parts
            if place and not name.endswith(".reason.txt"):
                found.add(f"{place[0]} {name.removeprefix('store 7__')[:1]}")
    return found


def main(folder: str, story: str) -> None:
    files, settings, places = STORIES[story]
    places = places | (ASIDE if story == "arrived" else set())
    if story == "elsewhere":
        _archive_elsewhere()
    wrong, step = [], 0
    for step in count():
        root = Path(folder) / str(step)
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        killed = killed_at(step, root, lambda root=root: run(root, settings))
        run(root, settings)
        ids = set(json.loads((root / "ledger.json").read_text())["ids"])
        missing = {one for content in files.values() for one in _ids(content)} - ids - {"c1", "e1"}
        if missing or whereabouts(root) != places:
            wrong.append(f"killed before step {step}: never read {sorted(missing)}, {sorted(whereabouts(root))}")
        shutil.rmtree(root)
        if not killed:
            break
    print(json.dumps({"kills": step, "wrong": wrong}))


def _ids(content: bytes) -> list[str]:
    if content == CUT[: len(CUT) - 4]:
        return []
    plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return [json.loads(line)["id"] for line in plain.splitlines()]


def _archive_elsewhere() -> None:
    """As if the archive were another file system."""
    for name in ("rename", "replace"):
        plain = getattr(os, name)

        def moved(source: Any, target: Any, plain: Any = plain) -> None:
            if ("/archive/" in str(target)) != ("/archive/" in str(source)):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
            plain(source, target)

        setattr(os, name, moved)


if __name__ == "__main__":
    main(*sys.argv[1:])
