"""Vendors that lie, are gone, or are called wrongly: what the ledger is told. The vendor's own journal is the
witness."""

import json
from itertools import pairwise

import pytest

from runtime.connectors.protocols import OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import DeclaredWrite, ManifestTarget
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server

BATCH = {"items": "items", "results": "items", "confirmed": ["posted"], "refused": ["refused"], "reference": "document"}
LOOKUP = {"path": "lookup"}
LOGIN = b'<html><title>Sign in</title><form><input name="u"><input type="password" name="p"></form></html>'


class Vendor:
    """A server with a journal: it acts on what it takes (`acts`), then says `says` (status, headers, body)."""

    def __init__(self, says, acts=True):
        self.says, self.acts, self.journal = says, acts, []

    def __call__(self, seen):
        answer = self.says(seen) if callable(self.says) else self.says
        if self.acts:
            document = seen.json()
            self.journal += [one["id"] for one in document.get("items", [document])]
        return answer


def messages(count=1, **more):
    return [OutboundMessage(f"k{n}", f"tg-{n}", b"", {"id": f"k{n}", **more}, n) for n in range(count)]


def sent(vendor, count=1, *, idempotency="L", address=None, ask=False, ask_by="key", fields=None, secrets=None, **more):
    """What the ledger is told about `count` messages, and the requests that left."""
    with Server(vendor) as server:
        settings = {"base_url": server.url, "path": "orders", "idempotency": idempotency, **more}
        if idempotency == "L":
            settings = {"lookup": LOOKUP, **settings}
        sink = open_sink("rest", settings)
        target = ManifestTarget("t", "s", {}, [], idempotency, address=address or {}, ask_by=ask_by)
        client = SinkVendor(sink, Secrets(secrets or {}), target, "7")
        made = messages(count, **(fields or {}))
        results = client.ask(made) if ask else client.send(made, guard=lambda: None)
        client.close()
        return results, server.seen


def statuses(results):
    return [result.status for result in results]


# -- success is proven -------------------------------------------------------------------------------------------------

UNPROVEN = {
    "a maintenance page": (200, {"Content-Type": "text/html"}, b"<html>We are back at six</html>"),
    "HTML that calls itself JSON": (200, {}, b"<!DOCTYPE html><html>maintenance</html>"),
    "an empty body": (200, {}, b""),
    "half of a document": (200, {}, b'{"id": 1'),
    "success false": (200, {}, {"success": False, "error": "posting period closed"}),
    "an error object": (200, {}, {"error": {"code": 7, "message": "no"}}),
    "GraphQL errors": (200, {}, {"data": None, "errors": [{"message": "throttled"}]}),
    "GraphQL user errors": (200, {}, {"data": {"orderCreate": {"order": None, "userErrors": [{"message": "no"}]}}}),
    "a JSON-RPC error": (200, {}, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}}),
    "a JSend failure": (200, {}, {"status": "fail", "data": {"title": "needed"}}),
    "success in capitals": (200, {}, {"Success": False, "ErrorMessage": "no"}),
    "a failure in capitals": (200, {}, {"id": 1, "Status": "FAILED"}),
    "success as a number": (200, {}, {"id": 1, "success": 0}),
    "an error code": (200, {}, {"id": 1, "errorCode": "E-17"}),
    "errors that it only counts": (200, {}, {"id": 1, "hasErrors": True}),
    "statuses of its own": (207, {}, {"items": [{"status": 500}]}),
    "part of something": (206, {}, {"id": 1}),
    "plain text": (200, {"Content-Type": "text/plain"}, b"OK"),
    "a list": (200, {}, []),
    "null": (200, {}, None),
}


@pytest.mark.parametrize("name", UNPROVEN)
def test_a_2xx_that_proves_nothing_is_unknown_and_never_confirmed(name):
    results, _ = sent(Vendor(UNPROVEN[name], acts=False))
    assert statuses(results) == ["unknown"]
    assert results[0].detail


