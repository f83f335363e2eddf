"""Files for a server: each is written beside the folder where it goes, and put there by one rename.

The receiver may take a file away at once, so that a file which is not there says nothing. The folder `delivery` says
it: there is the file while it is written (`<name>.part`), and a mark with the checksum of its content (`<name>.sent`),
made once it is whole. The rename takes the first one away. With the mark and without the file it was delivered; without
the mark, or with both, it was not.
"""

from __future__ import annotations

import hashlib
import posixpath
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from contextlib import suppress

from runtime.connectors import file_names
from runtime.connectors.file_delivery.settings import FileDeliverySettings
from runtime.connectors.file_names import shown, why
from runtime.connectors.one_by_one import write_one_by_one
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    CallError,
    ConnectionFault,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    Unknown,
    WriteResult,
    health_of,
)
from runtime.connectors.sftp_files import SftpFiles
from runtime.connectors.sftp_session import SftpSession, pinned_keys

_CANNOT = "Files are asked for by the key with which they were delivered."
_TAKEN = (
    "a file of that name lies there already, and this target has not delivered it; take it away, or name it otherwise"
)
_OTHER = "a file of that name was delivered with other content; what is to be sent again needs another key"


class FileDeliverySink:
    idempotency = Idempotency.NATURAL
    business_reference = ""
    write_address: frozenset[str] = frozenset()
    ask_address: frozenset[str] = frozenset()
    match_field = ""
    not_sent: frozenset[str] = frozenset()

    def __init__(self, settings: FileDeliverySettings) -> None:
        settings.verify()
        self.settings, self.max_batch = settings, settings.max_batch
        path = urllib.parse.unquote(urllib.parse.urlsplit(settings.base_url).path)
        self.root, self.folder = settings.sftp.below(path)
        self.aside = posixpath.join(self.root, "delivery")
        keys = pinned_keys(settings.sftp.host_keys, settings.trusted)
        self.session = SftpSession(settings.base_url, keys)
        self.remote = SftpFiles(self.session)
        self.is_ready = False

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """The folders are there, and a file can be made and renamed. Nothing is put where the receiver looks."""
        self.session.use(call)
        try:
            self._ready()
            begin, end = (posixpath.join(self.aside, one) for one in (".check", ".check-renamed"))
            self.remote.write(begin, b"")
            self.remote.rename(begin, end)
            self.remote.remove(end)
        except CallError as error:
            return health_of(error)
        except OSError as error:
            return Health(False, f"{file_names.said(error)}; give the account these rights", "address")
        return Health(True)

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        self.session.use(call)
        until = time.monotonic() + call.deadline
        if batch:
            try:
                self._ready()
            except OSError as error:
                said = f"{file_names.said(error)}; make the folder, or give the account the right to"
                raise ConnectionFault("address", said) from None
        return write_one_by_one(batch, until, self._delivered)

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        if by != "key":
            raise Refused("sink.cannot_ask", _CANNOT)
        self.session.use(call)
        found: dict[str, Asked] = {}
        for key in keys:
            name = self._name(key)
            try:
                is_there = self._sum(name) is not None and self.remote.state(self._part(name)) is None
                if is_there:
                    self._marked(name)
            except OSError as error:
                raise Retriable(file_names.said(error)) from None
            found[key] = posixpath.join(self.folder, name) if is_there else None
        return found

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        raise Refused("sink.cannot_ask", "A file is delivered or not; nothing is accepted for later.")

    def _delivered(self, message: OutboundMessage) -> WriteResult:
        name = self._name(message.sent_key)
        final, part = posixpath.join(self.folder, name), self._part(name)
        digest = hashlib.sha256(message.body).hexdigest()
        try:
            known = self._sum(name)
            if known is not None and self.remote.state(part) is None:
                if known != digest:
                    return WriteResult(message.key, "refused", code="file.other_content", message=_OTHER)
                self._marked(name)
                return WriteResult(message.key, "confirmed", final)
            if self.remote.state(final) is not None:
                return WriteResult(message.key, "refused", code="file.name_taken", message=f"{shown(name)}: {_TAKEN}")
            self.remote.write(part, message.body)
            there = self.remote.state(part)
            if there is None or there.size not in (None, len(message.body)):
                came = "nothing" if there is None else f"{there.size} bytes"
                raise Retriable(f"{len(message.body)} bytes were written to the server, and it has {came}")
            self.remote.write(self._sent(name), digest.encode())
        except OSError as error:
            raise Retriable(f"the server does not take the file: {why(error)}") from None
        self._put(part, final)
        with suppress(OSError, CallError):  # asked again, it is made
            self._marked(name)
        return WriteResult(message.key, "confirmed", final)

    def _put(self, part: str, final: str) -> None:
        """The rename that delivers. Raises Unknown where its answer was lost."""
        try:
            self.remote.put(part, final)
        except (Retriable, ConnectionFault) as error:
            raise Unknown(f"the file was whole on the server when the connection ended ({error})") from None
        except OSError as error:
            raise Retriable(f"the server does not rename the file into its folder: {why(error)}") from None

    def _marked(self, name: str) -> None:
        """The file that says that another one is complete, for as long as the receiver has not taken that."""
        if (done := self.settings.done) is None:
            return
        final = posixpath.join(self.folder, name)
        if self.remote.state(final) is not None and self.remote.state(final + done) is None:
            self.remote.write(final + done, b"")

    def _sum(self, name: str) -> str | None:
        try:
            return self.remote.read(self._sent(name), 64).decode("ascii", "replace")
        except FileNotFoundError:
            return None

    def _ready(self) -> None:
        if not self.is_ready:
            for folder in (self.root, self.folder):
                if self.remote.state(folder) is None:
                    raise FileNotFoundError(2, "is not there", folder)
            self.remote.make_folder(self.aside)
            self.is_ready = True

    def _name(self, key: str) -> str:
        """A name that no server reads as a path, and that no other key has."""
        safe = urllib.parse.quote(key, safe=" -_~+@,=()")
        if len(safe) > 150:
            safe = f"{safe[:100]}~{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        return self.settings.name.replace("{key}", safe)

    def _part(self, name: str) -> str:
        return posixpath.join(self.aside, f"{name}.part")

    def _sent(self, name: str) -> str:
        return posixpath.join(self.aside, f"{name}.sent")


__all__ = ["FileDeliverySink"]
