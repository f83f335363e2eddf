"""Pages and API through a real PgBouncer in transaction mode; what needs a session of its own goes around it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from kernel.models import User
from portal import web_server
from portal.embedded import free_port

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="no pgbouncer on this machine"),
]
ROOT = Path(__file__).resolve().parents[2]
WAIT = 120.0
PAGES = ("/", "/catalog/", "/inbox/", "/runtime/", "/runtime/integrations/", "/ledger/", "/search/?q=price")
AT_ONCE = 4  # of one client; more would have to wait for threads


def direct() -> str:
    d = connection.settings_dict
    return f"postgresql://{quote(d['USER'])}:{quote(d['PASSWORD'])}@{d['HOST']}:{d['PORT']}/{d['NAME']}"


@pytest.fixture
def pooler(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """Its address. Three sessions of the server for everybody."""
    d, port = connection.settings_dict, free_port()
    (tmp_path / "users").write_text(f'"{d["USER"]}" "{d["PASSWORD"]}"\n')
    (tmp_path / "pgbouncer.ini").write_text(
        f"[databases]\n{d['NAME']} = host={d['HOST']} port={d['PORT']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
        f"auth_file = {tmp_path / 'users'}\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
        "ignore_startup_parameters = extra_float_digits,options\n"
    )
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if user is not None:
        for path in (tmp_path, tmp_path / "users", tmp_path / "pgbouncer.ini"):
            os.chown(path, user.pw_uid, user.pw_gid)
        for parent in tmp_path.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
    command = ["pgbouncer", "-q", str(tmp_path / "pgbouncer.ini")]
    process = subprocess.Popen(command, **({"user": user.pw_uid, "group": user.pw_gid} if user else {}))
    url = f"postgresql://{quote(d['USER'])}:{quote(d['PASSWORD'])}@127.0.0.1:{port}/{d['NAME']}"
    try:
        _await(lambda: psycopg.connect(url, connect_timeout=2).close())
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _await(ask: object) -> None:
    ends = time.monotonic() + WAIT
    while True:
        try:
            ask()  # type: ignore[operator]
        except (psycopg.OperationalError, urllib.error.URLError, OSError):
            assert time.monotonic() < ends
            time.sleep(0.1)
        else:
            return


def get(address: str, cookie: str = "") -> int:
    request = urllib.request.Request(address, headers={"Cookie": cookie})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        sys.stderr.write(error.read().decode()[:400])
        return error.code


def test_every_page_answers_through_it_also_for_many_at_once(pooler: str, tmp_path: Path) -> None:
    client, port = Client(), free_port()
    client.force_login(User.objects.create_superuser("ada"))
    name = settings.SESSION_COOKIE_NAME
    cookie = f"{name}={client.cookies[name].value}"
    environment = dict(os.environ, DATABASE_URL=pooler, DATABASE_POOLER="transaction", DATABASE_DIRECT_URL=direct())
    environment |= {"SECRET_KEY": settings.SECRET_KEY, "ALLOWED_HOSTS": "127.0.0.1", "DEBUG": "no"}
    environment["STATIC_ROOT"] = str(tmp_path / "static")
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    subprocess.run(collect, cwd=ROOT, env=environment, check=True)
    server = subprocess.Popen([sys.executable, *web_server.arguments(port)], cwd=ROOT, env=environment)
    here = f"http://127.0.0.1:{port}"
    try:
        _await(lambda: urllib.request.urlopen(f"{here}/health/ready", timeout=5).close())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda page: (page, get(here + page, cookie)), PAGES * 6))
        assert {one for one in found if one[1] != 200} == set()
    finally:
        server.terminate()
        server.wait(30)


def test_without_saying_so_a_process_refuses_to_start_in_one_line(pooler: str) -> None:
    environment = dict(os.environ, DATABASE_URL=pooler, SECRET_KEY="tests")
    done = subprocess.run(
        [sys.executable, "-m", "portal.worker", "--concurrency", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert done.returncode == 2
    assert "DATABASE_DIRECT_URL" in done.stderr.strip().splitlines()[-1]
