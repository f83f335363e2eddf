"""Periodic jobs run in a thread of their own, and a failure ends neither the thread nor the next call."""

from __future__ import annotations

import logging
import logging.handlers
import threading

import pytest
from django.db import OperationalError, connection

from kernel import periodic_jobs

SOON = 10.0


def test_a_job_that_fails_is_tried_again_and_one_that_found_work_runs_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop, turned = threading.Event(), []

    def turn() -> int:
        turned.append(len(turned))
        if len(turned) == 1:
            raise ValueError("broken")
        if len(turned) == 2:
            raise OperationalError("server closed the connection")
        if len(turned) == 4:
            stop.set()
        return len(turned)

    log, said = logging.Logger("tests"), logging.handlers.BufferingHandler(10)
    log.addHandler(said)
    monkeypatch.setattr(periodic_jobs, "log", log)
    periodic_jobs.run_forever("tests", turn, stop, every=0.01)
    assert turned == [0, 1, 2, 3]
    assert [record.levelname for record in said.buffer] == ["ERROR", "WARNING"]


def test_the_thread_ends_when_it_is_told_to_and_waits_after_a_call_that_found_nothing() -> None:
    turned = threading.Event()
    count = [0]

    def turn() -> int:
        count[0] += 1
        turned.set()
        return 0

    stop = periodic_jobs.start("tests", turn, every=3600)
    assert turned.wait(SOON)
    stop.set()
    thread = next((t for t in threading.enumerate() if t.name == "periodic jobs of tests"), None)
    if thread is not None:
        thread.join(SOON)
        assert not thread.is_alive()
    assert count[0] == 1


@pytest.mark.django_db(transaction=True)
def test_a_session_that_was_opened_read_only_is_left_before_the_next_job(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, wrote = threading.Event(), []
    with connection.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")  # as in a spell that is over by now

    def turn() -> int:
        stop.set()
        with connection.cursor() as cursor:
            cursor.execute("create table wrote (n int)")
            cursor.execute("drop table wrote")
        wrote.append(1)
        return 0

    periodic_jobs.run_forever("tests", turn, stop, every=0.01)
    assert wrote == [1]
