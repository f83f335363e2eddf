"""Each way in which a connection can be wrong, through a whole worker to a real socket: nothing becomes a dead letter,
the circuit breaker says which it is, and after the correction the server has every message once and in order."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from catalog.models import Environment, System, SystemEndpoint
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.worker.delivery import serve_one
from runtime.worker.target_clients import TargetClients
from tests.runtime.connectors.server import Server
from tests.runtime.make import Flow, systems_moved

pytestmark = pytest.mark.django_db(transaction=True)
SIGN_IN = b'<html><title>Sign in</title><form><input name="u"><input type="password" name="p"></form></html>'
HTML = {"Content-Type": "text/html"}
WRONG: dict[str, tuple[str, Any]] = {
    "401": ("credentials", (401, {}, {"message": "who are you"})),
    "403": ("credentials", (403, {}, {"message": "scope missing"})),
    "404 of the path": ("address", (404, {}, {"message": "no such path"})),
    "405": ("address", (405, {}, {"message": "not by POST"})),
    "redirect": ("redirect", (307, {"Location": "/elsewhere"}, b"")),
}


class Site:
    """A flow to a REST target, whose server's answers a test changes, and a worker with its own clients."""

    def __init__(self, conn: Connection, server: Server, tmp_path: Path, *, batch: int = 1, **settings: Any) -> None:
        self.conn, self.server, self.journal, self.wrong = conn, server, list[str](), None
        server.answer = self._answer
        self.secret = tmp_path / "secret"
        self.secret.write_text("right")
        self.flow = Flow(conn, lanes=1)
        system = System.objects.create(key=f"{self.flow.key}-erp", name="ERP", kind="erp")
        place, _ = Environment.objects.get_or_create(key="production", defaults={"name": "Production", "position": 1})
        self.endpoint = SystemEndpoint.objects.create(
            system=system, environment=place, base_url=server.url, secret_ref=f"file:{self.secret}"
        )
        target = {
            "name": "store",
            "system": system.key,
            "idempotency": "U",
            "writes": [{"entity": "sale", "kind": "command"}],
            "mapping": {"mapping": "m", "version": "1", "fields": [{"to": "key", "from": "key", "type": "string"}]},
            "connection": {
                "protocol": "rest",
                "settings": {"path": "/sales", "idempotency": "U", "auth": {"kind": "bearer"}, **settings},
            },
        }
        self.flow.deploy(
            {
                "integration": self.flow.key,
                "title": "Sales",
                "domain": "price",
                "owner": "flow-owners",
                "tier": 2,
                "sources": [{"name": "tills", "system": "pos"}],
                "event": {"name": "sale", "meaning": "fact", "key": "/key"},
                "targets": [target],
            }
        )
        self.flow.subscribe(vendor=self.flow.vendor(system.key), idempotency="U", batch=batch)
        self.clients = TargetClients(conn)
        append(conn, self.flow.ref, [self.flow.item(f"k{n}") for n in range(6)])

    def _answer(self, seen: Any) -> Any:
        if self.wrong is not None:
            return self.wrong
        if seen.method == "GET":
            return 200, {}, {"status": "open"}
        self.journal.append(seen.json()["key"])
        return 201, {}, {"id": f"V{len(self.journal)}"}

    def rounds(self, count: int = 4) -> None:
        for _ in range(count):
            self.flow.expire()
            self.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")
            serve_one(self.conn, self.clients, owner="w")

    def fault(self) -> Any:
        return self.conn.execute("select breaker, fault, fault_detail from runtime_vendorstate").fetchone()

    def all_arrive(self) -> None:
        """After the correction: every message is there once, in order, and nothing is left."""
        self.rounds(12)
        assert self.journal == [f"k{n}" for n in range(6)]
        assert self.fault() == ("closed", "", "")
        assert self.conn.execute("select count(*) from runtime_quarantine").fetchone() == (0,)


@pytest.fixture
def site(ledger: Connection, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Server] = []

    def build(**settings: Any) -> Site:
        server = Server(None)
        server.__enter__()
        made.append(server)
        return Site(ledger, server, tmp_path, **settings)

    yield build
    for server in made:
        server.__exit__(None, None, None)


