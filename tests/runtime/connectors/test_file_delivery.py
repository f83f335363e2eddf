"""Files that are put on a server: each whole from the moment at which its name is there, and none of them twice,
whatever the receiver takes away and whenever the connection ends."""

import itertools
import json
from dataclasses import replace

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import ConnectionFault, OutboundMessage, Refused, Retriable
from runtime.connectors.registry import open_sink
from tests.runtime.connectors.conformance import SinkConformance, call
from tests.runtime.connectors.remote_folders import SECRETS
from tests.runtime.connectors.sftp_server import USER, running

NUMBERS = itertools.count(1)


def message(key=None, **content):
    key = key or f"order-{next(NUMBERS)}"
    document = {"id": key, **content}
    return OutboundMessage(key, key, json.dumps(document).encode(), document, correlation_id="till-9-42")


class Inbound:
    """The server's folder, and what was ever put there."""

    def __init__(self, server):
        self.server, self.folder = server, server.root / "incoming"
        self.folder.mkdir()
        self.settings = {"base_url": server.address, "sftp": {"host_keys": [server.fingerprint]}}

    def open(self, **more):
        return open_sink("file_delivery", {**self.settings, **more})

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def inbound(tmp_path):
    with running(tmp_path) as server:
        yield Inbound(server)


class TestFilesOnAServer(SinkConformance):
    @pytest.fixture
    def circumstances(self):
        return call(SECRETS, deadline=5.0)

    @pytest.fixture
    def make(self, inbound):
        return inbound.open

    @pytest.fixture
    def item(self):
        return message

    @pytest.fixture
    def bad(self, inbound):
        """Somebody else's file has its name."""
        one = message()
        (inbound.folder / f"{one.sent_key}.json").write_text("of somebody else")
        return one

    @pytest.fixture
    def wrong(self):
        return call({"user": USER, "password": "not-the-password"}, deadline=5.0)

    @pytest.fixture
    def fault(self, inbound):
        def order(kind, **_):
            inbound.server.faults.ordered.append(kind)

        return order

    @pytest.fixture
    def effects(self, inbound):
        def count(items):
            return [sum(path.read_bytes() == one.body for path in inbound.folder.iterdir()) for one in items]

        return count

    test_busy_applies_nothing_and_says_when_to_come_back = None  # no server of files says when
    test_the_correlation_id_arrives = None  # a file has no place for it


def test_a_file_that_the_receiver_has_taken_is_not_put_there_again(inbound):
    sink, one = inbound.open(), message()
    assert sink.write([one], call=call(SECRETS))[0].status == "confirmed"
    (inbound.folder / f"{one.sent_key}.json").unlink()
    assert sink.ask([one.sent_key], call=call(SECRETS))[one.sent_key]
    assert sink.write([one], call=call(SECRETS))[0].status == "confirmed"
    sink.close()
    assert inbound.names() == []


@pytest.mark.parametrize("taken", [True, False])
def test_what_was_cut_off_behind_the_rename_is_found_also_when_it_was_taken(inbound, taken):
    sink, one = inbound.open(), message()
    inbound.server.faults.ordered.append("cut_after")
    assert sink.write([one], call=call(SECRETS))[0].status == "unknown"
    if taken:
        (inbound.folder / f"{one.sent_key}.json").unlink()
    assert sink.ask([one.sent_key], call=call(SECRETS))[one.sent_key]
    sink.close()


def test_a_connection_that_ends_at_any_request_leaves_one_whole_file_behind_the_next_try(inbound):
    """Each request of a delivery in turn is the last one that the server hears."""
    for step in range(40):
        sink, one, left = inbound.open(done=".ok"), message(), [step]

        def heard(request, path, left=left):
            left[0] -= 1
            if left[0] == -1:
                raise ConnectionResetError

        sink.check(call=call(SECRETS))
        inbound.server.faults.before = heard
        try:
            results = sink.write([one], call=call(SECRETS, deadline=5.0))
        except (Retriable, ConnectionFault):
            results = []
        inbound.server.faults.before = lambda request, path: None
        asked = sink.ask([one.sent_key], call=call(SECRETS))[one.sent_key]
        if results and results[0].status == "confirmed":
            assert asked
        if asked is None:
            assert sink.write([one], call=call(SECRETS))[0].status == "confirmed"
        name = f"{one.sent_key}.json"
        assert inbound.names() == [name, f"{name}.ok"], step
        assert (inbound.folder / name).read_bytes() == one.body
        for path in inbound.folder.iterdir():
            path.unlink()
        sink.close()
        if left[0] >= 0:
            break
    assert step > 8


