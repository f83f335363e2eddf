"""Rounds of a benchmark, each in a process of its own: Django's settings, pools and caches belong to one installation
for the whole life of a process, so a second one would talk to the server of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")


def in_own_processes(work: Callable[..., T], count: int, *arguments: Any) -> list[T]:
    """What `work(number, *arguments)` found in each round, one after the other. What a round raises ends them all."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return [pool.submit(work, number, *arguments).result() for number in range(count)]
