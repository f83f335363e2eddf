"""A plain call of a till takes a short way past what pages need; each answer is that of the long way, byte for byte."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError
from django.db.models.functions import Now

from catalog.models import Subscription
from governance.services import policies, standing, verdicts
from kernel import clock, measures, tokens, tracing
from kernel.errors import Held, Unavailable
from kernel.models import ApiToken, User
from kernel.viewer import Viewer
from portal.front.short_way import ShortWay, TwoWays, is_plain
from portal.front.wsgi import FrontAnswer, call
from runtime.api import handed_in
from runtime.models import Message
from tests.catalog.make import estate, person
from tests.governance.make import POLICY
from tests.runtime.api.conftest import secret_of_the_till

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = "/api/v1/intake/sales/"
BEFORE = "2024-01-01T00:00:00Z"


def environ(secret: str, body: bytes, at: str = PLACE, query: str = "", **more: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": at,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.9",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "HTTP_HOST": "localhost:8000",
        "HTTP_AUTHORIZATION": f"Bearer {secret}",
        "HTTP_X_REQUEST_ID": "till-1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    } | more


def one(key: str, **more: Any) -> bytes:
    return json.dumps({"items": [{"id": key, "total": 1}], **more}).encode()


BODIES: dict[str, Callable[[str], bytes]] = {
    "taken": one,
    "several": lambda way: json.dumps({"items": [{"id": f"{way}{n}"} for n in range(3)]}).encode(),
    "the same again": lambda way: json.dumps({"items": [{"id": f"{way}d"}, {"id": f"{way}d"}]}).encode(),
    "another under its key": lambda way: json.dumps({"items": [{"id": f"{way}c"}, {"id": f"{way}c", "n": 1}]}).encode(),
    "refused by its contract": lambda way: json.dumps({"items": [{"id": f"{way}r"}, {"total": 3}, "x"]}).encode(),
    "with correlations": lambda way: one(f"{way}k", correlation_ids=["till-7"]),
    "with one that cannot be used": lambda way: one(f"{way}u", correlation_ids=["a\nb"]),
    "with too many": lambda way: one(f"{way}m", correlation_ids=["a", "b"]),
    "of a source": lambda way: one(f"{way}s", source="pos"),
    "of a source that is none": lambda way: one(f"{way}n", source=7),
    "a sign of life": lambda way: b'{"items": []}',
    "an unknown source's": lambda way: b'{"items": [], "source": "nobody"}',
    "no JSON": lambda way: b'{"items": [',
    "no batch": lambda way: b'{"id": 1}',
    "a list": lambda way: b"[1]",
    "blank": lambda way: b" ",
    "no UTF-8": lambda way: b'{"items": ["\xff"]}',
    "a name twice": lambda way: b'{"items": [], "items": []}',
    "another environment": lambda way: one(f"{way}e", environment="nowhere"),
    "an environment without it": lambda way: one(f"{way}t", environment="test"),
    "words beyond ASCII": lambda way: json.dumps({"items": [{"id": f"{way}\u2028é", "x": "ü"}]}).encode(),
}
CALLS: dict[str, dict[str, str]] = {
    "at the address without a slash": {"PATH_INFO": PLACE.rstrip("/")},
    "for another flow": {"PATH_INFO": "/api/v1/intake/nothing/"},
    "with a charset": {"CONTENT_TYPE": "application/json; charset=utf-8"},
    "with a trace": {"HTTP_TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"},
    "by any other proxy": {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "1.2.3.4"},
    "for another host": {"HTTP_HOST": "elsewhere.example"},
    "with an environment": {"QUERY_STRING": "environment=production"},
    "with an unknown environment": {"QUERY_STRING": "environment=%00moon&environment=sun"},
    "with a token that nobody has": {"HTTP_AUTHORIZATION": "Bearer tg_wrong"},
    "with a request id that cannot be one": {"HTTP_X_REQUEST_ID": "till-1"},
    "for JSON": {"HTTP_ACCEPT": "application/json"},
}


def shown(answer: FrontAnswer) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
    assert isinstance(answer.body, bytes)
    body = re.sub(rb'"correlation":"[0-9a-f]{16,}"', b'"correlation":"-"', answer.body)
    return answer.status, answer.headers, re.sub(rb"(L|S)(?=[a-z0-9\\]*)", b"W", body), answer.held


def both(secret: str, body: Callable[[str], bytes], **more: str) -> tuple[Any, Any]:
    found = []
    for way, application in (("L", WSGIHandler()), ("S", ShortWay())):
        asked = environ(secret, body(way), **more)
        assert is_plain(asked), "this goes the long way anyhow"
        found.append(shown(call(application, asked)))
    return found[0], found[1]


@pytest.fixture
def secret(transactional_db: None) -> str:
    return secret_of_the_till()


def test_every_body_is_answered_as_on_the_long_way(secret):
    for what, body in BODIES.items():
        long, short = both(secret, body)
        assert short == long, what
    assert Message.objects.filter(key__startswith="L").count() == Message.objects.filter(key__startswith="S").count()


def test_every_call_is_answered_as_on_the_long_way(secret):
    for number, (what, headers) in enumerate(CALLS.items()):
        long, short = both(secret, lambda way, number=number: one(f"{way}{number}"), **headers)
        assert short == long, what


@pytest.mark.parametrize("scopes", [["catalog:read"], ["intake:write"], ["runtime:write"]])
def test_rights_are_asked_as_on_the_long_way(secret, scopes):
    for who in User.objects.filter(username__in=("sofia", "rita", "petra", "zoe")):
        _, mine = tokens.issue(actor=who, user=who, name="other", scopes=scopes)
        long, short = both(mine, one)
        assert short == long


@pytest.mark.parametrize("change", [{"revoked_at": Now()}, {"created_at": BEFORE, "expires_at": Now()}])
def test_a_token_that_has_ended_is_refused_at_once(secret, change):
    assert both(secret, one)[1][0] == 202
    ApiToken.objects.update(**change)
    long, short = both(secret, one)
    assert short == long
    assert (short[0], dict(short[1])[b"www-authenticate"]) == (401, b'Bearer realm="tillgate"')


FAILURES = [
    Unavailable("intake.database", "The message could not be stored now; send it again."),
    Held("database.busy", "Somebody else is holding what this needs.", {"retry_after": 1}),
    OperationalError("server closed the connection unexpectedly"),
    psycopg.errors.AdminShutdown("terminating"),
    RuntimeError("a defect"),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_what_fails_meanwhile_is_told_as_on_the_long_way(secret, error, monkeypatch, caplog):
    def fails(*given: Any, **more: Any) -> Any:
        raise error

    monkeypatch.setattr(handed_in.intake, "accept", fails)
    long, short = both(secret, one)
    assert short == long
    lines = [(line.name, line.levelname, line.getMessage()) for line in caplog.records]
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]


def test_an_outage_before_the_token_is_read_is_told_as_on_the_long_way(secret, monkeypatch):
    def fails(*given: Any, **more: Any) -> Any:
        raise OperationalError("the database system is shutting down")

    monkeypatch.setattr(tokens, "find", fails)
    long, short = both(secret, one)
    assert (short, short[0]) == (long, 503)


def test_without_room_for_a_session_of_this_thread_the_front_asks_another_one(secret, monkeypatch):
    """Nothing was done yet, and the other threads have one: the call is tried again, as behind a lane that is held."""

    def fails(*given: Any, **more: Any) -> Any:
        try:
            raise psycopg.errors.TooManyConnections("sorry, too many clients already")
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error

    monkeypatch.setattr(tokens, "find", fails)
    long, short = both(secret, one)
    assert (short, short[0], short[3]) == (long, 503, True)


def test_behind_https_the_same_headers_are_sent_and_plain_http_is_redirected(secret, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    long, short = both(secret, one)
    assert (short, short[0]) == (long, 301)
    long, short = both(secret, one, **{"wsgi.url_scheme": "https"})
    assert (short, short[0]) == (long, 202)
    assert b"strict-transport-security" in dict(short[1])


def test_a_call_is_counted_under_the_same_route(secret):
    counted = "tillgate_http_requests_total"
    both(secret, lambda way: one(f"{way}0"))
    before = measures.snapshot()[counted]
    both(secret, lambda way: one(f"{way}1"))
    after = measures.snapshot()[counted]
    grown = {labels: value - before.get(labels, 0) for labels, value in after.items() if value != before.get(labels, 0)}
    assert grown == {'["POST", "api/v1/intake/<slug:key>/", "202"]': 2.0}


def test_who_holds_a_verdict_is_answered_as_on_the_long_way(transactional_db, monkeypatch):
    estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    robot = person("robot")
    question = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
    number = verdicts.ask(question, viewer=Viewer.of(robot)).id
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    secrets = {
        scope: tokens.issue(actor=None, user=robot, name=scope, scopes=[scope])[1]
        for scope in ("gate:ask", "usage:write")
    }
    tag = standing.of(number, Viewer.of(robot)).etag
    cases: list[tuple[int, str, dict[str, str]]] = [
        (number, "gate:ask", {}),
        (number, "gate:ask", {"HTTP_IF_NONE_MATCH": f'"x", {tag}'}),
        (number, "gate:ask", {"HTTP_IF_NONE_MATCH": '"x"'}),
        (number, "usage:write", {}),
        (number + 1, "gate:ask", {}),
        (10**30, "gate:ask", {}),
        (number, "gate:ask", {"HTTP_AUTHORIZATION": "Bearer tg_nobody"}),
        (number, "gate:ask", {"QUERY_STRING": "nonce=of-this-call"}),
        (number, "gate:ask", {"QUERY_STRING": "nonce=of-this-call&nonce=of-this-call"}),
        (number, "usage:write", {"QUERY_STRING": "nonce="}),
    ]
    statuses = []
    for verdict, scope, headers in cases:
        found = []
        for application in (WSGIHandler(), ShortWay(), ShortWay()):
            asked = environ(secrets[scope], b"", f"/api/v1/gate/verdicts/{verdict}/standing", REQUEST_METHOD="GET")
            assert is_plain(asked | headers)
            found.append(shown(call(application, asked | headers)))
        assert found[0] == found[1] == found[2], (verdict, scope, headers)
        statuses.append(found[0][0])
    assert statuses[:5] == [200, 304, 200, 403, 404]
    assert statuses[6:] == [401, 200, 422, 403]


def test_by_the_short_way_a_verdict_that_was_revoked_is_seen_at_once(transactional_db):
    """It is asked with the token whether anything was written."""
    estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    robot = person("robot")
    question = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
    number = verdicts.ask(question, viewer=Viewer.of(robot)).id
    _, secret = tokens.issue(actor=None, user=robot, name="ci", scopes=["gate:ask"])
    short, said = ShortWay(), []
    for _ in range(3):
        asked = environ(secret, b"", f"/api/v1/gate/verdicts/{number}/standing", REQUEST_METHOD="GET")
        answer = call(short, asked)
        assert isinstance(answer.body, bytes)
        said.append(json.loads(answer.body)["stands"])
        if len(said) == 2:
            Subscription.objects.filter(application__key="till").update(valid_until=Now())
    assert said == [True, True, False]


UNUSUAL: dict[str, dict[str, str]] = {
    "a session": {"HTTP_COOKIE": "sessionid=x"},
    "another method": {"REQUEST_METHOD": "GET"},
    "another address": {"PATH_INFO": "/api/v1/integrations"},
    "an address below": {"PATH_INFO": PLACE + "x"},
    "an address with a line's end": {"PATH_INFO": PLACE + "\n"},
    "XML": {"CONTENT_TYPE": "application/xml"},
    "another charset": {"CONTENT_TYPE": "application/json; charset=latin-1"},
    "a content coding": {"HTTP_CONTENT_ENCODING": "gzip"},
    "a form of the answer": {"QUERY_STRING": "format=json"},
    "other media types": {"HTTP_ACCEPT": "text/html, */*;q=0.1"},
    "another way to sign in": {"HTTP_AUTHORIZATION": "Basic eDp5"},
    "a token in two words": {"HTTP_AUTHORIZATION": "Bearer a b"},
    "a token beyond ASCII": {"HTTP_AUTHORIZATION": "Bearer t\xe9"},
    "no token": {"HTTP_AUTHORIZATION": ""},
    "no body": {"CONTENT_LENGTH": "0"},
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_unusual_goes_the_long_way(what):
    assert is_plain(environ("tg_x", b"{}"))
    assert not is_plain(environ("tg_x", b"{}") | UNUSUAL[what])


def test_with_a_middleware_that_it_does_not_know_nothing_takes_the_short_way(settings):
    assert TwoWays().short is not None
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    assert TwoWays().short is None


class Heard:
    """A tracer that keeps the names of spans."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(tracing.NOTHING, name)

    def span(self, name: str, **more: Any) -> Any:
        mine = self

        class Span:
            traceparent = f"00-{'a' * 32}-{'b' * 16}-01"

            def __init__(self) -> None:
                self.name = name

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                mine.names.append(self.name)

            def rename(self, name: str) -> None:
                self.name = name

            def set(self, **values: Any) -> None:
                mine.names.append(str(sorted(values.items())))

            def fail(self, why: str) -> None:
                mine.names.append(why)

        return Span()

    def finished(self, name: str, **more: Any) -> None:
        self.names.append(name)

    def current(self) -> str:
        return ""


def test_its_spans_are_those_of_the_long_way(secret):
    heard: list[list[str]] = []
    for way, application in (("L", WSGIHandler()), ("S", ShortWay())):
        tracer: Any = Heard()
        with tracing.used(tracer):
            call(application, environ(secret, one(way)))
        heard.append(tracer.names)
    assert heard[0] == heard[1]
    assert "POST api/v1/intake/<slug:key>/" in heard[0]
