"""What a browser keeps of a session: by TLS in cookies that no other host can plant, and nothing after its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel import clock
from tests.portal.test_account import make, signed_in

ROOT = Path(__file__).resolve().parents[2]
SAID = """
import json
from portal import settings as s
names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
found = {name: getattr(s, name, None) for name in names}
more = ("SESSION_COOKIE_DOMAIN", "CSRF_COOKIE_DOMAIN", "SESSION_COOKIE_PATH")
found |= {name: getattr(s, name, None) for name in more}
print(json.dumps(found))
"""


def settings_with(https: str) -> dict[str, object]:
    given = {**os.environ, "HTTPS": https, "SECRET_KEY": "x" * 60, "BEHIND_PROXY": "yes"}
    done = subprocess.run(
        [sys.executable, "-c", SAID], cwd=ROOT, env=given, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_by_tls_the_cookies_are_those_of_this_host_alone() -> None:
    """RFC 6265bis §4.1.3.2: `__Host-` asks for Secure, no Domain, and the path /."""
    found = settings_with("yes")
    assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("__Host-sessionid", "__Host-csrftoken")
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert not found["SESSION_COOKIE_DOMAIN"]
    assert not found["CSRF_COOKIE_DOMAIN"]
    assert found["SESSION_COOKIE_PATH"] in (None, "/")


def test_without_tls_they_have_no_such_names_which_browsers_would_drop() -> None:
    found = settings_with("no")
    assert found["SESSION_COOKIE_NAME"] in (None, "sessionid")
    assert found["CSRF_COOKIE_NAME"] in (None, "csrftoken")


@pytest.mark.django_db
def test_after_signing_out_the_browser_drops_what_it_kept() -> None:
    make.person("ann")
    here = signed_in()
    assert "Clear-Site-Data" not in here.get("/settings/account/").headers
    answer = here.post("/sign-out/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert answer.cookies["sessionid"]["max-age"] == 0
    assert "Clear-Site-Data" not in here.get("/sign-in/").headers


@pytest.mark.django_db
@pytest.mark.parametrize("minutes", [31, 13 * 60])
def test_a_session_that_ends_by_itself_leaves_nothing_either(settings: Any, minutes: int) -> None:
    make.person("ann")
    settings.SESSION_IDLE_MINUTES = 30
    here = signed_in()
    with clock.frozen(clock.now() + timedelta(minutes=minutes)):
        answer = here.get("/settings/account/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"', (answer.status_code, answer.url)
