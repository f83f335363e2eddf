"""What the audit log keeps of a row before and after a change: plain JSON, keys instead of ids."""

from __future__ import annotations

from typing import Any

from catalog.models import Api, ApiVersion, Boundary, Subscription
from catalog.selectors.api_values import plain_values


def _iso(at: Any) -> str | None:
    return at.isoformat() if at is not None else None


def of_api(api: Api) -> dict[str, Any]:
    return {
        "slug": api.slug,
        **plain_values(api),
        "entities": [
            [u.entity.key, u.attribute_group.key if u.attribute_group else None, u.access]
            for u in api.entity_uses.select_related("entity", "attribute_group").order_by("id")
        ],
        "enforced_from": _iso(api.enforced_from),
        "retired_at": _iso(api.retired_at),
    }


def of_version(version: ApiVersion) -> dict[str, Any]:
    return {
        "reference": str(version),
        "state": version.state,
        "contract": version.contract_id,
        "origin": version.origin,
        "published_at": _iso(version.published_at),
        "deprecated_at": _iso(version.deprecated_at),
        "sunset_at": _iso(version.sunset_at),
        "successor": str(version.successor) if version.successor else None,
        "approval": version.approval_id,
    }


def of_subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "application": subscription.application.key,
        "version": str(subscription.version),
        "environment": subscription.environment.key,
        "state": subscription.state,
        "valid_from": _iso(subscription.valid_from),
        "valid_until": _iso(subscription.valid_until),
        "moves_on": _iso(subscription.moves_on),
        "moves_to": subscription.moves_to.label if subscription.moves_to else None,
        "moves_said_by": subscription.moves_said_by.username if subscription.moves_said_by else None,
    }


def of_boundary(boundary: Boundary) -> dict[str, Any]:
    return {
        "entity": boundary.entity.key,
        "attribute_group": boundary.attribute_group.key if boundary.attribute_group else None,
        "scope": {n: getattr(boundary, n).key for n in ("banner", "region", "channel") if getattr(boundary, n)},
        "system": boundary.system.key,
        "valid_from": _iso(boundary.valid.lower),
        "valid_until": _iso(boundary.valid.upper),
    }
