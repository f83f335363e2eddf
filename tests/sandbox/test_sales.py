"""Sales at the ERP: orders without idempotency, and the batch endpoint with natural keys."""

from __future__ import annotations

import httpx
import pytest

from sandbox.client import Sandbox
from sandbox.journal import counts, doubles

ORDERS = "/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder"
BATCH, LOOKUP = "/api/retail/v1/sales:batch", "/api/retail/v1/sales:lookup"


def order(reference: str, quantity: str = "2") -> dict:
    item = {
        "Material": "000000000001000001",
        "RequestedQuantity": quantity,
        "RequestedQuantityUnit": "EA",
        "NetAmount": "25.80",
    }
    return {
        "SalesOrderType": "OR",
        "SalesOrganization": "1710",
        "SoldToParty": "17100001",
        "PurchaseOrderByCustomer": reference,
        "TransactionCurrency": "EUR",
        "to_Item": {"results": [item]},
    }


def sale(key: str, total: str = "9.90", **more: object) -> dict:
    lines = [{"item": "000000000001000001", "quantity": "1", "amount": total}]
    return {"key": key, "store": "1", "till": "2", "businessDate": "2026-03-02", "total": total, "lines": lines, **more}


def found(client: httpx.Client, reference: str) -> list[dict]:
    return client.get(ORDERS, params={"$filter": f"PurchaseOrderByCustomer eq '{reference}'"}).json()["d"]["results"]


def test_a_deep_insert_creates_header_and_items(signed, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    made = signed.post(ORDERS, json=order("A-1"), headers={"X-Correlation-ID": "till-7"})
    assert made.status_code == 201
    header = made.json()["d"]
    assert made.headers["location"] == header["__metadata"]["uri"]
    assert header["to_Item"]["results"][0]["SalesOrderItem"] == "10"
    assert header["TotalNetAmount"] == "25.80"
    entry = sandbox.erp.journal(since=start)[0]
    assert (entry.effect, entry.ref, entry.key, entry.entity) == (
        "salesorder.created",
        "A-1",
        None,
        header["SalesOrder"],
    )
    assert (entry.correlation, entry.amount) == ("till-7", "25.80")


def test_a_resend_after_a_lost_answer_makes_a_second_order_which_only_a_lookup_prevents(signed, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    sandbox.erp.fault("cut_after", ops="salesorder.create", next=1)
    with pytest.raises(httpx.TransportError):
        signed.post(ORDERS, json=order("B-1"))
    assert len(found(signed, "B-1")) == 1
    assert signed.post(ORDERS, json=order("B-1")).status_code == 201
    assert len(found(signed, "B-1")) == 2
    assert set(doubles(sandbox.erp.journal(since=start))) == {"salesorder.created B-1"}


def test_with_repeatability_switched_on_the_same_request_id_gives_the_first_order(signed, sandbox: Sandbox):
    sandbox.erp.control(set={"repeatability": True})
    headers = {"RequestID": "0123456789abcdef0123456789abcdef", "RepeatabilityCreation": "2026-03-02T08:00:00Z"}
    first, second = (signed.post(ORDERS, json=order("C-1"), headers=headers) for _ in range(2))
    assert first.headers["repeatabilityresult"] == second.headers["repeatabilityresult"] == "accepted"
    assert first.json()["d"]["SalesOrder"] == second.json()["d"]["SalesOrder"]
    assert len(found(signed, "C-1")) == 1


def test_a_wrong_order_is_refused_with_every_reason_and_creates_nothing(signed, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    bad = order("D-1", quantity="-3") | {"SoldToParty": ""}
    answer = signed.post(ORDERS, json=bad)
    assert answer.status_code == 400
    targets = {detail["target"] for detail in answer.json()["error"]["innererror"]["errordetails"]}
    assert targets == {"SoldToParty", "to_Item(1)/RequestedQuantity"}
    assert found(signed, "D-1") == []
    assert sandbox.erp.journal(since=start) == []


def test_the_batch_answers_each_item_and_posts_a_key_once(erp, sandbox: Sandbox):
    start = sandbox.erp.state()["journal"]
    first = erp.post(BATCH, json={"items": [sale("k1", correlation="c1"), sale("k2")]}).json()["items"]
    assert [item["status"] for item in first] == ["posted", "posted"]
    second = erp.post(BATCH, json={"items": [sale("k1"), sale("k2", total="1.00"), sale("k3"), {"total": "1"}]}).json()[
        "items"
    ]
    assert [(item["code"], item["status"]) for item in second] == [
        (200, "duplicate"),
        (409, "conflict"),
        (201, "posted"),
        (422, "refused"),
    ]
    assert second[0]["document"] == first[0]["document"]
    entries = sandbox.erp.journal(since=start)
    assert counts(entries, effect="sale.posted") == {"k1": 1, "k2": 1, "k3": 1}
    assert entries[0].correlation == "c1"


def test_a_vendor_that_ignores_keys_shows_the_double_in_its_journal(erp, sandbox: Sandbox):
    sandbox.erp.control(set={"honour_keys": False})
    start = sandbox.erp.state()["journal"]
    for _ in range(2):
        erp.post(BATCH, json={"items": [sale("n1")]})
    assert len(doubles(sandbox.erp.journal(since=start))["sale.posted n1"]) == 2
    assert len(erp.post(LOOKUP, json={"keys": ["n1", "n2"]}).json()["found"]["n1"]["documents"]) == 2


def test_a_prefix_of_a_batch_takes_effect_and_the_lookup_tells_which(erp, sandbox: Sandbox):
    sandbox.erp.fault("cut_prefix", items=2, next=1)
    with pytest.raises(httpx.TransportError):
        erp.post(BATCH, json={"items": [sale(f"p{n}") for n in range(5)]})
    answer = erp.post(LOOKUP, json={"keys": [f"p{n}" for n in range(5)]}).json()
    assert (sorted(answer["found"]), answer["missing"]) == (["p0", "p1"], ["p2", "p3", "p4"])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"item": "", "quantity": "1"}, "item_missing"),
        ({"item": "1", "quantity": "0"}, "quantity_zero"),
        ({"item": "1", "quantity": "-1"}, "sign"),
        ({"item": "1", "quantity": "1", "kind": "return"}, "sign"),
        ({"item": "1", "quantity": "1", "amount": 1.5}, "not_a_decimal"),
        ({"item": "1", "quantity": "many"}, "not_a_decimal"),
    ],
)
def test_a_dirty_line_is_refused_with_its_reason(erp, line, code):
    answer = erp.post(BATCH, json={"items": [{"key": "dirty", "lines": [line]}]}).json()["items"][0]
    assert (answer["status"], answer["error"]) == ("refused", code)


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"items": 3}', b'{"items": [1, null, "x"]}'])
def test_junk_is_answered_and_never_a_server_error(erp, body):
    assert erp.post(BATCH, content=body).status_code in (200, 400)
