"""Who waits for a thread: one client takes no more than its part of the line, and who is gone leaves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kernel.errors import Unavailable
from portal.front.places import ClientGone, ThreadPlaces
from tests.portal.test_front import Call, front, others_go_on, run


def test_one_client_fills_no_line() -> None:
    let_go = threading.Event()

    async def waits() -> None:
        room = ThreadPlaces("test", count=1, each=1, in_line=8, of_one=2)
        first = asyncio.ensure_future(room.run("greedy", lambda: let_go.wait(20)))
        await others_go_on()
        second = [asyncio.ensure_future(room.run("greedy", lambda: None)) for _ in range(2)]
        await others_go_on()
        for _ in range(20):
            with pytest.raises(Unavailable):
                await room.run("greedy", lambda: None)
        other = asyncio.ensure_future(room.run("other", lambda: "served"))
        await others_go_on()
        let_go.set()
        assert await other == "served"
        await asyncio.gather(first, *second)
        assert (room.busy, len(room.line), room.waiting.total()) == (0, 0, 0)

    run(waits())


def test_who_is_gone_leaves_the_line_and_nothing_is_done_for_it() -> None:
    let_go, done = threading.Event(), []

    async def waits() -> None:
        left = asyncio.Event()

        async def gone() -> None:
            await left.wait()

        room = ThreadPlaces("test", count=1, each=1)
        first = asyncio.ensure_future(room.run("a", lambda: let_go.wait(20)))
        await others_go_on()
        second = asyncio.ensure_future(room.run("b", lambda: done.append("b"), gone=gone))
        await others_go_on()
        left.set()
        with pytest.raises(ClientGone):
            await second
        let_go.set()
        await first
        assert (room.busy, len(room.line), room.waiting.total()) == (0, 0, 0)

    run(waits())
    assert done == []


def test_a_request_whose_client_is_gone_is_not_carried_out_when_its_turn_comes() -> None:
    let_go, carried_out = threading.Event(), []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        carried_out.append(environ["PATH_INFO"])
        let_go.wait(20)
        start_response("200 OK", [])
        return [b""]

    async def asked() -> None:
        made = front(application, threads={"other": 1, "intake": 1, "gate": 1})
        first = asyncio.ensure_future(Call("/one/").on(made))
        await others_go_on()
        left = Call("/two/", cookie="csrftoken=x")
        left.breaks = True
        await left.on(made)
        let_go.set()
        await first

    run(asked())
    assert carried_out == ["/one/"]