def test_an_answer_with_no_errors_to_tell_is_confirmed():
    for body in (
        {"id": 1, "errors": [], "error": None, "errorCode": 0, "success": True, "status": "rejoiced"},
        {"id": 1, "error": False, "errorCode": "0", "userErrors": []},
        b'\xef\xbb\xbf{"id": 1}',
        b'{"id": 123456789012345678901234567890}',
    ):
        assert statuses(sent(Vendor((200, {}, body)))[0]) == ["confirmed"], body


def test_a_declared_reference_that_is_not_in_the_answer_leaves_the_outcome_unknown():
    results, _ = sent(Vendor((201, {}, {"state": "ok"})), reference="order.number")
    assert statuses(results) == ["unknown"]
    results, _ = sent(Vendor((201, {}, {"order": {"number": 12}})), reference="order.number")
    assert [(r.status, r.reference) for r in results] == [("confirmed", "12")]


def test_an_empty_answer_proves_something_only_where_http_says_so():
    assert statuses(sent(Vendor((204, {}, b"")))[0]) == ["confirmed"]
    created, _ = sent(Vendor((201, {"Location": "/orders/12"}, b"")))
    assert [(r.status, r.reference) for r in created] == [("confirmed", "/orders/12")]
    assert statuses(sent(Vendor((201, {}, b"")))[0]) == ["unknown"]


def test_a_202_is_accepted_under_the_name_of_its_job():
    results, _ = sent(Vendor((202, {"Location": "/jobs/9"}, b"")))
    assert [(r.status, r.reference) for r in results] == [("accepted", "/jobs/9")]
    results, _ = sent(Vendor((200, {}, {"job": {"id": "J1"}})), success={"job": "job.id"})
    assert [(r.status, r.reference) for r in results] == [("accepted", "J1")]
    results, _ = sent(Vendor((202, {"Content-Type": "text/html"}, LOGIN)))
    assert statuses(results) != ["accepted"]
    results, _ = sent(Vendor((202, {}, {"id": 1})), success={"status": [202], "accepted": []})
    assert statuses(results) == ["confirmed"], "a vendor whose 202 is its last word says so in its profile"


def test_a_rule_of_the_target_reads_the_vendors_own_codes():
    rules = [
        {"says": "declined", "codes": ["insufficient_points"]},
        {"says": "retry", "codes": ["locked"]},
        {"says": "refused", "where": {"success": [False]}, "codes": ["period_closed"]},
        {"says": "confirmed", "codes": ["duplicate"], "status": [409]},
    ]

    def answer(status, code):
        return sent(Vendor((status, {}, {"success": False, "code": code, "message": f"it is {code}"})), answers=rules)[
            0
        ][0]

    assert answer(200, "insufficient_points").status == "declined"
    assert "it is insufficient_points" in answer(422, "insufficient_points").detail
    assert answer(200, "locked").status == "retry"
    assert answer(200, "period_closed").status == "refused"
    assert answer(409, "duplicate").status == "confirmed"
    assert answer(200, "something_new").status == "unknown"
    assert answer(422, "something_new").status == "refused"


def test_a_500_that_the_profile_knows_as_permanent_is_about_the_message():
    rules = [{"says": "refused", "status": [500], "holds": ["UNIQUE constraint"]}]
    body = {"message": "UNIQUE constraint failed: orders.id"}
    assert statuses(sent(Vendor((500, {}, body), acts=False), answers=rules)[0]) == ["refused"]
    assert statuses(sent(Vendor((500, {}, {"message": "boom"})), answers=rules)[0]) == ["unknown"]


# -- nothing is sent twice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504, 520, 522, 599])
@pytest.mark.parametrize("batch", [None, BATCH], ids=["single", "batch"])
def test_a_server_error_after_the_effect_is_unknown(status, batch):
    vendor = Vendor((status, {"Retry-After": "5", "Content-Type": "text/plain"}, b"upstream connect error"))
    results, _ = sent(vendor, batch=batch)
    assert vendor.journal == ["k0"]
    assert statuses(results) == ["unknown"]


