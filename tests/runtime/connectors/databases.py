"""Databases that a source reads rows of: the PostgreSQL of the tests, with a database of its own for each, and a
MariaDB that is started where the machine has one."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from django.conf import settings as django_settings

from runtime.connectors.protocols import CallContext
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call

PASSWORD = "pos-geheim-17"


class Database:
    """`clock` is a time of change with the digits of a microsecond that the server gives by itself; `serial` a key that
    it gives in order."""

    scheme, clock, serial, begin = "", "", "", "begin"
    secrets = {"user": "pos", "password": PASSWORD}

    def __init__(self, address: str) -> None:
        self.address = address
        self.conn: Any = self.connect()

    def connect(self) -> Any:
        raise NotImplementedError

    def run(self, statement: str, values: Any = None, *, conn: Any = None) -> list[Any]:
        with (conn or self.conn).cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"base_url": self.address, "tls": "none", "key_fields": ["id"], "settle": 0.0, **more}

    def open(self, **more: Any) -> Any:
        return open_source("sql", self.settings(**more))

    def call(self, **more: Any) -> CallContext:
        return call(self.secrets, **more)

    def close(self) -> None:
        self.conn.close()


class Postgres(Database):
    scheme = "postgresql"
    clock, serial = "timestamptz default clock_timestamp()", "bigserial primary key"

    def connect(self) -> Any:
        return psycopg.connect(self.address, user=self.secrets["user"], password=PASSWORD, autocommit=True)


class Maria(Database):
    scheme, begin = "mariadb", "start transaction"
    clock, serial = "timestamp(6) default current_timestamp(6)", "bigint auto_increment primary key"

    def connect(self) -> Any:
        host, _, port = self.address.partition("://")[2].partition("/")[0].partition(":")
        database = self.address.rpartition("/")[2]
        return pymysql.connect(
            host=host,
            port=int(port),
            user="pos",
            password=PASSWORD,
            database=database,
            autocommit=True,
            charset="utf8mb4",
        )


@contextmanager
def postgres(encoding: str = "UTF8") -> Iterator[Postgres]:
    given = django_settings.DATABASES["default"]
    name, where = f"pos_{uuid.uuid4().hex[:12]}", f"{given['HOST']}:{given['PORT']}"
    login = {"host": given["HOST"], "port": given["PORT"], "user": given["USER"]}
    admin = psycopg.connect(**login, password=given.get("PASSWORD") or None, dbname="postgres", autocommit=True)
    role = f"role_{name}"
    admin.execute(f"create role {role} login password '{PASSWORD}'")
    form = f"encoding '{encoding}' template template0 locale 'C'"
    admin.execute(f"create database {name} owner {role} {form}")
    found = type("Mine", (Postgres,), {"secrets": {"user": role, "password": PASSWORD}})(f"postgresql://{where}/{name}")
    try:
        yield found
    finally:
        found.close()
        admin.execute(f"drop database {name} with (force)")
        admin.execute(f"drop role {role}")
        admin.close()


class MariaServer:
    """A server in a folder of its own; `tls` is a folder with ca.pem, cert.pem and key.pem."""

    def __init__(self, folder: Path, tls: Path | None = None) -> None:
        self.binary, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
        if self.binary is None or install is None:
            pytest.skip("this machine has no MariaDB (Debian: mariadb-server)")
        self.folder, self.port = folder, _free_port()
        made = [install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", "--user=root"]
        made.append("--auth-root-authentication-method=normal")
        subprocess.run(made, check=True, capture_output=True)
        more = [f"--ssl-ca={tls}/ca.pem", f"--ssl-cert={tls}/cert.pem", f"--ssl-key={tls}/key.pem"] if tls else []
        self.process = subprocess.Popen(
            [
                *(self.binary, "--no-defaults", "--user=root", f"--datadir={folder}/data", f"--port={self.port}"),
                *(
                    f"--socket={folder}/s",
                    "--bind-address=127.0.0.1",
                    f"--pid-file={folder}/pid",
                    "--skip-name-resolve",
                ),
                *("--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", *more),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.log = b""
        self._is_ready()
        self.drain = threading.Thread(target=self._drain, daemon=True)
        self.drain.start()
        self.admin = pymysql.connect(unix_socket=f"{folder}/s", user="root", autocommit=True)
        self.run(f"create user 'pos'@'127.0.0.1' identified by '{PASSWORD}'")

    def run(self, statement: str) -> None:
        with self.admin.cursor() as cursor:
            cursor.execute(statement)

    def _is_ready(self) -> None:
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.log += line
            if b"ready for connections" in line:
                return
        raise AssertionError(self.log[-2000:].decode())

    def _drain(self) -> None:
        while self.process.stderr is not None and self.process.stderr.read(65_536):
            continue

    @contextmanager
    def database(self) -> Iterator[Maria]:
        name = f"pos_{uuid.uuid4().hex[:12]}"
        self.run(f"create database {name} character set utf8mb4")
        self.run(f"grant all on {name}.* to 'pos'@'127.0.0.1'")
        found = Maria(f"mariadb://127.0.0.1:{self.port}/{name}")
        try:
            yield found
        finally:
            found.close()
            self.run(f"drop database {name}")

    def close(self) -> None:
        self.admin.close()
        self.process.terminate()
        self.process.wait(30)
        self.drain.join(10)
        if self.process.stderr is not None:
            self.process.stderr.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
