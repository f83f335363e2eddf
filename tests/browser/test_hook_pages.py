"""An owner makes an address for webhooks, and sees there what came and what was refused."""

from __future__ import annotations

import os
import time

import pytest

from runtime.models import Hook
from runtime.services import hook_intake
from sandbox.hook_signing import VENDORS, Event, secret_of
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_address_is_made_takes_calls_and_gets_another_secret(page, sign_in, axe, monkeypatch):
    people = scene.estate()
    source = {"name": "shop", "system": "pos", "webhook": {"profile": "shopify"}}
    event = {"name": "order", "meaning": "fact", "key": "/id"}
    scene.Site({**scene.SALES, "sources": [source], "event": event}, people.groups["sales-finance"])
    monkeypatch.setenv("TILLGATE_WEBHOOK_SHOP", secret := secret_of("shopify", "a"))
    sign_in(people.sofia)
    page.goto("/runtime/integrations/sales/intake/")
    page.get_by_label("Secret").fill("env:TILLGATE_WEBHOOK_SHOP")
    axe()
    page.get_by_role("button", name="Make an address").click()
    hook = Hook.objects.get()
    assert page.get_by_text(f"/hooks/{hook.key}").is_visible()
    for number in (1, 2, 1):
        body, headers = VENDORS["shopify"](
            Event(f"evt-{number}", "t", {"id": f"o-{number}"}, time.time()), secret, "", 0
        )
        hook_intake.receive(hook.key, headers, body)
    page.reload()
    assert page.get_by_role("rowheader", name="evt-2").is_visible()
    axe()
    if folder := os.environ.get("LOOK_INTO"):
        for name, size, scheme in (("wide", 1280, "light"), ("narrow", 390, "light"), ("dark", 1280, "dark")):
            page.set_viewport_size({"width": size, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    page.get_by_label("Also believed").fill("env:TILLGATE_WEBHOOK_OLD")
    page.get_by_role("button", name="Change the secret").click()
    assert page.get_by_text("Takes nothing").is_visible()
    assert page.get_by_text("TILLGATE_WEBHOOK_OLD' is not set on this server").is_visible()
