"""Junk at every endpoint gets an answer that says what is wrong: never a 5xx, never an effect."""

from __future__ import annotations

import json

import httpx
import pytest

from sandbox.client import Sandbox

ODATA = "/sap/opu/odata/sap"
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1e400",
    b'"x"',
    b"\xff\xfe",
    b'{"items":null}',
    b'{"items":{}}',
    b'{"items":[null,1,[],"x",{}]}',
    b'{"keys":[1,null],"ids":[[]],"references":5}',
    b'{"d":[]}',
    b'{"to_Item":[1]}',
    b'{"points":{},"profileId":[]}',
    b'{"items":[{"key":["a"],"profileId":"p","points":1}]}',
    b'{"items":[{"key":"k","lines":[{"item":"1","quantity":"1e99999999"}]}',
    json.dumps(
        {"TotalNetAmount": "1E+9999999", "to_Item": [{"NetAmount": "1E+9999999", "RequestedQuantity": "sNaN"}]}
    ).encode(),
]
ERP = [
    ("POST", "/api/retail/v1/sales:batch"),
    ("POST", "/api/retail/v1/sales:lookup"),
    ("POST", f"{ODATA}/API_SALES_ORDER_SRV/A_SalesOrder"),
    ("PATCH", f"{ODATA}/API_SLSPRICINGCONDITIONRECORD_SRV/A_SlsPrcgConditionRecord('0000000001')"),
    ("POST", f"{ODATA}/API_PRODUCT_SRV/$batch"),
    ("DELETE", f"{ODATA}/API_PRODUCT_SRV/A_Product('1')"),
    ("GET", f"{ODATA}/API_PRODUCT_SRV/A_Product('"),
    ("GET", f"{ODATA}/NOPE/"),
    ("GET", f"{ODATA}/API_PRODUCT_SRV/A_Product(Nope='1')"),
    ("PUT", "/"),
]
STORES = [
    ("PUT", "/stores/1/v1/prices"),
    ("PUT", "/stores/1/v1/products"),
    ("POST", "/stores/1/v1/stock:lookup"),
    ("GET", "/stores/999/v1/status"),
]
LOYALTY = [
    ("POST", f"/v1/loyalty_programs/1/{path}")
    for path in (
        "transactions:batch",
        "transactions:lookup",
        "profile/x/add_points",
        "profile/x/deduct_points",
        "reservations",
        "reservations/9/confirm",
    )
]


@pytest.mark.parametrize(("name", "calls"), [("erp", ERP), ("stores", STORES), ("loyalty", LOYALTY)])
def test_junk_is_refused_everywhere(sandbox: Sandbox, signed: httpx.Client, name: str, calls: list[tuple[str, str]]):
    control = getattr(sandbox, name)
    start = control.state()["journal"]
    if name == "loyalty":
        signed.auth, signed.headers["Authorization"] = None, "ApiKey-v1 sandbox"
    signed.headers["If-Match"] = "*"
    for method, path in calls:
        for body in BODIES:
            answer = signed.request(method, control.url + path, content=body)
            assert answer.status_code < 500 or path.endswith("$batch"), (method, path, body, answer.text)
    assert [entry.entity for entry in control.journal(since=start)] == []
