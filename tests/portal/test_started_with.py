"""A wrong setting is refused before anything starts: one line, its name and value, exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal import started_with

ROOT = Path(__file__).resolve().parents[2]
WRONG = {
    "LOG_LEVEL": ("LOUD", "warning"),
    "LOG_FORMAT": ("yaml",),
    "DISPLAY_TIME_ZONE": ("Europe/Berlon", "../etc"),
    "DATABASE_URL": (
        "postgresql://a:secret@b/c?target_session_attrs=read_write",
        "postgresql://a:secret@b/c?sslmode=on",
        "postgresql://a@b/c?sslmod=require",
        "postgresql://a@b:54x2/c",
    ),
    "DATABASE_LIMITS": ("web.statement=soon", "till.lock=3s"),
    "DATABASE_POOLER": ("transactions",),
    "HTTPS": ("maybe",),
    "WEB_THREADS": ("intake:16", "tills=4", "intake=0"),
    "TILLGATE_ROLE": ("webb",),
    "PIPELINE_SECRETS": ("/no/such/folder",),
    "PROFILES_FOLDER": ("/no/such/folder", "/tmp:/no/such/folder"),
    "TILLGATE_LEASE_SECONDS": ("abc", "0", "nan"),
    "TILLGATE_RECOVERY_HOURS": ("abc", "-1"),
    "REDIS_URL": ("127.0.0.1:6379", "http://127.0.0.1"),
    "BROKER_URL": (
        "127.0.0.1:6379",
        "sqs://a:secret@",
        "memory://",
        "filesystem://",
        "sqla+postgresql://a:secret@b/c",
        "sentinel://a:secret@b:26379",
        "amqp://a:secret@b//;redis://:secret@c/0",
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("collector:4318", "grpc://collector"),
    "OIDC_RECHECK_MINUTES": ("often", "0", "-1"),
    "SESSION_HOURS": ("0", "-5", "99999999999", "half", "1.5"),
    "SESSION_IDLE_MINUTES": ("0", "-1", "99999999999"),
    "SIGN_IN_FRESH_MINUTES": ("0", "-1", "99999999999"),
    "DATABASE_CONN_MAX_AGE": ("-1", "1e9"),
    "EMAIL_PORT": ("0", "65536", "-25"),
    "EMAIL_TIMEOUT": ("0", "-1", "86400"),
}
IN_SETTINGS = ("LOG_FORMAT", "DATABASE_POOLER", "HTTPS")  # read once, when the module is
CASES = [(name, value) for name, values in WRONG.items() for value in values]
ENTRIES = ("manage.py check", "-m portal.scheduler", "-m portal.worker", "-m portal.web_server --port 1")


@pytest.mark.parametrize(("name", "value"), [case for case in CASES if case[0] not in IN_SETTINGS])
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    said = started_with.wrong({name: value})
    assert said is not None
    assert name in said
    assert "\n" not in said
    assert "secret" not in said


def test_what_is_right_is_not_refused() -> None:
    right = {
        "LOG_LEVEL": "INFO",
        "DISPLAY_TIME_ZONE": "Europe/Berlin",
        "DATABASE_URL": "postgresql://a:b@one:5432,two:5433/c?target_session_attrs=read-write&sslmode=require",
        "WEB_THREADS": "intake=16, gate=6",
        "REDIS_URL": "rediss://:pw@cache:6379/1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "TILLGATE_LEASE_SECONDS": "1.5",
        "TILLGATE_RECOVERY_HOURS": "0",
        "SESSION_HOURS": "8",
        "SESSION_IDLE_MINUTES": "1",
        "DATABASE_CONN_MAX_AGE": "0",
        "EMAIL_PORT": "587",
    }
    assert started_with.wrong(right) is None


@pytest.mark.parametrize("name", ["TILLGATE_RECOVERY_HOURS", "TILLGATE_LEASE_SECONDS", "SESSION_HOURS"])
def test_an_empty_value_is_the_default(name: str) -> None:
    """As compose files pass what is not set."""
    environment = os.environ | {"SECRET_KEY": "test", name: ""}
    code = "import portal.settings, runtime.ledger.rewind as r, runtime.ledger.leases as l; print(r.WINDOW_HOURS > 0)"
    ended = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {code}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout.strip() == "True", ended.stderr


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", ["HTTPS", pytest.param("TILLGATE_LEASE_SECONDS", marks=pytest.mark.thorough)])
def test_no_process_starts_with_it(entry: str, name: str) -> None:
    environment = os.environ | {"SECRET_KEY": "test", name: WRONG[name][0]}
    ended = subprocess.run(
        [sys.executable, *entry.split()], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert name in ended.stderr
    assert WRONG[name][0] in ended.stderr