def test_a_503_is_not_now_where_the_vendor_proves_that_nothing_was_done():
    vendor = Vendor((503, {"Retry-After": "5"}, {}), acts=False)
    results, _ = sent(vendor, nothing_done=[503])
    assert [(r.status, r.retry_after) for r in results] == [("unsent", 5.0)]
    rules = [{"says": "not_now", "status": [503], "codes": ["closed_for_backup"]}]
    vendor = Vendor((503, {}, {"code": "closed_for_backup"}), acts=False)
    assert statuses(sent(vendor, answers=rules)[0]) == ["unsent"]
    assert statuses(sent(Vendor((503, {}, {"code": "else"})), answers=rules)[0]) == ["unknown"]


@pytest.mark.parametrize("status", [425, 429])
def test_not_now_is_not_now(status):
    results, seen = sent(Vendor((status, {"Retry-After": "3"}, {}), acts=False), 3)
    assert statuses(results) == ["unsent"] * 3
    assert results[0].retry_after == 3.0
    assert len(seen) == 1


# -- a fault of the connection is no fault of the message --------------------------------------------------------------

FAULTS = {"credentials": [401, 403, 407], "address": [404, 405, 410, 501], "redirect": [301, 307, 308]}


@pytest.mark.parametrize(("kind", "status"), [(k, s) for k, all_of in FAULTS.items() for s in all_of])
@pytest.mark.parametrize("batch", [None, BATCH], ids=["single", "batch"])
def test_a_fault_of_the_connection_refuses_no_message_and_stops_the_part(kind, status, batch):
    vendor = Vendor((status, {"Location": "/login"} if kind == "redirect" else {}, {"message": "no"}), acts=False)
    results, seen = sent(vendor, 5, batch=batch)
    assert statuses(results) == ["unsent"] * 5
    assert {r.fault for r in results} == {kind}
    assert results[0].detail
    assert len(seen) == 1, "nothing is sent on after a fault"


def test_what_was_confirmed_before_a_fault_stays_confirmed():
    answers = iter([(201, {}, {"id": 1}), (201, {}, {"id": 2}), (401, {}, {})])
    results, seen = sent(Vendor(lambda seen: next(answers)), 5)
    assert statuses(results) == ["confirmed", "confirmed", "unsent", "unsent", "unsent"]
    assert [r.fault for r in results] == [None, None, "credentials", "credentials", "credentials"]
    assert len(seen) == 3


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Type": "text/html"}, LOGIN),
        (202, {}, LOGIN),
        (302, {"Location": "/login"}, b""),
        (302, {"Location": "https://sso.example/saml"}, b""),
        (303, {"Location": "/orders/12"}, b""),
    ],
)
@pytest.mark.parametrize("batch", [None, BATCH], ids=["single", "batch"])
def test_a_sign_in_page_or_a_redirect_after_a_write_is_a_fault_and_still_no_proof_that_nothing_was_done(answer, batch):
    vendor = Vendor(answer)
    results, seen = sent(vendor, 3, batch=batch)
    assert len(seen) == 1, "nothing is sent on"
    assert {r.fault for r in results} == {"redirect"}
    assert statuses(results) == (["unknown"] * 3 if batch else ["unknown", "unsent", "unsent"])
    assert vendor.journal == [f"k{n}" for n in range(3 if batch else 1)], "it had acted"
    assert "Correct the address" in results[0].detail


def test_a_missing_secret_and_a_host_that_nobody_knows_are_faults_that_say_what_to_do():
    results, seen = sent(Vendor((200, {}, {"id": 1})), auth={"kind": "bearer"})
    assert [(r.status, r.fault) for r in results] == [("unsent", "secret")]
    assert "'token' is not set" in results[0].detail
    assert seen == []
    settings = {"base_url": "http://nobody.invalid", "path": "x", "idempotency": "U"}
    client = SinkVendor(open_sink("rest", settings), Secrets(), ManifestTarget("t", "s", {}, [], "U"), "7")
    results = client.send(messages(), guard=lambda: None)
    assert [(r.status, r.fault) for r in results] == [("unsent", "name")]
    assert "nobody.invalid" in results[0].detail


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
@pytest.mark.parametrize("batch", [None, BATCH], ids=["single", "batch"])
def test_a_status_about_the_message_refuses_the_message_that_is_meant_alone(status, batch):
    def says(seen):
        document = seen.json()
        ids = [one["id"] for one in document.get("items", [document])]
        if "k1" in ids:
            return status, {}, {"code": "bad", "message": "not this one"}
        return 200, {}, {"items": [{"status": "posted", "document": i} for i in ids], "id": ids[0]}

    results, _ = sent(Vendor(says, acts=False), 4, batch=batch)
    assert statuses(results) == ["confirmed", "refused", "confirmed", "confirmed"]
    assert "not this one" in results[1].detail


