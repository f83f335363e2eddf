"""Calls that the web server refused are told afterwards: how many, from when until when and why, also where the
database itself was away meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from governance.models import Notice
from kernel import clock, life_signs, measures, outbox
from kernel.errors import Invalid, Unavailable
from kernel.models import User
from portal import problem
from portal.front import refused_calls as front_counts
from portal.front.refused_calls import RefusedCallCount
from runtime.domain.refused_calls import RefusedRow, spells
from runtime.models import Alert, AlertRule, RefusedCalls
from runtime.services import alert_settings, alerting, refused_calls
from tests.portal.test_front import Call, front, run

INTAKE = "/api/v1/intake/sales/"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> RefusedCallCount:
    made = RefusedCallCount()
    monkeypatch.setattr(front_counts, "counted", made)
    return made


@pytest.fixture
def first_rules(db: None) -> None:
    """Those that the product begins with, also where a test before has emptied the database."""
    execute(import_module("runtime.migrations.0061_refused_calls").FIRST_RULES, [])


def execute(statement: str, values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def store(rows: list[Any]) -> None:
    refused_calls.store(rows, execute)


def away(rows: list[Any]) -> None:
    raise Unavailable("intake.database", "away")


def answering(error: Exception) -> Callable[..., Iterable[bytes]]:
    """The application answers as the product does when `error` was raised."""

    def django(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        answer = problem.exception_handler(error, {"request": RequestFactory().get("/")})
        assert answer is not None
        start(f"{answer.status_code} X", list(answer.headers.items()))
        return [json.dumps(answer.data).encode()]

    return django


def crowded() -> Exception:
    said = "connection failed: FATAL:  sorry, too many clients already"
    made = Unavailable("intake.database", "The message could not be stored now; send it again.")
    made.__cause__ = psycopg.OperationalError(said)
    return made


def refuse(calls: int = 1, path: str = INTAKE, error: Exception | None = None) -> list[Call]:
    application = front(answering(error or crowded()))
    return [run(Call(path, b"{}").on(application)) for _ in range(calls)]


@pytest.mark.usefixtures("first_rules")
def test_a_spell_in_which_intake_was_refused_is_told_to_the_operators(client: Client, fresh: RefusedCallCount) -> None:
    admin = User.objects.create(username="admin", is_superuser=True, email="admin@example.test")
    assert {call.status for call in refuse(7)} == {503}
    fresh.write(store)
    alerting.attend()
    while outbox.dispatch():
        pass
    told = Notice.objects.get(kind="alert").text
    assert told.startswith("Alert, for a ticket: Intake refused 7 calls, ")
    assert told.endswith("UTC: the database had no free connection")
    client.force_login(admin)
    for page in (reverse("runtime:today"), reverse("runtime:alert", args=[Alert.objects.get().pk])):
        shown = " ".join(client.get(page).text.split())
        assert "Intake refused 7 calls, " in shown
        assert "the database had no free connection" in shown


@pytest.mark.usefixtures("first_rules")
def test_an_operator_sees_it_when_it_is_over_and_the_alert_closes(fresh: RefusedCallCount) -> None:
    refuse(7)
    fresh.write(store)
    alerting.attend()
    alert = Alert.objects.get(kind="front")
    assert (alert.state, alert.severity) == ("open", "ticket")
    alerting.attend(at=clock.now() + timedelta(minutes=1))
    RefusedCalls.objects.update(noted_at=clock.now() - timedelta(minutes=7), last_at=clock.now() - timedelta(minutes=7))
    alerting.attend(at=clock.now() + timedelta(minutes=20))
    alert.refresh_from_db()
    assert alert.state == "resolved"


@pytest.mark.usefixtures("first_rules")
def test_many_refused_calls_are_a_page(fresh: RefusedCallCount) -> None:
    for _ in range(250):
        fresh.note("intake", "database.crowded")
    fresh.write(store)
    alerting.attend()
    assert Alert.objects.get(kind="front").severity == "page"


@pytest.mark.usefixtures("first_rules")
def test_one_refused_call_is_shown_and_wakes_nobody(fresh: RefusedCallCount) -> None:
    refuse()
    fresh.write(store)
    assert alerting.attend() == 0
    assert RefusedCalls.objects.get().refused == 1


@pytest.mark.django_db
def test_what_was_refused_while_the_database_was_away_is_told_with_its_own_times() -> None:
    now = [1000.0]
    count = RefusedCallCount(monotonic=lambda: now[0])
    count.note("intake", "database.unavailable")
    now[0] += 30
    count.note("intake", "database.unavailable")
    for _ in range(3):
        now[0] += 600
        with pytest.raises(Unavailable):
            count.write(away)
    count.write(store)
    rows = list(RefusedCalls.objects.all())  # two where a minute ended between the calls
    assert sum(row.refused for row in rows) == 2
    assert abs((clock.now() - min(row.first_at for row in rows)).total_seconds() - 1830) < 60
    assert abs((clock.now() - max(row.last_at for row in rows)).total_seconds() - 1800) < 60
    count.write(away)  # nothing is left to be written


@pytest.mark.usefixtures("first_rules")
def test_it_is_told_late_where_the_database_was_away_for_hours() -> None:
    now = [1000.0]
    count = RefusedCallCount(monotonic=lambda: now[0])
    for _ in range(20):
        count.note("intake", "database.unavailable")
    now[0] += 8 * 3600
    count.write(store)
    alerting.attend()
    assert Alert.objects.get(kind="front").severity == "ticket"


@pytest.mark.django_db
def test_two_processes_are_one_count() -> None:
    for calls in (3, 4):
        count = RefusedCallCount()
        for _ in range(calls):
            count.note("gate", "request.busy")
        count.write(store)
    assert sum(RefusedCalls.objects.values_list("refused", flat=True)) == 7


@pytest.mark.django_db
def test_a_process_that_ends_meanwhile_leaves_its_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path))
    monkeypatch.setattr(front_counts.os, "getpid", lambda: 2**22 + 5)
    first = RefusedCallCount()
    first.note("intake", "database.unavailable")
    with pytest.raises(Unavailable):
        first.write(away)
    monkeypatch.undo()
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path))
    next_one = RefusedCallCount()
    next_one.note("intake", "database.unavailable")
    next_one.write(store)
    assert sum(RefusedCalls.objects.values_list("refused", flat=True)) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "error", "counted"),
    [
        (INTAKE, Unavailable("request.busy", "busy"), 1),
        ("/api/v1/gate/verdicts", Unavailable("request.busy", "busy"), 1),
        ("/changes/", Unavailable("request.busy", "busy"), 0),
        (INTAKE, Invalid("intake.refused", "no"), 0),
    ],
)
def test_only_what_machines_hand_in_or_ask_and_cannot_get_is_counted(
    fresh: RefusedCallCount, path: str, error: Exception, counted: int
) -> None:
    refuse(1, path, error)
    taken: list[Any] = []
    fresh.write(taken.extend)
    assert len(taken) == counted


def test_what_fails_on_our_side_is_counted_too(fresh: RefusedCallCount) -> None:
    def fails(environ: Any, start: Any) -> Iterable[bytes]:
        raise RuntimeError("broken")

    assert run(Call(INTAKE, b"{}").on(front(fails))).status == 500
    taken: list[Any] = []
    fresh.write(taken.extend)
    assert [(one.operation, one.why) for one in taken] == [("intake", "page.server_error")]


def test_a_reason_is_the_code_of_what_the_database_said_and_leaves_in_no_header(fresh: RefusedCallCount) -> None:
    (call,) = refuse()
    assert call.header("x-tillgate-why") is None
    assert call.header("retry-after") == "5"
    taken: list[Any] = []
    fresh.write(taken.extend)
    assert taken[0].why == "database.crowded"


def test_refused_calls_are_a_metric_from_zero_on(fresh: RefusedCallCount) -> None:
    def value() -> float:
        return measures.snapshot()["tillgate_refused_calls_total"][json.dumps(["intake", "database.crowded"])]

    before = value()
    refuse(2)
    assert value() == before + 2


def test_minutes_that_follow_each_other_are_one_spell() -> None:
    begin = datetime(2026, 11, 30, 5, 8, 6, tzinfo=UTC)

    def row(minutes: float, why: str, refused: int, operation: str = "intake") -> RefusedRow:
        at = begin + timedelta(minutes=minutes)
        return RefusedRow(operation, why, refused, at, at + timedelta(seconds=30))

    found = spells(
        [
            row(1, "database.crowded", 1150),
            row(0, "database.crowded", 34),
            row(1, "request.busy", 3),
            row(1, "request.busy", 2, "gate"),
            row(30, "request.busy", 1),
        ]
    )
    assert [one.title for one in found] == [
        "Intake refused 1 call",
        "The gate refused 2 calls",
        "Intake refused 1,187 calls",
    ]
    assert found[2].because == (
        "the database had no free connection (1,184); all threads of the web server were busy (3)"
    )
    assert (found[2].since, found[2].until) == (begin, begin + timedelta(seconds=90))


def test_a_process_keeps_a_bounded_number_of_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_counts, "MOST_MINUTES", 3)
    now = [0.0]
    count = RefusedCallCount(monotonic=lambda: now[0])
    for _ in range(10):
        count.note("intake", "request.busy")
        now[0] += 60
    taken: list[Any] = []
    count.write(taken.extend)
    assert (len(taken), sum(one.refused for one in taken)) == (3, 10)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"tier": 0}, "/tier"),
        ({"kind": "latency"}, "/kind"),
        ({"long": 4320}, "/long"),
        ({"long": 5, "short": 60}, "/short"),
        ({"at_least": 0}, "/at_least"),
    ],
)
def test_a_rule_about_refused_calls_says_what_it_can(given: dict[str, Any], pointer: str) -> None:
    admin = User.objects.create(username="admin", is_superuser=True)
    rule = {"name": "R", "condition": "refused", "severity": "page", "long": 60, "short": 5, "at_least": 1}
    with pytest.raises(Invalid) as refused:
        alert_settings.make_rule(rule | given, actor=admin)
    assert refused.value.findings[0]["pointer"] == pointer


@pytest.mark.usefixtures("first_rules")
def test_a_rule_about_refused_calls_is_shown_in_words(client: Client) -> None:
    client.force_login(User.objects.create(username="admin", is_superuser=True))
    shown = " ".join(client.get(reverse("runtime:alert-rules")).text.split())
    assert "at least 200 calls were refused within 1 h, and one was heard of within 5 min" in shown
    assert AlertRule.objects.filter(condition="refused").count() == 2
