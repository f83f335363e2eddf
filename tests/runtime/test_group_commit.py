"""Calls that wait for a commit share the next one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from typing import Any

import pytest

from runtime.ledger.group_commit import GroupCommit, PendingCall

SOON = 10.0


class Door:
    """Serves groups, each only when it is let through, and remembers them."""

    def __init__(self, **more: Any) -> None:
        self.groups: list[list[Any]] = []
        self.entered, self.open = Event(), Event()
        self.group_commit: GroupCommit[Any] = GroupCommit(self.serve, **more)
        self._lock = Lock()

    def serve(self, key: Hashable, calls: list[PendingCall[Any]]) -> None:
        with self._lock:
            self.groups.append([call.content for call in calls])
        self.entered.set()
        assert self.open.wait(SOON)
        for call in calls:
            call.answer((key, call.content))

    def waiting(self, key: Hashable) -> int:
        line = self.group_commit._queues.get(key)
        return len(line.waiting) if line else 0

    def send(self, content: Any, *, size: int = 1, key: Hashable = "k") -> Thread:
        """Submits from a thread of its own; comes back when the call is being served or stands in line."""
        before = self.waiting(key)
        self.entered.clear()
        thread = Thread(target=self.group_commit.submit, args=(key, content, size))
        thread.start()
        while not self.entered.is_set() and self.waiting(key) == before:
            assert thread.is_alive()
        return thread


def let_through(door: Door, threads: list[Thread]) -> None:
    door.open.set()
    for thread in threads:
        thread.join(SOON)
        assert not thread.is_alive()


def test_a_call_that_finds_a_free_place_is_served_at_once_and_alone() -> None:
    door = Door()
    door.open.set()
    assert door.group_commit.submit("k", 1, 1) == ("k", 1)
    assert door.groups == [[1]]


def test_calls_that_arrive_while_another_is_under_way_are_served_together_in_their_order() -> None:
    door = Door(at_once=1)
    threads = [door.send(n) for n in range(6)]
    let_through(door, threads)
    assert door.groups == [[0], [1, 2, 3, 4, 5]]


def test_as_many_groups_as_are_allowed_are_under_way_at_once() -> None:
    door = Door(at_once=2)
    threads = [door.send(n) for n in range(5)]
    assert door.groups == [[0], [1]]
    let_through(door, threads)
    assert sum(map(len, door.groups)) == 5


def test_a_group_holds_no_more_items_than_are_allowed_and_a_larger_call_goes_alone() -> None:
    door = Door(at_once=1, most=10)
    threads = [door.send(n, size=size) for n, size in enumerate((1, 6, 4, 1, 50, 1))]
    let_through(door, threads)
    assert door.groups == [[0], [1, 2], [3], [4], [5]]


def test_calls_of_one_key_do_not_wait_for_those_of_another() -> None:
    door = Door(at_once=1)
    threads = [door.send(1, key="a"), door.send(2, key="b")]
    assert door.groups == [[1], [2]]
    let_through(door, threads)


def test_a_failure_reaches_everybody_who_has_no_answer_and_the_place_is_free_again() -> None:
    def serve(key: Hashable, calls: list[PendingCall[int]]) -> None:
        calls[0].answer("stored") if calls[0].content == 1 else None
        raise ValueError("broken")

    group_commit: GroupCommit[int] = GroupCommit(serve, at_once=1)
    assert group_commit.submit("k", 1, 1) == "stored"
    with pytest.raises(ValueError, match="broken"):
        group_commit.submit("k", 2, 1)
    assert not group_commit._queues


def test_whoever_waited_for_a_thread_that_was_ended_learns_of_it_and_is_not_ended_too() -> None:
    entered, proceed = Event(), Event()

    def serve(key: Hashable, calls: list[PendingCall[int]]) -> None:
        if calls[0].content == 1:
            entered.set()
            assert proceed.wait(SOON)
            for call in calls:
                call.answer("stored")
            return
        raise SystemExit

    group_commit: GroupCommit[int] = GroupCommit(serve, at_once=1)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(group_commit.submit, "k", 1, 1)
        assert entered.wait(SOON)
        others = []
        for content in (2, 3):
            others.append(threads.submit(group_commit.submit, "k", content, 1))
            while len(group_commit._queues["k"].waiting) < len(others):
                pass
        proceed.set()
        assert first.result(SOON) == "stored"
        assert isinstance(others[0].exception(SOON), SystemExit)
        assert isinstance(others[1].exception(SOON), RuntimeError)


def test_every_call_of_many_threads_is_served_exactly_once_and_nobody_is_left_behind() -> None:
    served: Counter[int] = Counter()
    lock, under_way, most = Lock(), [0], [0]

    def serve(key: Hashable, calls: list[PendingCall[int]]) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        for call in calls:
            served[call.content] += 1
            call.answer(-call.content)
        with lock:
            under_way[0] -= 1
        if random.Random(calls[0].content).random() < 0.1:
            raise ValueError("after the answers")

    group_commit: GroupCommit[int] = GroupCommit(serve, most=7, at_once=2)

    def push(thread: int) -> None:
        for n in range(200):
            number = thread * 1000 + n + 1
            assert group_commit.submit("k", number, 1) == -number

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(push, range(16)))
    assert len(served) == 3200
    assert set(served.values()) == {1}
    assert most[0] <= 2
    assert not group_commit._queues
