"""How the campaign judges what the web server says of its own health."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from tests.faults import front_health
from tests.faults.front_health import Asked
from tests.faults.judge import Verdict
from tests.faults.waits import Spell

SPELL = Spell("restarts", 100.0, 103.0)
WELL = Asked(99.0, 0.1, 200)


def judged(
    answers: list[Asked], spells: list[Spell] | None = None, disturbed: tuple[float, ...] = ()
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    verdict = Verdict()
    told = front_health.judge(verdict, spells or [SPELL], answers, disturbed)
    return verdict.examples["untrue"], told


def test_red_while_it_lasts_and_green_afterwards_is_the_truth() -> None:
    answers = [WELL, Asked(101.0, 0.4, 503), Asked(103.5, 0.1, 503), Asked(104.0, 0.1, 200)]
    found, told = judged(answers)
    assert found == []
    assert told == {"restarts": {"asked": 3, "red": 2, "said": [], "green after": 1.1, "longest": 0.4}}


@pytest.mark.parametrize("status", [503, 0])
def test_readiness_that_is_not_green_again_in_time_is_found(status: int) -> None:
    found, told = judged([WELL, *(Asked(103.0 + n, 0.1, status) for n in range(9))])
    assert f"readiness said [{status}] for 5 s after restarts was over" in found
    assert told["restarts"]["green after"] == 5.0


@pytest.mark.parametrize(("kind", "found"), [("bodies", 1), ("frozen", 1), ("reader", 1), ("full", 0)])
def test_readiness_stays_green_while_the_database_is_whole(kind: str, found: int) -> None:
    answers = [WELL, Asked(100.5, 0.1, 503), Asked(101.0, 0.1, 503), Asked(103.5, 0.1, 200)]
    assert len(judged(answers, [Spell(kind, 100.0, 103.0)])[0]) == found
    assert judged([WELL, *answers[2:]], [Spell(kind, 100.0, 103.0)])[0] == []
    late = [Asked(one.at, 2.0, 503, "database: unavailable: no answer within 2 s") for one in answers[1:3]]
    assert judged([WELL, *late, answers[3]], [Spell(kind, 100.0, 103.0)])[0] == []


def test_after_a_step_of_the_clock_readiness_may_take_a_lease() -> None:
    answers = [WELL] + [Asked(103.0 + n, 0.1, 200 if n > 12 else 503) for n in range(16)]
    assert judged(answers, [Spell("clock", 100.0, 103.0)])[0] == []


@pytest.mark.parametrize(
    ("answers", "spells", "disturbed"),
    [
        ([WELL, Asked(104.0, 0.1, 503)], None, (105.0,)),
        ([WELL, Asked(104.0, 0.1, 503)], [Spell("restarts", 100.0)], ()),
        ([WELL, Asked(102.0, 0.1, 503)], None, ()),
        ([Asked(98.0, 0.1, 503), WELL, Asked(104.0, 0.1, 503)], None, ()),
        ([], None, ()),
    ],
    ids=["something else was broken", "it is not over", "nobody asked afterwards", "still loading", "nobody asked"],
)
def test_what_says_nothing_of_readiness_is_not_judged(
    answers: list[Asked], spells: list[Spell] | None, disturbed: tuple[float, ...]
) -> None:
    assert judged(answers, spells, disturbed) == ([], {})


def test_a_server_that_takes_no_connection_and_one_that_says_no_http_have_not_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()

        def odd() -> None:
            taken, _ = server.accept()
            taken.recv(1000)
            taken.sendall(b"no HTTP at all\r\n\r\n")
            taken.close()

        other = threading.Thread(target=odd)
        other.start()
        assert front_health.ask(place).status == 0
        other.join(5)
    assert front_health.ask(place).status == 0
