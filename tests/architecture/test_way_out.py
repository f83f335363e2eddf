"""One way out: nothing but the modules that are listed here opens a connection to somebody else.

Libraries that speak to servers of the operator's own environment (database, Valkey, mail, traces) are not looked into.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

import pytest

from tests.architecture.tree import is_migration, modules, text

# What opens connections: by the name that is imported, and which of its members.
_OPENS = {
    "httpx": {"Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport", "get", "post", "put", "patch", "delete"}
    | {"head", "options", "request", "stream"},
    "httpcore": {"ConnectionPool", "HTTPConnection", "SyncBackend", "AnyIOBackend", "request", "stream"},
    "requests": {"*"},
    "aiohttp": {"*"},
    "urllib3": {"*"},
    "urllib.request": {"urlopen", "build_opener", "urlretrieve", "OpenerDirector"},
    "http.client": {"HTTPConnection", "HTTPSConnection"},
    "ftplib": {"*"},
    "paramiko": {"*"},
    "pymysql": {"*"},
    "smtplib": {"*"},
    "telnetlib": {"*"},
    "xmlrpc.client": {"*"},
    "socket": {"socket", "create_connection"},
    "jsonschema_rs": {"*"},  # reads what a `$ref` names: files and addresses
}
# Where connections are opened, and to whom.
PLACES = {
    "contracts/tillgate_contracts/schemas.py": "nobody: what a schema refers to stands inside it",
    "kernel/egress.py": "everybody whom a person or a registration names",
    "kernel/one_answer.py": "the pool of connections below it",
    "runtime/connectors/sftp_session.py": "nobody: SSH over a socket of kernel/egress.py",
    "runtime/connectors/sql/mariadb.py": "nobody: over a socket of kernel/egress.py",
    "portal/healthcheck.py": "this container's own web server",
    "portal/up.py": "the demo's emulators on this machine",
    "portal/embedded.py": "free ports of this machine",
    "portal/web_server.py": "this server itself",
    "portal/front/connections.py": "connections that came in",
    "portal/witness/senders.py": "syslog, which the operator's environment names",
}


def opened(tree: ast.AST) -> Iterator[str]:
    """`httpx.get`, `socket.create_connection` and their like, however they are imported."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                (one.asname or one.name).split(".")[0] if not one.asname else one.asname: one.name for one in node.names
            }
            yield from (one.name for one in node.names if "*" in _OPENS.get(one.name, ()))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            wanted = _OPENS.get(node.module, set())
            yield from (f"{node.module}.{one.name}" for one in node.names if one.name in wanted or "*" in wanted)
    said = {id(part) for node in ast.walk(tree) for one in annotations(node) for part in ast.walk(one)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in said:
            dotted = ast.unparse(node.value)
            first, _, rest = dotted.partition(".")
            module = names.get(dotted) or (names[first].split(".")[0] + f".{rest}" if first in names and rest else "")
            if node.attr in _OPENS.get(module, ()):
                yield f"{module}.{node.attr}"


def annotations(node: ast.AST) -> list[ast.expr]:
    """What only says of which type something is."""
    given = (getattr(node, "annotation", None), getattr(node, "returns", None))
    return [one for one in given if isinstance(one, ast.expr)]


@functools.cache
def places() -> dict[str, list[str]]:
    found = {}
    for module, path in modules().items():
        if module.split(".")[0] in ("sandbox", "tests", "bench", "cli", "tillgate") or is_migration(path):
            continue
        if not any(name in text(path) for name in _OPENS):
            continue
        if names := sorted(set(opened(ast.parse(text(path))))):
            found[path] = names
    return found


def test_nothing_else_opens_a_connection():
    assert {path: names for path, names in places().items() if path not in PLACES} == {}


def test_no_place_is_listed_in_vain():
    assert [path for path in PLACES if path not in places()] == []


@pytest.mark.parametrize(
    "code",
    [
        "import httpx\nhttpx.get('x')",
        "import httpx as h\nh.Client()",
        "from httpx import Client",
        "import requests",
        "import urllib.request\nurllib.request.urlopen('x')",
        "from urllib.request import urlopen",
        "import http.client\nhttp.client.HTTPConnection('x')",
        "import socket\nsocket.create_connection(('x', 1))",
        "from smtplib import SMTP",
        "import jsonschema_rs",
    ],
)
def test_each_way_of_opening_one_is_found(code):
    assert list(opened(ast.parse(code)))


def test_what_opens_nothing_is_not_found():
    assert not list(opened(ast.parse("import httpx, socket\nhttpx.URL('x')\nhttpx.Timeout(5)\nsocket.gaierror")))
    assert not list(opened(ast.parse("import httpx\ndef f(http: httpx.Client) -> httpx.Client: ...")))
