"""Files of an SFTP server: read as those of a folder of this machine are, over a connection that lies, ends and comes
back, from a server that is the one that is meant."""

import gzip
import io
import os
import time
import zipfile
from pathlib import Path

import asyncssh
import pytest

from kernel.errors import Invalid
from runtime.connectors import sftp_session, spools
from runtime.connectors.protocols import CallContext, ConnectionFault, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import SourceConformance, call, read_all
from tests.runtime.connectors.remote_folders import SECRETS, RemoteFolder
from tests.runtime.connectors.sftp_server import CLIENT_KEYS, PASSWORD, USER, running


@pytest.fixture
def server(tmp_path):
    with running(tmp_path) as made:
        yield made


@pytest.fixture
def folder(server):
    return RemoteFolder(server)


def fault_of(folder, secrets=SECRETS):
    source = folder.open()
    try:
        with pytest.raises(ConnectionFault) as found:
            source.read(None, call=call(secrets))
    finally:
        source.close()
    return found.value


class TestSftpFiles(SourceConformance):
    """Seven rows in two files of a server, two a page. One reader goes on from any cursor of another."""

    @pytest.fixture
    def expected(self):
        return ["1", "2", "3", "4", "5", "6", "7"]

    @pytest.fixture
    def circumstances(self, folder):
        return folder.circumstances()

    @pytest.fixture
    def make(self, folder):
        folder.put("a.jsonl", "1", "2", "3")
        folder.put("b.jsonl", "4", "5", "6", "7")
        folder.settings["page_size"] = 2
        return folder.open


def test_receipts_of_tills_are_read_from_a_server(server):
    (server.root / "incoming").mkdir()
    given = Path(__file__).parent / "tills"
    name = next(iter(sorted(given.rglob("*.xml"))))
    (server.root / "incoming" / "receipts.xml").write_bytes(name.read_bytes())
    place = {"host_keys": [server.fingerprint]}
    settings = {"sftp": place, "base_url": server.address, "quiet": 0.0}
    there = open_source("poslog", settings)
    try:
        pages = read_all(there, circumstances=call(SECRETS))
    finally:
        there.close()
    found = [len(page.records) + len(page.rejected) for page in pages]
    assert sum(found) > 0
    assert not list((server.root / "incoming").iterdir())


@pytest.mark.parametrize("address", ["", "/outbound/store 7", "/outbound/M%C3%BCnchen"])
def test_the_path_of_the_address_is_where_the_folder_lies(tmp_path, address):
    below = tmp_path / {"": "", "/outbound/store 7": "outbound/store 7"}.get(address, "outbound/M\u00fcnchen")
    with running(tmp_path) as server:
        folder = RemoteFolder(server)
        folder.root = below
        folder.settings["base_url"] += address.replace(" ", "%20")
        folder.put("a.jsonl", "1")
        assert folder.run().ids == ["1"]


def test_files_may_lie_in_the_folder_itself_beside_ours(folder):
    folder.settings["sftp"] |= {"incoming": "."}
    folder.put("a.jsonl", "1", folder=".")
    assert folder.run().ids == ["1"]
    folder.put("b.jsonl", "2", folder=".")
    assert folder.run().ids == ["2"]
    assert folder.archived()


def test_another_key_of_the_host_ends_before_the_password_is_sent(folder, server):
    folder.put("a.jsonl", "1")
    pinned = server.fingerprint
    server.restart()
    server.faults.requests.clear()
    fault = fault_of(folder)
    assert fault.kind == "certificate"
    assert pinned in str(fault)
    assert server.fingerprint in str(fault)
    assert "no password" in str(fault)
    assert server.faults.requests == []


def test_a_server_without_a_pinned_key_is_not_spoken_to(folder, server):
    folder.settings["sftp"] = {}
    fault = fault_of(folder)
    assert fault.kind == "certificate"
    assert "pinned" in str(fault)
    assert server.faults.opened == 0


@pytest.mark.parametrize("form", ["fingerprint", "known_hosts"])
def test_keys_of_hosts_may_stand_where_the_endpoint_says(folder, server, form):
    folder.settings["sftp"] = {}
    public = server.key.export_public_key().decode()
    line = {"fingerprint": f"256 {server.fingerprint} files (ED25519)", "known_hosts": f"[127.0.0.1]:22 {public}"}[form]
    folder.settings["trusted"] = f"# files of the stores\n{line}\n"
    folder.put("a.jsonl", "1")
    assert folder.run().ids == ["1"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [("Ed25519", "openssh"), ("ECDSA", "openssh"), ("ECDSA", "pkcs1-pem"), ("RSA", "openssh"), ("RSA", "pkcs1-pem")],
)
def test_a_private_key_signs_in(folder, kind, form):
    folder.put("a.jsonl", "1")
    source = folder.open()
    try:
        given = {"user": USER, "private_key": CLIENT_KEYS[kind].export_private_key(form).decode()}
        assert [r.key for page in read_all(source, circumstances=call(given)) for r in page.records] == ["1"]
    finally:
        source.close()


