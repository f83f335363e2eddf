"""What a manifest may say of the way out: nothing that leads the credentials of a system elsewhere, that holds a
secret, or that names a file of a worker. The same is held where a connection is opened; here it is told with its place,
before anybody approves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from catalog.selectors import systems
from kernel import authorities, secret_references
from kernel.authorities import Authority
from kernel.errors import DomainError, finding
from kernel.redacted_names import names_a_secret
from runtime.connectors.auth_settings import AuthSettings
from runtime.domain.manifest import Connection, Manifest
from runtime.domain.request_headers import header_problem, of_headers, parameter_problem, signing_header_problem
from runtime.services import connection_places, registered_hosts, system_connections

Finding = dict[str, Any]
_ADDRESSES = frozenset({"path", "service", "entity_set", "navigation"})
_AUTH = frozenset(AuthSettings.__struct_fields__)
_SIGNING_HEADERS = ("name", "timestamp_name", "nonce_name", "key_name")
_OF_ANSWERS = frozenset({"total_header", "next_header"})
_SIGNED_BY = frozenset({"authorization", "cookie"})
_LONGEST_PREFIX = 40
_ELSEWHERE = (
    "other hosts of a system are registered with its endpoint in the catalog (further_hosts) and approved there, never "
    "in a manifest"
)


def found(manifest: Manifest) -> list[Finding]:
    sides: list[tuple[str, str, Connection | None]] = [
        (f"/sources/{number}", source.system, source.connection) for number, source in enumerate(manifest.sources)
    ]
    sides += [
        (f"/targets/{number}", target.system, target.connection) for number, target in enumerate(manifest.targets)
    ]
    return [
        one
        for pointer, system, connection in sides
        if connection is not None
        for one in _of_connection(f"{pointer}/connection/settings", system, connection)
    ]


def _of_connection(at: str, system: str, connection: Connection) -> Iterator[Finding]:
    """Of what the manifest itself says; a profile is the product's."""
    given = connection.settings
    yield from _registered(at, given)
    yield from _hosts(at, system, connection)
    yield from _added(at, given)
    yield from _auth(f"{at}/auth", given.get("auth"))
    yield from _trust(f"{at}/verify", given.get("verify", True))
    for name in connection_places.FOLDERS:
        if name in given and (said := connection_places.problem(given[name])):
            yield finding(f"{at}/{name}", said, code="egress.place")


def _registered(at: str, given: Mapping[str, Any]) -> Iterator[Finding]:
    if system_connections.ALSO_ALLOWED in given:
        yield finding(f"{at}/{system_connections.ALSO_ALLOWED}", _ELSEWHERE, code="egress.also_allowed")
    for name in system_connections.REGISTERED:
        if name in given:
            said = "the address of a system stands in its endpoint in the catalog" if name == "base_url" else _ELSEWHERE
            yield finding(f"{at}/{name}", said, code="egress.registered")


def _hosts(at: str, system: str, connection: Connection) -> Iterator[Finding]:
    """Whole addresses, which lead to the system's own hosts or leave it."""
    try:
        settings = system_connections.settings_of(connection)
        tokens = registered_hosts.of_profile(connection.profile, registered_hosts.token_url(settings))
    except DomainError:
        return  # reported with the connection itself
    known: set[Authority] = set()
    for endpoint in systems.every_endpoint(system):
        known |= registered_hosts.of_endpoint(endpoint)
    for pointer, name, address in _addresses(connection.settings, at):
        if said := _leaves(address, known | tokens if name == "token_url" else known):
            yield finding(pointer, f"leaves the registered system {system}: {said}; {_ELSEWHERE}", code="egress.leaves")


def _addresses(given: Any, at: str) -> Iterator[tuple[str, str, str]]:
    """(place, name, value) of each setting that says where calls go, where it is more than a path."""
    if not isinstance(given, Mapping):
        return
    for name, value in given.items():
        pointer = f"{at}/{_step(name)}"
        if name in system_connections.REGISTERED:
            continue
        is_address = name in _ADDRESSES or str(name).endswith(("_url", "_path"))
        if is_address and isinstance(value, str) and ("://" in value or value.startswith(("//", "\\"))):
            yield pointer, str(name), value
        elif isinstance(value, Mapping):
            yield from _addresses(value, pointer)


