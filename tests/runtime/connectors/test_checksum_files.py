"""Checksum files beside dropped ones: what they say is proven before a file is read, in a folder and on a server."""

import hashlib

import pytest

from kernel.errors import Invalid
from runtime.connectors.registry import open_source
from tests.runtime.connectors.folders import Folder
from tests.runtime.connectors.remote_folders import RemoteFolder
from tests.runtime.connectors.sftp_server import running


@pytest.fixture(params=["folder", "server"])
def folder(request, tmp_path):
    if request.param == "folder":
        yield Folder(tmp_path, checksum=".sum")
    else:
        with running(tmp_path) as server:
            yield RemoteFolder(server, checksum=".sum")


def beside(path, text):
    path.with_name(f"{path.name}.sum").write_text(text)


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("form", ["{}", "{}  a.jsonl\n", "SHA (a.jsonl) = {}", "\ufeff{}\r\n"])
def test_a_file_is_read_once_its_checksum_file_is_there_and_agrees(folder, kind, form):
    path = folder.put("a.jsonl", "1")
    assert folder.run().ids == []
    digest = hashlib.new(kind, path.read_bytes()).hexdigest()
    beside(path, form.format(digest.upper() if "SHA" in form else digest))
    assert folder.run().ids == ["1"]
    assert folder.names("incoming") == []


@pytest.mark.parametrize("stated", ["0" * 64, "", "no checksum at all", f"{'0' * 64} {'1' * 64}", "abc"])
def test_a_file_that_its_checksum_file_contradicts_stays_and_the_run_says_so(folder, stated):
    path, other = folder.put("a.jsonl", "1"), folder.put("b.jsonl", "2")
    beside(path, stated)
    beside(other, hashlib.sha256(other.read_bytes()).hexdigest())
    looked = folder.run()
    assert looked.ids == ["2"]
    assert "checksum" in looked.failure
    assert folder.names("incoming") == ["a.jsonl", "a.jsonl.sum"]
    beside(path, hashlib.sha256(path.read_bytes()).hexdigest())  # it is sent again
    assert folder.run().ids == ["1"]


@pytest.mark.parametrize("settings", [{"checksum": ".md5", "done": ".ok"}, {"checksum": "md5"}, {"checksum": ""}])
@pytest.mark.parametrize("protocol", ["file_drop", "poslog"])
def test_two_marks_and_no_mark_are_refused(protocol, settings):
    with pytest.raises(Invalid, match="checksum"):
        open_source(protocol, {"root": "/a", **settings})
