"""Workers that are gone are not counted for ever, workers that are missing are said, and who was replaced is told."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from governance.models import Notice
from kernel import life_signs, outbox, replaced_processes
from kernel.life_signs import EndedProcess
from kernel.models import OutboxEvent, ReplacedProcess, User
from kernel.viewer import Viewer
from runtime.domain import expected_workers
from runtime.ledger import ended_workers
from runtime.selectors import infrastructure, operation_measures
from runtime.worker.missing_workers import MissingWorkers

pytestmark = pytest.mark.django_db
HERE = socket.gethostname()
NOBODY = 4_000_000  # above the highest number of a process


def beat(name: str, ago: float, kind: str = "work") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into runtime_worker (name, kind, shards, beat_at) "
            "values (%s, %s, '[]', clock_timestamp() - make_interval(secs => %s))",
            [name, kind, ago],
        )


def forget() -> set[str]:
    with connection.cursor() as cursor:
        ended_workers.forget(cursor)
    return {worker.name for worker in infrastructure.workers()}


def test_a_killed_worker_of_this_machine_is_not_counted_any_more_once_it_is_silent() -> None:
    beat(f"{HERE}-{NOBODY}", 31)
    beat(f"{HERE}-{NOBODY + 1}", 20)
    assert forget() == {f"{HERE}-{NOBODY + 1}"}


def test_a_silent_worker_whose_process_is_there_stays_counted() -> None:
    beat(f"{HERE}-1", 31)
    assert forget() == {f"{HERE}-1"}
    assert infrastructure.workers()[0].state == "silent"


def test_a_worker_of_another_machine_is_silent_for_ten_minutes_and_then_gone() -> None:
    beat(f"elsewhere-{NOBODY}", 590)
    beat(f"elsewhere-{NOBODY + 1}", 601)
    beat(f"{HERE[:-1]}_-{NOBODY}", 40)  # no pattern of ours
    assert forget() == {f"elsewhere-{NOBODY}", f"{HERE[:-1]}_-{NOBODY}"}


def test_a_worker_that_beats_again_is_counted_again() -> None:
    beat(f"{HERE}-{NOBODY}", 40)
    assert forget() == set()
    beat(f"{HERE}-{NOBODY}", 0)
    assert forget() == {f"{HERE}-{NOBODY}"}


@pytest.mark.parametrize(
    ("given", "kinds"), [("", {}), ("delivery=2", {"work": 2}), ("delivery=1, collectors=3", {"work": 1, "collect": 3})]
)
def test_a_setting_says_how_many_there_should_be(given: str, kinds: dict[str, int]) -> None:
    assert expected_workers.of(given) == kinds


@pytest.mark.parametrize("given", ["workers=2", "delivery", "delivery=-1", "delivery=99999"])
def test_a_wrong_setting_is_named(given: str) -> None:
    with pytest.raises(ValueError, match=given.split("=")[0]):
        expected_workers.of(given)


def test_workers_that_are_missing_are_said_on_the_page_in_the_metrics_and_to_the_operators(settings: Any) -> None:
    settings.EXPECTED_WORKERS = "delivery=2 collectors=1"
    admin = User.objects.create(username="admin", is_superuser=True, email="admin@example.test")
    beat("a-1", 1)
    beat("a-2", 40)
    beat("a-3", 1, "collect")
    measured = {(found.labels, found.value) for found in operation_measures.read() if found.of.name.endswith("missing")}
    assert measured == {(("work",), 1), (("collect",), 0)}
    state = infrastructure.state(Viewer.of(admin), "production")
    assert (state.missing, state.workers_tone.word) == (1, "1 worker missing")
    now = 0.0
    watch = MissingWorkers(monotonic=lambda: now)
    for second in range(0, 150, 15):
        now = float(second)
        watch.report()
    assert OutboxEvent.objects.filter(topic="runtime.workers_missing").count() == 1
    while outbox.dispatch():
        pass
    assert Notice.objects.get(kind="workers_missing").text == "Fewer workers run than expected: 1 worker missing"
    beat("a-4", 1)
    watch.report()
    assert infrastructure.state(Viewer.of(admin), "production").missing == 0


def test_a_short_lack_of_workers_is_not_told(settings: Any) -> None:
    settings.EXPECTED_WORKERS = "delivery=1"
    now = 0.0
    watch = MissingWorkers(monotonic=lambda: now)
    watch.report()
    now = 59.0
    watch.report()
    assert not OutboxEvent.objects.filter(topic="runtime.workers_missing").exists()


def test_without_the_setting_nothing_is_missing() -> None:
    assert infrastructure.missing([]) == {}


def test_who_stood_still_is_told_once_to_the_operators_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path))
    admin = User.objects.create(username="admin", is_superuser=True, email="admin@example.test")
    for number in range(2):
        ended = EndedProcess("web", 70 + number, "still", "gave no sign of life for 30 s", time.time())
        life_signs.note(tmp_path, ended)
    life_signs.note(tmp_path, EndedProcess("worker", 80, "ended", "was ended by SIGKILL", time.time()))
    assert replaced_processes.tell() == 3
    assert replaced_processes.tell() == 0
    assert list(tmp_path.iterdir()) == []
    while outbox.dispatch():
        pass
    assert Notice.objects.get().text == f"Replaced: web process 70 on {HERE} gave no sign of life for 30 s"
    assert len(mail.outbox) == 1
    shown = infrastructure.state(Viewer.of(admin), "production").replaced
    assert {(one.role, one.pid, one.why) for one in shown} == {
        ("web", 70, "still"),
        ("web", 71, "still"),
        ("worker", 80, "ended"),
    }
    ReplacedProcess.objects.update(at="2020-01-01T00:00:00Z")
    assert replaced_processes.forget() == 3
