"""The page *Intake*: what the owner sees of webhooks, and does about them."""

from __future__ import annotations

import pytest

from runtime.models import Hook
from tests.runtime.hooks.conftest import VARIABLE, event

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/runtime/integrations/sales/intake/"
DO = "/runtime/integrations/sales/hooks/"


def test_the_owner_sees_the_address_the_last_event_and_the_last_refused_call(vendor, client):
    shop = vendor()
    client.force_login(shop.people.sofia)
    assert "none has come" in client.get(PAGE).content.decode()
    shop.send(event(1))
    shop.call(b"{}", {})
    page = client.get(PAGE).content.decode()
    assert f"/hooks/{shop.hook.key}" in page
    assert "evt-1" in page
    assert "it has no signature in the header X-Shopify-Hmac-SHA256" in page
    assert shop.secret not in page


def test_the_page_says_why_nothing_can_be_taken(vendor, client, monkeypatch):
    shop = vendor()
    client.force_login(shop.people.sofia)
    assert "Takes nothing" not in client.get(PAGE).content.decode()
    monkeypatch.delenv(VARIABLE)
    page = client.get(PAGE).content.decode()
    assert "Takes nothing" in page
    assert "is not set on this server" in page


def test_missing_numbers_and_changes_that_wait_are_told(vendor, client):
    shop = vendor("commercetools")
    client.force_login(shop.people.sofia)
    for number in (1, 4):
        one = event(number)
        one.payload["id"] = "order-7"
        shop.send(one)
    assert "order-7: 2 to 3" in client.get(PAGE).content.decode()


def test_the_owner_changes_the_secret_ends_the_address_and_makes_another(vendor, client):
    shop = vendor()
    client.force_login(shop.people.sofia)
    given = {"secret_ref": "env:TILLGATE_WEBHOOK_NEW", "old_secret_ref": f"env:{VARIABLE}"}
    assert client.post(f"{DO}{shop.hook.pk}/secret/", given).status_code == 302
    assert Hook.objects.get().secret_ref == "env:TILLGATE_WEBHOOK_NEW"
    assert client.post(f"{DO}{shop.hook.pk}/end/").status_code == 302
    page = client.get(PAGE).content.decode()
    assert "Make an address" in page
    made = {"source": "shop", "secret_ref": f"env:{VARIABLE}", "public_url": ""}
    assert client.post(f"{DO}make/", made).status_code == 302
    assert Hook.objects.filter(ended_at=None).get().key != shop.hook.key


@pytest.mark.parametrize("what", ["secret", "end"])
def test_who_is_not_the_owner_changes_nothing(vendor, client, what):
    shop = vendor()
    client.force_login(shop.people.zoe)
    answer = client.post(f"{DO}{shop.hook.pk}/{what}/", {"secret_ref": "env:TILLGATE_WEBHOOK_MINE"})
    assert answer.status_code in (403, 404)
    assert Hook.objects.get().ended_at is None
    assert Hook.objects.get().secret_ref == f"env:{VARIABLE}"
