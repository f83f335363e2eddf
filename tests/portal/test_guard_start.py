"""A server that is set up for trying out does not start outside of the demo, whichever command starts it, and says all
its reasons at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from portal.embedded import free_port
from tests.unguarded import everything

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)
SERVERS = {
    "web": "-m portal.web_server --port {port}",
    "web without a supervisor of ours": "-m granian --interface asgi --port {port} portal.asgi:application",
    "worker": "-m portal.worker --concurrency 0",
    "scheduler": "-m portal.scheduler",
    "celery": "-m celery -q -A portal.celery worker -P solo",
}


def ended(command: str, **more: str) -> subprocess.CompletedProcess[str]:
    known = connection.settings_dict
    url = f"postgresql://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT']}/{known['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "a", "DEMO": "no", "GUARD_ACCEPTS": ""} | more
    words = [sys.executable, *command.format(port=free_port()).split()]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90)


@pytest.mark.parametrize("name", ["scheduler", *(pytest.param(n, marks=pytest.mark.thorough) for n in SERVERS)])
def test_no_server_starts_and_each_reason_is_one_line(name: str):
    done = ended(SERVERS[name], DEBUG="yes", ALLOWED_HOSTS="*", WITNESS_FILE="")
    said = [line for line in done.stderr.splitlines() if line.startswith("tillgate:")]
    assert done.returncode != 0, done.stderr
    if "supervisor" not in name:
        assert done.returncode == 2
    reasons = {line.split(":")[1].strip() for line in said}
    assert {"debug", "hosts", "secret_key", "https", "public_url", "database_role", "mail", "witness"} <= reasons
    assert "Traceback" not in done.stderr
    assert "GUARD_ACCEPTS=debug:" in said[-1]


@pytest.mark.thorough
def test_one_thing_that_is_not_accepted_is_enough():
    all_but_one = ",".join(part for part in everything().split(",") if not part.startswith("https:"))
    done = ended(SERVERS["scheduler"], GUARD_ACCEPTS=all_but_one)
    assert done.returncode == 2
    assert "1 thing of its set-up" in done.stderr
    assert "tillgate: https: HTTPS=no" in done.stderr


@pytest.mark.thorough
def test_the_demo_does_not_serve_from_a_strange_database():
    done = ended(SERVERS["scheduler"], DEMO="yes")
    assert "DEMO=yes, and this database was not made for the demo" in done.stderr
    assert done.returncode == 2
