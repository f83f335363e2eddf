"""While the database is away, read-only or full, every door says 503 and when to come back; what runs by itself
waits."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.urls import reverse
from psycopg import errors as states

from kernel import periodic_jobs, tokens
from kernel.retry import RetryPolicy
from kernel.sessions import SessionStore
from runtime.worker import loop, scheduler
from tests.kernel.test_database_sessions import PASSING, as_django

pytestmark = pytest.mark.django_db
KINDS = pytest.mark.parametrize("error", PASSING, ids=lambda e: type(e).__name__)


def raising(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@KINDS
def test_the_api_answers_503_with_a_problem_document_and_when_to_come_back(client, monkeypatch, error):
    monkeypatch.setattr(tokens, "find", raising(as_django(error)))
    client.raise_request_exception = False
    answer = client.get(reverse("runtime-api:vendors"), headers={"Authorization": "Bearer tg_x"})
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["code"].startswith("database.")


@KINDS
def test_a_page_says_it_too_also_where_a_middleware_met_the_outage_first(client, monkeypatch, error):
    monkeypatch.setattr(SessionStore, "_get_session_from_db", raising(as_django(error)))
    client.cookies["sessionid"] = "a" * 32
    client.raise_request_exception = False
    answer = client.get("/catalog/", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "database" in answer.text or "Somebody else" in answer.text


def test_an_error_of_psycopg_itself_is_an_outage_as_well(client, monkeypatch):
    monkeypatch.setattr(tokens, "find", raising(psycopg.OperationalError("the connection is lost")))
    client.raise_request_exception = False
    answer = client.get(reverse("runtime-api:vendors"), headers={"Authorization": "Bearer tg_x"})
    assert answer.status_code == 503


def thrice_then(error: Exception, stop: Any) -> Any:
    """Fails three times, then works and stops."""
    left = [3]

    def turn() -> int:
        if left[0]:
            left[0] -= 1
            raise error
        stop()
        return 0

    return turn


AT_ONCE = RetryPolicy(base=0.0)


@KINDS
@pytest.mark.parametrize("wrapped", [True, False], ids=["django", "psycopg"])
def test_the_scheduler_outlives_it_and_says_so_once(monkeypatch, caplog, error, wrapped):
    monkeypatch.setattr(scheduler, "DATABASE_LOST", AT_ONCE, raising=False)
    monkeypatch.setattr(scheduler, "TURN_SECONDS", 0.0)
    made = scheduler.Scheduler()
    made.turn = thrice_then(as_django(error) if wrapped else error, made.stop)
    made.run()
    assert [r.message.partition(":")[0] for r in caplog.records] == [
        "waiting for the database",
        "the database is there again",
    ]


@KINDS
@pytest.mark.parametrize("wrapped", [True, False], ids=["django", "psycopg"])
def test_a_worker_outlives_it_and_says_so_once(monkeypatch, caplog, error, wrapped):
    monkeypatch.setattr(loop, "DATABASE_LOST", AT_ONCE)
    made = loop.WorkerLoop(poll=0.0)
    made.turn = thrice_then(as_django(error) if wrapped else error, made.stop)
    made.run()
    assert [r.message.partition(":")[0] for r in caplog.records] == [
        "waiting for the database",
        "the database is there again",
    ]


def test_a_periodic_job_says_once_that_it_waits(caplog):
    class Stop:
        rounds = 0

        def is_set(self) -> bool:
            self.rounds += 1
            return self.rounds > 5

        def wait(self, _: float) -> None: ...

    periodic_jobs.run_forever("catalog", raising(as_django(states.DiskFull("no room"))), Stop(), every=0.0)
    assert len(caplog.records) == 1