def test_an_encrypted_key_needs_its_passphrase(folder):
    folder.put("a.jsonl", "1")
    key = CLIENT_KEYS["Ed25519"].export_private_key("openssh", passphrase="word").decode()
    fault = fault_of(folder, {"user": USER, "private_key": key})
    assert (fault.kind, "passphrase" in str(fault)) == ("secret", True)
    source = folder.open()
    given = {"user": USER, "private_key": key, "passphrase": "word"}
    assert [r.key for page in read_all(source, circumstances=call(given)) for r in page.records] == ["1"]
    source.close()


@pytest.mark.parametrize(
    ("secrets", "kind"),
    [
        ({"user": USER, "password": "other-word"}, "credentials"),
        ({"user": "nobody", "password": PASSWORD}, "credentials"),
        ({"user": USER, "private_key": asyncssh.generate_private_key("ssh-rsa", key_size=2048)}, "credentials"),
        ({"user": USER, "private_key": "-----BEGIN NOTHING-----"}, "secret"),
        ({"user": USER}, "secret"),
        ({}, "secret"),
    ],
)
def test_who_is_not_let_in_is_told_so_without_the_secret(folder, secrets, kind):
    given = {
        name: value if isinstance(value, str) else value.export_private_key("openssh").decode()
        for name, value in secrets.items()
    }
    fault = fault_of(folder, given)
    assert fault.kind == kind
    assert not any(value in str(fault) for value in given.values())
    source = folder.open()
    health = source.check(call=call(given))
    source.close()
    assert (health.ok, health.fault) == (False, kind)


def test_a_host_of_this_machine_is_not_reached_where_no_setting_allows_it(folder, monkeypatch):
    from kernel import egress
    from kernel.networks import Reach

    monkeypatch.setitem(egress._reaches, "systems", Reach(private=True))
    assert fault_of(folder).kind == "address"


def test_a_system_of_http_is_no_place_of_files(folder):
    folder.settings["base_url"] = "https://127.0.0.1:1/files"
    fault = fault_of(folder)
    assert fault.kind == "address"
    assert "sftp://" in str(fault)


def test_nobody_there_is_retriable(folder, server):
    server.close()
    source = folder.open()
    with pytest.raises(Retriable, match="not reached"):
        source.read(None, call=folder.circumstances())
    source.close()


def test_a_server_that_stalls_ends_at_the_deadline(folder, server):
    folder.put("a.jsonl", "1")
    server.faults.stalls = True
    source, started = folder.open(), time.monotonic()
    with pytest.raises(Retriable, match="did not answer"):
        source.read(None, call=call(SECRETS, deadline=0.5))
    source.close()
    assert time.monotonic() - started < 4


def test_what_came_before_a_cut_is_not_fetched_again(folder, server):
    rows = [f"row-{number:06}" for number in range(60_000)]
    folder.put("large.jsonl", *rows)
    folder.settings["page_size"] = 100_000
    size = (server.root / "incoming" / "large.jsonl").stat().st_size
    server.faults.cut_after = size // 2
    source = folder.open()
    with pytest.raises(Retriable, match="was cut"):
        source.read(None, call=folder.circumstances())
    before = server.faults.requests.count("read")
    pages = read_all(source, circumstances=folder.circumstances())
    source.close()
    assert [r.key for page in pages for r in page.records] == rows
    again = server.faults.requests.count("read") - before
    assert again < before * 1.5
    assert server.faults.opened == 2


def test_after_a_cut_another_content_of_the_same_name_is_fetched_whole(folder, server):
    folder.put("a.jsonl", *[f"old-{number:06}" for number in range(60_000)])
    server.faults.cut_after = 400_000
    source = folder.open()
    with pytest.raises(Retriable):
        source.read(None, call=folder.circumstances())
    folder.put("a.jsonl", "new")
    assert [r.key for page in read_all(source, circumstances=folder.circumstances()) for r in page.records] == ["new"]
    source.close()


@pytest.mark.parametrize("more", [1, -1])
def test_a_file_of_which_the_server_says_another_size_than_comes_is_left_and_said(folder, server, more):
    folder.put("a.jsonl", "1")
    folder.put("b.jsonl", "2")
    server.faults.lies["a.jsonl"] = more
    looked = folder.run()
    assert looked.ids == ["2"]
    assert "bytes, and" in looked.failure
    assert folder.names("incoming") == ["a.jsonl"]
    server.faults.lies.clear()
    assert folder.run().ids == ["1"]


