"""Calls for a lane that somebody holds wait in the front, without a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from kernel.retry import fixed
from tests.portal.test_front import Call, front, others_go_on, run


class Held:
    """Answers that others keep something locked, so many times."""

    def __init__(self, times: int) -> None:
        self.left, self.bodies = times, [0]

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.bodies.append(len(environ["wsgi.input"].read()))
        if self.left:
            self.left -= 1
            start("503 Service Unavailable", [("Retry-After", "1"), ("X-Tillgate-Held", "1")])
            return [b"held"]
        start("202 Accepted", [])
        return [b"taken"]


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.front.application.HELD", fixed(0.001))


@pytest.mark.parametrize("size", [3, 900])
def test_a_call_for_a_lane_that_is_held_for_a_moment_is_taken_a_little_later(no_pause: None, size: int) -> None:
    held = Held(3)
    call = run(Call("/api/v1/intake/sales/", b"x" * size).on(front(held)))
    assert (call.status, call.body) == (202, b"taken")
    assert held.bodies == [0, size, size, size, size]


def test_a_call_for_a_lane_that_stays_held_is_told_to_come_again(
    no_pause: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.front.application.HELD_SECONDS", 0.02)
    call = run(Call("/api/v1/intake/sales/", b"abc").on(front(Held(10_000))))
    assert (call.status, call.header("retry-after"), call.body) == (503, "1", b"held")
    assert call.header("x-tillgate-held") is None


def test_who_is_held_back_has_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.front.application.HELD", fixed(30.0))
    monkeypatch.setattr("portal.front.application.HELD_SECONDS", 60.0)
    held = Held(4)

    async def main() -> tuple[int, int]:
        served = front(held)
        waiting = [asyncio.ensure_future(Call("/api/v1/intake/sales/", b"a").on(served)) for _ in range(4)]
        while served.held_back < 4:
            await others_go_on()
        answered = await Call("/api/v1/intake/sales/", b"b").on(served)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return answered.status, served.held_back

    assert run(main()) == (202, 0)


def test_only_so_many_are_held_back(no_pause: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.front.application.MOST_HELD_BACK", 0)
    assert run(Call("/api/v1/intake/sales/", b"abc").on(front(Held(1)))).status == 503
