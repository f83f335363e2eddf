"""A folder of an SFTP server as the place of files, as settings say it."""

from __future__ import annotations

import posixpath
import re

import msgspec

from kernel.errors import Invalid

_PRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?\Z")


class SftpPlace(msgspec.Struct, frozen=True):
    """Server and port stand in the system's address (`sftp://files.example.com:22/outbound`), user, password or key
    in its secret.

    folder     below the path of the address: here lie `work`, `archive`, `quarantine` and `waiting`
    incoming   where files arrive, below `folder`; "." is the folder itself
    host_keys  fingerprints of the server's keys (`SHA256:…`), as `ssh-keygen -lf` prints them; further ones stand in
               the file or variable that the endpoint names for trust. No other server is spoken to
    """

    folder: str = ""
    incoming: str = "incoming"
    host_keys: list[str] = msgspec.field(default_factory=list)

    def verify(self) -> None:
        """Raises Invalid for what names no folder below the address, and for what is no fingerprint."""
        for name in ("folder", "incoming"):
            value: str = getattr(self, name)
            if value.startswith("/") or ".." in value.split("/") or "\0" in value:
                said = "is a folder below the one before it, without '/' at its beginning and without steps of '..'"
                raise Invalid("connection.settings", f"'sftp.{name}' {said}.")
        for one in self.host_keys:
            if not _PRINT.match(one):
                said = "is no fingerprint: write SHA256: and the 43 signs behind it that ssh-keygen -lf prints"
                raise Invalid("connection.settings", f"'sftp.host_keys' has {one[:80]!r}, which {said}.")

    def below(self, path: str) -> tuple[str, str]:
        """(the folder that holds ours, the folder where files arrive), below the path of the address."""
        root = posixpath.normpath(posixpath.join(path or "/", self.folder))
        return root, posixpath.normpath(posixpath.join(root, self.incoming))


def one_mark(done: str | None, checksum: str | None) -> None:
    """Raises Invalid for two marks of one file, and for a mark that is no end of a name."""
    if done and checksum:
        raise Invalid("connection.settings", "A checksum file says that its file is complete: leave 'done' out.")
    if checksum is not None and (not checksum.startswith(".") or "/" in checksum or len(checksum) < 2):
        raise Invalid("connection.settings", "'checksum' is the end of a name, such as .sha256.")


def one_place(root: str, incoming: str | None, place: SftpPlace | None) -> None:
    """Raises Invalid where files are to lie in no place, or in two."""
    if place is not None:
        place.verify()
    if place is not None and incoming is not None:
        raise Invalid("connection.settings", "On a server 'sftp.incoming' says where files arrive, and not 'incoming'.")
    if bool(root) == (place is not None):
        said = "Name one place: 'root', a folder of the workers, or 'sftp', a folder of the system's server"
        raise Invalid("connection.settings", f"{said}.")


__all__ = ["SftpPlace", "one_mark", "one_place"]