def at_fault(site: Site, kind: str) -> str:
    breaker, found, detail = site.fault()
    assert (breaker, found) == ("open", kind)
    assert site.journal == []
    assert site.conn.execute("select count(*) from runtime_quarantine").fetchone() == (0,)
    return str(detail)


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_about_the_connection(site: Callable[..., Site], name: str) -> None:
    made = site()
    kind, made.wrong = WRONG[name]
    made.rounds()
    assert len(made.server.seen) == 4, "one message at a time tries"
    at_fault(made, kind)
    made.wrong = None
    made.all_arrive()


def test_a_page_to_sign_in_after_a_write_stops_the_lane_at_the_one_message_that_may_have_arrived(
    site: Callable[..., Site],
) -> None:
    """A target of class U cannot be asked: that one message is a person's, reads probe, and the others go out by
    themselves."""
    made = site(check_path="/status")
    made.wrong = (200, HTML, SIGN_IN)
    made.rounds(4)
    assert made.fault()[:2] == ("open", "redirect")
    assert [seen.method for seen in made.server.seen] == ["POST", "GET", "GET", "GET"]
    assert made.conn.execute("select position, state from runtime_quarantine").fetchall() == [(1, "unknown")]
    made.wrong = None
    made.rounds(12)
    assert made.journal == [f"k{n}" for n in range(1, 6)]
    assert made.fault() == ("closed", "", "")


def test_without_anything_to_read_a_page_to_sign_in_costs_that_message_and_no_other(site: Callable[..., Site]) -> None:
    made = site()
    made.wrong = (200, HTML, SIGN_IN)
    made.rounds(4)
    assert [seen.method for seen in made.server.seen] == ["POST"]
    made.wrong = None
    made.conn.execute("delete from runtime_quarantine")  # a person has decided
    made.rounds(12)
    assert made.journal == [f"k{n}" for n in range(1, 6)]
    assert made.fault() == ("closed", "", "")


def test_a_missing_secret_is_read_again_at_the_next_probe(site: Callable[..., Site]) -> None:
    made = site()
    made.secret.unlink()
    made.rounds()
    assert "cannot be read on this worker" in at_fault(made, "secret")
    assert made.server.seen == []
    made.secret.write_text("right")
    made.all_arrive()


def test_a_host_name_that_nobody_knows(site: Callable[..., Site]) -> None:
    made = site()
    SystemEndpoint.objects.update(base_url="http://erp.invalid")
    systems_moved(made.conn)
    made.rounds()
    assert "erp.invalid" in at_fault(made, "name")
    SystemEndpoint.objects.update(base_url=made.server.url)
    systems_moved(made.conn)
    made.all_arrive()


def test_an_endpoint_that_is_missing_in_the_catalog(site: Callable[..., Site]) -> None:
    made = site()
    held = SystemEndpoint.objects.get()
    SystemEndpoint.objects.all().delete()
    systems_moved(made.conn)
    made.rounds()
    assert "no endpoint" in at_fault(made, "address")
    held.save(force_insert=True)
    systems_moved(made.conn)
    made.all_arrive()


def test_an_expired_certificate(site: Callable[..., Site], tmp_path: Path) -> None:
    expired, valid = certificate(tmp_path, "expired", -1), certificate(tmp_path, "valid", 2)
    made = site(verify=str(tmp_path / "authority.pem"))
    (tmp_path / "authority.pem").write_text(expired[1].read_text() + valid[1].read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(expired[1], expired[0])
    plain = made.server.server.socket
    made.server.server.socket = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
    SystemEndpoint.objects.update(base_url=made.server.url.replace("http:", "https:"))
    systems_moved(made.conn)
    made.rounds()
    assert "expired" in at_fault(made, "certificate")
    context.load_cert_chain(valid[1], valid[0])
    made.all_arrive()


def certificate(folder: Path, name: str, days: int) -> tuple[Path, Path]:
    """Key and certificate of a server at 127.0.0.1, signed by itself, which ends so many days from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.key", folder / f"{name}.pem"
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    paths[0].write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    paths[1].write_bytes(made.public_bytes(encoding))
    return paths
