"""Answers that look like a success and are none: empty names, failures in another spelling, members that are there
twice."""

import json

import pytest

from runtime.connectors.answer_rules import AnswerReader, SuccessRule
from runtime.connectors.answers import Answer
from tests.runtime.connectors.test_lying_vendors import BATCH, Vendor, sent, statuses

WEAK = {
    "a truthy number as a flag": b'{"id": 1, "isError": 1}',
    "a number of errors as a flag": b'{"id": 1, "hasErrors": 3}',
    "success as a fraction": b'{"id": 1, "success": 0.0}',
    "an error in capitals": b'{"id": 1, "ERROR": "no"}',
    "an error message in small letters": b'{"id": 1, "errormessage": "no"}',
    "an error message with underscores": b'{"id": 1, "ERROR_MESSAGE": "no"}',
    "a status in capitals": b'{"id": 1, "STATUS": "failed"}',
    "user errors in capitals": b'{"data": {"create": {"USERERRORS": [1]}}}',
    "an error that is there twice": b'{"id": 1, "error": "x", "error": null}',
    "an error that is there twice, once with an escape": b'{"id": 1, "\\u0065rror": "x", "error": null}',
    "a status that is there twice": b'{"id": 1, "status": "failed", "status": "done"}',
    "a status of HTTP in the body": b'{"statusCode": 500, "message": "boom"}',
    "a status of HTTP as text": b'{"id": 1, "status": "404"}',
    "a status with a blank": b'{"id": 1, "status": "failed "}',
    "a failure in an envelope": b'{"id": 1, "result": {"success": false}}',
    "a failure in two envelopes": b'{"id": 1, "response": {"data": {"errors": ["no"]}}}',
    "a failure in a list in an envelope": b'{"id": 1, "data": [{"success": true}, {"success": false}]}',
    "a failure among results": b'{"results": [{"id": "1"}, {"error": "unknown article"}]}',
    "a failure among results in an envelope": b'{"d": {"results": [{"error": {"code": "E17"}}]}}',
    "no results": b'{"d": {"results": []}}',
    "one letter for no": b'{"id": "1", "success": "N"}',
    "a word for failure as a flag": b'{"id": "1", "ok": "failed"}',
    "an empty object": b"{}",
    "an envelope with nothing inside": b'{"data": {}}',
    "an envelope with null": b'{"result": null}',
    "an envelope that says no": b'{"result": false}',
    "an envelope with an empty list": b'{"Response": []}',
    "an envelope in an envelope": b'{"response": {"data": {}}}',
}


@pytest.mark.parametrize("name", WEAK)
def test_a_failure_in_another_spelling_is_not_taken_for_a_success(name):
    assert statuses(sent(Vendor((200, {}, WEAK[name]), acts=False))[0]) == ["unknown"]


@pytest.mark.parametrize(
    "value",
    ["  ", "", 0, "0", "000", "\t", None, False, [], {}, "null", "None", " NULL ", "N/A", "-", "--", "undefined"],
)
def test_a_reference_of_nothing_is_no_reference(value):
    answer = (201, {}, {"order": {"number": value}})
    assert statuses(sent(Vendor(answer), reference="order.number")[0]) == ["unknown"]
    items = (200, {}, {"items": [{"status": "posted", "document": value}]})
    assert statuses(sent(Vendor(items), batch=BATCH)[0]) == ["unknown"]


def test_problem_details_prove_nothing_whatever_their_status():
    answer = (200, {"Content-Type": "application/problem+json"}, {"id": 1, "title": "no stock"})
    assert statuses(sent(Vendor(answer, acts=False))[0]) == ["unknown"]


def test_an_empty_object_proves_what_an_empty_answer_proves():
    assert statuses(sent(Vendor((201, {}, {})))[0]) == ["unknown"]
    created, _ = sent(Vendor((201, {"Location": "/orders/12"}, {})))
    assert [(r.status, r.reference) for r in created] == [("confirmed", "/orders/12")]
    assert statuses(sent(Vendor((202, {}, {})))[0]) == ["accepted"]
    assert statuses(sent(Vendor((200, {}, {})), success={"empty": [200]})[0]) == ["confirmed"]


def test_names_that_only_begin_like_nothing_are_names():
    for value in ("0-1", "null-7", "none of 4", "N", 10, "A-", "-1"):
        assert statuses(sent(Vendor((201, {}, {"no": value})), reference="no")[0]) == ["confirmed"], value


def test_what_must_be_there_is_not_there_when_it_is_blank():
    assert statuses(sent(Vendor((200, {}, {"state": "  "})), success={"required": ["state"]})[0]) == ["unknown"]


def test_flags_that_say_no_are_no_failure():
    for body in (
        {"id": 1, "isError": 0, "hasErrors": "false", "ERRORS": [], "Success": 1},
        {"id": 1, "error_code": None, "ERRORMESSAGE": ""},
        {"id": 1, "status": 201, "statusCode": "200", "result": {"success": True}, "response": {"code": 500}},
        {"id": 1, "success": "Y", "status": "4711", "result": 40, "ok": 1},
    ):
        assert statuses(sent(Vendor((200, {}, body)))[0]) == ["confirmed"], body


ITEMS = {
    "an error in capitals": b'{"status": "posted", "document": "1", "ERROR": "no"}',
    "a flag as a number": b'{"status": "posted", "document": "1", "isError": 1}',
    "an error that is there twice": b'{"status": "posted", "document": "1", "error": "x", "error": null}',
    "a status that is there twice": b'{"status": "refused", "document": "1", "status": "posted"}',
    "a status with an escape": b'{"\\u0073tatus": "refused", "document": "1", "status": "posted"}',
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_of_a_batch_is_read_with_the_same_eyes(name):
    answer = (200, {}, b'{"items": [' + ITEMS[name] + b"]}")
    assert statuses(sent(Vendor(answer, acts=False), batch=BATCH)[0]) == ["unknown"]


def test_an_answer_without_a_media_type_is_a_proof_only_as_json_that_satisfies_the_rule():
    reader = AnswerReader(success=SuccessRule(), answers=[], nothing_done=[], codes=[], messages=[], reference=None)

    def found(body):
        return reader.read(Answer(200, {}, body), "write").found

    assert found(json.dumps({"id": 1}).encode()) == "confirmed"
    for body in (b"", b"OK", b"null", b"[]", b'{"id": 1', b'{"error": "no"}', b"<html>no</html>"):
        assert found(body) == "unknown", body
