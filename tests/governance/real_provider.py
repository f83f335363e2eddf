"""A certified OpenID provider (`oidc-provider` from npm) on loopback for tests. Its script is in `oidc_peer/`, its
packages are made outside of the checkout by `make bench-peers PEERS=folder` and found by TILLGATE_PEERS. And a browser
that goes through its pages as a person does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import httpx
from django.test import Client

from tests.runtime.connectors.odata_server import peers

SCRIPT = Path(__file__).parent / "oidc_peer" / "provider.mjs"
SECRET = "a-secret-of-tests"
HERE = "http://testserver"
PEOPLE: dict[str, dict[str, Any]] = {
    "olga": {"given_name": "Olga", "family_name": "Ocean", "groups": ["grp-architects", "grp-other"]},
    "otto": {"given_name": "Otto", "family_name": "Oak", "groups": []},
}
_FORM = re.compile(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input[^>]*name="([^"]+)"(?:[^>]*?value="([^"]*)")?')


def missing() -> str:
    """Why the provider cannot be started; empty where it can."""
    if shutil.which("node") is None:
        return "there is no Node.js on this machine"
    packages = peers() / "oidc" / "node_modules" / "oidc-provider"
    return "" if packages.is_dir() else f"{packages} is not there: make bench-peers PEERS=folder"


@dataclass
class RealProvider:
    issuer: str
    logout_tokens: Queue[str] = field(default_factory=Queue)


def client_of(name: str, told_at: str, way: str) -> dict[str, Any]:
    """How Tillgate is registered there, as the how-to says."""
    return {
        "client_id": name,
        "client_secret": SECRET,
        "redirect_uris": [f"{HERE}/sign-in/provider/callback/"],
        "post_logout_redirect_uris": [f"{HERE}/sign-in/"],
        "backchannel_logout_uri": told_at,
        "backchannel_logout_session_required": True,
        "token_endpoint_auth_method": way,
    }


@contextmanager
def started(folder: Path, *, port: int = 0, **more: Any) -> Iterator[RealProvider]:
    """The provider, with a new key of the name `kid`. Logout tokens that it sends are kept for the test, which is the
    network in between."""
    kept: Queue[str] = Queue()
    folder.mkdir(exist_ok=True)
    shutil.copy(SCRIPT, folder)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(peers() / "oidc" / "node_modules")
    with told(kept) as told_at:
        clients = [client_of(name, told_at, more.get("way", "client_secret_post")) for name in ("tillgate", "another")]
        asked = {"port": port, "kid": "one", "clients": clients, "people": PEOPLE, "groups_in": "user info"} | more
        process = subprocess.Popen(
            ["node", "--no-deprecation", "provider.mjs", json.dumps(asked)],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "NODE_ENV": "test"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        try:
            said: list[str] = []
            for line in process.stdout:  # it ends where the process does
                said.append(line)
                if line.startswith("listening on "):
                    break
            assert "listening on " in "".join(said[-1:]), "".join(said)[-2000:]
            reads = threading.Thread(target=process.stdout.read, daemon=True)
            reads.start()
            yield RealProvider(said[-1].split()[-1], kept)
            process.kill()
            reads.join()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def told(kept: Queue[str]) -> Iterator[str]:
    """Where the provider sends its logout tokens."""

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            kept.put(parse_qs(body)["logout_token"][0])
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Browser:
    """One browser: its cookies at the provider, and its session here."""

    opened: ClassVar[list[httpx.Client]] = []

    def __init__(self) -> None:
        self.there = httpx.Client(timeout=10, trust_env=False)
        self.here = Client()
        self.opened.append(self.there)

    @classmethod
    def close_all(cls) -> None:
        while cls.opened:
            cls.opened.pop().close()

    def sign_in(self, person: str = "olga", **changed: str) -> str:
        """From our start through the provider's pages to our callback. Returns where that leads. `changed` is what
        somebody between us changes in the address."""
        return self.back(self.away(person, **changed))

    def away(self, person: str, **changed: str) -> str:
        """The address with which the provider sends the browser back to us."""
        address = urlsplit(self.here.get("/sign-in/provider/")["Location"])
        asked = dict(parse_qsl(address.query)) | changed
        return self.through(f"{address.scheme}://{address.netloc}{address.path}?{httpx.QueryParams(asked)}", person)

    def through(self, address: str, person: str) -> str:
        """Follows redirects and fills forms in until the provider leaves to us."""
        answer = self.there.get(address)
        for _ in range(20):
            if answer.has_redirect_location:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(HERE):
                    return address
                answer = self.there.get(address)
                continue
            forms = _FORM.findall(answer.text)
            assert forms, (answer.status_code, answer.text[-2000:])
            action, inner = forms[0]
            data = {name: unescape(value) for name, value in _FIELD.findall(inner)}
            if "login" in data:
                data |= {"login": person, "password": "any"}
            if "/session/end" in action:
                data["logout"] = "yes"
            answer = self.there.post(urljoin(str(answer.url), unescape(action)), data=data)
        raise AssertionError(f"the provider does not come to an end: {address}")

    def back(self, address: str) -> str:
        answer = self.here.get(address.removeprefix(HERE))
        return str(answer.get("Location", answer.status_code))

    def signed_out_there(self, issuer: str) -> str:
        """The person signs out at the provider itself; returns its last page."""
        answer = self.there.get(f"{issuer}/session/end")
        action, inner = _FORM.findall(answer.text)[0]
        data = {name: unescape(value) for name, value in _FIELD.findall(inner)}
        answer = self.there.post(unescape(action), data=data | {"logout": "yes"}, follow_redirects=True)
        return answer.text
