"""A real SFTP server (asyncssh) over a folder, in a thread of the test or in a process of its own
(`python -m tests.runtime.connectors.sftp_server FOLDER`), with faults that a test orders."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "till", "geheim-17"
CLIENT_KEYS = {
    "Ed25519": asyncssh.generate_private_key("ssh-ed25519"),
    "ECDSA": asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
    "RSA": asyncssh.generate_private_key("ssh-rsa", key_size=2048),
}
_LET_IN = {one.get_fingerprint() for one in CLIENT_KEYS.values()}


class Faults:
    """What the server does wrong. `lies`: bytes that it adds to the size of a name. `cut_after`: bytes of content that
    go out before the connection is cut, once. `late`: a rename is answered with a failure although it was done.
    `before` is called with the name of each request. `posix`: it knows posix-rename. `ordered`: faults of the next
    write."""

    def __init__(self) -> None:
        self.lies: dict[str, int] = {}
        self.cut_after: int | None = None
        self.late = self.stalls = False
        self.posix = True
        self.ordered: list[str] = []
        self.requests: list[str] = []
        self.opened = 0
        self.before: Callable[[str, bytes], object] = lambda request, path: None


class SftpServer:
    def __init__(self, root: Path, *, password: bool = True, host_key: str = "ssh-ed25519") -> None:
        self.root, self.faults = root, Faults()
        self.with_password = password
        self.key = asyncssh.generate_private_key(host_key)
        self.port = free_port()
        self.loop = asyncio.new_event_loop()
        self.server: Any = None
        self.held: list[Any] = []
        self.files: list[Any] = []
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    @property
    def address(self) -> str:
        return f"sftp://127.0.0.1:{self.port}"

    @property
    def fingerprint(self) -> str:
        return str(self.key.get_fingerprint())

    def restart(self, *, key: str = "ssh-ed25519") -> None:
        """With another key, on the same port."""

        async def again() -> None:
            await self._end()
            self.key = asyncssh.generate_private_key(key)
            await self._listen()

        asyncio.run_coroutine_threadsafe(again(), self.loop).result(10)

    def close(self) -> None:
        """Twice is harmless."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)

    async def _end(self) -> None:
        self.server.close()
        for conn in self.held:
            conn.abort()
        for conn in self.held:
            await conn.wait_closed()
        for file in self.files:
            file.close()
        self.held.clear()
        self.files.clear()
        await self.server.wait_closed()

    async def _listen(self) -> None:
        outer = self

        class Door(asyncssh.SSHServer):
            def connection_made(self, conn: Any) -> None:
                outer.faults.opened += 1
                outer.held.append(conn)

            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return outer.with_password

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, PASSWORD)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: Any) -> bool:
                return username == USER and key.get_fingerprint() in _LET_IN

        self.server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=Door,
            server_host_keys=[self.key],
            sftp_factory=lambda chan: _Files(chan, outer),
            reuse_address=True,
        )

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen())
        ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(self._end())
        pending = asyncio.all_tasks(self.loop)
        for task in pending:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self.loop.close()


class _Files(asyncssh.SFTPServer):
    def __init__(self, chan: Any, outer: SftpServer) -> None:
        super().__init__(chan, chroot=os.fsencode(outer.root))
        self.outer, self.given = outer, 0

    def _heard(self, request: str, path: bytes = b"") -> None:
        self.outer.faults.requests.append(request)
        self.outer.faults.before(request, path)

    async def _hit(self, when: str) -> None:
        """The fault that a test has ordered for the next write: the connection ends, or nothing is answered."""
        faults = self.outer.faults
        if when not in faults.ordered:
            return
        faults.ordered.remove(when)
        if when == "hang":
            await asyncio.Event().wait()
        self.channel.get_connection().abort()
        raise asyncssh.SFTPConnectionLost("cut")

    def _lied(self, path: bytes, found: Any) -> Any:
        more = self.outer.faults.lies.get(os.path.basename(path).decode("utf-8", "replace"))
        if more is None:
            return found
        attrs = asyncssh.SFTPAttrs.from_local(found) if isinstance(found, os.stat_result) else found
        attrs.size = (attrs.size or 0) + more
        return attrs

    def lstat(self, path: bytes) -> Any:
        self._heard("lstat", path)
        return self._lied(path, super().lstat(path))

    async def scandir(self, path: bytes) -> Any:
        self._heard("scandir", path)
        async for name in super().scandir(path):
            name.attrs = self._lied(name.filename, name.attrs)
            yield name

    async def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        self._heard("open", path)
        if pflags & asyncssh.FXF_WRITE:
            await self._hit("cut_before")
        file: Any = super().open(path, pflags, attrs)
        self.outer.files.append(file)
        return file

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        self._heard("read")
        faults = self.outer.faults
        if faults.stalls:
            await asyncio.Event().wait()  # until the connection ends
        if faults.cut_after is not None and self.given + size > faults.cut_after:
            faults.cut_after = None
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("cut")
        data: Any = super().read(file_obj, offset, size)
        self.given += len(data)
        return data

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._heard("rename", oldpath)
        return super().rename(oldpath, newpath)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._heard("posix_rename", oldpath)
        await self._hit("hang")
        if not self.outer.faults.posix:
            raise asyncssh.SFTPOpUnsupported("no such extension")
        super().posix_rename(oldpath, newpath)
        await self._hit("cut_after")
        if self.outer.faults.late:
            raise asyncssh.SFTPFailure("later")

    def remove(self, path: bytes) -> Any:
        self._heard("remove", path)
        return super().remove(path)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(root: Path, **more: Any) -> Iterator[SftpServer]:
    server = SftpServer(root, **more)
    try:
        yield server
    finally:
        server.close()


def main(folder: str) -> None:
    server = SftpServer(Path(folder))
    print(server.address, server.fingerprint, flush=True)
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main(sys.argv[1])
