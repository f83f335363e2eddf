"""Credentials of a system go to the hosts that it is registered with; no manifest leads them elsewhere, holds a secret
or names a file of a worker."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.models import Environment, System, SystemEndpoint
from kernel.errors import Invalid
from runtime.connectors.protocols import CallContext, ConnectionFault
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Connection
from runtime.services import egress_checks, system_connections
from tests.runtime import scene
from tests.runtime.connectors.server import Server

pytestmark = pytest.mark.django_db
TOKEN = {"access_token": "t-1", "expires_in": 60}
OAUTH = {"kind": "oauth2_client_credentials", "token_url": ""}


@pytest.fixture
def erp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("TILLGATE_SECRET_ERP", "ada:word")
    monkeypatch.setattr(system_connections.destinations, "require_approved", lambda *_, **__: None)
    system = System.objects.create(key="erp", name="ERP", kind="erp")
    place = Environment.objects.create(key="test", name="Test", position=0)
    with Server(lambda seen: (200, {}, [])) as server:
        SystemEndpoint.objects.create(
            system=system,
            environment=place,
            base_url=server.url,
            auth_kind="basic",
            secret_ref="env:TILLGATE_SECRET_ERP",
        )
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    with Server(lambda seen: (200, {}, TOKEN if seen.method == "POST" else [])) as server:
        yield server


def register(*hosts: str) -> None:
    SystemEndpoint.objects.update(further_hosts=list(hosts))


def read(protocol: str = "rest", profile: str | None = None, **settings: Any) -> None:
    """One page of a source, as a worker reads it."""
    connection = Connection(protocol, profile, {"path": "items", "key_fields": ["id"], **settings})
    source, secrets = system_connections.open_source_or_fault(connection, system="erp", environment="test", release=0)
    try:
        source.read(None, call=CallContext(deadline=5, secrets=secrets))
    finally:
        source.close()


# -- where a worker goes -----------------------------------------------------------------------------------------------
def test_a_worker_signs_in_at_the_registered_system(erp: Server) -> None:
    read(auth={"kind": "basic"})
    assert base64.b64decode(erp.seen[0].headers["authorization"].split()[1]) == b"ada:word"


@pytest.mark.parametrize("also", [[], ["{host}"], ["{host}", "evil.example:443"]])
def test_a_path_to_another_host_gets_no_credentials_whatever_the_manifest_allows(
    erp: Server, elsewhere: Server, also: list[str]
) -> None:
    host = elsewhere.url.removeprefix("http://")
    settings = {"also_allowed": [one.format(host=host) for one in also]} if also else {}
    with pytest.raises(ConnectionFault) as met:
        read(path=f"{elsewhere.url}/latest", auth={"kind": "basic"}, **settings)
    assert met.value.kind == "address"
    assert "regist" in met.value.message
    assert elsewhere.seen == erp.seen == []


def test_a_token_is_fetched_from_a_registered_host_and_from_no_other(erp: Server, elsewhere: Server) -> None:
    auth = OAUTH | {"token_url": f"{elsewhere.url}/token"}
    with pytest.raises(ConnectionFault):
        read(auth=auth)
    assert elsewhere.seen == []
    register(elsewhere.url)
    read(auth=auth)
    assert elsewhere.seen[0].body == b"grant_type=client_credentials&client_id=ada&client_secret=word"
    assert erp.seen[0].headers["authorization"] == "Bearer t-1"


def test_another_port_or_scheme_of_a_registered_host_is_another_system(erp: Server, elsewhere: Server) -> None:
    register(elsewhere.url.replace("http:", "https:"))
    with pytest.raises(ConnectionFault):
        read(path=f"{elsewhere.url}/latest")
    assert elsewhere.seen == []


def test_a_stored_manifest_with_also_allowed_works_once_its_hosts_are_registered(
    erp: Server, elsewhere: Server
) -> None:
    settings = {
        "auth": OAUTH | {"token_url": f"{elsewhere.url}/token"},
        "also_allowed": [elsewhere.url.removeprefix("http://")],
    }
    with pytest.raises(ConnectionFault, match="further_hosts"):
        read(**settings)
    register(elsewhere.url)
    read(**settings)
    assert len(erp.seen) == len(elsewhere.seen) == 1


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Connection", "proxy-authorization"])
def test_a_stored_manifest_cannot_write_what_the_client_writes(erp: Server, name: str) -> None:
    with pytest.raises(ConnectionFault, match="written by the client alone") as met:
        read(headers={name: "evil.example"})
    assert met.value.kind == "settings"
    assert erp.seen == []


def test_a_registered_address_of_the_metadata_service_is_never_called(erp: Server) -> None:
    SystemEndpoint.objects.update(base_url="http://169.254.169.254")
    with pytest.raises(ConnectionFault, match="of no system"):
        read(auth={"kind": "basic"})


@pytest.mark.parametrize("reference", ["env:DATABASE_URL", "env:SECRET_KEY", "file:/proc/self/environ"])
def test_a_secret_of_the_product_itself_is_sent_to_nobody(
    erp: Server, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner:word@db/tillgate")
    SystemEndpoint.objects.update(secret_ref=reference)
    with pytest.raises(ConnectionFault) as met:
        read(auth={"kind": "basic"})
    assert met.value.kind == "secret"
    assert erp.seen == []


def test_certificates_are_named_by_the_registration_and_read_by_the_worker(erp: Server, tmp_path: Path) -> None:
    (tmp_path / "no-certificate.pem").write_text("the content of it")
    SystemEndpoint.objects.update(trust_ref=f"file:{tmp_path}/no-certificate.pem")
    with pytest.raises(ConnectionFault) as met:
        read()
    assert met.value.kind == "certificate"
    assert "the content of it" not in met.value.message


# -- folders -----------------------------------------------------------------------------------------------------------
def files(root: str, **settings: Any) -> Any:
    connection = Connection("file_drop", None, {"root": root, "format": "jsonl", **settings})
    return system_connections.open_source_or_fault(connection, system="erp", environment="test", release=0)[0]


def test_folders_lie_below_places_of_the_worker(erp: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    (place / "shop").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (place / "link").symlink_to(tmp_path / "outside")
    monkeypatch.setenv("TILLGATE_PLACE_DROP", str(place))
    for root in ("${TILLGATE_PLACE_DROP}", "${TILLGATE_PLACE_DROP}/shop", str(place / "shop")):
        files(root).close()
    outside = ["/etc", "/proc/self", str(tmp_path), "${TILLGATE_PLACE_DROP}/..", "${TILLGATE_PLACE_DROP}/link", "shop"]
    for root in outside:
        with pytest.raises(ConnectionFault, match="below no place") as met:
            files(root)
        assert met.value.kind == "address"
        with pytest.raises(ConnectionFault, match="below no place"):
            files("${TILLGATE_PLACE_DROP}", incoming=root)


# -- what a manifest may say -------------------------------------------------------------------------------------------
def found(protocol: str = "rest", profile: str | None = None, **settings: Any) -> dict[str, str]:
    """Pointer within the settings → code."""
    connection = {"protocol": protocol, "settings": settings} | ({"profile": profile} if profile else {})
    manifest = manifests.load(
        {**scene.SALES, "targets": [], "sources": [{"name": "s", "system": "erp", "connection": connection}]}
    )
    start = "/sources/0/connection/settings"
    return {one["pointer"].removeprefix(start): one["code"] for one in egress_checks.found(manifest)}


def test_an_ordinary_manifest_has_nothing_to_be_told(erp: Server) -> None:
    assert found(path="items", headers={"Prefer": "wait=5"}, parameters={"sort": "id", "sap-client": "100"}) == {}
    assert found(path=f"{erp.url}/items", verify=True, auth={"kind": "header", "name": "Authorization"}) == {}
    assert found(auth=OAUTH | {"token_url": "https://login.example/token", "scope": "https://x/.default"}) != {}
    register("https://login.example")
    assert found(auth=OAUTH | {"token_url": "https://login.example/token", "scope": "https://x/.default"}) == {}


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "https://evil.example/x",
        "HTTPS://evil.example/x",
        "//evil.example/x",
        "https://user:word@erp.example/x",
        "https://{host}/x",
        "ftp://evil.example/x",
    ],
)
@pytest.mark.parametrize("where", ["path", "check_path", "lookup.path", "job.path", "auth.token_url"])
def test_whole_addresses_that_leave_the_registered_system_are_found(erp: Server, where: str, address: str) -> None:
    outer, _, inner = where.partition(".")
    settings = {outer: {inner: address}} if inner else {outer: address}
    assert found(**settings) == {"/" + where.replace(".", "/"): "egress.leaves"}


def test_hosts_of_a_vendor_that_give_tokens_are_its_profiles(erp: Server) -> None:
    theirs = "https://auth.europe-west1.gcp.commercetools.com/oauth/token"
    assert found(profile="commercetools", auth={"token_url": theirs}) == {}
    for other in ("https://auth.evil.example/?commercetools.com", theirs.replace("https", "http"), theirs + ".evil"):
        if other.endswith(".evil"):
            other = theirs.replace(".com/", ".com.evil.example/")
        assert found(profile="commercetools", auth={"token_url": other}) == {"/auth/token_url": "egress.leaves"}
    assert found(profile="commercetools", path=theirs, auth={"token_url": theirs}) == {"/path": "egress.leaves"}


@pytest.mark.parametrize("name", ["also_allowed", "base_url", "further_hosts", "token_hosts"])
def test_what_the_registration_says_is_refused_and_not_ignored(erp: Server, name: str) -> None:
    code = "egress.also_allowed" if name == "also_allowed" else "egress.registered"
    assert found(**{name: "https://evil.example"}) == {f"/{name}": code}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "evil.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Authorization", "Basic eA=="),
        ("Cookie", "a=b"),
        ("Proxy-Authorization", "x"),
        ("X-Api-Key", "plain"),
        ("Ocp-Apim-Subscription-Key", "plain"),
        ("X-Auth-Token", "plain"),
        ("Bad Name", "x"),
        ("X-Line", "a\r\nHost: evil"),
        ("X-Blank", " a"),
        ("X-Letters", "ü"),
        ("X-Number", 5),
        ("", "x"),
    ],
)
def test_headers_that_a_manifest_cannot_hold_are_found_by_their_place(erp: Server, name: str, value: Any) -> None:
    assert found(headers={name: value}) == {f"/headers/{name}": "egress.header"}


@pytest.mark.parametrize("name", ["api_key", "apikey", "key", "access_token", "sig", "client_secret", "password"])
def test_parameters_that_look_like_secrets_are_found_by_their_place(erp: Server, name: str) -> None:
    assert found(parameters={name: "plain"}) == {f"/parameters/{name}": "egress.parameter"}
    assert found(path=f"items?sort=id&{name}=plain") == {"/path": "egress.parameter"}


def test_a_sign_in_names_secrets_and_holds_none(erp: Server) -> None:
    assert found(auth={"kind": "basic", "user": "ada", "password": "word"}) == {
        "/auth/user": "egress.auth",
        "/auth/password": "egress.auth",
    }
    assert found(auth={"kind": "header", "name": "Host"}) == {"/auth/name": "egress.header"}
    assert found(auth={"kind": "header", "prefix": "x" * 50}) == {"/auth/prefix": "egress.header"}
    assert found(idempotency_header="Content-Length") == {"/idempotency_header": "egress.header"}


def test_what_a_vendor_says_goes_into_no_header_that_signs_in_or_that_the_client_writes() -> None:
    for name in ("Authorization", "cookie", "Host", "Content-Length", "X\r\nY"):
        paging = {"strategy": "cursor", "place": "header", "cursor_param": name}
        assert found(paging=paging) == {"/paging/cursor_param": "egress.header"}
        keyset = {"fields": ["id"], "param": name, "value": "{id}"}
        paging = {"strategy": "keyset", "place": "header", "keyset": keyset}
        assert found(paging=paging) == {"/paging/keyset/param": "egress.header"}
    usual = {"strategy": "cursor", "place": "header", "cursor_param": "X-Next-Page", "next_header": "X-Next-Token"}
    assert found(paging=usual) == {}
    assert found(auth={"kind": "signature", "name": "X-Sign", "key_name": "Host"}) == {
        "/auth/key_name": "egress.header"
    }
    assert found(auth={"kind": "oauth1", "consumer_secret": "x"}) == {"/auth/consumer_secret": "egress.auth"}


@pytest.mark.parametrize("trust", ["/nonexistent", "/etc", "ca.pem", "env:DATABASE_URL", "file:../x", False, 1])
def test_certificates_are_named_and_no_file_is_opened(erp: Server, trust: Any) -> None:
    assert found(path="x", verify=trust) == {"/verify": "egress.tls"}
    if isinstance(trust, str):
        system_connections.check(
            Connection("rest", None, {"path": "x", "key_fields": ["id"], "verify": trust}), role="source"
        )


@pytest.mark.parametrize(
    "folder",
    ["/etc", "/proc/self", "drop", "${HOME}", "${TILLGATE_PLACE_A}/../x", "${TILLGATE_PLACE_A}${TILLGATE_PLACE_B}", 1],
)
@pytest.mark.parametrize("protocol", ["file_drop", "poslog"])
def test_folders_of_a_manifests_own_are_found(erp: Server, protocol: str, folder: Any) -> None:
    good = "${TILLGATE_PLACE_A}/shop"
    assert found(protocol, root=good, incoming=good) == {}
    assert found(protocol, root=folder, incoming=folder) == {"/root": "egress.place", "/incoming": "egress.place"}


@pytest.mark.parametrize("name", ["../../admin", "1#", "a/b", "a?b", "a%2f", "..", " a", "a\n", "a\\b", "<a>"])
def test_a_store_is_no_part_of_a_path(name: str) -> None:
    target = {**scene.SALES["targets"][0], "instances": ["7", name]}
    with pytest.raises(Invalid) as refused:
        manifests.parse({**scene.SALES, "targets": [target]})
    assert [one["pointer"] for one in refused.value.findings] == ["/targets/0/instances/1"]
    manifests.parse({**scene.SALES, "targets": [{**target, "instances": ["7", "Zürich-2", "DE 0815_a.b"]}]})
