"""Each REST profile that reads is replayed on pages of its vendor's documented shape, in own words: what it asks for,
the rows that a person would expect, where the next run begins, and what becomes of the vendor's errors."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runtime.connectors.protocols import ConnectionFault, Refused, Retriable, Secrets
from runtime.connectors.registry import open_source
from runtime.profiles import profile, profiles
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.replays import QUERY_REPLAYS, Replay, shopify, suite
from tests.runtime.connectors.server import Server

KEY = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
SECRETS = dict.fromkeys(("user", "password", "key", "token", "client_id", "client_secret"), "sandbox")
SECRETS |= {"private_key": KEY.decode(), "key_id": "cert"}
PRODUCT, OTHER = "0e6e6f52-3c37-4a54-9d33-0001", "0e6e6f52-3c37-4a54-9d33-0002"


BIGCOMMERCE = {
    "data": [
        {"id": 77, "name": "Hat", "date_modified": "2026-03-01T10:00:00+00:00"},
        {"id": 12, "name": "Shirt", "date_modified": "2026-03-01T10:00:07+00:00"},
    ],
    "meta": {"pagination": {"total": 2, "count": 2, "current_page": 1, "total_pages": 1}},
}
VOUCHERIFY = {
    "object": "list",
    "total": 2,
    "vouchers": [
        {"id": "v_1", "code": "SPRING", "updated_at": "2026-03-01T10:00:00.000Z"},
        {"id": "v_2", "code": "SUMMER", "updated_at": "2026-03-01T10:00:09.500Z"},
    ],
}
REPLAYS = {
    **QUERY_REPLAYS,
    "commercetools": Replay(
        pages=[
            (
                {},
                {
                    "limit": 500,
                    "offset": 0,
                    "count": 2,
                    "results": [
                        {"id": PRODUCT, "version": 3, "lastModifiedAt": "2026-03-02T10:00:00.120Z", "key": "shirt"},
                        {"id": OTHER, "version": 1, "lastModifiedAt": "2026-03-01T08:00:00.000Z", "key": "hat"},
                    ],
                },
            ),
            ({}, {"limit": 500, "offset": 0, "count": 0, "results": []}),
        ],
        keys=[PRODUCT, OTHER],
        since="2026-03-02T10:00:00.120Z",
        asked=[(0, "sort", "id asc"), (0, "limit", "500"), (0, "where", None), (1, "where", f'id > "{OTHER}"')],
        again=("2026-03-02T10:02:00.000Z", "where", 'lastModifiedAt >= "2026-03-02T10:00:00.000Z"'),
        error=(
            400,
            {"statusCode": 400, "message": "Malformed parameter: where", "errors": [{"code": "InvalidInput"}]},
            Refused,
            "Malformed parameter",
        ),
    ),
    "dynamics365": Replay(
        pages=[
            (
                {},
                {
                    "@odata.context": "{host}/data/$metadata#ReleasedProductsV2",
                    "value": [{"@odata.etag": 'W/"1"', "dataAreaId": "usmf", "ItemNumber": "D0001"}],
                    "@odata.nextLink": "{host}/data/ReleasedProductsV2?cross-company=true&$skiptoken=1",
                },
            ),
            ({}, {"value": [{"dataAreaId": "usrt", "ItemNumber": "D0001"}]}),
        ],
        keys=["usmf/D0001", "usrt/D0001"],
        since=None,
        asked=[(0, "cross-company", "true"), (1, "$skiptoken", "1")],
        again=None,
    ),
    "klaviyo": Replay(
        pages=[
            (
                {},
                {
                    "data": [
                        {
                            "type": "profile",
                            "id": "01GDDKASAP8TKDDA2GRZDSVP4H",
                            "attributes": {"email": "a@example.com", "updated": "2026-03-02T10:00:00+00:00"},
                        }
                    ],
                    "links": {
                        "self": "{host}/api/profiles/",
                        "next": "{host}/api/profiles/?page%5Bcursor%5D=bmV4",
                        "prev": None,
                    },
                },
            ),
            (
                {},
                {
                    "data": [{"type": "profile", "id": "01X", "attributes": {"updated": "2026-03-02T10:00:07+00:00"}}],
                    "links": {"self": "{host}/api/profiles/", "next": None},
                },
            ),
        ],
        keys=["01GDDKASAP8TKDDA2GRZDSVP4H", "01X"],
        since="2026-03-02T10:00:07+00:00",
        asked=[(0, "page[size]", "100"), (0, "sort", "updated"), (1, "page[cursor]", "bmV4")],
        again=("2026-03-02T10:02:00+00:00", "filter", "greater-than(updated,2026-03-02T10:00:00+00:00)"),
        error=(
            400,
            {"errors": [{"id": "x", "status": 400, "code": "invalid", "title": "Invalid", "detail": "bad sort"}]},
            Refused,
            "bad sort",
        ),
    ),
    "netsuite": Replay(
        pages=[
            (
                {},
                {
                    "links": [
                        {"rel": "next", "href": "{host}/services/rest/record/v1/inventoryItem?limit=1000&offset=1000"},
                        {"rel": "self", "href": "{host}/services/rest/record/v1/inventoryItem?limit=1000&offset=0"},
                    ],
                    "count": 2,
                    "hasMore": True,
                    "items": [{"links": [], "id": "107"}, {"links": [], "id": "41"}],
                    "offset": 0,
                    "totalResults": 3,
                },
            ),
            (
                {},
                {
                    "links": [{"rel": "self", "href": "{host}/x"}],
                    "hasMore": False,
                    "items": [{"id": "90"}],
                    "totalResults": 3,
                },
            ),
        ],
        keys=["107", "41", "90"],
        since=None,
        asked=[(0, "limit", "1000"), (1, "offset", "1000")],
        again=None,
        error=(
            400,
            {
                "title": "Bad Request",
                "status": 400,
                "o:errorDetails": [{"detail": "Invalid query parameter", "o:errorCode": "INVALID_PARAMETER"}],
            },
            Refused,
            "Invalid query parameter",
        ),
    ),
    "netsuite-suiteql": Replay(
        pages=[
            suite([{"links": [], "id": "7", "itemid": "A", "changed": "2026-03-01T10:00:00"}], True),
            suite([{"links": [], "id": "9", "itemid": "B", "changed": "2026-03-01T10:00:00"}], False),
        ],
        keys=["7", "9"],
        since="2026-03-01T10:00:00",
        asked=[
            (0, "limit", "1000"),
            (1, "q~", "> TO_DATE('2026-03-01T10:00:00', 'YYYY-MM-DD\"T\"HH24:MI:SS') OR"),
            (1, "q~", "AND id > '7') ORDER BY lastmodifieddate, id"),
        ],
        again=("2026-03-01T12:00:00", "q~", "WHERE lastmodifieddate >= TO_DATE('2026-03-01T11:58:00',"),
    ),
    "oracle-fusion": Replay(
        pages=[
            (
                {},
                {
                    "items": [
                        {"ItemId": 300100, "ItemNumber": "AS1", "LastUpdateDateTime": "2026-03-01T10:00:00+00:00"},
                        {"ItemId": 300101, "ItemNumber": "AS2", "LastUpdateDateTime": "2026-03-01T10:00:01+00:00"},
                    ],
                    "count": 2,
                    "hasMore": True,
                    "limit": 499,
                    "offset": 0,
                },
            ),
            (
                {},
                {
                    "items": [
                        {"ItemId": 300101, "ItemNumber": "AS2", "LastUpdateDateTime": "2026-03-01T10:00:01+00:00"},
                        {"ItemId": 300102, "ItemNumber": "AS3", "LastUpdateDateTime": "2026-03-01T10:00:02+00:00"},
                    ],
                    "count": 2,
                    "hasMore": False,
                    "limit": 499,
                    "offset": 1,
                },
            ),
        ],
        keys=["300100", "300101", "300102"],
        since="2026-03-01T10:00:02+00:00",
        asked=[(0, "limit", "499"), (0, "onlyData", "true"), (1, "offset", "1")],
        again=("2026-03-01T10:02:00+00:00", "q", "LastUpdateDateTime>='2026-03-01T10:00:00+00:00'"),
    ),
    "shopify": Replay(
        pages=[
            (
                {"Link": '<{host}/admin/api/2025-10/products.json?limit=250&page_info=abc>; rel="next"'},
                {"products": [{"id": 632910392, "title": "IPod", "updated_at": "2026-03-01T10:00:00-05:00"}]},
            ),
            (
                {"Link": '<{host}/admin/api/2025-10/products.json?limit=250&page_info=zyx>; rel="previous"'},
                {"products": [{"id": 921728736, "title": "Touch", "updated_at": "2026-03-01T10:00:05-05:00"}]},
            ),
        ],
        keys=["632910392", "921728736"],
        since="2026-03-01T10:00:05-05:00",
        asked=[(0, "limit", "250"), (1, "page_info", "abc")],
        again=("2026-03-01T10:02:00-05:00", "updated_at_min", "2026-03-01T10:00:00-05:00"),
        error=(400, {"errors": {"limit": "invalid"}}, Refused, "http.400"),
    ),
    "shopify-graphql": Replay(
        pages=[
            shopify([("gid://shopify/Product/1", "2026-03-01T10:00:00Z")], "eyJsYXN0"),
            shopify([("gid://shopify/Product/2", "2026-03-01T10:00:03Z")], None),
        ],
        keys=["gid://shopify/Product/1", "gid://shopify/Product/2"],
        since="2026-03-01T10:00:03Z",
        asked=[(0, "variables", {"first": 100}), (1, "variables", {"first": 100, "after": "eyJsYXN0"})],
        again=("2026-03-01T10:02:00Z", "variables", {"first": 100, "filter": "updated_at:>='2026-03-01T10:00:00Z'"}),
        error=(
            200,
            {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]},
            Retriable,
            "Throttled",
        ),
    ),
    "square": Replay(
        pages=[
            ({}, {"cursor": "CAAS", "objects": [{"type": "ITEM", "id": "W62", "version": 1563902291501}]}),
            ({}, {"objects": [{"type": "ITEM", "id": "MBL", "version": 1563902291502}]}),
        ],
        keys=["W62", "MBL"],
        since=None,
        asked=[(1, "cursor", "CAAS")],
        again=None,
        error=(
            400,
            {"errors": [{"category": "INVALID_REQUEST_ERROR", "code": "INVALID_CURSOR", "detail": "no such cursor"}]},
            Refused,
            "no such cursor",
        ),
    ),
    "square-catalog": Replay(
        pages=[
            (
                {},
                {
                    "cursor": "CAAS",
                    "latest_time": "2026-03-01T10:00:09Z",
                    "objects": [{"id": "W62", "updated_at": "2026-03-01T10:00:00.501Z", "is_deleted": False}],
                },
            ),
            ({}, {"objects": [{"id": "MBL", "updated_at": "2026-03-01T10:00:08.001Z", "is_deleted": True}]}),
        ],
        keys=["W62", "MBL"],
        since="2026-03-01T10:00:08.001Z",
        asked=[
            (0, "include_deleted_objects", True),
            (0, "limit", 1000),
            (1, "cursor", "CAAS"),
            (0, "begin_time", None),
        ],
        again=("2026-03-01T10:02:00.000Z", "begin_time", "2026-03-01T10:00:00.000Z"),
    ),
    "stripe": Replay(
        pages=[
            ({}, {"object": "list", "has_more": True, "data": [{"id": "evt_2", "created": 1772359208}]}),
            ({}, {"object": "list", "has_more": False, "data": [{"id": "evt_1", "created": 1772359200}]}),
        ],
        keys=["evt_2", "evt_1"],
        since="1772359208",
        asked=[(0, "limit", "100"), (0, "created[gte]", None), (1, "starting_after", "evt_2")],
        again=("1772359208", "created[gte]", "1772359088"),
        error=(
            400,
            {"error": {"type": "invalid_request_error", "message": "No such event: evt_9", "param": "starting_after"}},
            Refused,
            "No such event",
        ),
    ),
    "bigcommerce": Replay(
        pages=[({}, BIGCOMMERCE), ({}, BIGCOMMERCE | {"data": []}), ({}, BIGCOMMERCE)],
        keys=["77", "12"],
        since="2026-03-01T10:00:07+00:00",
        asked=[(0, "sort", "date_modified"), (0, "limit", "250"), (0, "page", "1")],
        again=("2026-03-01T10:02:00+00:00", "date_modified:min", "2026-03-01T10:00:00+00:00"),
        error=(422, {"status": 422, "title": "date_modified is invalid", "type": "/api-docs"}, Refused, "is invalid"),
    ),
    "voucherify": Replay(
        pages=[({}, VOUCHERIFY), ({}, VOUCHERIFY | {"vouchers": []}), ({}, VOUCHERIFY)],
        keys=["v_1", "v_2"],
        since="2026-03-01T10:00:09.500Z",
        asked=[(0, "order", "updated_at"), (0, "limit", "100")],
        again=("2026-03-01T10:02:00.000Z", "updated_at[after]", "2026-03-01T10:00:00.000Z"),
        error=(
            400,
            {"code": 400, "key": "invalid_payload", "message": "Invalid", "details": "no such order"},
            Refused,
            "no such order",
        ),
    ),
}


def opened(name: str, server: Server) -> Any:
    one = profile(name)
    auth: dict[str, Any] = dict(one.settings.get("auth", {}))
    if "://" in auth.get("token_url", ""):
        auth["token_url"] = "/token"  # the vendor's own host is not to be reached from a test
    return open_source(one.protocol, one.connection({"base_url": server.url, "auth": auth}))


def answering(*pages: Any) -> Any:
    """A server of pages, which gives a token to who asks for one."""
    given = list(pages)

    def says(seen: Any) -> Any:
        if seen.path.endswith("/token"):
            return 200, {}, {"access_token": "t", "expires_in": 3600}
        status, head, body = given.pop(0) if len(given) > 1 else given[0]
        host = f"http://{seen.headers['host']}"
        text = json.dumps(body).replace("{host}", host)
        return status, {name: value.replace("{host}", host) for name, value in head.items()}, text.encode()

    return says


def value_of(seen: Any, member: str) -> Any:
    if member.endswith("~") or (seen.method == "POST" and member not in seen.query):
        return json.loads(seen.body).get(member.removesuffix("~"))
    return seen.query.get(member)


def is_asked(seen: Any, member: str, value: Any) -> None:
    found = value_of(seen, member)
    assert value in found if member.endswith("~") else found == value, (seen.target, seen.body)


def asked_of(server: Server) -> list[Any]:
    return [seen for seen in server.seen if not seen.path.endswith("/token")]


@pytest.mark.parametrize("name", REPLAYS)
def test_the_pages_of_a_vendor_give_the_rows_that_a_person_would_expect(name: str) -> None:
    replay = REPLAYS[name]
    with Server(answering(*((200, *page) for page in replay.pages))) as server, closing(opened(name, server)) as source:
        pages = read_all(source, circumstances=call(SECRETS), limit=10)
    assert [record.key for page in pages for record in page.records] == replay.keys
    assert not [one for page in pages for one in page.rejected]
    assert not [said for page in pages for said in page.warnings]
    assert pages[-1].cursor.get("since") == replay.since
    assert len(asked_of(server)) == len(replay.pages)
    for number, member, value in replay.asked:
        is_asked(asked_of(server)[number], member, value)
    assert all("<" not in seen.target for seen in server.seen if profile(name).base_url in seen.target)


@pytest.mark.parametrize("name", [name for name, replay in REPLAYS.items() if replay.again])
def test_a_later_run_asks_for_what_has_changed_less_the_overlap(name: str) -> None:
    replay = REPLAYS[name]
    assert replay.again is not None
    since, member, value = replay.again
    head, body = replay.pages[-1]
    with Server(answering((200, head, body))) as server, closing(opened(name, server)) as source:
        source.read({"since": since}, call=call(SECRETS))
    is_asked(asked_of(server)[0], member, value)


@pytest.mark.parametrize("name", REPLAYS)
def test_an_error_of_the_vendor_is_told_in_its_words_and_a_429_waits(name: str) -> None:
    status, body, kind, words = REPLAYS[name].error
    for answer, expected in (
        ((status, {}, body), kind),
        ((429, {"Retry-After": "7"}, body), Retriable),
        ((503, {}, {}), Retriable),
        ((401, {}, {}), ConnectionFault),
    ):
        with Server(answering(answer)) as server, closing(opened(name, server)) as source:
            with pytest.raises(expected) as told:
                source.read(None, call=call(SECRETS))
            if expected is kind and answer[0] == status:
                assert words in str(told.value)
            if answer[0] == 429:
                assert told.value.after == 7


def _reads(one: Any) -> bool:
    return one.protocol == "query" or bool(one.settings.get("key_fields"))


def test_every_rest_profile_that_reads_stands_here() -> None:
    paged = ("rest", "graphql", "query")
    reading = {name for name, one in profiles().items() if one.protocol in paged and _reads(one)}
    assert reading == set(REPLAYS)
    assert Secrets(SECRETS)
