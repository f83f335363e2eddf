"""Where systems answer and where they answered before, as documents whose digest approvals bind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from catalog.models import Destination, SystemEndpoint


def present(system_key: str, environment: str) -> dict[str, Any] | None:
    """The document of where a system answers now; None where it has no endpoint there."""
    row = SystemEndpoint.objects.filter(system__key=system_key, environment__key=environment).first()
    return by_digest(row.destination) if row else None


def by_digest(digest: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = Destination.objects.filter(digest=digest).values_list("document", flat=True).first()
    return found


def by_digests(digests: Iterable[str]) -> dict[str, dict[str, Any]]:
    return dict(Destination.objects.filter(digest__in=list(digests)).values_list("digest", "document"))
