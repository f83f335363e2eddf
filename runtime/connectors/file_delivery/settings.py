"""What a target of files is told."""

from __future__ import annotations

from typing import Annotated

import msgspec

from runtime.connectors.settings import wrong_setting
from runtime.connectors.sftp_settings import SftpPlace
from runtime.domain.templates import names_in, problem_of

MARKS = (".ok", ".done", ".rdy", ".trg", ".fin")


class FileDeliverySettings(msgspec.Struct, frozen=True):
    """Each message becomes one file on the server that the system's address names (`sftp://files.example.com/inbound`),
    which is whole from the moment on at which its name is there.

    sftp       where files go: `folder` below the path of the address, `incoming` below that, `host_keys`. Beside
               `incoming` the folder `delivery` keeps what is being written and what was delivered
    name       of the file: `{key}` is the key by which the message is known again, and has to be in it
    done       the end of the name of an empty file that is made behind each file, for receivers that wait for one
    max_batch  messages in one call
    """

    sftp: SftpPlace
    base_url: str = ""
    trusted: str = ""
    name: str = "{key}.json"
    done: str | None = None
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 50

    def verify(self) -> None:
        """Raises Invalid for settings that cannot work together."""
        self.sftp.verify()
        if problem := problem_of(self.name):
            raise wrong_setting("/name", problem)
        if names_in(self.name) != ["key"]:
            raise wrong_setting("/name", "A name holds {key} once, and no other name: no two messages share a file.")
        rest = self.name.replace("{key}", "")
        if "/" in rest or "\0" in rest or not rest.isprintable() or len(rest) > 100 or self.name.startswith("."):
            raise wrong_setting("/name", "A name is that of a file, without '/' and without a dot at its beginning.")
        if self.done is not None and (not self.done.startswith(".") or "/" in self.done or not self.done.isascii()):
            raise wrong_setting("/done", f"'done' is the end of a name, such as {MARKS[0]}.")
        if self.sftp.incoming.strip("./") == "delivery":
            raise wrong_setting("/sftp/incoming", "'delivery' is the folder in which files are written beforehand.")


__all__ = ["FileDeliverySettings"]
