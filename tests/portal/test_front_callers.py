"""Whose request it is, for the division of threads: nobody becomes many by making up cookies or tokens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject

from kernel import tokens
from portal.front import callers
from portal.front.callers import Callers
from tests.portal.test_front import Call, echo, front, others_go_on, run


def in_line_when_called(calls: list[Call], application: Any) -> int:
    """How many have a thread when so many have come at once."""
    let_go, seen = threading.Event(), []

    async def come() -> None:
        tasks = [asyncio.ensure_future(call.on(application)) for call in calls]
        await others_go_on()
        seen.append(application.places["other"].busy)
        let_go.set()
        await asyncio.gather(*tasks)

    def hangs(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        let_go.wait(20)
        return echo(environ, start)

    application.django = hangs
    run(come())
    return seen[0]


@pytest.mark.parametrize("header", ["cookie", "authorization"])
def test_made_up_cookies_and_tokens_are_all_the_same_client(header: str) -> None:
    """Thirty sign-ins with thirty cookies took all threads for pages: another page took twelve seconds."""
    made_up = [Call("/x", b"a", **{header: f"sessionid=made-up-{n}"}) for n in range(6)]
    assert in_line_when_called(made_up, front(threads={"intake": 2, "gate": 1, "other": 4})) == 2


def test_people_with_sessions_behind_one_address_are_told_apart() -> None:
    application = front(threads={"intake": 2, "gate": 1, "other": 4})
    for n in range(4):
        cookie = {b"cookie": b"theme=dark; sessionid=real-%d" % n}
        application.callers.learn(application.callers.credential(cookie), {callers.CALLER: n})
    calls = [Call("/x", b"a", cookie=f"sessionid=real-{n}; junk={n * n}") for n in range(4)]
    assert in_line_when_called(calls, application) == 4
    many = [Call("/x", b"a", cookie=f"sessionid=real-1; junk={n}") for n in range(4)]
    assert in_line_when_called(many, application) == 2


def test_a_caller_is_known_from_its_first_answer_on() -> None:
    def signed_in(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        environ[callers.CALLER] = 7
        return echo(environ, start)

    application = front(signed_in)
    run(Call("/x", b"a", cookie="sessionid=mine").on(application))
    assert list(application.callers.known.values()) == [7]


def test_only_so_many_callers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "KNOWN", 3)
    known = Callers()
    for n in range(9):
        known.learn(b"%d" % n, {callers.CALLER: n})
    assert list(known.known.values()) == [6, 7, 8]


@pytest.mark.django_db
def test_django_says_whose_a_request_was(client: Any, django_user_model: Any) -> None:
    person = django_user_model.objects.create_user("caller", password="x")
    _, secret = tokens.issue(actor=person, user=person, name="till", scopes=["catalog:read"])
    seen: list[Any] = []
    known = lambda answer: seen.append(answer.wsgi_request.META.get(callers.CALLER))  # noqa: E731
    known(client.get("/sign-in/"))
    known(client.get("/api/v1/apis", headers={"Authorization": "Bearer made-up"}))
    known(client.get("/api/v1/apis", headers={"Authorization": f"Bearer {secret}"}))
    client.force_login(person)
    known(client.get("/"))
    assert seen == [None, None, person.pk, person.pk]


def test_nobody_is_asked_who_it_is_for_this_alone(rf: Any) -> None:
    request = rf.get("/x")
    request.user = SimpleLazyObject(lambda: pytest.fail("the session was read"))
    callers.note(request)
    assert callers.CALLER not in request.META
