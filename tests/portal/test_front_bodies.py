"""Large bodies: only of who is known, only so many bytes, and a full disk is said as such."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from kernel import tokens
from portal.answer_headers import PROMISED
from portal.front import body_room, wsgi
from portal.front.body_room import BodyRoom
from portal.front.identification import identify
from tests.portal.test_front import Call, front, others_go_on, run

LARGE = 300 * 1024
MOST = 10**6


def large(parts: int = 3, **headers: str) -> Call:
    return Call("/api/v1/intake/sales/", *[b"x" * (LARGE // parts + 1)] * parts, **headers)


def holder(authorization: str, session: str) -> int | None:
    return len(authorization + session) if "good" in (authorization + session) else None


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer made-up"}, {"cookie": "sessionid=made-up"}])
def test_a_large_body_of_nobody_is_refused_before_it_is_read(header: dict[str, str]) -> None:
    """Nine of them without a token filled the disk, and a till's batch was answered by 500."""
    call = large(**header)
    run(call.on(front(limit=MOST, identify=holder)))
    assert (call.status, json.loads(call.body)["code"]) == (401, "request.not-authenticated")
    assert (call.header("www-authenticate"), call.header("connection")) == ('Bearer realm="tillgate"', "close")
    assert len(call.parts) == 3


@pytest.mark.parametrize("header", [{"authorization": "Bearer good"}, {"cookie": "a=1; sessionid=good"}])
def test_a_large_body_with_a_token_or_in_a_session_is_taken_and_its_holder_asked_about_once(
    header: dict[str, str],
) -> None:
    asked = []
    application = front(limit=MOST, identify=lambda *given: asked.append(given) or holder(*given))
    assert [run(large(**header).on(application)).status for _ in range(2)] == [200, 200]
    assert len(asked) == 1
    assert application.room.used == 0


@pytest.mark.parametrize("call", [large(), Call("/health/live", method="GET"), Call("/health/ready", method="GET")])
def test_what_the_front_answers_by_itself_says_beside_its_content_what_pages_say(call: Call) -> None:
    run(call.on(front(limit=MOST, identify=holder)))
    assert {name: call.header(name.lower()) for name in PROMISED} == PROMISED


def test_without_a_length_nobody_sends_more_than_a_small_one() -> None:
    call = large(transfer_encoding="chunked")
    call.scope["headers"] = [h for h in call.scope["headers"] if h[0] != b"content-length"]
    run(call.on(front(limit=MOST, identify=holder)))
    assert (call.status, json.loads(call.body)["detail"]) == (413, "The body is larger than 256 KB.")


def test_small_bodies_are_read_without_asking_who_it_is() -> None:
    application = front(identify=lambda *_: pytest.fail("asked"))
    assert run(Call("/x", b"ab", b"cd").on(application)).status == 200


def test_one_caller_takes_no_more_than_a_share_of_the_room_and_gives_it_back() -> None:
    application = front(limit=MOST, identify=holder, seconds=600.0)
    application.room = BodyRoom(4 * LARGE)
    application.callers.known[application.callers.credential({b"authorization": b"Bearer good"})] = 11

    async def many() -> tuple[list[Call], Call, int]:
        greedy = [large(authorization="Bearer good") for _ in range(3)]
        for call in greedy:
            call.ends = False
            call.parts.append(b"x")
        waiting = [asyncio.ensure_future(call.on(application)) for call in greedy]
        await others_go_on()
        other = await large(authorization="Bearer good too").on(application)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return [call for call in greedy if call.sent], other, application.room.used

    refused, other, used = run(many())
    assert [(one.status, one.header("retry-after")) for one in refused] == [(503, "5")] * 2
    assert json.loads(refused[0].body)["code"] == "request.no_room"
    assert (other.status, used, dict(application.room.by)) == (200, 0, {})


class FullDisk:
    """A file for a moment on a disk without room."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None: ...


def test_a_body_for_which_the_disk_has_no_room_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_room.KeptBody, "write", FullDisk.write)
    application = front(limit=MOST)
    call = run(large().on(application))
    assert (call.status, call.header("retry-after"), application.room.used) == (503, "5", 0)


def test_an_answer_for_which_the_disk_has_no_room_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def long(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return [b"a" * 700_000, b"b" * 700_000]

    monkeypatch.setattr(wsgi.tempfile, "TemporaryFile", FullDisk)
    call = run(Call("/x").on(front(long)))
    assert (call.status, json.loads(call.body)["code"]) == (503, "answer.no_room")
    assert call.header("retry-after") == "5"


def test_the_room_is_no_more_than_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_room.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert body_room.total() == 500


@pytest.mark.django_db(transaction=True)
def test_whose_a_token_and_a_session_are(client: Any, django_user_model: Any) -> None:
    person = django_user_model.objects.create_user("sender", password="x")
    _, secret = tokens.issue(actor=person, user=person, name="till", scopes=["catalog:read"])
    client.force_login(person)
    session = client.session.session_key
    assert [identify(f"Bearer {secret}", ""), identify("", session)] == [person.pk, person.pk]
    for given in [("Bearer tg_no", ""), ("Basic abc", session), ("Bearer \xe9", ""), ("", "no-such"), ("", "")]:
        assert identify(*given) is None


def test_an_answer_that_is_not_read_to_its_end_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """The line ended with its colon."""

    def long(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return [b"a" * 2_000_000]

    class Deaf(Call):
        async def send(self, message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                raise TimeoutError

    run(Deaf("/x").on(front(long)))
    assert "not read to its end: nothing was taken for 60 s" in caplog.text
