"""What looks like a change and changes nothing on the wire, or less than it seems. The label stands beside its source.

Each row also says what its neighbour does that really breaks.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import (
    OK,
    judge,
    openapi,
    rules,
    with_event,
    with_operation,
    with_parameter,
    with_request,
    with_response,
)

FINE = ("none", "compatible")


def _query(schema: Any, **more: Any) -> dict[str, Any]:
    return with_parameter({"name": "id", "in": "query", "schema": schema, **more})


def _listed(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


WHOLE, TEXT, UUID = {"type": "integer"}, {"type": "string"}, {"type": "string", "format": "uuid"}
LISTS = [
    # OpenAPI 3.1.1 section 4.8.12.4: `?id=7` is 7 in the style form, and the list of it. A text spells no null.
    ("nullable list", WHOLE, _listed(WHOLE, type=["array", "null"]), {}, "compatible"),
    ("list or the value", WHOLE, {"type": ["array", "integer"], "items": WHOLE}, {}, "compatible"),
    ("both nullable", {"type": ["integer", "null"]}, _listed(WHOLE, type=["array", "null"]), {}, "compatible"),
    ("list of fewer", WHOLE, _listed({"type": "integer", "maximum": 5}), {}, "breaking"),
    ("list of two at least", WHOLE, _listed(WHOLE, type=["array", "null"], minItems=2), {}, "breaking"),
    ("deep object", WHOLE, _listed(WHOLE), {"style": "deepObject"}, "breaking"),
    # Where a comma separates items, a text with a comma is two of them.
    ("text to a list with commas", TEXT, _listed({"type": "string", "minLength": 1}), {"explode": False}, "breaking"),
    ("text to one item", TEXT, _listed(TEXT, maxItems=1), {"explode": False}, "breaking"),
    ("text to free items", TEXT, _listed(TEXT), {"explode": False}, "warning"),
    ("uuid to uuids", UUID, _listed(UUID), {"explode": False}, "compatible"),
    ("text to exploded items", {**TEXT, "minLength": 2}, _listed({**TEXT, "minLength": 2}), {}, "compatible"),
]


@pytest.mark.parametrize(("name", "old", "new", "more", "verdict"), LISTS, ids=[row[0] for row in LISTS])
def test_a_single_value_and_a_list_of_one_are_written_alike(
    name: str, old: Any, new: Any, more: Any, verdict: str
) -> None:
    assert judge(_query(old, **more), _query(new, **more)).verdict == verdict


def _callback(schema: Any) -> dict[str, Any]:
    call = {"post": {"parameters": [{"name": "id", "in": "query", "schema": schema}], "responses": OK}}
    return with_operation({"callbacks": {"done": {"{$request.query.url}": call}}})


def _answer_header(schema: Any) -> dict[str, Any]:
    answer = {"description": "OK", "headers": {"X-Id": {"required": True, "schema": schema}}}
    return openapi({"/orders": {"get": {"responses": {"200": answer}}}})


@pytest.mark.parametrize("wrap", [_callback, _answer_header])
def test_who_gets_the_value_must_not_get_a_list_of_several(wrap: Any) -> None:
    """The same in the other direction: a list may hold several, a single value is a list of one."""
    assert judge(wrap(WHOLE), wrap(_listed(WHOLE))).verdict == "breaking"
    assert judge(wrap(_listed(WHOLE)), wrap(WHOLE)).verdict == "compatible"
    assert judge(wrap(_listed(WHOLE, minItems=2)), wrap(WHOLE)).verdict == "breaking"


def _flows(**flows: Any) -> dict[str, Any]:
    scheme = {"type": "oauth2", "flows": {name: {"scopes": {"read": "r"}, **flow} for name, flow in flows.items()}}
    return openapi(
        {"/orders": {"get": {"security": [{"auth": ["read"]}], "responses": OK}}},
        components={"securitySchemes": {"auth": scheme}},
        servers=[{"url": "https://shop.example/v1"}],
    )


AUTHORISE, TOKEN, OTHER = "https://id.example/a", "https://id.example/t", "https://id.example/x"
URLS = [
    # OpenAPI 3.1.1 section 4.8.29 (OAuth Flow Object, "Applies To"); 3.2 adds deviceAuthorization.
    ("implicit", {"authorizationUrl": AUTHORISE}, {"authorizationUrl": AUTHORISE, "tokenUrl": TOKEN}, "compatible"),
    ("implicit", {"authorizationUrl": AUTHORISE, "tokenUrl": TOKEN}, {"authorizationUrl": AUTHORISE}, "compatible"),
    ("clientCredentials", {"tokenUrl": TOKEN}, {"tokenUrl": TOKEN, "authorizationUrl": AUTHORISE}, "compatible"),
    ("password", {"tokenUrl": TOKEN}, {"tokenUrl": TOKEN, "authorizationUrl": AUTHORISE}, "compatible"),
    ("implicit", {"authorizationUrl": AUTHORISE}, {"authorizationUrl": OTHER}, "warning"),
    ("clientCredentials", {"tokenUrl": TOKEN}, {"tokenUrl": OTHER}, "breaking"),
    (
        "authorizationCode",
        {"authorizationUrl": AUTHORISE, "tokenUrl": TOKEN},
        {"authorizationUrl": AUTHORISE, "tokenUrl": OTHER},
        "breaking",
    ),
    (
        "deviceAuthorization",
        {"deviceAuthorizationUrl": AUTHORISE, "tokenUrl": TOKEN},
        {"deviceAuthorizationUrl": OTHER, "tokenUrl": TOKEN},
        "warning",
    ),
    # Every flow may have a refreshUrl; without one, tokens are renewed at the token URL (RFC 6749 section 6).
    ("password", {"tokenUrl": TOKEN}, {"tokenUrl": TOKEN, "refreshUrl": TOKEN}, "none"),
    ("password", {"tokenUrl": TOKEN, "refreshUrl": TOKEN}, {"tokenUrl": TOKEN, "refreshUrl": OTHER}, "warning"),
    ("password", {"tokenUrl": TOKEN}, {"tokenUrl": TOKEN, "refreshUrl": OTHER}, "warning"),
    # OpenAPI 3.1.1 section 4.7: a relative URL is resolved against the server.
    ("password", {"tokenUrl": "/t"}, {"tokenUrl": "https://shop.example/t"}, "none"),
    ("password", {"tokenUrl": "t"}, {"tokenUrl": "https://shop.example/t"}, "none"),
    ("password", {"tokenUrl": "/t"}, {"tokenUrl": "https://id.example/t"}, "breaking"),
]


@pytest.mark.parametrize(("flow", "old", "new", "verdict"), URLS)
def test_only_urls_that_a_flow_uses_count(flow: str, old: Any, new: Any, verdict: str) -> None:
    assert judge(_flows(**{flow: old}), _flows(**{flow: new})).verdict == verdict


IDLE = [
    # JSON Schema 2020-12 Validation section 6.1.1 ff. and Core 7.6.1: a keyword says nothing about other types.
    ({"type": "integer", "minLength": 1}, {"type": "integer", "minLength": 5}),
    ({"type": "string", "minimum": 1}, {"type": "string", "minimum": 5}),
    ({"type": "string"}, {"type": "string", "minItems": 5}),
    ({"type": "boolean"}, {"type": "boolean", "pattern": "^a"}),
    ({"type": "integer", "pattern": "^b"}, {"type": "integer", "pattern": "^a"}),
    ({"type": "string"}, {"type": "string", "properties": {"a": TEXT}, "required": ["a"]}),
    ({"type": "string", "required": ["a"]}, {"type": "string", "required": ["a", "b"]}),
    ({"type": "string"}, {"type": "string", "items": {"type": "integer"}}),
    ({"type": "string"}, {"type": "string", "additionalProperties": False}),
    ({"type": "array", "items": TEXT}, {"type": "array", "items": TEXT, "maxProperties": 1}),
    ({"type": "object"}, {"type": "object", "uniqueItems": True}),
]


@pytest.mark.parametrize(("old", "new"), IDLE)
@pytest.mark.parametrize("wrap", [with_request, with_response, with_event, _query])
def test_a_keyword_beside_another_type_is_declared_without_effect(old: Any, new: Any, wrap: Any) -> None:
    for base, revision in ((old, new), (new, old)):
        result = judge(wrap(base), wrap(revision))
        assert result.verdict in FINE
        assert all("no effect" in item.message for item in result.findings)
    levels = {item.rule: "breaking" for item in judge(wrap(old), wrap(new)).findings}
    assert not levels or judge(wrap(old), wrap(new), levels=levels).verdict == "breaking"


@pytest.mark.parametrize("pattern", [".*", "z*", "b*", "^.{0,}", "^a?", "(x|)", "^[\\s\\S]{0,}$", "a*$", "^(?:ab)*"])
def test_an_expression_that_every_text_matches_is_free(pattern: str) -> None:
    """ECMA-262 section 22.2: the search finds the empty text wherever no assertion forbids it."""
    for plain, bound in (
        ({"type": "object"}, {"type": "object", "propertyNames": {"pattern": pattern}}),
        (TEXT, {**TEXT, "pattern": pattern}),
    ):
        assert judge(with_request(plain), with_request(bound)).verdict in FINE
        assert judge(with_response(bound), with_response(plain)).verdict in FINE


@pytest.mark.parametrize("pattern", ["^a*$", "a+", "^$", "\\b", "(?=a)", "(?!a)^", "[*]", "\\*", "x|y", "^(a|b)*$"])
def test_an_expression_that_refuses_some_text_is_not_free(pattern: str) -> None:
    assert judge(with_request(TEXT), with_request({**TEXT, "pattern": pattern})).verdict == "breaking"


SKU = {"type": "object", "properties": {"sku": TEXT, "size": TEXT}, "additionalProperties": False}
NAMES = [
    ({"pattern": "^s"}, "fine"),
    ({"maxLength": 5}, "fine"),
    ({"enum": ["sku", "size", "price"]}, "fine"),
    ({"pattern": "^sk"}, "breaking"),
    ({"maxLength": 3}, "breaking"),
    ({"enum": ["sku"]}, "breaking"),
]


@pytest.mark.parametrize(("names", "label"), NAMES)
def test_names_of_a_closed_object_are_asked_one_by_one(names: Any, label: str) -> None:
    bound = {**SKU, "propertyNames": names}
    wide = {**SKU, "propertyNames": {"minLength": 1}}
    for old, new in ((SKU, bound), (wide, bound)):
        allowed = FINE if label == "fine" else ("breaking", "warning")
        assert judge(with_request(old), with_request(new)).verdict in allowed
        assert judge(with_response(new), with_response(old)).verdict in allowed
    free = {key: value for key, value in SKU.items() if key != "additionalProperties"}
    assert judge(with_request(free), with_request({**free, "propertyNames": names})).verdict == "breaking"


MEDIA = [
    # RFC 8259 section 11: "no charset parameter is defined"; RFC 7578 section 4.8, RFC 9512, RFC 8091 neither.
    ("application/json", "application/json; charset=utf-8", "none", "none"),
    ("application/json;charset=UTF-8", 'application/json; charset="utf-8"', "none", "none"),
    ("application/problem+json", "application/problem+json; charset=utf-8", "none", "none"),
    ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8", "none", "none"),
    ("application/yaml", "application/yaml; charset=utf-8", "none", "none"),
    # RFC 2046 section 5.1.1: the boundary is chosen for each message.
    ("multipart/form-data", "multipart/form-data; boundary=x", "none", "none"),
    ("multipart/mixed; boundary=a", "multipart/mixed; boundary=b", "none", "none"),
    # RFC 6838 section 4.3: other parameters mean what their type says; RFC 7303 and RFC 2046: text has a charset.
    ("text/plain", "text/plain; charset=utf-8", "breaking", "compatible"),
    ("text/plain; charset=utf-8", "text/plain; charset=iso-8859-1", "breaking", "breaking"),
    ("application/json", "application/json; version=2", "breaking", "compatible"),
    ("application/vnd.shop+json; version=1", "application/vnd.shop+json; version=2", "breaking", "breaking"),
    ("application/json; Version=2", 'application/json;version="2"', "none", "none"),
    # RFC 6906 section 3: a profile "does not alter the semantics" of the representation; who relies on it has to look.
    ("application/ld+json", 'application/ld+json; profile="https://x.example/p;q"', "warning", "compatible"),
    ('application/ld+json; profile="https://x.example/p"', "application/ld+json", "compatible", "warning"),
    ("application/ld+json; profile=a", "application/ld+json; profile=b", "warning", "warning"),
]


@pytest.mark.parametrize(("old", "new", "request_verdict", "response_verdict"), MEDIA)
def test_parameters_of_media_types_mean_what_their_standard_says(
    old: str, new: str, request_verdict: str, response_verdict: str
) -> None:
    assert judge(with_request(TEXT, media=old), with_request(TEXT, media=new)).verdict == request_verdict
    assert judge(with_response(TEXT, media=old), with_response(TEXT, media=new)).verdict == response_verdict


def test_profiles_tell_two_bodies_of_one_operation_apart() -> None:
    def both(first: Any, second: Any, *, swap: bool = False) -> dict[str, Any]:
        content = {
            "application/ld+json;profile=b" if swap else "application/ld+json;profile=a": {"schema": first},
            "application/ld+json;profile=a" if swap else "application/ld+json;profile=b": {"schema": second},
        }
        return with_operation({"requestBody": {"required": True, "content": content}})

    assert judge(both(TEXT, WHOLE), both(WHOLE, TEXT, swap=True)).findings == []
    one = {"application/ld+json;profile=a": {"schema": TEXT}}
    less = with_operation({"requestBody": {"required": True, "content": one}})
    assert judge(both(TEXT, WHOLE), less).verdict == "breaking"


def _charset_of_a_message(content: str) -> dict[str, Any]:
    found = with_event({"type": "string"})
    found["channels"]["orders"]["messages"]["OrderPlaced"]["contentType"] = content
    return found


def test_the_content_type_of_an_event_is_read_by_the_same_rules() -> None:
    same = judge(_charset_of_a_message("application/json"), _charset_of_a_message("application/json; charset=utf-8"))
    assert same.verdict == "none"
    other = judge(_charset_of_a_message("application/json"), _charset_of_a_message("application/xml"))
    assert other.verdict == "breaking"


def _statuses(*codes: str) -> dict[str, Any]:
    content = {"application/json": {"schema": TEXT}}
    return openapi(
        {"/orders": {"get": {"responses": {code: {"description": "x", "content": content} for code in codes}}}}
    )


STATUSES = [
    # OpenAPI 3.1.1 section 4.8.16.2: `2XX` stands for every code of its class, `default` for what is not named.
    (("2XX",), ("200",), "compatible"),
    (("200",), ("2XX",), "compatible"),
    (("2XX",), ("200", "201"), "compatible"),
    (("2XX", "404"), ("200", "4XX"), "compatible"),
    (("200", "404"), ("200", "default"), "compatible"),
    (("200", "default"), ("200", "404"), "compatible"),
    (("2XX",), ("404",), "breaking"),
    (("200",), ("201",), "breaking"),
    (("2XX", "201"), ("200",), "breaking"),
    (("200",), ("200",), "none"),
]


@pytest.mark.parametrize(("old", "new", "verdict"), STATUSES)
def test_a_range_of_statuses_covers_its_codes_and_a_change_of_it_is_said(old: Any, new: Any, verdict: str) -> None:
    assert judge(_statuses(*old), _statuses(*new)).verdict == verdict


def test_more_kinds_of_success_are_the_policy_s_to_judge() -> None:
    assert judge(_statuses("200"), _statuses("2XX"), success_status_added="warning").verdict == "warning"


def test_a_narrower_range_is_compared_with_what_stood_for_it() -> None:
    def answers(**schemas: Any) -> dict[str, Any]:
        return openapi(
            {
                "/orders": {
                    "get": {
                        "responses": {
                            code[1:]: {"description": "x", "content": {"application/json": {"schema": schema}}}
                            for code, schema in schemas.items()
                        }
                    }
                }
            }
        )

    assert judge(answers(_2XX=TEXT), answers(_200=WHOLE)).verdict == "breaking"
    assert judge(answers(_200=TEXT), answers(_2XX=WHOLE)).verdict == "breaking"


def test_a_query_parameter_that_changes_its_letter_case_is_another_one() -> None:
    """RFC 3986 section 6.2.2.1: only scheme and host ignore letter case; names of headers do too (RFC 9110 5.1)."""

    def document(name: str, *, required: bool, place: str = "query") -> dict[str, Any]:
        return with_parameter({"name": name, "in": place, "required": required, "schema": TEXT})

    optional = judge(document("storeId", required=False), document("storeID", required=False))
    assert (optional.verdict, rules(optional)) == (
        "warning",
        {"request-parameter-removed", "new-optional-request-parameter"},
    )
    required = judge(document("storeId", required=True), document("storeID", required=True))
    assert "new-required-request-parameter" in rules(required, "breaking")
    moved = judge(document("X-Store", required=True), document("x-store", required=True, place="header"))
    assert "request-parameter-location-changed" in rules(moved, "breaking")
    assert (
        judge(document("X-Id", required=True, place="header"), document("x-id", required=True, place="header")).findings
        == []
    )


KEY, BASIC = {"type": "apiKey", "in": "header", "name": "X-Key"}, {"type": "http", "scheme": "basic"}


def _secured(demands: list[Any], **schemes: Any) -> dict[str, Any]:
    return openapi(
        {"/orders": {"get": {"security": demands, "responses": OK}}}, components={"securitySchemes": schemes}
    )


def test_a_scheme_under_another_key_is_the_same_scheme() -> None:
    """The key only names the scheme within the document (OpenAPI 3.1.1 section 4.8.30)."""
    result = judge(_secured([{"key": []}], key=KEY), _secured([{"api": []}], api={**KEY, "description": "Ask us."}))
    assert (result.verdict, rules(result)) == ("compatible", {"api-security-component-renamed"})
    swapped = judge(_secured([{"a": []}], a=KEY, b=BASIC), _secured([{"a": []}], a=BASIC, b=KEY))
    assert swapped.verdict == "breaking"
    other = judge(_secured([{"key": []}], key=KEY), _secured([{"api": []}], api={**KEY, "name": "X-Other"}))
    assert other.verdict == "breaking"
    both = judge(_secured([{"key": []}], key=KEY), _secured([{"key": [], "api": []}], key=KEY, api=BASIC))
    assert both.verdict == "breaking"
    in_two = judge(
        _secured([{"key": []}, {"basic": []}], key=KEY, basic=BASIC), _secured([{"k": []}, {"b": []}], k=KEY, b=BASIC)
    )
    assert in_two.verdict == "compatible"


def _served(url: str | None, *templates: str) -> dict[str, Any]:
    more = {"servers": [{"url": url}]} if url else {}
    return openapi({template: {"get": {"responses": OK}} for template in templates}, **more)


BASES = [
    # OpenAPI 3.1.1 section 4.8.8: "the path is appended to the expanded URL".
    (("https://a.example/v1", "/orders", "/o/{id}"), ("https://a.example", "/v1/orders", "/v1/o/{id}"), "compatible"),
    (("https://a.example", "/v1/orders"), ("https://a.example/v1", "/orders"), "compatible"),
    (("/v1", "/orders"), (None, "/v1/orders"), "compatible"),
    (("https://a.example/v1", "/orders", "/rest"), ("https://a.example", "/v1/orders", "/rest"), "breaking"),
    (("https://a.example/v1", "/orders"), ("https://a.example", "/orders"), "warning"),
    (("https://a.example/v1", "/orders"), ("https://b.example", "/v1/orders"), "breaking"),
]


@pytest.mark.parametrize(("old", "new", "verdict"), BASES)
def test_a_base_path_that_moved_between_server_and_paths_is_the_same_url(old: Any, new: Any, verdict: str) -> None:
    result = judge(_served(*old), _served(*new))
    assert result.verdict == verdict
    assert verdict != "compatible" or rules(result) == {"api-base-path-moved"}


def test_what_changed_behind_a_moved_base_path_is_compared() -> None:
    old = openapi({"/orders": {"get": {"responses": OK}}}, servers=[{"url": "https://a.example/v1"}])
    gone = {"parameters": [{"name": "q", "in": "query", "required": True, "schema": TEXT}], "responses": OK}
    new = openapi({"/v1/orders": {"get": gone}}, servers=[{"url": "https://a.example"}])
    assert "new-required-request-parameter" in rules(judge(old, new), "breaking")
    own = openapi(
        {"/v1/orders": {"get": {"responses": OK, "servers": [{"url": "https://c.example"}]}}},
        servers=[{"url": "https://a.example"}],
    )
    assert judge(old, own).verdict == "breaking"
