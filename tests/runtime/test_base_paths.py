"""A path that leaves out the path of the catalog's address is told of, with what is called."""

from __future__ import annotations

import pytest

from catalog.models import Environment, System, SystemEndpoint
from runtime.domain import manifest as manifests
from runtime.services import manifest_checks
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("base", "path", "told"),
    [
        ("http://host/vk", "/docs", "http://host/docs"),
        ("http://host/vk", "docs", ""),
        ("http://host/vk/", "/vk/docs", ""),
        ("http://host/", "/docs", ""),
    ],
)
def test_a_path_from_the_root_of_the_host_is_told_of_where_the_address_has_one(base: str, path: str, told: str) -> None:
    scene.estate()
    target = {**scene.SALES["targets"][0]}
    target["connection"] = {"protocol": "rest", "settings": {"path": path, "idempotency": target["idempotency"]}}
    SystemEndpoint.objects.update_or_create(
        system=System.objects.get(key=target["system"]),
        environment=Environment.objects.get(key="production"),
        defaults={"base_url": base},
    )
    found = manifest_checks.warnings(manifests.parse({**scene.SALES, "targets": [target]}).manifest)
    said = [one["message"] for one in found if one["code"] == "connection.base_path"]
    assert [told in one and "'/vk'" in one for one in said] == ([True] if told else [])
