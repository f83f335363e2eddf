"""Webhooks as vendors sign them: the headers of a call, made from its body, the vendor's own secret and the time.

Sources: shopify.dev, *Verify webhook deliveries*; developer.squareup.com, *Verify and validate webhooks*;
docs.stripe.com, *Verify webhook signatures manually*; standardwebhooks.com, specification; docs.adyen.com, *Verify HMAC
signatures*; developers.klaviyo.com, *Working with system webhooks*; developer.bigcommerce.com, *Webhooks overview*.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class Event:
    """One event of a vendor: `number` counts them, `at` is when it came about."""

    id: str
    topic: str
    payload: dict[str, Any]
    at: float
    number: int = 0
    more: dict[str, str] = field(default_factory=dict)


Signed = tuple[bytes, dict[str, str]]


def shopify(event: Event, secret: str, url: str, now: float) -> Signed:
    body = _json(event.payload)
    return body, {
        "X-Shopify-Topic": event.topic,
        "X-Shopify-Webhook-Id": event.id,
        "X-Shopify-Triggered-At": datetime.fromtimestamp(event.at, UTC).isoformat(),
        "X-Shopify-Hmac-SHA256": _base64(_hmac(secret.encode(), body)),
    }


def square(event: Event, secret: str, url: str, now: float) -> Signed:
    body = _json({"event_id": event.id, "type": event.topic, "data": {"id": event.id, "object": event.payload}})
    return body, {"X-Square-HmacSha256-Signature": _base64(_hmac(secret.encode(), url.encode() + body))}


def stripe(event: Event, secret: str, url: str, now: float) -> Signed:
    body = _json({"id": event.id, "type": event.topic, "created": int(event.at), "data": {"object": event.payload}})
    made = _hmac(secret.encode(), f"{int(now)}.".encode() + body).hex()
    return body, {"Stripe-Signature": f"t={int(now)},v1={made},v0={'0' * 64}"}


def standard(event: Event, secret: str, url: str, now: float) -> Signed:
    body = _json({"type": event.topic, "data": event.payload})
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = _base64(_hmac(key, f"{event.id}.{int(now)}.".encode() + body))
    return body, {"webhook-id": event.id, "webhook-timestamp": str(int(now)), "webhook-signature": f"v1,{made}"}


def adyen(event: Event, secret: str, url: str, now: float) -> Signed:
    item = {
        "eventCode": event.topic,
        "success": "true",
        "merchantAccountCode": "RetailerPOS",
        "merchantReference": event.payload.get("reference", ""),
        "pspReference": event.id,
        "amount": {"value": event.payload.get("value", 0), "currency": "EUR"},
        "eventDate": datetime.fromtimestamp(event.at, UTC).isoformat(),
    }
    fields = [item["pspReference"], "", item["merchantAccountCode"], item["merchantReference"]]
    fields += [str(item["amount"]["value"]), "EUR", item["eventCode"], "true"]
    item["additionalData"] = {"hmacSignature": _base64(_hmac(bytes.fromhex(secret), ":".join(fields).encode()))}
    return _json({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}), {}


def klaviyo(event: Event, secret: str, url: str, now: float) -> Signed:
    body, at = _json({"data": [{"topic": event.topic, "id": event.id, "payload": event.payload}]}), str(int(now))
    return body, {"Klaviyo-Timestamp": at, "Klaviyo-Signature": _hmac(secret.encode(), body + at.encode()).hex()}


def voucherify(event: Event, secret: str, url: str, now: float) -> Signed:
    body = _json({"id": event.id, "type": event.topic, "data": {"object": event.payload}})
    return body, {"x-voucherify-signature": _hmac(secret.encode(), body).hex()}


def bigcommerce(event: Event, secret: str, url: str, now: float) -> Signed:
    digest = hashlib.sha1(event.id.encode(), usedforsecurity=False).hexdigest()
    data = {"type": event.topic.split("/")[1], "id": event.payload["id"]}
    body = _json({"scope": event.topic, "store_id": "1001", "data": data, "hash": digest, "created_at": int(event.at)})
    return body, {"X-Tillgate-Hook": secret}


def commercetools(event: Event, secret: str, url: str, now: float) -> Signed:
    body = _json(
        {
            "notificationType": "Message",
            "type": event.topic,
            "id": event.id,
            "resource": {"typeId": "order", "id": event.payload["id"]},
            "sequenceNumber": event.number,
            "resourceVersion": event.number,
            "order": event.payload,
        }
    )
    return body, {"Authorization": f"Bearer {secret}"}


VENDORS: dict[str, Callable[[Event, str, str, float], Signed]] = {
    "shopify": shopify,
    "square": square,
    "stripe": stripe,
    "standard": standard,
    "adyen": adyen,
    "klaviyo": klaviyo,
    "voucherify": voucherify,
    "bigcommerce": bigcommerce,
    "commercetools": commercetools,
}


def secret_of(vendor: str, seed: str) -> str:
    """A secret as that vendor writes it, always the same for one seed."""
    raw = hashlib.sha256(f"{vendor} {seed}".encode()).digest()
    if vendor == "adyen":
        return raw.hex().upper()
    return f"whsec_{_base64(raw)}" if vendor in ("standard", "stripe") else raw.hex()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
