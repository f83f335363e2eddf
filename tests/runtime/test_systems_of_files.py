"""A system whose address is a server of files, or a database: registered, approved and read like any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.domain import endpoints
from catalog.models import Environment, System, SystemEndpoint
from kernel.errors import Invalid
from runtime.connectors.protocols import CallContext, ConnectionFault, OutboundMessage
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Connection
from runtime.services import manifest_checks, system_connections
from tests.runtime import scene
from tests.runtime.connectors.databases import postgres
from tests.runtime.connectors.sftp_server import PASSWORD, USER, SftpServer, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    monkeypatch.setenv("TILLGATE_SECRET_FILES", f"{USER}:{PASSWORD}")
    monkeypatch.setattr(system_connections.destinations, "require_approved", lambda *_, **__: None)
    (tmp_path / "outbound" / "incoming").mkdir(parents=True)
    (tmp_path / "outbound" / "incoming" / "a.jsonl").write_text('{"id": "1"}\n')
    with running(tmp_path) as made:
        monkeypatch.setenv("TILLGATE_SECRET_HOST_KEYS", f"256 {made.fingerprint} files (ED25519)")
        SystemEndpoint.objects.create(
            system=System.objects.create(key="files", name="Files", kind="pos"),
            environment=Environment.objects.create(key="test", name="Test", position=0),
            base_url=f"{made.address}/outbound",
            auth_kind="basic",
            secret_ref="env:TILLGATE_SECRET_FILES",
            trust_ref="env:TILLGATE_SECRET_HOST_KEYS",
        )
        yield made


def opened(**settings: Any) -> Any:
    given = {"format": "jsonl", "key_fields": ["id"], "quiet": 0, **settings}
    connection = Connection("file_drop", None, given)
    return system_connections.open_source_or_fault(connection, system="files", environment="test", release=0)


def test_files_of_a_server_are_read_with_what_its_endpoint_says(server: SftpServer) -> None:
    source, secrets = opened(sftp={})
    page = source.read(None, call=CallContext(secrets, 5))
    source.close()
    assert [record.key for record in page.records] == ["1"]


def test_a_key_that_is_not_the_one_of_the_endpoint_is_a_fault(server: SftpServer) -> None:
    server.restart()
    source, secrets = opened(sftp={})
    with pytest.raises(ConnectionFault, match="is pinned") as met:
        source.read(None, call=CallContext(secrets, 5))
    source.close()
    assert met.value.kind == "certificate"


def test_an_address_of_a_server_of_files_can_be_registered() -> None:
    assert endpoints.findings({"base_url": "sftp://files.example.com:2222/outbound", "auth_kind": "basic"}) == []
    assert endpoints.findings({"base_url": "ftp://files.example.com"})[0]["pointer"] == "/base_url"


@pytest.mark.parametrize("protocol", ["file_drop", "poslog"])
def test_settings_for_a_server_are_checked_without_calling_it(protocol: str) -> None:
    system_connections.check(Connection(protocol, None, {"sftp": {"folder": "stores"}}), role="source")
    with pytest.raises(Invalid, match="host_keys"):
        system_connections.check(Connection(protocol, None, {"sftp": {"host_keys": ["x"]}}), role="source")


def test_rows_of_a_database_are_read_with_what_its_endpoint_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_connections.destinations, "require_approved", lambda *_, **__: None)
    with postgres() as pos:
        pos.run("create table outbox (id bigserial primary key, body text)")
        pos.run("insert into outbox (body) values ('a'), ('b')")
        monkeypatch.setenv("TILLGATE_SECRET_POS", f"{pos.secrets['user']}:{pos.secrets['password']}")
        SystemEndpoint.objects.create(
            system=System.objects.create(key="pos-7", name="Store server", kind="pos"),
            environment=Environment.objects.create(key="test", name="Test", position=0),
            base_url=f"{pos.address}?tls=none",
            auth_kind="basic",
            secret_ref="env:TILLGATE_SECRET_POS",
        )
        connection = Connection("sql", None, {"table": "outbox", "outbox": "id", "key_fields": ["id"]})
        source, secrets = system_connections.open_source_or_fault(
            connection, system="pos-7", environment="test", release=0
        )
        page = source.read(None, call=CallContext(secrets, 5))
        source.close()
    assert [record.key for record in page.records] == ["1", "2"]


def test_settings_for_a_database_are_checked_without_calling_it() -> None:
    given = {"table": "outbox", "outbox": "id", "key_fields": ["id"]}
    system_connections.check(Connection("sql", None, given), role="source")
    system_connections.check(Connection("sql", "store-server-outbox", {}), role="source")
    with pytest.raises(Invalid, match="identify a row"):
        system_connections.check(Connection("sql", None, {**given, "key_fields": []}), role="source")


def test_files_are_delivered_with_what_the_endpoint_says(server: SftpServer) -> None:
    opened_sink, secrets = system_connections.open_sink(
        Connection("file_delivery", None, {"sftp": {}}), system="files", environment="test", release=0
    )
    sent = OutboundMessage("order-1", "order-1", b"{}")
    assert opened_sink.write([sent], call=CallContext(secrets, 5))[0].status == "confirmed"
    opened_sink.close()
    assert (server.root / "outbound" / "incoming" / "order-1.json").read_bytes() == b"{}"


def test_a_manifest_may_deliver_files_and_read_rows() -> None:
    scene.estate()
    delivered = {"protocol": "file_delivery", "settings": {"sftp": {"incoming": "orders"}, "done": ".ok"}}
    target = {**scene.SALES["targets"][0], "connection": delivered, "idempotency": "N"}
    rows = {"protocol": "sql", "profile": "store-server-outbox", "settings": {}}
    source = {**scene.SALES["sources"][0], "connection": rows}
    manifest = manifests.parse({**scene.SALES, "sources": [source], "targets": [target]}).manifest
    assert [one for one in manifest_checks.links(manifest) if "connection" in one["pointer"]] == []
