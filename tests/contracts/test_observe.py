"""Recorded traffic against a contract: what differs is told, and nothing of what people wrote stays behind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.contract_documents import with_event
from tillgate_contracts.cli import main
from tillgate_contracts.errors import ContractError
from tillgate_contracts.observe import DriftFinding, DriftResult, Exchange, Observer, observer, read_exchanges
from tillgate_contracts.observe.kept import is_list_value, is_name, is_sensitive
from tillgate_contracts.reading import Document

LINE = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}, "qty": {"type": "integer"}}}
CASH = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "cash"}, "drawer": {"type": "string"}}}
CARD = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "card"}, "auth": {"type": "string"}}}
SALE = {
    "type": "object",
    "required": ["id", "lines"],
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "channel": {"type": "string", "enum": ["till", "web"]},
        "email": {"type": "string", "enum": ["none"]},
        "note": {"type": ["string", "null"]},
        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
        "tender": {"oneOf": [{"$ref": "#/components/schemas/Cash"}, {"$ref": "#/components/schemas/Card"}]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
BODY = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sale"}}}}
CONTRACT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Sales", "version": "1"},
    "servers": [{"url": "https://pos.example.test/api/v1"}],
    "paths": {
        "/sales": {
            "post": {
                "parameters": [{"name": "dry", "in": "query", "schema": {"type": "boolean"}}],
                "requestBody": BODY,
                "responses": {"201": {"description": "made", **BODY}},
            }
        },
        "/sales/{id}": {"get": {"responses": {"2XX": {"description": "it", **BODY}, "404": {"description": "none"}}}},
        "/sales/mine": {"get": {"responses": {"200": {"description": "mine"}}}},
        "/stores": {"get": {"responses": {"default": {"description": "all"}}}},
    },
    "components": {"schemas": {"Sale": SALE, "Line": LINE, "Cash": CASH, "Card": CARD}},
}


def call(body: Any = None, *, method: str = "POST", path: str = "/api/v1/sales", status: int = 201, **more: Any) -> Any:
    return Exchange(method=method, path=path, status=status, request=body, has_request=body is not None, **more)


def observed(*exchanges: Exchange, contract: dict[str, Any] = CONTRACT) -> DriftResult:
    made = Observer(Document.from_value(contract))
    for one in exchanges:
        made.add(one)
    return made.result("jsonl")


def contradictions(*exchanges: Exchange, **more: Any) -> dict[tuple[str, str], DriftFinding]:
    return {(one.kind, one.place): one for one in observed(*exchanges, **more).differences if one.contradicts}


def sale(**more: Any) -> dict[str, Any]:
    return {"lines": [], **more}


def test_traffic_that_fits_has_no_difference():
    full = sale(channel="till", note=None, tender={"kind": "card", "auth": "x"}, labels={"a@b.c": "x"})
    assert not contradictions(call(full), call(sale(lines=[{"sku": "4", "qty": 1}])))


def test_members_that_the_contract_does_not_list_are_named_with_their_number():
    found = contradictions(call(sale(loyalty=1)), call(sale(loyalty=2, lines=[{"sku": "1", "unit": "kg"}])))
    one = found["undeclared-member", ""]
    assert (one.what, one.count, one.seen, one.operation, one.side) == (("loyalty",), 2, 2, "POST /sales", "request")
    assert found["undeclared-member", "lines[]"].what == ("unit",)


def test_wrong_types_are_told_by_their_names_alone():
    found = contradictions(call(sale(lines=[{"sku": 4711, "qty": "two"}], note=7)))
    assert found["wrong-type", "lines[].sku"].what == ("integer",)
    assert found["wrong-type", "lines[].qty"].declared == "integer"
    assert found["wrong-type", "note"].declared == "null, string"
    assert "4711" not in json.dumps(observed(call(sale(lines=[{"sku": 4711}]))).as_dict(), default=str)


def test_a_required_member_that_is_missing_is_told_but_not_a_read_only_one_in_a_request():
    assert contradictions(call({"channel": "web"}))["missing-member", ""].what == ("lines",)
    answer = Exchange(method="POST", path="/api/v1/sales", status=201, response=sale(), has_response=True)
    assert contradictions(answer)["missing-member", ""].what == ("id",)


def test_an_alternative_is_chosen_by_what_the_value_is():
    found = contradictions(call(sale(tender={"kind": "card", "auth": 5})))
    assert set(found) == {("wrong-type", "tender.auth")}


def test_new_values_of_a_list_are_named_when_they_come_often():
    assert contradictions(call(sale(channel="kiosk")))["enum-value-new", "channel"].what == ()
    often = [call(sale(channel="kiosk"))] * observer.LEAST_OFTEN
    assert contradictions(*often)["enum-value-new", "channel"].what == ("kiosk",)


def test_values_that_were_never_seen_are_told_when_enough_was_seen():
    few = observed(*[call(sale(channel="till"))] * 10)
    assert "enum-value-unseen" not in {one.kind for one in few.differences}
    many = observed(*[call(sale(channel="till"))] * observer.LEAST_SEEN)
    (one,) = [one for one in many.differences if one.kind == "enum-value-unseen"]
    assert (one.place, one.what, one.contradicts) == ("channel", ("web",), False)


def test_operations_that_nobody_calls_and_calls_without_operation_are_told():
    result = observed(call(sale()), call(method="GET", path="/api/v1/customers/4711", status=200))
    kinds = {one.kind: one for one in result.differences}
    assert kinds["operation-uncalled"].what == ("GET /sales/{id}", "GET /sales/mine", "GET /stores")
    assert kinds["operation-undeclared"].what == ("GET /api",)
    assert "4711" not in json.dumps(result.as_dict(), default=str)
    assert (result.operations_known, result.operations_seen) == (4, 1)


def test_a_literal_path_wins_over_a_template():
    result = observed(call(method="GET", path="/api/v1/sales/mine", status=200))
    assert not [one for one in result.differences if one.contradicts]
    assert "GET /sales/mine" not in next(one for one in result.differences if one.kind == "operation-uncalled").what


def test_statuses_and_query_parameters_are_compared():
    found = contradictions(
        call(sale(), status=418, query=("dry", "debug")), call(method="GET", path="/api/v1/sales/7", status=206)
    )
    assert found["status-undeclared", ""].what == ("418",)
    assert found["parameter-undeclared", ""].what == ("debug",)


def test_what_was_refused_is_counted_apart():
    found = contradictions(call(sale(extra=1), status=422, accepted=False), call(sale(extra=1)))
    assert (found["undeclared-member", ""].count, found["undeclared-member", ""].refused) == (2, 1)


PRIVATE = [
    "jane.doe@example.com",
    "4111111111111111",
    "+49 170 1234567",
    "Jane Doe",
    "9f8e7d6c5b4a39281706",
    "ab1cd2ef3gh4",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_what_may_be_data_about_somebody_is_counted_and_not_kept(text: str):
    body = {"lines": [{"sku": text, text: text}], text: text, "channel": text, "email": text, "note": text}
    traffic = [call(body), call(method="GET", path=f"/{text}", status=200), call(sale(), query=(text,))] * 5
    told = json.dumps(observed(*traffic).as_dict(), default=str)
    assert text not in told
    assert json.dumps(text)[1:-1] not in told
    assert observed(*traffic).contradictions >= 4


def test_a_word_in_a_field_about_a_person_is_not_kept():
    assert contradictions(*[call(sale(email="Miller"))] * 9)["enum-value-new", "email"].what == ()


def test_many_different_names_are_a_map_and_none_is_kept():
    found = contradictions(*(call(sale(**{f"name_{n}": 1})) for n in range(observer.MOST_NAMES + 5)))
    assert found["undeclared-map", ""].what == ()
    assert found["undeclared-map", ""].count == observer.MOST_NAMES + 5


def test_what_has_several_strange_names_counts_once_and_says_that_some_are_not_named():
    found = contradictions(call(sale(one=1, two=2, **{"Jane Doe": 3}), query=("a", "b")))
    one = found["undeclared-member", ""]
    assert (one.what, one.count, one.seen, one.unnamed) == (("one", "two"), 1, 1, 1)
    assert one.message.endswith("does not list: `one`, `two`, others that are not named.")
    assert found["parameter-undeclared", ""].count == 1


def test_numbers_are_counted_properly():
    found = contradictions(call(method="GET", path="/nowhere", status=200))
    assert found["operation-undeclared", ""].message.startswith("1 call went to operations")


def test_memory_is_bounded_by_places(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observer, "MOST_PLACES", 3)
    result = observed(call(sale(lines=[{"sku": "1", "qty": 1}], channel="till", note="x")))
    assert result.left_out > 0


def test_a_schema_of_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/N", "$defs": {"N": node}}
    value: dict[str, Any] = {}
    for _ in range(200):
        value = {"next": value, "more": 1}
    found = contradictions(Exchange(request=value, has_request=True), contract=schema)
    assert found["undeclared-member", ""].what == ("more",)


def test_messages_of_events_are_compared_by_their_name():
    contract = with_event({"type": "object", "properties": {"id": {"type": "string"}}})
    fine = Exchange(message="OrderPlaced", request={"id": 1}, has_request=True, accepted=False)
    found = contradictions(fine, Exchange(message="OrderGone", request={}, has_request=True), contract=contract)
    assert (found["wrong-type", "id"].operation, found["wrong-type", "id"].refused) == ("OrderPlaced", 1)
    assert found["operation-undeclared", ""].what == ("OrderGone",)


def test_a_format_without_json_is_refused():
    from tillgate_contracts.reading import read

    with pytest.raises(ContractError, match="not with graphql"):
        Observer(read(b"type Query { a: Int }", name="a.graphql"))


def har(*entries: Any) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}})


def entry(body: Any, answer: str = "", **more: Any) -> dict[str, Any]:
    return {
        "startedDateTime": "2026-11-20T10:00:00+01:00",
        "request": {
            "method": "post",
            "url": "https://pos.example.test/api/v1/sales?dry=1",
            "postData": {"mimeType": "application/json", "text": json.dumps(body)},
        },
        "response": {"status": 201, "content": {"text": answer, **more}},
    }


def run(tmp_path: Path, traffic: str, name: str, *options: str) -> tuple[int, str]:
    (tmp_path / "contract.json").write_text(json.dumps(CONTRACT))
    (tmp_path / name).write_text(traffic)
    out = io.StringIO()
    code = main(["observe", str(tmp_path / "contract.json"), str(tmp_path / name), *options], out=out)
    return code, out.getvalue()


def test_an_http_archive_is_read(tmp_path: Path):
    answer = "eyJpZCI6IDEsICJsaW5lcyI6IFtdfQ=="  # {"id": 1, "lines": []}
    code, text = run(tmp_path, har(entry(sale(x=1)), entry(sale(), answer, encoding="base64"), {}), "a.har")
    assert code == 2
    assert "2 compared, 1 not comparable" in text
    assert "2026-11-20 09:00 to 2026-11-20 09:00 UTC" in text
    assert "`x`" in text
    assert "`id` is `integer`; the contract says string." in text


def test_json_lines_are_read_and_the_report_is_json(tmp_path: Path):
    lines = [
        {"method": "POST", "url": "/api/v1/sales", "status": 422, "request": sale(x=1), "at": "2026-11-20T10:00:00Z"},
        {"method": "GET", "path": "/api/v1/stores", "status": 200},
    ]
    code, text = run(tmp_path, "\n".join(map(json.dumps, lines)) + "\n\n", "a.jsonl", "--format", "json")
    told = json.loads(text)
    assert code == 2
    assert (told["command"], told["source"], told["exchanges"]) == ("observe", "jsonl", 2)
    member = next(one for one in told["differences"] if one["kind"] == "undeclared-member")
    assert member["message"].startswith("The body has members that the contract does not list: `x`")
    assert member["refused"] == 1


def test_traffic_that_fits_ends_with_0_and_never_fails_where_asked(tmp_path: Path):
    good = json.dumps({"method": "GET", "url": "/api/v1/stores", "status": 200})
    assert run(tmp_path, good, "a.jsonl")[0] == 0
    bad = json.dumps({"method": "GET", "url": "/nowhere", "status": 200})
    assert run(tmp_path, bad, "a.jsonl", "--fail-on", "never")[0] == 0


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("{", "a.har", "is no HTTP archive"),
        ('{"log": {}}', "a.har", "it has no /log/entries"),
        ("[1]", "a.jsonl", "line 1 is no object"),
        ("{}\n", "a.jsonl", "has neither"),
        ('{"a": 1}\nnope\n', "a.jsonl", "line 1 has neither"),
        ('{"message": 1, "payload": {}}', "a.jsonl", "is the name of a message"),
    ],
)
def test_what_is_no_traffic_is_refused_with_its_place(tmp_path: Path, text: str, name: str, said: str, capsys):
    assert run(tmp_path, text, name)[0] == 3
    assert said in capsys.readouterr().err


def test_a_line_that_is_too_long_is_skipped(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    good = json.dumps({"method": "GET", "url": "/api/v1/stores", "status": 200})
    path.write_text(good + "\n" + "x" * (5 * 1024 * 1024) + "\n" + good + "\n")
    assert [one.skipped for one in read_exchanges(path)[1]] == ["", "too long", ""]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [("sku", True, True), ("@type", False, False), ("IN_STORE", True, True), ("a b", False, False), ("", False, False)],
)
def test_names_and_values_are_told_apart_from_data(text: str, name: bool, value: bool):
    assert (is_name(text), is_list_value(text)) == (name, value)
    assert is_sensitive("customer.email_address")
    assert not is_sensitive("channel")


def _archive(*bodies: dict[str, Any]) -> dict[str, Any]:
    """An archive of calls that are answered with bodies as HAR writes them (`text`, `encoding`)."""
    request = {"method": "POST", "url": "https://pos.example.test/api/v1/sales", "postData": {"text": '{"lines": []}'}}
    return {"log": {"entries": [{"request": request, "response": {"status": 201, "content": one}} for one in bodies]}}


@pytest.mark.parametrize(
    "body",
    [
        {"text": "H4sIAAAAAAAA/w==", "encoding": "base64"},
        {"text": "%%%", "encoding": "base64"},
        {"text": '{"id": 5'},
        {"text": "<id>5</id>"},
        {"text": '"' + "x" * (1024 * 1024) + '"'},
        {},
    ],
    ids=["packed", "no base64", "broken", "XML", "too large", "not recorded"],
)
def test_a_body_that_cannot_be_read_is_counted_and_is_no_agreement(
    body: dict[str, Any], tmp_path: Path, capsys
) -> None:
    traffic, contract = tmp_path / "a.har", tmp_path / "c.json"
    traffic.write_text(json.dumps(_archive(body, body)))
    contract.write_text(json.dumps(CONTRACT))
    result = observed(*read_exchanges(traffic)[1])
    assert (result.bodies, result.unread_bodies, result.contradictions) == (2, 2, 0)
    assert not result.is_evidence
    out = io.StringIO()
    assert main(["observe", str(contract), str(traffic)], out=out) == 3
    assert "bodies      2 compared, 2 not readable" in out.getvalue()
    assert "observe.nothing_compared" in capsys.readouterr().err
    assert main(["observe", str(contract), str(traffic), "--fail-on", "never"], out=io.StringIO()) == 0


def test_a_call_without_bodies_in_the_contract_needs_none() -> None:
    result = observed(call(method="GET", path="/api/v1/stores", status=200))
    assert (result.bodies, result.unread_bodies, result.is_evidence) == (0, 0, True)
    assert not observed().is_evidence


def _served(url: str, **variables: Any) -> dict[str, Any]:
    return {**CONTRACT, "servers": [{"url": url, **({"variables": variables} if variables else {})}]}


@pytest.mark.parametrize(
    ("contract", "path", "known"),
    [
        (CONTRACT, "/stores", False),
        (CONTRACT, "/api/v1", False),
        (CONTRACT, "/other/api/v1/stores", False),
        (_served("/api/v1/"), "/api/v1/stores", True),
        (_served("https://pos.example.test"), "/stores", True),
        (_served("//pos.example.test/x"), "/x/stores", True),
        (_served("https://{host}/{stage}/v1"), "/any/thing/v1/stores", True),
        (_served("https://h/{stage}", stage={"default": "a", "enum": ["a", "b"]}), "/b/stores", True),
        (_served("https://h/{stage}", stage={"default": "a", "enum": ["a", "b"]}), "/c/stores", False),
        (_served("{root}/v1"), "/deep/v1/stores", True),
        (_served("v1"), "/docs/v1/stores", True),
        ({**CONTRACT, "servers": []}, "/stores", True),
        ({key: value for key, value in CONTRACT.items() if key != "servers"}, "/stores", True),
    ],
)
def test_a_call_is_one_of_the_contract_only_below_its_servers(contract: Any, path: str, known: bool) -> None:
    found = contradictions(call(method="GET", path=path, status=200), contract=contract)
    assert (("operation-undeclared", "") not in found) is known


def test_servers_of_a_path_stand_for_those_of_the_contract() -> None:
    paths = {"/stores": {**CONTRACT["paths"]["/stores"], "servers": [{"url": "https://h/old"}]}}
    own = {**CONTRACT, "paths": paths}
    assert not contradictions(call(method="GET", path="/old/stores", status=200), contract=own)
    assert contradictions(call(method="GET", path="/api/v1/stores", status=200), contract=own)


def test_a_body_that_was_not_recorded_is_no_agreement() -> None:
    demanding = {**BODY, "required": True}
    post = {**CONTRACT["paths"]["/sales"]["post"], "requestBody": demanding}
    contract = {**CONTRACT, "paths": {"/sales": {"post": post}}}
    for made, unread in ((CONTRACT, 1), (contract, 2)):
        result = observed(call(), contract=made)
        assert (result.bodies, result.unread_bodies, result.is_evidence) == (0, unread, False)
    refused = observed(call(status=422, accepted=False), contract=contract)
    assert refused.unread_bodies == 0
    missing = {"201": {"description": "made"}, "2XX": {"description": "range", **BODY}}
    ranged = {**CONTRACT, "paths": {"/sales": {"post": {"responses": missing}}}}
    for status, count in ((204, 0), (201, 0), (202, 1)):
        assert observed(call(status=status), contract=ranged).unread_bodies == count


@pytest.mark.parametrize(
    "secret", [{"type": "string", "writeOnly": True}, {"$ref": "#/components/schemas/Pin"}], ids=["here", "by name"]
)
def test_what_is_only_written_and_comes_back_is_told(secret: dict[str, Any]) -> None:
    user = {"type": "object", "properties": {"pin": secret, "name": {"type": "string"}}}
    body = {"content": {"application/json": {"schema": user}}}
    operation = {"requestBody": body, "responses": {"200": {"description": "it", **body}}}
    parts = {"schemas": {"Pin": {"type": "string", "writeOnly": True}}}
    contract = {**CONTRACT, "servers": [], "paths": {"/u": {"post": operation}}, "components": parts}
    sent = {"pin": "1234", "name": "A"}
    found = contradictions(call(sent, path="/u", status=200, response=sent, has_response=True), contract=contract)
    assert [(one.side, one.what) for one in found.values()] == [("response 200", ("pin",))]


@pytest.mark.parametrize("name", ["a.jsonl", "a.har"])
def test_traffic_may_begin_with_the_mark_of_utf_8(name: str, tmp_path: Path) -> None:
    text = '{"method": "POST", "url": "/api/v1/sales", "status": 201, "request": "\\ufeff{\\"lines\\": 5}"}\n'
    if name.endswith("har"):
        text = json.dumps(_archive({"text": '\ufeff{"id": 5, "lines": []}'}))
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    source, exchanges = read_exchanges(tmp_path / name)
    assert source == name[2:]
    assert {one.kind for one in observed(*exchanges).differences if one.contradicts} == {"wrong-type"}


def test_a_word_that_is_no_method_of_http_is_not_kept() -> None:
    found = contradictions(*[call(method=word, path="/api/v1/sales") for word in ("JANSEN", "DELETE")])
    assert found["operation-undeclared", ""].what == ("DELETE /api",)
    assert found["operation-undeclared", ""].unnamed == 1