def test_other_content_of_a_key_that_was_delivered_is_refused(inbound):
    sink, one = inbound.open(), message("order-7")
    sink.write([one], call=call(SECRETS))
    other = message("order-7", quantity=2)
    result = sink.write([other], call=call(SECRETS))[0]
    sink.close()
    assert (result.status, result.code, result.retriable) == ("refused", "file.other_content", False)


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "M\u00fcnchen/7", ".hidden", "n" * 300, "a\nb", "%2e"])
def test_a_key_is_no_path_and_no_two_keys_have_one_name(inbound, key):
    sink = inbound.open(name="order-{key}.json")
    items = [replace_key(message(), key), replace_key(message(), key.replace("/", "%2F") + "x")]
    assert [one.status for one in sink.write(items, call=call(SECRETS))] == ["confirmed", "confirmed"]
    sink.close()
    assert len(inbound.names()) == 2
    assert all(name.startswith("order-") for name in inbound.names())


def replace_key(one, key):
    one.target_key = key
    return one


def test_a_server_without_posix_rename_serves_as_well(inbound):
    inbound.server.faults.posix = False
    sink = inbound.open()
    items = [message(), message()]
    assert [one.status for one in sink.write(items, call=call(SECRETS))] == ["confirmed", "confirmed"]
    sink.close()
    assert len(inbound.names()) == 2


def test_a_rename_that_is_answered_late_is_taken_for_what_it_was(inbound):
    inbound.server.faults.late = True
    sink = inbound.open()
    assert sink.write([message()], call=call(SECRETS))[0].status == "confirmed"
    sink.close()


def test_a_server_that_has_fewer_bytes_than_were_written_gets_no_name(inbound):
    sink, one = inbound.open(), message()
    inbound.server.faults.lies[f"{one.sent_key}.json.part"] = -1
    with pytest.raises(Retriable, match="bytes were written"):
        sink.write([one], call=call(SECRETS))
    sink.close()
    assert inbound.names() == []


def test_a_folder_that_is_not_there_is_a_fault_of_the_connection(inbound):
    inbound.folder.rmdir()
    sink = inbound.open()
    with pytest.raises(ConnectionFault, match="is not there"):
        sink.write([message()], call=call(SECRETS))
    sink.close()


def test_questions_by_a_reference_are_not_answered(inbound):
    sink = inbound.open()
    with pytest.raises(Refused):
        sink.ask(["order-7"], call=call(SECRETS), by="reference")
    with pytest.raises(Refused):
        sink.follow(["order-7"], call=call(SECRETS))
    sink.close()


def test_a_deadline_that_has_passed_sends_nothing(inbound):
    sink = inbound.open()
    with pytest.raises(Retriable):
        sink.write([message()], call=replace(call(SECRETS), deadline=0.0))
    sink.close()
    assert inbound.names() == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "order.json"}, "no two messages"),
        ({"name": "{key}-{store}.json"}, "no two messages"),
        ({"name": "../{key}.json"}, "without '/'"),
        ({"name": ".{key}"}, "without a dot"),
        ({"done": "ok"}, "end of a name"),
        ({"sftp": {"incoming": "delivery"}}, "beforehand"),
        ({"sftp": {"folder": "../x"}}, "folder below"),
    ],
)
def test_settings_by_which_files_would_be_lost_are_refused(settings, said):
    with pytest.raises(Invalid, match=said):
        open_sink("file_delivery", {"sftp": {}, "base_url": "sftp://a.example.com", **settings})
