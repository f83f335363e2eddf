"""Outgoing webhooks: CloudEvents 1.0 in structured JSON, signed as Standard Webhooks say.

Sources: cloudevents.io spec v1.0.2 (JSON format, HTTP binding §3.2); standardwebhooks.com (headers webhook-id,
webhook-timestamp, webhook-signature `v1,<base64 HMAC-SHA256 over id.timestamp.body>`, one for each key, blanks
between).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kernel.errors import Invalid, finding

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of the format


def envelope(*, event_id: str, topic: str, subject: str, time: str, source: str, data: Mapping[str, Any]) -> str:
    """The body of one event. It is stored, so that a replay sends the same bytes."""
    made = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"dev.tillgate.{topic}",
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": dict(data),
    }
    return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def secret(master: str, salt: str) -> str:
    """The endpoint's key, derived from the master and never stored: `whsec_` and base64 of 32 bytes."""
    return (
        SECRET_PREFIX
        + base64.b64encode(hmac.digest(master.encode(), f"webhook:{salt}".encode(), hashlib.sha256)).decode()
    )


def signature(key: str, *, event_id: str, timestamp: int, body: str) -> str:
    raw = base64.b64decode(key.removeprefix(SECRET_PREFIX))
    return (
        "v1," + base64.b64encode(hmac.digest(raw, f"{event_id}.{timestamp}.{body}".encode(), hashlib.sha256)).decode()
    )


def require_receiver(url: str) -> None:
    """HTTPS, or plain HTTP to this machine; no user information, no fragment. Raises Invalid `webhook.url`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    local = host in ("localhost", "127.0.0.1", "::1")
    if (
        not host
        or parts.username
        or parts.fragment
        or not (parts.scheme == "https" or (parts.scheme == "http" and local))
    ):
        raise Invalid(
            "webhook.url",
            "A receiver is an https address (http only on this machine) without user or fragment.",
            {"findings": [finding("/url", "an https address")]},
        )


def wants(topics: list[str], topic: str) -> bool:
    """`governance.*` and exact topics."""
    return any(topic == wanted or (wanted.endswith("*") and topic.startswith(wanted[:-1])) for wanted in topics)
