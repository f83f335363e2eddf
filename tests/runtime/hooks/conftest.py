"""A vendor that sends webhooks to a deployed integration."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kernel import tokens
from runtime.models import Hook
from runtime.services import hooks
from sandbox.hook_signing import VENDORS, Event, secret_of
from tests.runtime import scene

VARIABLE = "TILLGATE_WEBHOOK_SHOP"


@dataclass
class Vendor:
    """`send(event)` calls as the vendor does; `site` is the deployed integration, `hook` its address."""

    name: str
    client: Any
    site: scene.Site
    hook: Hook
    people: Any
    secret: str

    def send(self, event: Event, *, secret: str = "", headers: dict[str, str] | None = None, at: str = "") -> Any:
        url = hooks.address_of(self.hook)
        body, signed = VENDORS[self.name](event, secret or self.secret, url, time.time())
        return self.call(body, {**signed, **(headers or {})}, at=at)

    def call(self, body: bytes, headers: dict[str, str], *, at: str = "") -> Any:
        address = f"/hooks/{at or self.hook.key}"
        return self.client.generic("POST", address, body, content_type="application/json", headers=headers)

    def owner(self, method: str, path: str = "", body: Any = None) -> Any:
        """The owner's call of the REST API."""
        secret = tokens.issue(
            actor=self.people.sofia, user=self.people.sofia, name="own", scopes=["runtime:read", "runtime:write"]
        )[1]
        return self.client.generic(
            method,
            f"/api/v1/integrations/{self.site.integration.key}/hooks{path}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )


@pytest.fixture
def vendor(client: Any, transactional_db: None, monkeypatch: Any) -> Callable[..., Vendor]:
    """`vendor("shopify", settings={…}, meaning="state", version="/…")`."""

    def make(
        name: str = "shopify", *, settings: Any = None, meaning: str = "fact", key: str = "/id", **more: Any
    ) -> Vendor:
        people = scene.estate()
        webhook = {"profile": name, "settings": settings or {}}
        webhook |= {"means": more.pop("means")} if "means" in more else {}
        event = {"name": "sale", "meaning": meaning, "key": key, "schema": {"type": "object"}}
        event |= {"version": more.pop("version")} if "version" in more else {}
        manifest = {**scene.SALES, "event": event}
        source = {"name": "shop", "system": scene.SALES["sources"][0]["system"], "webhook": webhook, **more}
        manifest["sources"] = [source]
        manifest["targets"] = [{k: v for k, v in one.items() if k != "source"} for one in manifest["targets"]]
        site = scene.Site(manifest, people.groups["sales-finance"])
        secret = secret_of(name, "a")
        monkeypatch.setenv(VARIABLE, secret)
        hook = hooks.make(
            site.integration, "production", source="shop", secret_ref=f"env:{VARIABLE}", actor=people.sofia
        )
        client.raise_request_exception = False
        return Vendor(name, client, site, hook, people, secret)

    return make


def event(number: int, *, at: float | None = None, **payload: Any) -> Event:
    return Event(
        f"evt-{number}",
        "orders/create",
        {"id": f"o-{number}", **payload},
        time.time() if at is None else at,
        number=number,
    )
