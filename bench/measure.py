"""CPU seconds and memory of process trees, read from /proc; ended children count once they are reaped."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, float] | None:
    """(parent, CPU seconds of the process and of its reaped children), None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICKS


def tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _stat(int(name))):
            children.setdefault(found[0], []).append(int(name))
    listed, todo = [], [root]
    while todo:
        pid = todo.pop()
        listed.append(pid)
        todo += children.get(pid, [])
    return listed


def cpu(roots: Iterable[int]) -> float:
    """CPU seconds so far of the trees below these processes."""
    pids = {pid for root in roots for pid in tree(root)}
    return sum(found[1] for pid in pids if (found := _stat(pid)))


def peak_memory(root: int) -> float:
    """Largest resident size in MiB that the processes of a tree have had, summed."""
    total = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
    return total / 1024