def test_a_question_that_meets_a_fault_says_which():
    results, _ = sent(Vendor((401, {}, {}), acts=False), 2, ask=True)
    assert [(r.status, r.fault) for r in results] == [("unknown", "credentials")] * 2


def test_a_question_that_is_answered_by_html_or_an_error_tells_nothing():
    for answer in (
        UNPROVEN["a maintenance page"],
        (200, {}, {"found": {}, "errors": ["shard 3 is down"]}),
        (503, {}, {}),
    ):
        results, _ = sent(Vendor(answer, acts=False), ask=True)
        assert statuses(results) == ["unknown"], answer


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_each_message_goes_to_its_own_address():
    results, seen = sent(
        Vendor((200, {}, {"id": 1})), 2, path="w/{id}/at/{store}", address={"id": "{id}", "store": "{instance}"}
    )
    assert statuses(results) == ["confirmed"] * 2
    assert [s.path for s in seen] == ["/w/k0/at/7", "/w/k1/at/7"]


def test_a_field_inside_the_document_is_percent_encoded_in_the_path():
    _, seen = sent(
        Vendor((200, {}, {"id": 1})), path="w/{id}", address={"id": "{c.n}"}, fields={"c": {"n": "a/b?c#d ü%"}}
    )
    assert seen[0].target == "/w/a%2Fb%3Fc%23d%20%C3%BC%25"


@pytest.mark.parametrize("value", [None, "", ".", "..", True, {"a": 1}, ["x"]])
def test_a_message_whose_address_is_empty_or_no_name_is_refused_alone(value):
    vendor = Vendor((200, {}, {"id": 1}))
    with Server(vendor) as server:
        sink = open_sink("rest", {"base_url": server.url, "path": "w/{id}", "idempotency": "N"})
        target = ManifestTarget("t", "s", {}, [DeclaredWrite("a", "command")], "N", address={"id": "{no}"})
        made = messages(3, no="1")
        made[1].document["no"] = value
        client = SinkVendor(sink, Secrets(), target, "7")
        results = client.send(made, guard=lambda: None)
        client.close()
        assert statuses(results) == ["confirmed", "refused", "confirmed"]
        assert "'no'" in results[1].detail or "a step of a path" in results[1].detail
        assert len(server.seen) == 2


def test_a_batch_is_split_by_address():
    def says(seen):
        return 200, {}, {"items": [{"status": "posted", "document": one["id"]} for one in seen.json()["items"]]}

    with Server(Vendor(says)) as server:
        sink = open_sink(
            "rest",
            {"base_url": server.url, "path": "p/{program}", "idempotency": "N", "batch": BATCH, "max_batch": 100},
        )
        target = ManifestTarget("t", "s", {}, [], "N", address={"program": "{program}"})
        made = messages(6)
        for number, one in enumerate(made):
            one.document["program"] = "ab"[number % 2]
        client = SinkVendor(sink, Secrets(), target, "7")
        results = client.send(made, guard=lambda: None)
        client.close()
        assert [r.reference for r in results] == [f"k{n}" for n in range(6)]
        assert sorted(s.path for s in server.seen) == ["/p/a", "/p/b"]


