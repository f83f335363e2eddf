"""The REST API: form, permissions, conditional writes, bulk, standards."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Api, Contract, UsageDay
from catalog.selectors import versions
from catalog.services import importing
from kernel import tokens
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def bearer(username: str, *scopes: str) -> dict[str, str]:
    _, secret = tokens.issue(
        actor=None, user=make.person(username), name="t", scopes=scopes or ("catalog:read", "catalog:write")
    )
    return {"Authorization": f"Bearer {secret}"}


def send(method: str, path: str, body=None, *, by: str = "piet", **headers: str):
    client = make.client(by)
    return client.generic(
        method,
        path,
        data=json.dumps(body) if body is not None else b"",
        content_type="application/json",
        headers=headers,
    )


def test_nobody_reads_without_signing_in_and_a_token_needs_its_scope():
    assert Client().get("/api/v1/apis").status_code == 401
    assert Client().get("/api/v1/apis", headers=bearer("stan", "usage:write")).status_code == 403
    assert Client().get("/api/v1/apis", headers=bearer("stan", "catalog:read")).status_code == 200
    assert Client().get("/.well-known/api-catalog").status_code == 401
    assert Client().get("/.well-known/api-catalog", headers=bearer("stan", "catalog:read")).status_code == 200


def test_a_list_is_filtered_paged_and_limited_to_what_one_may_see():
    slugs = [r["slug"] for r in make.client("piet").get("/api/v1/apis").json()["results"]]
    assert slugs == ["price-api"]
    first = make.client("ada").get("/api/v1/apis?page_size=1").json()
    assert len(first["results"]) == 1
    assert [
        r["slug"]
        for r in make.client("lea")
        .get("/api/v1/apis?domain=loyalty&tier=0,1&state=published&q=redeem")
        .json()["results"]
    ] == ["loyalty-api"]
    assert make.client("lea").get("/api/v1/apis?domain=none").json()["results"] == []


def test_a_stale_write_is_412_and_changes_nothing():
    read = make.client("piet").get("/api/v1/apis/price-api")
    tag = read.headers["ETag"]
    assert make.client("piet").get("/api/v1/apis/price-api", headers={"If-None-Match": tag}).status_code == 304
    done = send("PATCH", "/api/v1/apis/price-api", {"purpose": "First."}, **{"If-Match": tag})
    assert done.status_code == 200
    assert done.headers["ETag"] != tag
    stale = send("PATCH", "/api/v1/apis/price-api", {"purpose": "Second."}, **{"If-Match": tag})
    assert stale.status_code == 412
    assert stale.headers["Content-Type"] == "application/problem+json"
    assert stale.json()["etag"] == done.headers["ETag"]
    assert Api.objects.get(slug="price-api").purpose == "First."


def test_many_are_changed_in_one_call_and_each_answers_for_itself():
    tag = make.client("piet").get("/api/v1/apis/price-api").headers["ETag"]
    body = {
        "items": [
            {"slug": "price-api", "purpose": "Bulk.", "etag": tag},
            {"slug": "price-api", "purpose": "Again.", "etag": tag},
            {"slug": "loyalty-api", "purpose": "Mine."},
            {"slug": "ghost"},
            {"slug": "price-api", "domain": "nowhere"},
        ]
    }
    answer = send("POST", "/api/v1/apis/bulk", body)
    assert answer.status_code == 207
    assert [line["status"] for line in answer.json()["items"]] == [200, 412, 404, 404, 422]
    assert answer.json()["changed"] == 1
    assert Api.objects.get(slug="price-api").purpose == "Bulk."


def test_an_api_is_registered_read_versioned_and_withdrawn():
    body = {
        "slug": "vouchers",
        "name": "Vouchers",
        "owner_team": "pricing",
        "tier": 1,
        "label": "v1",
        "entities": [{"entity": "tender", "access": "command"}],
        "file_name": "v.yaml",
        "content": make.contract("loyalty-v1.yaml").decode().replace("Loyalty points", "Vouchers"),
    }
    made = send("POST", "/api/v1/apis", body)
    assert made.status_code == 201, made.content
    assert made.json()["versions"] == [{"label": "v1", "state": "draft"}]
    assert made.headers["Location"] == "/api/v1/apis/vouchers"
    assert send("POST", "/api/v1/apis", body).status_code == 409
    version = send("GET", "/api/v1/apis/vouchers/versions/v1")
    digest = version.json()["contract_digest"]
    bytes_ = send("GET", f"/api/v1/contracts/{digest}")
    assert bytes_.content.decode() == body["content"]
    assert bytes_.headers["ETag"] == f'"{digest}"'
    assert send("GET", f"/api/v1/contracts/{digest}", **{"If-None-Match": f'"{digest}"'}).status_code == 304
    assert send("GET", f"/api/v1/contracts/{digest}", by="lea").status_code == 404
    added = send("POST", "/api/v1/apis/vouchers/versions", {"content": body["content"] + "x-note: 1\n", "label": "v2"})
    assert added.status_code == 201
    compared = send("GET", "/api/v1/apis/vouchers/versions/v2/comparison")
    assert compared.json()["verdict"] in {"none", "compatible"}
    revised = send(
        "PUT",
        "/api/v1/apis/vouchers/versions/v2/contract",
        {"content": body["content"] + "x-note: 2\n"},
        **{"If-Match": '"sha256:old"'},
    )
    assert revised.status_code == 412
    assert send("POST", "/api/v1/apis/vouchers/versions/v2/withdrawal", {}).json()["state"] == "withdrawn"


def test_a_contract_is_read_without_being_kept():
    before = Contract.objects.count()
    answer = send(
        "POST", "/api/v1/contracts/readings", {"content": make.contract("price-v1.yaml").decode() + "x-n: 1\n"}
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["operation_count"] == 1
    assert Contract.objects.count() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": ""}, 422),
        ({"content": "hello"}, 422),
        ({"content_base64": "%%%"}, 422),
        ({"content": 5}, 422),
        ([], 422),
        ("x", 422),
        (None, 422),
        ({"content": "a: 1", "file_name": "\x00"}, 422),
    ],
)
def test_what_is_no_contract_is_a_problem_document(body, status):
    answer = send("POST", "/api/v1/contracts/readings", body)
    assert answer.status_code == status or answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"]


def test_a_subscription_goes_through_the_api():
    asked = send(
        "POST",
        "/api/v1/subscriptions",
        {"application": "till", "version": "price-api@v2", "environment": "test"},
        by="stan",
    )
    assert asked.status_code == 201, asked.content
    url = asked.headers["Location"]
    assert send("POST", f"{url}/decision", {"decision": "approve"}, by="stan").status_code == 403
    for decision in ({"decision": "approve"}, {"decision": "refuse", "note": "No."}):
        refused = Client().post(url + "/decision", decision, "application/json", headers=bearer("piet"))
        assert (refused.status_code, refused.json()["code"]) == (403, "decision.by_token"), "a token does not decide"
    assert send("POST", f"{url}/decision", {"decision": "approve"}, by="piet").json()["state"] == "active"
    assert (
        send("GET", "/api/v1/apis/price-api/versions/v2/consumers?environment=test").json()[0]["application_key"]
        == "till"
    )
    assert send("POST", f"{url}/end", {}, by="stan").json()["state"] == "ended"
    assert send("GET", "/api/v1/subscriptions?state=ended").json()["results"][0]["state"] == "ended"


def test_usage_is_reported_with_its_own_scope():
    body = {
        "batch_id": "b1",
        "rows": [{"application": "till", "version": "price-api@v2", "environment": "production", "calls": 5}],
    }
    headers = bearer("robot", "usage:write")
    for repeated in (False, True):
        answer = Client().post("/api/v1/usage", body, content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json()["repeated"]) == (202, repeated)
    assert UsageDay.objects.get().calls == 5
    assert (
        Client()
        .post("/api/v1/usage", body, content_type="application/json", headers=bearer("robot", "catalog:write"))
        .status_code
        == 403
    )


def test_dependencies_and_applications_are_stated_by_their_owners():
    assert send("POST", "/api/v1/apis/price-api/dependencies", {"needs_system": "erp"}).status_code == 201
    row = send("GET", "/api/v1/dependencies?target_system__key=erp").json()["results"][0]
    assert send("DELETE", f"/api/v1/dependencies/{row['id']}", by="stan").status_code == 403
    tag = make.client("piet").get(f"/api/v1/dependencies/{row['id']}").headers["ETag"]
    assert send("DELETE", f"/api/v1/dependencies/{row['id']}", **{"If-Match": tag}).status_code == 204
    assert send("POST", "/api/v1/apis/price-api/dependencies", {"needs": "price-api"}).status_code == 422
    made = send(
        "POST", "/api/v1/applications", {"key": "labels", "name": "Shelf labels", "team": "store-systems"}, by="stan"
    )
    assert made.status_code == 201, made.content
    assert (
        send(
            "POST", "/api/v1/applications", {"key": "labels", "name": "Again", "team": "store-systems"}, by="stan"
        ).status_code
        == 409
    )
    tag = send("GET", "/api/v1/applications/labels").headers["ETag"]
    assert (
        send("PATCH", "/api/v1/applications/labels", {"name": "Labels"}, by="stan", **{"If-Match": tag}).status_code
        == 200
    )
    assert (
        send("PATCH", "/api/v1/applications/labels", {"name": "Old"}, by="stan", **{"If-Match": tag}).status_code == 412
    )
    assert send("PATCH", "/api/v1/applications/labels", {"name": "Mine"}, by="lea").status_code == 403


def test_the_linkset_names_what_one_may_see_and_is_conditional():
    stan, lea = make.client("stan"), make.client("lea")
    answer = stan.get("/.well-known/api-catalog")
    assert answer.headers["Content-Type"].startswith("application/linkset+json")
    assert 'rel="api-catalog"' in answer.headers["Link"]
    top, *contexts = answer.json()["linkset"]
    assert [c["anchor"] for c in contexts] == ["https://prices.example.test/v2"]
    assert top["item"] == [{"href": "https://prices.example.test/v2"}]
    assert {n["title"] for n in top["api-catalog"]} == {"Price", "Loyalty"}
    digest = versions.by_reference("price-api@v2").contract_digest
    assert contexts[0]["service-desc"][0]["href"].endswith(digest)
    assert set(contexts[0]) == {"anchor", "service-desc", "service-doc", "service-meta"}
    assert len(lea.get("/.well-known/api-catalog").json()["linkset"]) == 3
    assert len(lea.get("/.well-known/api-catalog?domain=loyalty").json()["linkset"]) == 2
    assert stan.get("/.well-known/api-catalog?domain=nowhere").status_code == 404
    head = stan.head("/.well-known/api-catalog")
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", answer.headers["ETag"])
    assert stan.get("/.well-known/api-catalog", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_the_feed_is_atom_without_drafts_and_without_what_one_may_not_see():
    answer = make.client("stan").get("/catalog/changes.atom")
    feed = ElementTree.fromstring(answer.content)
    titles = [e.text for e in feed.iter("{http://www.w3.org/2005/Atom}title")]
    assert any("price-api@v2" in t for t in titles)
    assert not any("v3" in t or "loyalty" in t for t in titles)
    assert (
        make.client("stan").get("/catalog/changes.atom", headers={"If-None-Match": answer.headers["ETag"]}).status_code
        == 304
    )


def test_version_resources_carry_deprecation_and_sunset():
    answer = make.client("stan").get("/api/v1/apis/price-api/versions/v1")
    assert answer.headers["Deprecation"] == "@1748736000"
    assert answer.headers["Sunset"] == "Tue, 31 Mar 2026 00:00:00 GMT"
    assert '</api/v1/apis/price-api/versions/v2>; rel="successor-version"' in answer.headers["Link"].replace(
        "http://127.0.0.1:8000", ""
    )
    assert "Deprecation" not in make.client("stan").get("/api/v1/apis/price-api/versions/v2").headers


def test_an_import_by_the_api_is_for_architects_and_dry_by_default():
    body = {"files": [{"name": "shop/orders-v1.yaml", "content": make.contract("price-v1.yaml").decode() + "x-n: 9\n"}]}
    assert send("POST", "/api/v1/imports", body).status_code == 403
    answer = send("POST", "/api/v1/imports", body, by="ada")
    assert answer.status_code == 202, answer.content
    importing.execute(answer.json()["id"])
    assert send("GET", answer.headers["Location"], by="ada").json()["rows"][0]["reference"] == "shop-orders@v1"
    assert not Api.objects.filter(slug="shop-orders").exists()


def test_the_switch_to_enforcing_is_dated_by_architects_and_not_put_off():
    body = {"slugs": ["price-api"], "at": "2027-04-01T00:00:00Z"}
    Api.objects.filter(slug="price-api").update(enforced_from="2027-05-01T00:00:00Z")
    assert send("POST", "/api/v1/apis/enforcement", body).status_code == 403
    assert send("POST", "/api/v1/apis/enforcement", body, by="ada").json() == {"enforced": 1}
    assert versions.by_reference("price-api@v2").enforced_from.year == 2027
    assert send("POST", "/api/v1/apis/enforcement", body | {"at": "2028-01-01T00:00:00Z"}, by="ada").status_code == 409
    assert versions.by_reference("price-api@v2").enforced_from.year == 2027


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["\x00", "till", "price-api@v2", "production", -1, 2**70]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_KEYS = [
    "slug",
    "name",
    "label",
    "owner_team",
    "tier",
    "content",
    "content_base64",
    "entities",
    "items",
    "rows",
    "batch_id",
    "application",
    "version",
    "environment",
    "files",
    "dry_run",
    "decision",
    "needs",
    "url",
    "aliases",
    "visibility",
    "valid_until",
    "key",
    "team",
]
_TARGETS = [
    ("POST", "/api/v1/apis"),
    ("PATCH", "/api/v1/apis/price-api"),
    ("POST", "/api/v1/apis/bulk"),
    ("POST", "/api/v1/apis/price-api/versions"),
    ("PUT", "/api/v1/apis/price-api/versions/v2/contract"),
    ("PUT", "/api/v1/apis/price-api/versions/v2/endpoints"),
    ("POST", "/api/v1/subscriptions"),
    ("POST", "/api/v1/applications"),
    ("POST", "/api/v1/usage"),
    ("POST", "/api/v1/imports"),
    ("POST", "/api/v1/contracts/readings"),
    ("POST", "/api/v1/apis/price-api/dependencies"),
    ("PATCH", "/api/v1/applications/till"),
    ("PUT", "/api/v1/apis/price-api/provision"),
    ("PUT", "/api/v1/apis/price-api/providers/web-shop"),
    ("PUT", "/api/v1/systems/erp/provision"),
    ("PUT", "/api/v1/environments/test/records"),
]


@pytest.mark.thorough
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(_TARGETS),
    body=st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=6) | _VALUES,
    by=st.sampled_from(["piet", "ada"]),
)
def test_no_body_ever_makes_an_error_of_ours(target, body, by):
    answer = send(*target, body, by=by)
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
