"""Every PUT, PATCH and DELETE of the catalog's API is conditional: 428 without If-Match, 412 with a stale one, done
with the present one."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.urls import URLPattern

from catalog.api import urls
from catalog.models import Dependency, Environment, Subscription, System, SystemEndpoint
from catalog.services import campaigns
from tests.catalog import make

pytestmark = pytest.mark.django_db
WRITES = ("put", "patch", "delete")


def _writes() -> list[tuple[str, str]]:
    """(method, name of the address) of every overwriting operation in the URL conf."""
    found = []
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        found += [(method, str(pattern.name)) for method in WRITES if hasattr(pattern.callback.view_class, method)]
    return found


def _case(name: str) -> tuple[str, str, Any, str]:
    """(address, where its ETag is read, a body that changes something, who may)."""
    version = "/api/v1/apis/price-api/versions/v3"
    contract = make.contract("price-v3.yaml").decode().replace("openapi:", "# again\nopenapi:", 1) + "\nx-more: 1\n"
    dependency = Dependency.objects.filter(api__slug="price-api").first()
    subscription = Subscription.objects.filter(application__key="till", state="active").first()
    move = f"/api/v1/subscriptions/{subscription.pk if subscription else 0}"
    cases: dict[str, tuple[str, str, Any, str]] = {
        "api": ("/api/v1/apis/price-api", "", {"purpose": "Another sentence about prices."}, "piet"),
        "application": ("/api/v1/applications/till", "", {"name": "Tills"}, "stan"),
        "campaign": ("/api/v1/campaigns/owned", "", {"name": "Everything has an owner"}, "ada"),
        "version-contract": (f"{version}/contract", "", {"content": contract, "file_name": "price.yaml"}, "piet"),
        "version-endpoints": (
            f"{version}/endpoints",
            version,
            {"environment": "test", "url": "https://price.example"},
            "piet",
        ),
        "dependency": (f"/api/v1/dependencies/{dependency.pk if dependency else 0}", "", None, "piet"),
        "api-provision": ("/api/v1/apis/price-api/provision", "", {"third_party": True, "per_instance": False}, "piet"),
        "api-provider": (
            "/api/v1/apis/price-api/providers/web-shop",
            "/api/v1/apis/price-api/provision",
            {"reason": "It hosts the old one."},
            "piet",
        ),
        "application-agent": (
            "/api/v1/applications/till/agent",
            "",
            {"purpose": "It proposes orders of goods.", "limits": "It reads stock and asks."},
            "stan",
        ),
        "system-endpoint": (
            "/api/v1/systems/erp/endpoints/test",
            "",
            {"base_url": "https://erp.example", "secret_ref": "env:TILLGATE_SECRET_ERP"},
            "piet",
        ),
        "system": ("/api/v1/systems/erp", "", {"description": "It keeps the books."}, "piet"),
        "entity": ("/api/v1/entities/price", "", {"aliases": ["amount"]}, "piet"),
        "system-provision": ("/api/v1/systems/erp/provision", "", {"third_party": None}, "piet"),
        "environment-records": (
            "/api/v1/environments/test/records",
            "",
            {"enforced_from": "2026-12-24T00:00:00Z"},
            "ada",
        ),
        "subscription-move": (f"{move}/move", move, {"moves_to": "", "moves_on": "2099-12-31"}, "stan"),
    }
    return cases[name]


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()
    SystemEndpoint.objects.create(
        system=System.objects.get(key="erp"),
        environment=Environment.objects.get(key="test"),
        base_url="https://old.example",
    )
    campaigns.begin(actor=make.person("ada"), key="owned", name="Owned", point="owner", due_on=date(2099, 1, 1))
    if not Dependency.objects.filter(api__slug="price-api").exists():
        answer = make.client("piet").post(
            "/api/v1/apis/price-api/dependencies", {"needs_system": "erp"}, content_type="application/json"
        )
        assert answer.status_code == 201, answer.content


def test_the_url_conf_has_such_operations():
    assert len(_writes()) >= 5


@pytest.mark.parametrize(("method", "name"), _writes(), ids=lambda v: v)
def test_a_write_needs_the_tag_of_what_was_read(method: str, name: str) -> None:
    address, read_at, body, who = _case(name)
    client = make.client(who)

    def send(headers: dict[str, str]) -> Any:
        data = json.dumps(body) if body is not None else ""
        return client.generic(method.upper(), address, data=data, content_type="application/json", headers=headers)

    before = client.get(read_at or address)
    assert before.status_code == 200, before.content
    missing = send({})
    assert missing.status_code == 428
    assert missing.json()["code"] == "request.condition_missing"
    stale = send({"If-Match": '"0123456789abcdef"'})
    assert stale.status_code == 412
    assert client.get(read_at or address).headers["ETag"] == before.headers["ETag"]
    done = send({"If-Match": before.headers["ETag"]})
    assert done.status_code in (200, 204), done.content
    if (method, name) not in (
        ("delete", "api-provider"),
        ("delete", "application-agent"),
    ):  # nothing was there to end, and nothing changed
        assert send({"If-Match": before.headers["ETag"]}).status_code in (404, 412)
