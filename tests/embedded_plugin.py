"""Loaded by `-p tests.embedded_plugin`: runs before pytest-django reads the settings, which a conftest.py would not.

One throw-away PostgreSQL and Valkey per run, started by the controller and shared by the xdist workers, which inherit the
environment. With DATABASE_URL or REDIS_URL set, that server is used. Pure tests that never touch Django pay nothing but the start.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def _start() -> None:
    from portal.embedded import Embedded

    folder = Path(tempfile.mkdtemp(prefix="tg-test-"))
    folder.chmod(0o711)
    servers = Embedded(folder, durable=False)
    atexit.register(lambda: (servers.stop(), shutil.rmtree(folder, ignore_errors=True)))
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = servers.start_postgres()
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = servers.start_valkey()


if "PYTEST_XDIST_WORKER" not in os.environ and not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
    _start()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
