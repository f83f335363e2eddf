"""Whether a webhook was sent by who knows the secret: over its bytes as they came, before anything is made of them.

Sources: shopify.dev, *Verify webhook deliveries*; developer.squareup.com, *Verify and validate webhooks*;
docs.stripe.com, *Verify webhook signatures manually*; standardwebhooks.com, specification; docs.adyen.com, *Verify HMAC
signatures*; developers.klaviyo.com, *Working with system webhooks*; docs.github.com, *Validating webhook deliveries*.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kernel import signed_bodies, strict_json
from runtime.connectors.webhook_settings import HEADER, TEXT, SignatureSettings

MOST_SIGNATURES = 20  # of one call, while a vendor changes its secret
MOST_ITEMS = 1_000  # of Adyen's, each with a signature of its own
STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ADYEN = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
_SECONDS = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call as it came. `headers` are found by any case; `url` is the address as the vendor has it."""

    headers: Mapping[str, str]
    body: bytes
    url: str
    now: datetime


class NotSigned(Exception):
    """Why a call is not believed, for the owner of the source; nothing of it is told to who sent it."""


def key_of(secret: str, form: str) -> bytes:
    """The bytes of a secret as it is written. Raises ValueError where it is none of that form."""
    if form == "text":
        return secret.encode()
    if form == "hex":
        return bytes.fromhex(secret)
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def verify(signature: SignatureSettings, keys: Sequence[bytes], call: SentCall) -> None:
    """Raises NotSigned. Every key is tried, whichever fits."""
    if signature.kind == "adyen":
        return _adyen(keys, call)
    if signature.kind == "shared":
        return _shared(signature, keys, call)
    content, given, at = _SCHEMES[signature.kind](signature, call)
    if not given:
        raise NotSigned(f"it has no signature in the header {_header_of(signature)}")
    if not signed_bodies.any_same([signed_bodies.made(key, content) for key in keys], given):
        raise NotSigned("its signature was made with another secret, or over other content")
    if at is not None and abs((call.now - at).total_seconds()) > signature.tolerance:
        raise NotSigned(f"it was signed at {at:%Y-%m-%d %H:%M:%S} UTC, more than {signature.tolerance} s from now")
    return None


_Parts = tuple[bytes, list[bytes], datetime | None]


def _hmac(signature: SignatureSettings, call: SentCall) -> _Parts:
    given = call.headers.get(signature.header, "").strip()
    at = None if signature.time is None else _moment(call.headers.get(signature.time, ""))
    if not given or not given.startswith(signature.prefix):
        return b"", [], at
    content = b"".join(_part(part, call) for part in signature.over)
    return content, _read([given.removeprefix(signature.prefix)], signature.encoding), at


def _part(part: str, call: SentCall) -> bytes:
    if part == "body":
        return call.body
    if part == "url":
        return call.url.encode()
    if part.startswith(HEADER):
        return call.headers.get(part.removeprefix(HEADER), "").encode("latin-1", "replace")
    return part.removeprefix(TEXT).encode()


def _timestamped(signature: SignatureSettings, call: SentCall) -> _Parts:
    parts = [part.strip().partition("=") for part in call.headers.get(signature.header, "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1:
        return b"", [], None
    return f"{times[0]}.".encode() + call.body, _read(given, "hex"), _moment(times[0])


def _standard(signature: SignatureSettings, call: SentCall) -> _Parts:
    identifier, at, given = (call.headers.get(name, "") for name in STANDARD)
    signatures = [value for version, _, value in (one.partition(",") for one in given.split()) if version == "v1"]
    content = f"{identifier}.{at}.".encode("latin-1", "replace") + call.body
    return content, _read(signatures, "base64"), _moment(at)


_SCHEMES = {"hmac": _hmac, "timestamped": _timestamped, "standard": _standard}


def _header_of(signature: SignatureSettings) -> str:
    return STANDARD[2] if signature.kind == "standard" else signature.header


def _shared(signature: SignatureSettings, keys: Sequence[bytes], call: SentCall) -> None:
    given = call.headers.get(signature.header, "").strip()
    if not given.startswith(signature.prefix):
        raise NotSigned(f"the header {signature.header} does not begin as it should")
    sent = given.removeprefix(signature.prefix).encode("latin-1", "replace")
    known = b"tillgate"  # digests have one length, so that nobody learns the secret's
    if not signed_bodies.any_same((signed_bodies.made(known, key) for key in keys), [signed_bodies.made(known, sent)]):
        raise NotSigned(f"the header {signature.header} is missing or holds another secret")


def _adyen(keys: Sequence[bytes], call: SentCall) -> None:
    """Each item by itself: one that is not signed is no reason to believe the others."""
    for content, given in _adyen_items(call.body):
        if not signed_bodies.any_same((signed_bodies.made(key, content) for key in keys), _read([given], "base64")):
            raise NotSigned("an item has no signature, or one of another secret or over other content")


def _adyen_items(body: bytes) -> Iterator[tuple[bytes, str]]:
    try:
        document, flaw = strict_json.judged(body.decode())
    except (ValueError, RecursionError):
        document, flaw = None, None
    items = document.get("notificationItems") if flaw is None and isinstance(document, dict) else None
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        raise NotSigned("the body has no items that could be signed")
    for one in items:
        item = one.get("NotificationRequestItem") if isinstance(one, dict) else None
        more = item.get("additionalData") if isinstance(item, dict) else None
        given = more.get("hmacSignature") if isinstance(more, dict) else None
        if not isinstance(item, dict) or not isinstance(given, str):
            raise NotSigned("an item has no signature")
        yield ":".join(_adyen_fields(item)).encode("utf-8", "replace"), given


def _adyen_fields(item: Mapping[str, Any]) -> Iterable[str]:
    amount = item.get("amount")
    money = amount if isinstance(amount, dict) else {}
    values = [item.get(name) for name in _ADYEN]
    values += [money.get("value"), money.get("currency"), item.get("eventCode"), item.get("success")]
    for value in values:
        if isinstance(value, dict | list):
            raise NotSigned("a signed field of an item is no text")
        yield "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _read(given: Iterable[str], encoding: str) -> list[bytes]:
    found = []
    for text in list(given)[:MOST_SIGNATURES]:
        try:
            found.append(bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error):
            continue
    return found


def _moment(text: str) -> datetime:
    """Raises NotSigned for what is no moment: it cannot be judged whether the call is stale."""
    try:
        if _SECONDS.fullmatch(text.strip()):
            return datetime.fromtimestamp(int(text), UTC)
        made = datetime.fromisoformat(text.strip())
        return made if made.tzinfo is not None else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise NotSigned("the signed time is missing or is none") from None
