"""Requests that are signed by what is in them: OAuth 1.0a with HMAC-SHA256 (RFC 5849), and an HMAC of a vendor's own.

Plain functions: method, URL, body and secrets go in, headers come out."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def escaped(text: str) -> str:
    """RFC 5849 §3.6: every byte but letters, digits, `-._~`."""
    return quote(text, safe="-._~")


def base_string(method: str, url: str, parameters: Sequence[tuple[str, str]], form: str = "") -> str:
    """RFC 5849 §3.4.1. `parameters`: those of OAuth, without `realm`; those of the query are read from the URL, those
    of a form from its body."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    query = parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True)
    pairs = sorted((escaped(name), escaped(value)) for name, value in [*query, *parameters])
    normal = "&".join(f"{name}={value}" for name, value in pairs)
    address = f"{parts.scheme.lower()}://{host}{port}{parts.path or '/'}"
    return "&".join(escaped(one) for one in (method.upper(), address, normal))


def hmac_signature(text: str, consumer_secret: str, token_secret: str, digest: str = "sha256") -> str:
    key = f"{escaped(consumer_secret)}&{escaped(token_secret)}".encode()
    return base64.b64encode(hmac.new(key, text.encode(), digest).digest()).decode()


def oauth1_header(
    method: str, url: str, secrets: Mapping[str, str], *, realm: str, timestamp: int, nonce: str, form: str = ""
) -> str:
    """The header `Authorization`. `secrets`: consumer_key, consumer_secret, token, token_secret."""
    given = [
        ("oauth_consumer_key", secrets["consumer_key"]),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA256"),
        ("oauth_timestamp", str(timestamp)),
        ("oauth_token", secrets["token"]),
        ("oauth_version", "1.0"),
    ]
    text = base_string(method, url, given, form)
    signature = hmac_signature(text, secrets["consumer_secret"], secrets["token_secret"])
    shown = [*([("realm", realm)] if realm else []), *given, ("oauth_signature", signature)]
    return "OAuth " + ", ".join(f'{name}="{escaped(value)}"' for name, value in shown)


def signed_content(template: str, values: Mapping[str, str], body: bytes) -> bytes:
    """What is signed, with the body byte by byte."""
    made = template.replace("\\n", "\n").encode()
    for name, value in values.items():
        made = made.replace(b"{%s}" % name.encode(), value.encode())
    return made.replace(b"{body}", body)


def mac(content: bytes, secret: str, *, digest: str, encoding: str) -> str:
    made = hmac.new(secret.encode(), content, digest).digest()
    return made.hex() if encoding == "hex" else base64.b64encode(made).decode()


def body_sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


__all__ = ["base_string", "body_sha256", "escaped", "hmac_signature", "mac", "oauth1_header", "signed_content"]