def test_a_rename_that_is_answered_late_is_taken_for_what_it_was(folder, server):
    folder.put("a.jsonl", "1")
    server.faults.late = True
    assert folder.run().ids == ["1"]
    assert (folder.names("incoming"), folder.names("work"), len(folder.names("archive"))) == ([], [], 1)


def test_a_server_without_posix_rename_serves_as_well(folder, server):
    server.faults.posix = False
    folder.put("a.jsonl", "1")
    folder.put("store 7/a.jsonl", "2")
    assert sorted(folder.run().ids) == ["1", "2"]
    assert len(folder.names("archive")) == 2


def test_a_file_that_grows_while_it_is_fetched_is_left_until_it_is_whole(folder, server):
    path = folder.put("a.jsonl", "1")

    def grows(request, _):
        if request == "posix_rename":
            server.faults.before = lambda request, path: None
            with path.open("a") as writer:
                writer.write('{"id": "2"}\n')

    server.faults.before = grows
    assert folder.run().ids == ["1"][:0]
    assert folder.names("incoming") == ["a.jsonl"]
    assert folder.run().ids == ["1", "2"]


def test_a_file_that_is_changed_while_it_is_read_goes_to_quarantine(folder, server):
    folder.put("a.jsonl", "1", "2", "3")
    folder.settings["page_size"] = 2
    source = folder.open()
    page = source.read(None, call=folder.circumstances())
    claimed = next(path for path in (server.root / "work").iterdir() if path.name.startswith("a."))
    with claimed.open("a") as writer:
        writer.write('{"id": "4"}\n')
    page = source.read(page.cursor, call=folder.circumstances())
    assert "writer was not done" in page.rejected[0].reason
    read_all(source, page.cursor, circumstances=folder.circumstances())
    source.close()
    assert folder.names("quarantine")[:1] == ["a.jsonl"]


def test_files_are_left_until_they_have_been_quiet(folder, server):
    path = folder.put("a.jsonl", "1")
    folder.settings["quiet"] = 60.0
    assert folder.run().ids == []
    long_ago = time.time() - 120
    os.utime(path, (long_ago, long_ago))
    assert folder.run().ids == ["1"]


def test_a_time_of_the_future_is_held_to_what_was_seen(folder, server):
    path = folder.put("a.jsonl", "1")
    ahead = time.time() + 86_400
    os.utime(path, (ahead, ahead))
    folder.settings["quiet"] = 0.2
    assert folder.run().ids == []
    looks = server.root / "work" / ".looks"
    looks.write_text(looks.read_text().replace(looks.read_text().rpartition(", ")[2], f"{time.time() - 5}]}}"))
    assert folder.run().ids == ["1"]
    folder.run()
    assert not looks.exists()


def test_a_mark_says_that_a_file_is_complete(folder):
    folder.settings["done"] = ".ok"
    folder.put("a.jsonl", "1")
    assert folder.run().ids == []
    folder.put("a.jsonl.ok")
    assert folder.run().ids == ["1"]
    assert folder.names("incoming") == []


@pytest.mark.parametrize("name", ["a.jsonl.part", "a.jsonl.filepart", ".a.jsonl", "a.jsonl.tmp"])
def test_a_name_of_a_writer_at_work_is_left(folder, name):
    folder.put(name, "1")
    assert folder.run().ids == []
    assert folder.names("incoming") == [name]


def test_names_of_any_bytes_are_read_and_kept_so_that_they_can_be_had_back(folder):
    names = [b"M\xfcnchen.jsonl", b"a\nb.jsonl", b"100%41.jsonl", b"\xff\xfe.jsonl", "Köln.jsonl".encode()]
    for number, name in enumerate(names):
        folder.put(name, str(number))
    looked = folder.run()
    assert (sorted(looked.ids), looked.failure) == ([str(n) for n in range(len(names))], "")
    assert folder.archived() == sorted(names)


def test_a_name_that_is_too_long_stands_in_the_list_of_names(folder, server):
    folder.put("n" * 240 + ".jsonl", "1")
    assert folder.run().ids == ["1"]
    assert "n" * 240 in (server.root / "names.txt").read_text()


def test_thousands_of_files_are_all_read_once(folder, server):
    for number in range(2_000):
        folder.put(f"store {number % 7}/{number}.jsonl" if number < 120 else f"other/{number}.dat", str(number))
    folder.settings["patterns"] = ["*.jsonl"]
    source = folder.open()
    pages = read_all(source, circumstances=folder.circumstances())
    source.close()
    assert sorted(int(r.key) for page in pages for r in page.records) == list(range(120))
    assert len(server.faults.requests) < 120 * 18, "each file costs more ways to the server and back"


