"""A folder of an SFTP server as a source, for the tests of what may lie in one and of what a server does wrong."""

from __future__ import annotations

from typing import Any

from runtime.connectors.protocols import CallContext, Secrets
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.folders import Folder
from tests.runtime.connectors.sftp_server import PASSWORD, USER, SftpServer

SECRETS = {"user": USER, "password": PASSWORD}


class RemoteFolder(Folder):
    """Files are put straight into the server's folder; runs go over the wire."""

    def __init__(self, server: SftpServer, **settings: Any) -> None:
        super().__init__(server.root, **settings)
        self.server = server
        del self.settings["root"]
        self.settings |= {
            "sftp": {"host_keys": [server.fingerprint], **settings.get("sftp", {})},
            "base_url": server.address,
        }

    def circumstances(self) -> CallContext:
        return call(SECRETS, deadline=5.0)

    def open(self) -> Any:
        return open_source("file_drop", self.settings)


def secrets(**more: str) -> Secrets:
    return Secrets({**SECRETS, **more})
