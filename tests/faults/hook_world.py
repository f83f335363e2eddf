"""Deploys three sources that take webhooks into a database that is empty: run as a program, with the address to make
known and secrets in the environment; prints the addresses as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import django

SOURCES: dict[str, dict[str, Any]] = {
    "payments": {"vendor": "stripe", "meaning": "fact", "key": "/id"},
    "orders": {"vendor": "shopify", "meaning": "state", "key": "/id", "version": "/version"},
    "products": {"vendor": "bigcommerce", "means": "changes", "meaning": "state", "key": "/id"},
}
CONNECTION = {"protocol": "rest", "profile": "bigcommerce", "settings": {"path": "products", "auth": {"kind": "none"}}}


def manifest_of(name: str) -> dict[str, Any]:
    from tests.runtime import scene

    said = SOURCES[name]
    event = {"name": name, "meaning": said["meaning"], "key": said["key"], "schema": {"type": "object"}}
    event |= {"version": said["version"]} if "version" in said else {}
    webhook = {"profile": said["vendor"]} | ({"means": "changes"} if "means" in said else {})
    source = {"name": "vendor", "system": "pos", "webhook": webhook}
    source |= {"connection": CONNECTION} if "means" in said else {}
    targets = [{k: v for k, v in one.items() if k not in ("source", "after")} for one in scene.SALES["targets"][:1]]
    return {**scene.SALES, "integration": name, "title": name, "sources": [source], "event": event, "targets": targets}


def main() -> None:
    django.setup()
    from runtime.services import hooks
    from tests.runtime import scene

    people = scene.estate()
    made = {}
    for name in SOURCES:
        site = scene.Site(manifest_of(name), people.groups["sales-finance"])
        hook = hooks.make(
            site.integration,
            "production",
            source="vendor",
            secret_ref=f"env:TILLGATE_WEBHOOK_{name.upper()}",
            actor=None,
        )
        made[name] = hooks.address_of(hook)
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
