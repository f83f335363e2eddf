"""Numbers of a manifest: within what their columns hold, and written as the database writes them, because the database
digests every release anew."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.contrib.auth.models import Group

from kernel.errors import Invalid
from runtime.domain import manifest as manifests
from runtime.models import Integration, Release
from tests.runtime.scene_manifests import SALES

TARGET = "/targets/0/limits"


def with_limits(**limits: Any) -> dict[str, Any]:
    made = copy.deepcopy(SALES)
    made["targets"][0]["limits"] = limits
    return made


def refused(data: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as found:
        manifests.parse(data)
    assert found.value.code == "manifest.invalid"
    return [one["pointer"] for one in found.value.findings]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", 1e300),
        ("rate", 10**30),
        ("burst", 1e16),
        ("burst", 1e17),
        ("concurrency", 2**31),
        ("budget", 2**63),
        ("budget", 10**30),
    ],
)
def test_limits_beyond_what_is_kept_are_refused_at_their_place(name: str, value: float) -> None:
    assert f"{TARGET}/{name}" in refused(with_limits(**{"rate": 1.0, "burst": 2.0, name: value}))


@pytest.mark.parametrize("value", [1e-7, 1e16, 1e22, -3e-9])
def test_a_number_with_an_exponent_is_refused_wherever_it_stands(value: float) -> None:
    made = copy.deepcopy(SALES)
    made["event"]["schema"] = {"type": "object", "properties": {"a/b": {"multipleOf": [value]}}}
    made["targets"][0]["mapping"]["lookups"]["tax-map"]["values"]["R1"] = value
    if value == 1e-7:
        assert refused(with_limits(rate=value, burst=1.0)) == [f"{TARGET}/rate"]
    made["event"]["schema"]["properties"] = {"a/b": {"default": value}}
    found = refused(made)
    assert "/event/schema/properties/a~1b/default" in found
    assert "/targets/0/mapping/lookups/tax-map/values/R1" in found


@pytest.mark.django_db
@pytest.mark.parametrize(
    "limits",
    [
        {"rate": 0.0001, "burst": 1.0, "budget": 2**63 - 1},
        {"rate": 0.1, "burst": 123456789.125, "concurrency": 2**31 - 1},
        {"rate": 1_000_000_000, "burst": 1e9},
    ],
)
def test_what_is_taken_has_the_digest_that_the_database_makes(limits: dict[str, Any]) -> None:
    reading = manifests.parse(with_limits(**limits))
    owner = Group.objects.create(name="sales-finance")
    made = Integration.objects.create(key="sales", title="Sales", domain_key="sales", owner_team=owner)
    kept = Release.objects.create(integration=made, digest=reading.digest, manifest=reading.data, tier=1)
    kept.refresh_from_db()
    assert manifests.load(kept.manifest).target("journal").limits.rate == limits["rate"]
