"""Each profile that writes reads an answer of its vendor's documented shape, and takes no other for a success."""

from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import DeclaredWrite, ManifestTarget
from runtime.profiles import profile, profiles
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server

SECRETS = dict.fromkeys(("user", "password", "key", "token"), "sandbox")
ORDER = {"__metadata": {"uri": "http://x/A_SalesOrder('12')"}, "SalesOrder": "12"}
# profile → answers that its vendor gives: HTTP status, body, what it means, the reference in it
ANSWERS: dict[str, list[tuple[int, Any, str, str | None]]] = {
    "adyen": [
        (200, {"pspReference": "993617895204576J", "resultCode": "Authorised"}, "confirmed", "993617895204576J"),
        (
            200,
            {"pspReference": "993", "resultCode": "Refused", "refusalReason": "Not enough balance"},
            "declined",
            "993",
        ),
        (200, {"pspReference": "993", "resultCode": "Pending"}, "accepted", "993"),
        (200, {"pspReference": "993", "resultCode": "RedirectShopper"}, "unknown", None),
        (
            422,
            {
                "status": 422,
                "errorCode": "130",
                "message": "Required field 'reference' is not provided.",
                "errorType": "validation",
            },
            "refused",
            None,
        ),
        (
            422,
            {"status": 422, "errorCode": "704", "message": "request already processed or in progress"},
            "retry",
            None,
        ),
    ],
    "avatax": [
        (201, {"id": 1, "code": "INV-1", "status": "Committed", "totalTax": 1.9}, "confirmed", "INV-1"),
        (400, {"error": {"code": "GetTaxError", "message": "no", "details": [{"description": "no"}]}}, "refused", None),
    ],
    "loyalty": [
        (200, {"items": [{"key": "tg-1", "code": 201, "status": "applied", "transaction": "T1"}]}, "confirmed", "T1"),
        (
            200,
            {
                "items": [
                    {
                        "key": "tg-1",
                        "code": 422,
                        "status": "refused",
                        "error": "insufficient_points",
                        "message": "20 points available, 1000 wanted",
                    }
                ]
            },
            "declined",
            None,
        ),
        (200, {"items": [{"key": "tg-1", "code": 409, "status": "refused", "error": "concurrent"}]}, "retry", None),
        (200, {"items": [{"key": "tg-1", "code": 422, "status": "refused", "error": "points"}]}, "refused", None),
        (200, {"items": [{"key": "tg-2", "code": 201, "status": "applied", "transaction": "T2"}]}, "unknown", None),
        (202, {"job": "J1", "status": "pending"}, "accepted", "/jobs/J1"),
    ],
    "retail-sales": [
        (200, {"items": [{"key": "k1", "status": "posted", "document": "90001"}]}, "confirmed", "90001"),
        (200, {"items": [{"key": "k1", "status": "duplicate", "document": "90001"}]}, "confirmed", "90001"),
        (200, {"items": [{"key": "k1", "status": "conflict", "error": "conflict"}]}, "refused", None),
        (200, {"items": [{"key": "k1", "status": "posted"}]}, "unknown", None),
    ],
    "s4hana-sales-order": [
        (201, {"d": ORDER}, "confirmed", "12"),
        (201, {"d": {"SalesOrder": ""}}, "unknown", None),
        (200, {"error": {"code": "X", "message": {"lang": "en", "value": "no"}}}, "unknown", None),
        (400, {"error": {"code": "V1/555", "message": {"lang": "en", "value": "Quantity"}}}, "refused", None),
    ],
    "square-loyalty": [
        (
            200,
            {"events": [{"id": "ee46aafd", "type": "ACCUMULATE_POINTS", "loyalty_account_id": "5adcb100"}]},
            "confirmed",
            "ee46aafd",
        ),
        (200, {"events": []}, "unknown", None),
        (
            400,
            {"errors": [{"category": "INVALID_REQUEST_ERROR", "code": "BAD_REQUEST", "detail": "not eligible"}]},
            "refused",
            None,
        ),
    ],
    "store-server": [
        (200, {"results": [{"id": "1", "status": "applied", "version": 3}]}, "confirmed", "3"),
        (200, {"results": [{"id": "1", "status": "stale", "version": 4}]}, "confirmed", "4"),
        (200, {"results": [{"id": "1", "status": "refused", "message": "no"}]}, "refused", None),
    ],
    "talon-one": [
        (200, {"createdCoupons": [], "createdReferrals": [], "effects": []}, "confirmed", None),
        (200, {"createdCoupons": []}, "unknown", None),
        (400, {"errors": [{"title": "Bad", "details": "wrong"}], "message": "wrong"}, "refused", None),
        (409, {"message": "session is being worked on"}, "retry", None),
    ],
}
CASES = [(name, *case) for name, cases in ANSWERS.items() for case in cases]


@pytest.mark.parametrize(("name", "status", "body", "outcome", "reference"), CASES)
def test_an_answer_of_the_documented_shape_means_what_the_vendor_says(name, status, body, outcome, reference):
    headers = {"Location": "/jobs/J1"} if status == 202 else {}
    results, seen = sent(name, (status, headers, body))
    assert results[0].status == outcome, results[0]
    if reference is not None:
        assert results[0].reference == reference
    assert results[0].answer
    assert "<" not in seen[-1].target


@pytest.mark.parametrize("name", ANSWERS)
def test_no_profile_takes_a_page_of_html_an_error_or_a_503_for_anything_but_unknown(name):
    for answer in (
        (200, {"Content-Type": "text/html"}, b"<html>maintenance</html>"),
        (200, {}, {"errors": ["down"]}),
        (200, {}, b""),
        (503, {"Content-Type": "text/plain"}, b"upstream connect error"),
    ):
        assert sent(name, answer)[0][0].status == "unknown", answer


def test_every_profile_that_writes_stands_here_and_says_what_its_limits_are():
    writing = {name for name, one in profiles().items() if _writes(one)}
    assert writing == set(ANSWERS)
    for name in writing:
        limits = profile(name).limits
        assert limits["status_503"], name
        assert limits.get("settle") or limits.get("settle_seconds"), name
        assert profile(name).idempotency != "K" or limits["key_kept_hours"] > 0, name


def _writes(one):
    return one.protocol in ("rest", "odata_v2") and (
        (
            "items" not in one.settings
            and "key_fields" not in one.settings
            and "changed" not in one.settings
            and "entity_set" not in one.settings
        )
        or "operation" in one.settings
    )


def sent(name, answer):
    """What the ledger is told about one message, and the requests that left."""

    def says(seen):
        if seen.method == "GET":
            return 200, {"x-csrf-token": "T"}, {"d": {}}
        return answer

    with Server(says) as server:
        sink = open_sink(profile(name).protocol, profile(name).connection({"base_url": server.url}))
        address = dict.fromkeys(sink.write_address | sink.ask_address, "{instance}")
        made = ManifestTarget("t", "s", {}, [DeclaredWrite("a", "command")], str(sink.idempotency), address=address)
        client = SinkVendor(sink, Secrets(SECRETS), made, "7")
        document = {"id": "1", "reference": "r", "effects": []}
        results = client.send([OutboundMessage("k1", "tg-1", b"", document, 1)], guard=lambda: None)
        client.close()
        return results, server.seen