def test_404_of_an_addressed_write_is_about_the_message_and_of_a_path_about_the_connection():
    own = {"path": "w/{id}", "address": {"id": "{id}"}}
    gone = (404, {}, {"message": "no order k0"})
    assert [(r.status, r.fault) for r in sent(Vendor(gone, acts=False), **own)[0]] == [("refused", None)]
    shared = {"path": "w/{id}", "address": {"id": "{instance}"}}
    assert [(r.status, r.fault) for r in sent(Vendor(gone, acts=False), **shared)[0]] == [("unsent", "address")]
    page = (404, {"Content-Type": "text/html"}, b"<html>no such page</html>")
    assert [(r.status, r.fault) for r in sent(Vendor(page, acts=False), **own)[0]] == [("unsent", "address")]


def test_questions_use_the_address_of_the_message():
    def says(seen):
        return 200, {}, {"found": {key: {"id": f"R-{key}"} for key in seen.json()["keys"]}}

    results, seen = sent(
        Vendor(says, acts=False), 2, ask=True, address={"shop": "{id}"}, path="s/{shop}", lookup={"path": "s/{shop}/q"}
    )
    assert [(r.status, r.reference) for r in results] == [("confirmed", "R-k0"), ("confirmed", "R-k1")]
    assert [s.path for s in seen] == ["/s/k0/q", "/s/k1/q"]


# -- what is kept of an answer -----------------------------------------------------------------------------------------


def test_the_answer_is_kept_without_secrets_and_personal_data_and_not_without_end():
    body = {
        "id": 7,
        "password": "geheim",
        "access_token": "abcdef",
        "customer": {"email": "ann@example.org", "firstName": "Ann", "note": "write to ann@example.org"},
        "echo": "Bearer hunter2-hunter2",
        "more": "x" * 5_000,
    }
    results, _ = sent(Vendor((201, {}, body)), secrets={"token": "hunter2-hunter2"}, auth={"kind": "bearer"})
    answer = results[0].answer
    assert '"id":7' in answer
    for hidden in ("geheim", "abcdef", "Ann", "ann@example.org", "hunter2"):
        assert hidden not in answer
    assert len(answer) <= 2_000


def test_a_refusal_and_an_item_of_a_batch_carry_their_answer_too():
    assert sent(Vendor((422, {}, {"code": "E"}), acts=False))[0][0].answer == '{"code":"E"}'
    items = {"items": [{"status": "posted", "document": 4}]}
    assert sent(Vendor((200, {}, items)), batch=BATCH)[0][0].answer == '{"status":"posted","document":4}'


# -- items of a batch --------------------------------------------------------------------------------------------------


def test_items_of_a_batch_go_by_their_own_status():
    items = [
        {"status": "posted", "document": 1},
        {"status": "posted"},
        {"status": "posted", "document": 3, "error": "no"},
        {"status": "refused", "code": "E", "message": "m"},
        {"status": 201, "document": 5},
        {"status": 500},
        {"status": 422, "message": "m"},
    ]
    results, _ = sent(Vendor((207, {}, {"items": items}), acts=False), 7, batch=BATCH)
    assert statuses(results) == ["confirmed", "unknown", "unknown", "refused", "confirmed", "unknown", "refused"]


def test_a_batch_that_is_answered_by_a_job_is_accepted_whole():
    results, _ = sent(Vendor((202, {}, {"id": "J7"})), 2, batch=BATCH)
    assert [(r.status, r.reference) for r in results] == [("accepted", "J7")] * 2


def test_declined_items_are_an_answer_and_no_refusal():
    items = [{"status": "refused", "code": "insufficient_points", "message": "20 points available, 1000 wanted"}]
    batch = {**BATCH, "declined": ["insufficient_points"]}
    results, _ = sent(Vendor((200, {}, {"items": items}), acts=False), batch=batch)
    assert [r.status for r in results] == ["declined"]
    assert "20 points available" in results[0].detail


def test_the_order_of_results_is_the_order_of_messages():
    results, _ = sent(Vendor(lambda seen: (201, {}, {"id": seen.json()["id"]})), 5)
    assert all(a.reference < b.reference for a, b in pairwise(results))
    assert json.dumps(statuses(results)) == json.dumps(["confirmed"] * 5)
