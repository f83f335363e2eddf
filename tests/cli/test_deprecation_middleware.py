"""The middleware: an API says what the catalog says about it, and goes on when the catalog does not answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tillgate.deprecation import DeprecationASGI, Deprecations, DeprecationWSGI

NOW = datetime.now(UTC).replace(microsecond=0)
SUNSET = NOW + timedelta(days=60)


def version(**more: Any) -> dict[str, Any]:
    return {
        "version": "price-api@v2",
        "deprecated_at": (NOW - timedelta(days=5)).isoformat(),
        "sunset_at": SUNSET.isoformat(),
        "successor": "price-api@v3",
        "page": "https://tillgate.example/catalog/apis/price-api/versions/v2/",
        "brown_outs": [],
        **more,
    }


def brown_out(begins: timedelta, ends: timedelta, **more: Any) -> dict[str, Any]:
    at = {"starts_at": (NOW + begins).isoformat(), "ends_at": (NOW + ends).isoformat()}
    return {"environment": "production", "note": "", "cancelled_at": None, **at, **more}


class Catalog:
    """A catalog over a real socket that answers what it is told to."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, json.dumps([version()]).encode(), {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.thrice = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.headers
                outer.asked.append((self.path, given.get("Authorization"), given.get("If-None-Match")))
                self.send_response(outer.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(outer.body)), "ETag": '"a"'}
                for name, value in (headers | outer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)
                if len(outer.asked) >= 3:
                    outer.thrice.set()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def says(self, *versions: dict[str, Any]) -> None:
        self.body = json.dumps(versions).encode()


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    made = Catalog()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ending(catalog: Catalog, **more: Any) -> Deprecations:
    options: dict[str, Any] = {"token": "tg_x", "environment": "production", "paths": {"/v2": "price-api@v2"}}
    return Deprecations(catalog.url, **(options | more))


def wsgi(deprecations: Deprecations, path: str, **own: str) -> tuple[str, dict[str, str], bytes]:
    """What a client of the wrapped WSGI application gets."""
    got: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), *own.items()])
        return [b"a price"]

    wrapped = DeprecationWSGI(application, deprecations)
    body = b"".join(wrapped({"SCRIPT_NAME": "", "PATH_INFO": path}, lambda *given: got.append(given)))
    return got[0][0], dict(got[0][1]), body


def asgi(deprecations: Deprecations, path: str) -> tuple[int, dict[str, str], bytes]:
    """The same of the ASGI one."""
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"a price"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(StopIteration):  # nothing in it waits, so it runs to its end at once, whatever loop there is
        DeprecationASGI(application, deprecations)({"type": "http", "path": path}, None, send).send(None)
    return sent[0]["status"], {n.decode(): v.decode() for n, v in sent[0]["headers"]}, sent[1]["body"]


def test_answers_of_a_version_that_ends_carry_its_dates_and_others_do_not(catalog: Catalog):
    told = ending(catalog)
    assert told.refresh()
    status, headers, body = wsgi(told, "/v2/prices/4711")
    assert (status, body) == ("200 OK", b"a price")
    assert headers["Deprecation"] == f"@{int((NOW - timedelta(days=5)).timestamp())}"
    assert parsedate_to_datetime(headers["Sunset"]) == SUNSET
    assert [part.partition("rel=")[2].split('"')[1] for part in headers["Link"].split(", ")] == [
        "deprecation",
        "sunset",
        "successor-version",
    ]
    assert asgi(told, "/v2")[1]["sunset"] == headers["Sunset"]
    for path in ("/v22/prices", "/v3", "/", ""):
        assert "Sunset" not in wsgi(told, path)[1]
        assert "sunset" not in asgi(told, path)[1]
    assert catalog.asked[0][:2] == ("/api/v1/deprecations?api=price-api", "Bearer tg_x")


