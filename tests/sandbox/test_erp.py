"""The ERP's OData services: reading, CSRF, concurrency and errors, as the vendor's gateway does them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import httpx
import pytest

from sandbox.client import Sandbox

PRODUCTS = "/sap/opu/odata/sap/API_PRODUCT_SRV"
PRICES = "/sap/opu/odata/sap/API_SLSPRICINGCONDITIONRECORD_SRV/A_SlsPrcgConditionRecord"
STOCK = "/sap/opu/odata/sap/API_MATERIAL_STOCK_SRV/A_MatlStkInAcctMod"
FIRST = "000000000001000001"


def results(answer: httpx.Response) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return answer.json()["d"]["results"]


def walk(client: httpx.Client, url: str, **params: str) -> tuple[list[dict], list[str]]:
    answer, rows, links = client.get(url, params=params), [], []
    while True:
        rows += results(answer)
        link = answer.json()["d"].get("__next")
        if link is None:
            return rows, links
        links.append(link)
        answer = client.get(link)


def test_metadata_is_an_edmx_with_keys_and_navigations_of_the_product_service(erp):
    answer = erp.get(f"{PRODUCTS}/$metadata")
    assert answer.headers["content-type"].startswith("application/xml")
    edm = "{http://schemas.microsoft.com/ado/2008/09/edm}"
    types = {item.get("Name"): item for item in ET.fromstring(answer.content).iter(f"{edm}EntityType")}
    product = types["A_ProductType"]
    assert [ref.get("Name") for ref in product.iter(f"{edm}PropertyRef")] == ["Product"]
    assert {nav.get("Name") for nav in product.iter(f"{edm}NavigationProperty")} >= {"to_Description", "to_Plant"}
    changed = next(item for item in product.iter(f"{edm}Property") if item.get("Name") == "LastChangeDateTime")
    assert (changed.get("Type"), changed.get("ConcurrencyMode")) == ("Edm.DateTimeOffset", "Fixed")


@pytest.mark.shared_data
def test_every_product_field_has_the_name_type_and_length_of_the_vendors_own_metadata(erp, shared_data):
    edm = "{http://schemas.microsoft.com/ado/2008/09/edm}"

    def fields(document: bytes) -> dict[str, dict[str, tuple]]:
        return {
            kind.get("Name"): {
                item.get("Name"): tuple(item.get(facet) for facet in ("Type", "MaxLength", "Scale"))
                for item in kind.iter(f"{edm}Property")
            }
            for kind in ET.fromstring(document).iter(f"{edm}EntityType")
        }

    vendor = fields((shared_data / "specs/sap-s4hana/edmx/API_PRODUCT_SRV.b.edmx").read_bytes())
    ours = fields(erp.get(f"{PRODUCTS}/$metadata").content)
    strange = {
        f"{kind}.{name}": (facets, vendor.get(kind, {}).get(name))
        for kind, items in ours.items()
        for name, facets in items.items()
        if vendor.get(kind, {}).get(name) != facets
    }
    assert strange == {}


def test_server_driven_paging_repeats_the_filter_and_gives_every_row_once(erp):
    where = "ProductGroup ne '30'"
    rows, links = walk(erp, f"{PRODUCTS}/A_ProductPlant", **{"$filter": "MRPType eq 'ND'", "$inlinecount": "allpages"})
    assert len(rows) == len({(row["Product"], row["Plant"]) for row in rows}) == 360
    assert len(links) == 7
    assert all("%24filter=" in link or "$filter=" in link for link in links)
    assert all("$skiptoken=" in link for link in links)
    assert len(walk(erp, f"{PRODUCTS}/A_Product", **{"$filter": where})[0]) == 48


def test_top_switches_server_driven_paging_off(erp):
    answer = erp.get(f"{PRODUCTS}/A_ProductPlant", params={"$top": "200", "$skip": "10"})
    assert len(results(answer)) == 200
    assert "__next" not in answer.json()["d"]


def test_values_travel_as_the_vendor_sends_them(erp):
    row = results(erp.get(PRICES, params={"$filter": f"Material eq '{FIRST}'"}))[0]
    assert row["ConditionRateValue"] == "12.90"
    assert re.fullmatch(r"/Date\(\d+\)/", row["ConditionValidityStartDate"])
    assert re.fullmatch(r"/Date\(\d+\+0000\)/", row["LastChangeDateTime"])
    assert row["Material"] == FIRST
    stock = results(erp.get(STOCK, params={"$filter": f"Material eq '{FIRST}' and Plant eq '1001'"}))
    assert [type(item["MatlWrhsStkQtyInMatlBaseUnit"]) for item in stock] == [str]


def test_an_entity_tells_its_uri_type_and_etag_and_defers_its_navigations(erp):
    answer = erp.get(f"{PRODUCTS}/A_Product('{FIRST}')")
    entity = answer.json()["d"]
    about = entity["__metadata"]
    assert about["type"] == "API_PRODUCT_SRV.A_ProductType"
    assert about["etag"].startswith("W/\"datetimeoffset'")
    assert answer.headers["etag"] == about["etag"]
    assert erp.get(about["uri"]).json()["d"]["Product"] == FIRST
    assert len(results(erp.get(entity["to_Description"]["__deferred"]["uri"]))) == 2


def test_a_key_without_its_leading_zeros_is_another_key(erp):
    assert erp.get(f"{PRODUCTS}/A_Product('{FIRST.lstrip('0')}')").status_code == 404


def test_select_and_expand_shape_the_entity(erp):
    asked = {"$select": "Product,to_Description", "$expand": "to_Description", "$top": "1"}
    row = results(erp.get(f"{PRODUCTS}/A_Product", params=asked))[0]
    assert set(row) == {"__metadata", "Product", "to_Description"}
    assert {text["Language"] for text in row["to_Description"]["results"]} == {"EN", "DE"}


def test_a_change_is_found_by_its_change_time_and_ties_are_kept_in_key_order(erp, sandbox: Sandbox):
    everything = walk(erp, PRICES, **{"$orderby": "LastChangeDateTime desc"})[0]
    newest = max(int(re.search(r"\d+", row["LastChangeDateTime"])[0]) for row in everything)
    sandbox.erp.control(reprice={"count": 4})
    stamp = f"datetimeoffset'{_iso(newest)}'"
    found = results(
        erp.get(PRICES, params={"$filter": f"LastChangeDateTime gt {stamp}", "$orderby": "LastChangeDateTime"})
    )
    assert len(found) == 4
    assert len({row["LastChangeDateTime"] for row in found}) == 1
    assert [row["ConditionRecord"] for row in found] == sorted(row["ConditionRecord"] for row in found)


def _iso(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("startswith(ProductOldID,'TEA')", 12),
        ("substringof('-000',ProductOldID)", 9),
        ("ProductGroup eq '10' or ProductGroup eq '11'", 24),
        ("(ProductGroup eq '10' or ProductGroup eq '11') and not startswith(ProductOldID,'TEA')", 12),
        ("IsMarkedForDeletion eq true", 0),
        ("GrossWeight ge 0.05m and LastChangeDate ge datetime'2000-01-01T00:00:00'", 60),
    ],
)
def test_filters_select_what_they_say(erp, where, count):
    assert erp.get(f"{PRODUCTS}/A_Product/$count", params={"$filter": where}).text == str(count)


@pytest.mark.parametrize(
    "params",
    [
        {"$filter": "Nope eq 'x'"},
        {"$filter": "Product eq"},
        {"$filter": "Product eq 'x' xor 1"},
        {"$filter": "LastChangeDateTime gt datetime'2026-01-01T00:00:00'"},
        {"$filter": "Product eq 'open"},
        {"$top": "-1"},
        {"$select": "Nope"},
        {"$expand": "to_Nope"},
        {"$orderby": "Product sideways"},
    ],
)
def test_a_wrong_query_is_refused_with_the_nested_error_body(erp, params):
    answer = erp.get(f"{PRODUCTS}/A_Product", params=params)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"]
    assert error["message"]["lang"] == "en"
    assert error["message"]["value"]
    assert error["innererror"]["errordetails"][0]["severity"] == "error"


def test_a_wrong_password_and_a_forgotten_accept_header_are_refused(sandbox: Sandbox):
    url = f"{sandbox.erp.url}{PRODUCTS}/A_Product"
    refused = httpx.get(url, auth=("TILLGATE", "wrong"), headers={"Accept": "application/json"})
    assert refused.status_code == 401
    assert "Basic" in refused.headers["www-authenticate"]
    assert httpx.get(url, auth=("TILLGATE", "sandbox")).status_code == 406


def test_a_write_needs_the_token_and_every_cookie(erp):
    price = f"{PRICES}('0000000005')"
    etag = erp.get(price, headers={"X-CSRF-Token": "Fetch"}).headers
    token = etag["x-csrf-token"]
    assert len(erp.cookies) == 3
    change, match = {"ConditionRateValue": "4.44"}, {"If-Match": "*"}

    refused = erp.patch(price, json=change, headers=match)
    assert (refused.status_code, refused.headers["x-csrf-token"]) == (403, "Required")

    name, value = next((item.name, item.value) for item in erp.cookies.jar if item.name == "sap-usercontext")
    erp.cookies.delete(name)
    assert erp.patch(price, json=change, headers={**match, "X-CSRF-Token": token}).status_code == 403
    erp.cookies.set(name, value)
    assert erp.patch(price, json=change, headers={**match, "X-CSRF-Token": token}).status_code == 204


def test_a_token_that_expires_in_the_middle_can_be_fetched_again(signed, sandbox: Sandbox):
    price = f"{PRICES}('0000000006')"
    assert signed.patch(price, json={"ConditionRateValue": "5.01"}, headers={"If-Match": "*"}).status_code == 204
    sandbox.erp.control(csrf="expire")
    assert signed.patch(price, json={"ConditionRateValue": "5.02"}, headers={"If-Match": "*"}).status_code == 403
    token = signed.get(f"{PRODUCTS}/", headers={"X-CSRF-Token": "Fetch"}).headers["x-csrf-token"]
    again = signed.patch(price, json={"ConditionRateValue": "5.03"}, headers={"If-Match": "*", "X-CSRF-Token": token})
    assert again.status_code == 204


def test_a_change_without_if_match_is_428_and_with_a_stale_one_412(signed, sandbox: Sandbox):
    price, start = f"{PRICES}('0000000007')", sandbox.erp.state()["journal"]
    etag = signed.get(price).headers["etag"]
    assert signed.patch(price, json={"ConditionRateValue": "6.01"}).status_code == 428
    assert signed.patch(price, json={"ConditionRateValue": "6.02"}, headers={"If-Match": etag}).status_code == 204
    assert signed.patch(price, json={"ConditionRateValue": "6.03"}, headers={"If-Match": etag}).status_code == 412
    assert signed.get(price).json()["d"]["ConditionRateValue"] == "6.02"
    changed = sandbox.erp.journal(since=start)
    assert [(entry.effect, entry.entity) for entry in changed] == [
        ("entity.changed", "A_SlsPrcgConditionRecord(0000000007)")
    ]


@pytest.mark.parametrize(
    "body", [{"Nope": "1"}, {"ConditionRateValue": 1.5}, {"ConditionRateValue": "NaN"}, {"ConditionRecord": "9"}]
)
def test_a_wrong_change_is_refused_and_leaves_nothing(signed, body):
    price = f"{PRICES}('0000000008')"
    before = signed.get(price).content
    assert signed.patch(price, json=body, headers={"If-Match": "*"}).status_code == 400
    assert signed.get(price).content == before


def test_throttling_and_downtime_come_on_demand_and_carry_retry_after(erp, sandbox: Sandbox):
    sandbox.erp.fault("status", status=429, retry_after=7, next=2)
    sandbox.erp.fault("status", status=503, next=1)
    answers = [erp.get(f"{PRODUCTS}/A_Product", params={"$top": "1"}) for _ in range(4)]
    assert [(item.status_code, item.headers.get("retry-after")) for item in answers] == [
        (429, "7"),
        (429, "7"),
        (503, "1"),
        (200, None),
    ]


def test_a_success_may_carry_a_warning_header(erp, sandbox: Sandbox):
    sandbox.erp.fault("warning", next=1, message="Price outside limits")
    answer = erp.get(f"{PRODUCTS}/A_Product", params={"$top": "1"})
    assert answer.status_code == 200
    assert "Price outside limits" in answer.headers["sap-message"]
