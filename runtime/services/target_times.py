"""The times of a target's vendor, from its manifest and the vendor's profile, and what a forgotten key asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel.errors import DomainError, finding
from runtime.domain import vendor_times
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.profiles import profile
from runtime.services import system_connections


def _profile_limits(target: ManifestTarget) -> Mapping[str, Any]:
    if target.connection is None or target.connection.profile is None:
        return {}
    return profile(target.connection.profile).limits


def held_by_subscription(target: ManifestTarget) -> dict[str, float | None]:
    """What the claims of a target go by. A release that was registered before it had to say how long its vendor keeps
    keys has what the profile says, else a day."""
    limits = _profile_limits(target)
    return {
        "settle": vendor_times.settle_of(target.settle, limits, target.deadline, compares=_compares_versions(target)),
        "key_kept": vendor_times.key_kept_of(target.key_kept, limits) if target.idempotency == "K" else None,
        "deadline": target.deadline,
    }


def _lookup(target: ManifestTarget) -> Mapping[str, Any]:
    found = system_connections.settings_of(target.connection).get("lookup") if target.connection else None
    return found if isinstance(found, Mapping) else {}


def _compares_versions(target: ManifestTarget) -> bool:
    """Whether an older state changes nothing at this target, however late it comes: its documents have versions, and
    the same again is no second one."""
    return target.idempotency == "N" and _lookup(target).get("versioned") is True


def asks_by_reference(target: ManifestTarget) -> bool:
    """Whether the vendor can be asked about a message of this target when it has forgotten its key."""
    lookup = _lookup(target)
    if not lookup:
        return False
    return target.ask_by != "idempotency_key" or bool(lookup.get("references") and lookup.get("business_reference"))


def business_reference(target: ManifestTarget) -> str:
    """The template over the document by which the target can be asked beside its key; empty where there is none."""
    lookup = _lookup(target)
    return str(lookup.get("business_reference") or "") if lookup.get("references") else ""


def missing_key_kept(manifest: Manifest) -> list[dict[str, Any]]:
    """Findings of a new release: a target that relies on keys says for how long its vendor keeps them."""
    found = []
    for number, target in enumerate(manifest.targets):
        if target.idempotency != "K" or target.connection is None or target.key_kept is not None:
            continue
        try:
            kept = vendor_times.key_kept_of(None, _profile_limits(target))
        except DomainError:
            continue  # an unknown profile is a finding of its own
        if kept is None:
            said = (
                f"the target {target.name!r} is of class K, and neither it nor its profile says for how many seconds "
                "the vendor keeps a key: add `key_kept`, for example 86400 for a day"
            )
            found.append(finding(f"/targets/{number}/key_kept", said, code="key_kept.missing"))
    return found