def _leaves(address: str, known: set[Authority]) -> str:
    try:
        asked = authorities.of_url(f"https:{address}" if address.startswith("//") else address)
    except authorities.NoAuthority as error:
        return f"{address[:200]!r} names no host that can be called ({error})"
    return "" if asked in known else f"{asked} is no host of it"


def _added(at: str, given: Mapping[str, Any]) -> Iterator[Finding]:
    """Headers and parameters, wherever they stand."""
    for name, value in given.items():
        pointer = f"{at}/{_step(name)}"
        if name == "headers":
            yield from (finding(place, said, code="egress.header") for place, said in of_headers(value, pointer))
        elif name == "parameters" and isinstance(value, Mapping):
            for one in value:
                if said := parameter_problem(str(one)):
                    yield finding(f"{pointer}/{_step(one)}", said, code="egress.parameter")
        elif name in _ADDRESSES or str(name).endswith(("_path", "_url")):
            yield from _in_query(pointer, value)
        elif str(name).endswith("_header") and name not in _OF_ANSWERS and isinstance(value, str) and value:
            if said := header_problem(value):
                yield finding(pointer, said, code="egress.header")
        elif isinstance(value, Mapping) and name != "auth":
            yield from _positions(pointer, value) if value.get("place") == "header" else ()
            yield from _added(pointer, value)


def _positions(at: str, paging: Mapping[str, Any]) -> Iterator[Finding]:
    """Headers that carry what the vendor said last: never those by which a call signs in, or the client writes."""
    places = {name: paging.get(name) for name in ("cursor_param", "offset_param", "page_param")}
    keyset = paging.get("keyset")
    if isinstance(keyset, Mapping):
        places["keyset/param"] = keyset.get("param")
    for name, header in places.items():
        if not isinstance(header, str):
            continue
        said = signing_header_problem(header)
        if header.lower() in _SIGNED_BY:
            said = f"the header {header} signs in, and no answer of a vendor goes there"
        if said:
            yield finding(f"{at}/{name}", said, code="egress.header")


def _in_query(pointer: str, address: Any) -> Iterator[Finding]:
    if not isinstance(address, str) or "?" not in address:
        return
    for name, _ in parse_qsl(address.partition("?")[2], keep_blank_values=True):
        if said := parameter_problem(name):
            yield finding(pointer, said, code="egress.parameter")


def _auth(at: str, given: Any) -> Iterator[Finding]:
    """How a call signs in, which names secrets and holds none."""
    if not isinstance(given, Mapping):
        return
    for name in given:
        if name not in _AUTH:
            secret = (
                "; what is secret is named in the system's endpoint (secret_ref)" if names_a_secret(str(name)) else ""
            )
            said = f"{str(name)[:100]!r} is no setting of a sign-in ({', '.join(sorted(_AUTH))}){secret}"
            yield finding(f"{at}/{_step(name)}", said, code="egress.auth")
    for name in _SIGNING_HEADERS:
        if given.get(name) and (said := signing_header_problem(str(given[name]))):
            yield finding(f"{at}/{name}", said, code="egress.header")
    prefix = given.get("prefix", "")
    if not isinstance(prefix, str) or len(prefix) > _LONGEST_PREFIX or header_problem("X-Prefix", prefix.strip()):
        said = f"a prefix is the word before the secret, at most {_LONGEST_PREFIX} visible characters"
        yield finding(f"{at}/prefix", said, code="egress.header")
    yield from _in_query(f"{at}/token_url", given.get("token_url"))


def _trust(at: str, given: Any) -> Iterator[Finding]:
    if given is True:
        return
    if given is False:
        yield finding(at, "certificates are always checked", code="egress.tls")
        return
    said = secret_references.problem(given) if isinstance(given, str) else "true, or the name of certificates"
    if isinstance(given, str) and "/" in given and not given.startswith(("env:", "file:")):
        said = f"{given[:100]!r} is a path of a worker"
    if said:
        wanted = "certificates are named in the system's endpoint (trust_ref), or here as file:name or env:NAME"
        yield finding(at, f"{said}; {wanted}", code="egress.tls")


def _step(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


__all__ = ["found"]
