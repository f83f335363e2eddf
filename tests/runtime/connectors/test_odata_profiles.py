"""Each OData profile reads a page of its vendor's documented shape, in own words, and what the vendor answers to a
write. Every page is served by a real server; the rows are those that a person would expect."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from runtime.connectors.protocols import ConnectionFault, OutboundMessage, Retriable, Secrets
from runtime.connectors.registry import open_sink, open_source
from runtime.profiles import profile, profiles
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

SECRETS = {"user": "u", "password": "p", "client_id": "c", "client_secret": "s"}
GUID = "5d115c9c-44e3-ea11-bb43-000d3a2feca1"
LINK = {"__deferred": {"uri": "http://internal/x"}}


def v2(*rows: Any, **more: Any) -> Any:
    return {"d": {"results": list(rows), **more}}


def v4(*rows: Any, **more: Any) -> Any:
    return {"@odata.context": "https://internal/$metadata#Rows", "value": list(rows), **more}


# profile → its pages in the order in which they are asked for, and the rows in them: key and version
PAGES: dict[str, tuple[list[Any], list[tuple[str, str | None]]]] = {
    "s4hana-cloud": (
        [
            v2(
                {
                    "__metadata": {"uri": "http://internal/A_Product('TG11')", "type": "API_PRODUCT_SRV.A_ProductType"},
                    "Product": "TG11",
                    "GrossWeight": "1.200",
                    "LastChangeDateTime": "/Date(1459900800123+0000)/",
                    "to_Description": {"results": [{"Product": "TG11", "Language": "EN"}]},
                    "to_ProductSales": LINK,
                },
                {"Product": "000000000000000012", "LastChangeDateTime": "/Date(1459900800124)/", "to_Plant": LINK},
            )
        ],
        [("TG11", "1459900800123"), ("000000000000000012", "1459900800124")],
    ),
    "s4hana-stock": (
        [
            v2(
                {
                    **dict.fromkeys(profile("s4hana-stock").settings["key_fields"], ""),
                    "Material": "TG11",
                    "Plant": "1010",
                    "MatlWrhsStkQtyInMatlBaseUnit": "12.000",
                }
            )
        ],
        [("TG11/1010/////////", None)],
    ),
    "s4hana-v4-sales-order": (
        [
            v4(
                {"@odata.etag": 'W/"1"', "SalesOrder": "12", "LastChangeDateTime": "2026-03-01T10:00:00.1234567Z"},
                {"SalesOrder": "13", "LastChangeDateTime": "2026-03-01T10:00:01Z"},
            )
        ],
        [("12", "2026-03-01T10:00:00.1234567Z"), ("13", "2026-03-01T10:00:01Z")],
    ),
    "dynamics365-finance": (
        [
            v4(
                {"@odata.etag": 'W/"Jz=="', "dataAreaId": "usmf", "ItemNumber": "0001", "SalesPrice": 12.5},
                **{"@odata.nextLink": "https://internal/data/ReleasedProductsV2?cross-company=true&$skiptoken=1"},
            ),
            v4({"dataAreaId": "ussi", "ItemNumber": "0001", "SalesPrice": 0}),
        ],
        [("usmf/0001", None), ("ussi/0001", None)],
    ),
    "business-central": (
        [
            v4(
                {
                    "@odata.etag": 'W/"JzQ="',
                    "id": GUID,
                    "number": "1000",
                    "lastModifiedDateTime": "2026-03-01T10:00:00.12Z",
                }
            )
        ],
        [(GUID, "2026-03-01T10:00:00.12Z")],
    ),
}
READS = [name for name, one in profiles().items() if one.protocol.startswith("odata") and name != "s4hana-sales-order"]


def opened(name: str, url: str, opener: Any, **more: Any) -> Any:
    settings = profile(name).connection({"base_url": url, **more})
    if settings["auth"]["kind"].startswith("oauth2"):
        settings["auth"] |= {"token_url": f"{url}/token"}
    return opener(profile(name).protocol, settings)


class Vendor:
    """Gives its pages one after the other, and its answers to writes."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def answer(self, seen: Any) -> Any:
        if seen.path == "/token":
            return 200, {}, {"access_token": "t", "expires_in": 3600}
        if seen.headers.get("x-csrf-token", "").lower() == "fetch":
            return 200, {"X-CSRF-Token": "t"}, {}
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return found if isinstance(found, tuple) else (200, {}, found)


