"""Databases that a source reads rows of: the PostgreSQL of the tests, with a database of its own for each, and a
MariaDB that is started where the machine has one."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
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
        plain = "" if more.pop("tls", "none") == "verified" else "?tls=none"
        return {"base_url": f"{self.address}{plain}", "key_fields": ["id"], "settle": 0.0, **more}

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


class Authority:
    """An authority of its own, and a certificate by it for a server at 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        root = self._begun(name, name, own).add_extension(basic, critical=True).sign(own, hashes.SHA256())
        server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "till server")])
        places = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key())
        made = self._begun(server, name, key).add_extension(places, critical=False)
        leaf = made.add_extension(issuer, critical=False).sign(own, hashes.SHA256())
        pem = serialization.Encoding.PEM
        plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for file, content in (("ca", root.public_bytes(pem)), ("cert", leaf.public_bytes(pem)), ("key", plain)):
            (folder / f"{file}.pem").write_bytes(content)
        (folder / "key.pem").chmod(0o600)
        self.certificate = root.public_bytes(pem).decode()

    def _begun(self, subject: x509.Name, issuer: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return made.not_valid_after(now + timedelta(days=1))


class TlsDoor:
    """TLS before the PostgreSQL of the tests, which is built without it: what a client asks for first is granted here
    (SSLRequest, PostgreSQL's protocol 3.0), and the rest goes on to the server."""

    def __init__(self, folder: Path, host: str) -> None:
        given = django_settings.DATABASES["default"]
        self.behind = given["HOST"], int(given["PORT"])
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.listening = socket.create_server((host, 0))
        self.port = self.listening.getsockname()[1]
        self.threads = [threading.Thread(target=self._serve, daemon=True)]
        self.threads[0].start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                self.threads.append(threading.Thread(target=self._one, args=(client,), daemon=True))
                self.threads[-1].start()

    def _one(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(20)
            assert client.recv(8)[4:] == b"\x04\xd2\x16\x2f"
            client.sendall(b"S")
            with (
                self.context.wrap_socket(client, server_side=True) as door,
                socket.create_connection(self.behind) as on,
            ):
                back = threading.Thread(target=self._pump, args=(on, door), daemon=True)
                back.start()
                self._pump(door, on)
                back.join(20)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for one in self.threads:
            one.join(20)


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
