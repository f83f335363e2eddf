"""What clients of a version learn from response headers: RFC 9745 Deprecation, RFC 8594 Sunset, RFC 8288 Link."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings
from django.urls import reverse
from django.utils.http import http_date

from catalog.domain.facts import VersionFacts
from catalog.selectors import successors, versions
from kernel.viewer import Viewer


def absolute(path: str) -> str:
    return f"{settings.PUBLIC_URL}{path}"


def version_path(reference: str) -> str:
    slug, label = versions.split_reference(reference)
    return reverse("catalog:version", args=[slug, label])


def lifecycle_headers(version_id: int, *, viewer: Viewer) -> dict[str, str]:
    """Empty for a version that is not deprecated. The same dates as page, linkset and gate: all read the same row."""
    found = versions.find(version_id)
    return headers_of(successors.told(found, viewer)) if found else {}


def headers_of(facts: VersionFacts) -> dict[str, str]:
    """The headers about a version as its reader is told of it (`successors.told`)."""
    headers: dict[str, str] = {}
    relations = []
    if facts.deprecated_at is not None:
        headers["Deprecation"] = f"@{int(facts.deprecated_at.timestamp())}"
        relations.append(f'<{absolute(version_path(facts.reference))}>; rel="deprecation"; type="text/html"')
    if facts.sunset_at is not None:
        headers["Sunset"] = http_date(facts.sunset_at.timestamp())
        relations.append(f'<{absolute(version_path(facts.reference))}>; rel="sunset"; type="text/html"')
    if facts.successor_reference:
        slug, label = versions.split_reference(facts.successor_reference)
        relations.append(
            f'<{absolute(f"/api/v1/apis/{quote(slug)}/versions/{quote(label)}")}>; rel="successor-version"'
        )
    if relations:
        headers["Link"] = ", ".join(relations)
    return headers
