"""Where files lie that others drop: a folder of the workers, or one of an SFTP server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from runtime.connectors.drop import ClaimedFile, DropFolder
from runtime.connectors.incoming_files import IncomingRules
from runtime.connectors.protocols import CallContext, Health
from runtime.connectors.sftp_folder import SftpFolder
from runtime.connectors.sftp_settings import SftpPlace


class _Listing(Protocol):
    beat: Callable[[], object]


class DropPlace(Protocol):
    """What `DropReader` needs of a place; `DropFolder` says what each does."""

    @property
    def files(self) -> _Listing: ...

    def use(self, call: CallContext) -> None:
        """The secrets and the deadline of what follows."""

    def check(self) -> Health: ...

    def offered(self) -> list[str]: ...

    def claim(self, *, known: bool = False) -> ClaimedFile | None: ...

    def resume(self, name: str) -> ClaimedFile | None: ...

    def missing(self, name: str) -> bool: ...

    def finish(self, name: str) -> None: ...

    def refuse(self, name: str, reason: str) -> object: ...

    def wait(self, name: str, reason: str) -> object: ...

    def hold_back(self, name: str, error: OSError) -> None: ...

    def warnings(self) -> list[str]: ...

    def trouble(self) -> str: ...

    def close(self) -> None: ...


def place_of(
    root: str, incoming: str | None, sftp: SftpPlace | None, rules: IncomingRules, *, address: str, trusted: str
) -> DropPlace:
    """`address`, `trusted`: of the system, where its files lie on a server."""
    if sftp is None:
        return DropFolder(root, rules, incoming=incoming)
    return SftpFolder(address, sftp, rules, trusted)


__all__ = ["DropPlace", "place_of"]