def test_packed_files_are_read_unpacked_and_one_that_is_cut_off_is_left(folder, server):
    lines = b'{"id": "1"}\n{"id": "2"}\n'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.jsonl", '{"id": "3"}\n')
    (server.root / "incoming" / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (server.root / "incoming" / "b.zip").write_bytes(packed.getvalue())
    whole = gzip.compress(b'{"id": "4"}\n' * 50)
    (server.root / "incoming" / "c.jsonl.gz").write_bytes(whole[:-4])
    looked = folder.run()
    assert sorted(looked.ids) == ["1", "2", "3"]
    assert any("cut off" in one for one in looked.warnings)
    assert folder.names("incoming") == ["c.jsonl.gz"]
    (server.root / "incoming" / "c.jsonl.gz").write_bytes(whole)
    assert set(folder.run().ids) == {"4"}


def test_a_link_is_no_file(folder, server):
    os.symlink("/etc/hostname", server.root / "incoming" / "a.jsonl")
    looked = folder.run()
    assert looked.ids == []
    assert "a link" in looked.warnings[0]


def test_a_file_that_is_too_large_goes_to_quarantine_unread(folder, server):
    folder.settings["max_size"] = 100
    folder.put("a.jsonl", *["x" * 50] * 5)
    assert "more than the 100 allowed" in folder.run().rejected[0]
    assert "read" not in server.faults.requests[: server.faults.requests.index("posix_rename")]


def test_a_folder_that_was_there_and_is_not_is_no_empty_one(folder, server):
    folder.put("a.jsonl", "1")
    assert folder.run().ids == ["1"]
    (server.root / "incoming").rename(server.root / "elsewhere")
    looked = folder.run()
    assert "is not there" in looked.failure


def test_what_is_above_the_limit_of_rejects_waits_and_is_read_again(folder):
    folder.put("a.jsonl", "1")
    source = folder.open()
    page = source.read(None, call=folder.circumstances())
    source.set_aside(page.cursor, "too many")
    source.close()
    assert folder.names("waiting")
    folder.cursor = "{}"
    assert folder.run().ids == ["1"]
    assert (folder.names("waiting"), len(folder.names("archive"))) == ([], 1)


def test_nothing_of_a_file_stays_on_this_machine(folder, tmp_path_factory, monkeypatch):
    above = tmp_path_factory.mktemp("spool")
    monkeypatch.setattr("tempfile.tempdir", str(above))
    left = above / f"{spools.PREFIX}of-a-killed-reader"
    left.mkdir()
    (left / "1").write_text("card data")
    folder.put("a.jsonl", "1", "2")
    folder.settings["page_size"] = 1
    source = folder.open()
    source.read(None, call=folder.circumstances())
    held = [path for path in above.rglob("*") if path.is_file()]
    assert [path.stat().st_mode & 0o777 for path in held] == [0o600]
    other = folder.open()  # does not take away what the first one holds
    other.read(None, call=folder.circumstances())
    assert held[0].exists()
    other.close()
    source.close()
    assert list(above.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"root": "/a", "sftp": {}}, "one place"),
        ({}, "one place"),
        ({"sftp": {}, "incoming": "/a"}, "sftp.incoming"),
        ({"sftp": {"folder": "../etc"}}, "folder below"),
        ({"sftp": {"incoming": "/etc"}}, "folder below"),
        ({"sftp": {"host_keys": ["MD5:00:11"]}}, "fingerprint"),
        ({"sftp": {"hostkeys": []}}, "host_keys"),
    ],
)
def test_settings_that_name_no_place_are_refused(settings, said):
    for protocol in ("file_drop", "poslog"):
        with pytest.raises(Invalid, match=said):
            open_source(protocol, settings)


def test_fingerprints_are_found_in_what_ssh_tools_print():
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    public = key.export_public_key().decode()
    wanted = {key.get_fingerprint()}
    assert sftp_session.fingerprints(f"files.example.com,10.1.2.3 {public}") == wanted
    assert sftp_session.fingerprints(f"2048 {key.get_fingerprint()} files (RSA)") == wanted
    assert sftp_session.fingerprints("nothing ssh-rsa AAAA") == set()


def test_check_says_how_many_files_wait(folder):
    folder.put("a.jsonl", "1")
    source = folder.open()
    health = source.check(call=folder.circumstances())
    source.close()
    assert (health.ok, health.detail) == (True, "1 files are waiting")
    assert folder.names("incoming") == ["a.jsonl"]


def test_a_call_without_secrets_is_told_what_it_lacks(folder):
    source = folder.open()
    with pytest.raises(ConnectionFault, match="is not set"):
        source.read(None, call=CallContext())
    source.close()