@pytest.mark.parametrize("name", READS)
def test_a_page_of_the_documented_shape_gives_the_rows_that_a_person_expects(name: str) -> None:
    pages, expected = PAGES[name]
    nothing = v2() if profile(name).protocol == "odata_v2" else v4()
    with Server(Vendor(*pages, nothing).answer) as server, closing(opened(name, server.url, open_source)) as source:
        read = read_all(source, circumstances=call(SECRETS))
        asked = [one for one in server.seen if one.path != "/token"]
    records = [one for page in read for one in page.records]
    assert [(one.key, one.version) for one in records] == expected
    assert not [one for page in read for one in page.rejected]
    assert all(json.loads(one.payload) for one in records)
    settings = profile(name).settings
    assert asked[0].path == f"/{settings['service'].strip('/')}/{settings['entity_set']}".replace("<", "%3C").replace(
        ">", "%3E"
    )
    for parameter, value in settings.get("parameters", {}).items():
        assert all(one.query[parameter] == value for one in asked)


FAILURES = [
    ((429, {"Retry-After": "7"}, {"error": {"code": "429", "message": "Too many requests"}}), Retriable, "Too many"),
    ((401, {}, {"error": {"code": "401", "message": "Unauthorized"}}), ConnectionFault, "credentials"),
    ((404, {}, {"error": {"code": "1", "message": "Resource not found for the segment"}}), ConnectionFault, "segment"),
    ((503, {}, b"<html><body>busy</body></html>"), Retriable, "503"),
    ((200, {}, {"error": {"code": "1", "message": "partly"}}), Retriable, "partly"),
]


@pytest.mark.parametrize(("answer", "error", "said"), FAILURES)
@pytest.mark.parametrize("name", READS)
def test_a_failing_answer_is_never_an_empty_page(name: str, answer: Any, error: Any, said: str) -> None:
    if answer[0] == 200:  # the list is there, and the page calls itself a failure
        page = PAGES[name][0][-1]
        answer = (200, {}, {**page, **answer[2]})
    with (
        Server(Vendor(answer).answer) as server,
        closing(opened(name, server.url, open_source)) as source,
        pytest.raises(error, match=said),
    ):
        source.read(None, call=call(SECRETS))


WRITES: dict[str, list[tuple[Any, str, str | None]]] = {
    "s4hana-v4-sales-order": [
        ((201, {}, {"@odata.context": "x", "SalesOrder": "12"}), "confirmed", "12"),
        ((201, {}, {"@odata.context": "x", "SalesOrder": ""}), "unknown", None),
        ((400, {}, {"error": {"code": "V1/555", "message": "No", "details": [{"message": "Why"}]}}), "refused", None),
    ],
    "dynamics365-finance": [
        (
            (201, {}, {"@odata.etag": "W/x", "dataAreaId": "usmf", "ItemNumber": "1"}),
            "confirmed",
            "(dataAreaId='usmf',ItemNumber='1')",
        ),
        ((204, {"OData-EntityId": "https://x/R(1)"}, b""), "confirmed", "https://x/R(1)"),
        (
            (
                400,
                {},
                {"error": {"code": "", "message": "An error has occurred.", "innererror": {"message": "blocked"}}},
            ),
            "refused",
            None,
        ),
    ],
    "business-central": [
        ((201, {}, {"@odata.etag": "W/x", "id": GUID, "number": "1"}), "confirmed", f"({GUID})"),
        ((400, {}, {"error": {"code": "BadRequest_NotFound", "message": "no such unit"}}), "refused", None),
    ],
}


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, given in WRITES.items() for n in range(len(given))])
def test_what_the_vendor_answers_to_a_create_is_read(name: str, number: int) -> None:
    answer, status, reference = WRITES[name][number]
    with Server(Vendor(answer).answer) as server, closing(opened(name, server.url, open_sink)) as sink:
        (result,) = sink.write([OutboundMessage("k", "tg-1", b"{}")], call=call(SECRETS))
    assert (result.status, result.reference) == (status, reference)
    assert status != "refused" or result.message


def test_no_profile_is_without_a_page() -> None:
    assert set(READS) == set(PAGES)
    assert Secrets(SECRETS)
