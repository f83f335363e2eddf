"""The SFTP server that most stores have: OpenSSH, where this machine has it. Files are read from it and put on it."""

import getpass
import os
import shutil
import subprocess

import asyncssh
import pytest

from runtime.connectors.protocols import ConnectionFault
from runtime.connectors.registry import open_sink, open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.folders import Folder
from tests.runtime.connectors.sftp_server import free_port
from tests.runtime.connectors.test_file_delivery import message


class OpenSsh:
    def __init__(self, folder, root):
        self.binary = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
        if self.binary is None:
            pytest.skip("this machine has no OpenSSH server (Debian: openssh-server)")
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.root, self.port = root, free_port()
        self.host_key, self.key = (asyncssh.generate_private_key(kind) for kind in ("ssh-rsa", "ssh-ed25519"))
        (folder / "host").write_bytes(self.host_key.export_private_key("openssh"))
        (folder / "host").chmod(0o600)
        (folder / "let-in").write_bytes(self.key.export_public_key())
        lines = [
            *(f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", f"PidFile {folder}/pid"),
            *("UsePAM no", "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication no"),
            *(f"AuthorizedKeysFile {folder}/let-in", "Subsystem sftp internal-sftp"),
        ]
        (folder / "config").write_text("\n".join(lines))
        command = [self.binary, "-D", "-e", "-f", f"{folder}/config"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        said = b""
        while line := self.process.stderr.readline():
            said += line
            if b"listening" in line:
                return
        raise AssertionError(said.decode())

    @property
    def settings(self):
        address = f"sftp://127.0.0.1:{self.port}{self.root}"
        return {"base_url": address, "sftp": {"host_keys": [str(self.host_key.get_fingerprint())]}}

    @property
    def call(self):
        return call({"user": getpass.getuser(), "private_key": self.key.export_private_key("openssh").decode()})

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr.close()


@pytest.fixture
def server(tmp_path):
    root = tmp_path / "files"
    (root / "incoming").mkdir(parents=True)
    made = OpenSsh(tmp_path, root)
    yield made
    made.close()


def read(server, **more):
    given = {"format": "jsonl", "key_fields": ["id"], "quiet": 0, "page_size": 2, **server.settings, **more}
    source = open_source("file_drop", given)
    try:
        return [record.key for page in read_all(source, circumstances=server.call) for record in page.records]
    finally:
        source.close()


def test_files_are_read_and_archived(server):
    folder = Folder(server.root)
    folder.put("a.jsonl", "1", "2", "3")
    folder.put(b"store 7/M\xfc\n.jsonl", "4")
    assert sorted(read(server)) == ["1", "2", "3", "4"]
    assert (folder.names("incoming"), folder.names("work"), len(folder.names("archive"))) == ([], [], 2)
    folder.put("a.jsonl", "1", "2", "3")  # the same once more
    assert sorted(read(server)) == ["1", "2", "3"]
    assert len(folder.names("archive")) == 2


def test_messages_become_files_once(server):
    sink, items = open_sink("file_delivery", {**server.settings, "done": ".ok"}), [message(), message()]
    try:
        assert sink.check(call=server.call).ok
        assert [one.status for one in sink.write(items, call=server.call)] == ["confirmed", "confirmed"]
        names = sorted(path.name for path in (server.root / "incoming").iterdir())
        assert names == sorted(f"{one.sent_key}.json{end}" for one in items for end in ("", ".ok"))
        for path in (server.root / "incoming").iterdir():
            path.unlink()
        assert all(sink.ask([one.sent_key for one in items], call=server.call).values())
        assert [one.status for one in sink.write(items, call=server.call)] == ["confirmed", "confirmed"]
    finally:
        sink.close()
    assert not list((server.root / "incoming").iterdir())


def test_an_account_that_is_not_let_in_is_a_fault(server):
    source = open_source("file_drop", {"format": "jsonl", **server.settings})
    with pytest.raises(ConnectionFault) as met:
        source.read(None, call=call({"user": getpass.getuser(), "password": "word-of-nobody"}))
    source.close()
    assert met.value.kind == "credentials"
    assert "publickey" in str(met.value)