def test_what_the_application_says_itself_stays(catalog: Catalog):
    told = ending(catalog)
    told.refresh()
    assert wsgi(told, "/v2", Sunset="Sat, 01 Jan 2028 00:00:00 GMT")[1]["Sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"


@pytest.mark.parametrize(
    ("planned", "refused"),
    [
        (brown_out(timedelta(hours=-1), timedelta(hours=1)), True),
        (brown_out(timedelta(hours=-1), timedelta(hours=1), environment="test"), False),
        (brown_out(timedelta(hours=-1), timedelta(hours=1), cancelled_at=NOW.isoformat()), False),
        (brown_out(timedelta(hours=-2), timedelta(hours=-1)), False),
        (brown_out(timedelta(hours=1), timedelta(hours=2)), False),
    ],
)
def test_it_refuses_during_a_brown_out_of_its_environment_and_at_no_other_time(catalog, planned, refused):
    catalog.says(version(brown_outs=[planned]))
    told = ending(catalog)
    told.refresh()
    status, headers, body = wsgi(told, "/v2/prices")
    assert (status == "503 Service Unavailable") is refused
    assert (asgi(told, "/v2/prices")[0] == 503) is refused
    if refused:
        assert 1800 <= int(headers["Retry-After"]) <= 3600  # planned when the tests were collected
        assert json.loads(body)["title"] == "Planned brown-out"
        assert headers["Content-Type"] == "application/problem+json"
        assert "Sunset" in headers


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, b"[]", {}),
        (401, b"[]", {}),
        (200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
        (200, b"{}", {}),
        (200, b"[{}]", {}),
        (200, b'[{"version":', {}),
        (200, b"[" * 100_000, {}),
        (200, json.dumps([version(sunset_at="2027-01-01")]).encode(), {}),
        (200, json.dumps([version(page='https://x/"\r\nSet-Cookie: a=b')]).encode(), {}),
        (302, b"[]", {"Location": "http://127.0.0.1:9/api"}),
    ],
)
def test_an_answer_that_says_nothing_leaves_the_last_one_in_force(catalog: Catalog, status, body, headers):
    told = ending(catalog)
    assert told.refresh()
    catalog.status, catalog.body, catalog.headers = status, body, headers
    assert not told.refresh()
    assert "Sunset" in wsgi(told, "/v2")[1]


def test_the_token_goes_to_no_other_address(catalog: Catalog):
    other = Catalog()
    catalog.status, catalog.headers = 307, {"Location": f"{other.url}/api/v1/deprecations"}
    assert not ending(catalog).refresh()
    other.server.shutdown()
    other.server.server_close()
    assert other.asked == []


def test_an_unchanged_answer_is_not_sent_again(catalog: Catalog):
    told = ending(catalog)
    told.refresh()
    catalog.status, catalog.body = 304, b""
    assert told.refresh()
    assert catalog.asked[1][2] == '"a"'
    assert "Sunset" in wsgi(told, "/v2")[1]


def test_what_was_said_outlives_a_restart_without_the_catalog(catalog: Catalog, tmp_path: Path):
    kept = tmp_path / "deprecations.json"
    assert ending(catalog, keep_in=kept).refresh()
    again = Deprecations(
        "http://127.0.0.1:9", token="", environment="production", paths={"/v2": "price-api@v2"}, keep_in=kept
    )
    assert not again.refresh()
    assert "Sunset" in wsgi(again, "/v2")[1]
    kept.write_bytes(b"{")
    assert "Sunset" not in wsgi(ending(catalog, keep_in=kept), "/v2")[1]


def test_it_asks_by_itself_and_stops_when_told(catalog: Catalog):
    told = ending(catalog, refresh_seconds=0.01).start()
    assert catalog.thrice.wait(10)
    told.stop()
    assert "Sunset" in wsgi(told, "/v2")[1]


@pytest.mark.parametrize("paths", [{"v2": "price-api@v2"}, {"/v2": "price-api"}, {"/v2": "a@b@c"}])
def test_paths_that_cannot_be_meant_are_refused_at_once(paths: dict[str, str]):
    with pytest.raises(ValueError, match="paths are written"):
        Deprecations("http://127.0.0.1:9", token="", environment="production", paths=paths)
