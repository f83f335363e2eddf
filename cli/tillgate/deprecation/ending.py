"""What the catalog says of one version that ends, and what a client of it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class PlannedRefusal:
    """Hours `[starts_at, ends_at)` in which the version is refused in an environment."""

    environment: str
    starts_at: datetime
    ends_at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class VersionEnd:
    """A deprecated version. `page` is its page in the catalog, `successor` the address of what follows, "" for none."""

    reference: str
    deprecated_at: datetime | None
    sunset_at: datetime
    page: str
    successor: str = ""
    brown_outs: tuple[PlannedRefusal, ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """RFC 9745 `Deprecation`, RFC 8594 `Sunset`, RFC 8288 `Link`."""
        found = [("Sunset", format_datetime(self.sunset_at, usegmt=True))]
        links = [f'<{self.page}>; rel="sunset"; type="text/html"']
        if self.deprecated_at is not None:
            found.insert(0, ("Deprecation", f"@{int(self.deprecated_at.timestamp())}"))
            links.insert(0, f'<{self.page}>; rel="deprecation"; type="text/html"')
        if self.successor:
            links.append(f'<{self.successor}>; rel="successor-version"')
        return [*found, ("Link", ", ".join(links))]

    def brown_out(self, environment: str, now: datetime) -> PlannedRefusal | None:
        """The brown-out that is going on."""
        for planned in self.brown_outs:
            if planned.environment == environment and planned.starts_at <= now < planned.ends_at:
                return planned
        return None

    def refusal(self, going_on: PlannedRefusal, now: datetime) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of the 503 that a client gets meanwhile (RFC 9457)."""
        detail = (
            f"{self.reference} is deprecated and ends on {self.sunset_at:%d %b %Y}. It is refused on purpose until "
            f"{going_on.ends_at:%d %b %Y %H:%M} UTC, so that who still calls it notices. See {self.page}"
        )
        if going_on.note:
            detail = f"{detail} ({going_on.note})"
        body = json.dumps(
            {"type": "about:blank", "title": "Planned brown-out", "status": 503, "detail": detail}, ensure_ascii=False
        ).encode()
        seconds = max(1, round((going_on.ends_at - now).total_seconds()))
        return [
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("Retry-After", str(seconds)),
            ("Cache-Control", "no-store"),
            *self.headers(),
        ], body


def read(document: Any, *, base_url: str) -> dict[str, VersionEnd]:
    """By reference, from the answer of `GET /api/v1/deprecations`. Raises ValueError for anything else."""
    if not isinstance(document, list):
        raise ValueError("the answer is no list of versions")
    return {version.reference: version for version in (_version(entry, base_url) for entry in document)}


def _version(entry: Any, base_url: str) -> VersionEnd:
    try:
        return VersionEnd(
            reference=_text(entry, "version"),
            deprecated_at=_moment(entry["deprecated_at"]) if entry["deprecated_at"] else None,
            sunset_at=_moment(entry["sunset_at"]),
            page=_uri(_text(entry, "page")),
            successor=_address(entry["successor"], base_url) if entry["successor"] else "",
            brown_outs=tuple(
                PlannedRefusal(
                    _text(b, "environment"), _moment(b["starts_at"]), _moment(b["ends_at"]), str(b.get("note", ""))
                )
                for b in entry["brown_outs"]
                if not b.get("cancelled_at")
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"an entry is no version that ends: {error!r}") from None


def _text(entry: Mapping[str, Any], name: str) -> str:
    found = entry[name]
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is no text")
    return found


def _uri(text: str) -> str:
    """Fit for a header: no character that would end it."""
    if any(c in '<>" ' or not " " < c < "\x7f" for c in text):
        raise ValueError("an address holds a character that no header may hold")
    return text


def _moment(text: Any) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return at.astimezone(UTC)


def _address(reference: str, base_url: str) -> str:
    slug, _, label = reference.partition("@")
    return _uri(f"{base_url}/api/v1/apis/{slug}/versions/{label}")
