"""A source of the campaign: offers that the product reads by itself, and brings to the stores.

The source is a server of the campaign's own. What it has published is the witness of what the stores must have in the
end, its journal says what it answered to whom and when. A share of its offers is in force from a date that comes within
seconds. For a while it shows every row so that none can be read (no run may move its cursor past these), for a while it
cannot be read at all (nobody may be told that what stores have is fresh).
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

OFFERS = "campaign-offers"
PAGE = 10
STORES = ("1", "2")
FAILURES = ("503", "500", "401", "sign-in", "error member", "cut", "half")
CONTRACT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Offer",
    "type": "object",
    "required": ["id", "version", "price", "currency", "from", "changed"],
    "properties": {
        "id": {"type": "string", "maxLength": 40},
        "version": {"type": "integer"},
        "price": {"type": "string", "pattern": "^[0-9]+[.][0-9]{2}$"},
        "currency": {"type": "string", "maxLength": 3},
        "from": {"type": ["string", "null"], "maxLength": 40},
        "changed": {"type": "integer"},
    },
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What was published. `begins`: seconds since 1970 from which it is in force, None from ever."""

    item: str
    version: int
    begins: float | None


@dataclass
class OfferSource:
    """The server. `odd` and `failing` are switched by the round; `seen_whole_at` is when it last answered a last page
    that a reader could take: nobody can know better than that."""

    journal: Path
    seed: int
    odd: bool = False
    failing: bool = False
    seen_whole_at: float | None = None
    dates_within: int = 8  # seconds
    rows: list[dict[str, Any]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random, self._lock = random.Random(f"offers {self.seed}"), threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="offers", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, item: str) -> None:
        """An offer; every third item gets another price from a moment that is a few seconds away."""
        with self._lock:
            self._add(item, 1, None)
            if self.random.random() < 0.33:
                self._add(item, 2, float(int(time.time()) + self.random.randint(1, self.dates_within)))

    def _add(self, item: str, version: int, begins: float | None) -> None:
        self.offers.append(Offer(item, version, begins))
        self.rows.append(
            {
                "id": item,
                "version": version,
                "price": f"{version}.{len(self.rows) % 100:02d}",
                "currency": "EUR",
                "from": None if begins is None else datetime.fromtimestamp(begins, UTC).isoformat(),
                "changed": len(self.rows) + 1,
            }
        )

    def answer(self, path: str) -> tuple[int, str, bytes, str]:
        """Status, media type, body, and what it was; an empty body with status 0 is a cut."""
        asked = {name: values[0] for name, values in parse_qs(urlparse(path).query).items()}
        with self._lock:
            after = int(asked.get("after", asked.get("since", "0")))
            rows = [row for row in self.rows if row["changed"] > after]
            page, more = rows[:PAGE], len(rows) > PAGE
            if self.failing:
                return self._failure()
            if self.odd:
                page = [row | {"price": "n/a"} for row in page]
            last = page[-1]["changed"] if page else 0
            following = f"{self.url}/offers?since={asked.get('since', '0')}&after={last}" if more else None
            body = json.dumps({"data": page, "next": following}).encode()
            if not more and not (self.odd and page):
                self.seen_whole_at = time.time()
            shown = [page[0]["changed"], page[-1]["changed"]] if page else []
            return 200, "application/json", body, f"{'odd' if self.odd else 'ok'} {shown}"

    def _failure(self) -> tuple[int, str, bytes, str]:
        what = self.random.choice(FAILURES)
        made: dict[str, tuple[int, str, bytes]] = {
            "sign-in": (200, "text/html", b"<html><form><input type='password'></form></html>"),
            "error member": (200, "application/json", b'{"data": [], "next": null, "errors": ["the view is rebuilt"]}'),
            "cut": (0, "", b""),
            "half": (200, "application/json", b'{"data": ['),
        }
        status, media, body = made.get(what) or (int(what), "application/json", b'{"error": "not now"}')
        return status, media, body, what

    def _note(self, path: str, what: str) -> None:
        with self.journal.open("a") as lines:
            lines.write(json.dumps({"at": time.time(), "asked": path, "answered": what}) + "\n")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, media, body, what = source.answer(self.path)
                source._note(self.path, what)
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", media)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def blueprint(url: str) -> dict[str, Any]:
    """What the source adds to the demo retailer's catalog; the contract is `offer.json` beside it."""
    version = {"label": "v1", "contract": "offer.json", "state": "published", "published_at": "2025-01-01T00:00:00Z"}
    return {
        "blueprint": 1,
        "systems": [
            {
                "key": "offers",
                "name": "Offers of the campaign",
                "owner_team": "pricing",
                "endpoints": {"production": {"base_url": url, "auth_kind": "none"}},
            }
        ],
        "entities": [{"key": "campaign-offer", "name": "Campaign offer", "domain": "price"}],
        "boundaries": [{"entity": "campaign-offer", "system": "offers", "from": "2024-01-01T00:00:00Z"}],
        "apis": [
            {
                "slug": "campaign-offers",
                "name": "Offers of the campaign",
                "purpose": "Offers, some of them from a date",
                "domain": "price",
                "owner_team": "pricing",
                "layer": "system",
                "style": "rest",
                "tier": 1,
                "data_class": "internal",
                "system": "offers",
                "entities": [{"entity": "campaign-offer", "access": "authoritative_read"}],
                "versions": [version],
            }
        ],
    }


def manifest(store: dict[str, Any], build: int) -> dict[str, Any]:
    """Read by change numbers, in force by date, to the same stores as the tills' prices (whose target is `store`).
    Nothing rejected is left behind: one record that cannot be read fails the run."""
    fields = [
        {"to": "id", "from": "id", "type": "string", "required": True},
        {"to": "version", "from": "version", "type": "integer", "required": True},
        {"to": "price", "from": "price", "type": "decimal", "scale": 2, "write": "text", "required": True},
        {"to": "currency", "from": "currency", "type": "string", "max_length": 3, "required": True},
        {"to": "build", "constant": str(build)},
    ]
    target = {key: value for key, value in store.items() if key not in ("when", "name", "mapping", "writes", "batch")}
    settings = {
        "path": "offers",
        "items": "data",
        "key_fields": ["id"],
        "version_field": "version",
        "paging": {"strategy": "next", "next": "next"},
        "changes": {"param": "since", "field": "changed", "initial": "0", "overlap": 0},
    }
    return {
        "integration": OFFERS,
        "title": "Campaign offers",
        "domain": "price",
        "owner": "integration",
        "tier": 1,
        "lanes": 2,
        "degraded_mode": "queue_only",
        "note": f"build {build}",
        "sources": [
            {
                "name": "offer",
                "system": "offers",
                "api": "campaign-offers@v1",
                "contract": "current",
                "schema": "",
                "connection": {"protocol": "rest", "settings": settings},
                "rejected_limit": {"share": 0.0001, "count": 0},
                "valid": {"from": "/from", "zone": "Europe/Berlin"},
            }
        ],
        "event": {"name": "offer.changed", "meaning": "state"},
        "targets": [
            {
                **target,
                "name": "store-offers",
                "source": "offer",
                "batch": 5,
                "writes": [{"entity": "campaign-offer", "attribute_group": None, "kind": "replica"}],
                "mapping": {"mapping": "campaign-offer", "version": "1", "fields": fields},
            }
        ],
    }


def expected(offers: list[Offer], now: float) -> dict[str, int]:
    """Which version of each item is in force."""
    found: dict[str, int] = {}
    for one in offers:
        if one.begins is None or one.begins <= now:
            found[one.item] = one.version
    return found
