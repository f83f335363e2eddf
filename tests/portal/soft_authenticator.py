"""An authenticator in software, for tests: keys on P-256, flags, counts and signatures as WebAuthn level 2 has them.
Written without the library that the product verifies with; every part of an answer can be made wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, WITH_KEY = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def data(given: str) -> bytes:
    return base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))


def cbor(value: Any) -> bytes:
    """As much of RFC 8949 as a key and an attestation need."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    if number < 256:
        return bytes([major << 5 | 24, number])
    return bytes([major << 5 | 25]) + struct.pack(">H", number)


@dataclass
class SoftAuthenticator:
    """One key of one account. `origin` is what the browser says, `rp_id` what the authenticator signs."""

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    counts: bool = True
    cross_origin: bool = False
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        asked = options["publicKey"]
        self.user_handle = data(asked["user"]["id"])
        client_data = self._client_data("webauthn.create", asked["challenge"])
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        key = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor(cose)
        about = self._about(WITH_KEY) + key
        attested = cbor({"fmt": "none", "attStmt": {}, "authData": about})
        return self._answer({"clientDataJSON": text(client_data), "attestationObject": text(attested)})

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        client_data = self._client_data("webauthn.get", options["publicKey"]["challenge"])
        self.count += self.counts
        about = self._about()
        signed = about + hashlib.sha256(client_data).digest()
        return self._answer(
            {
                "clientDataJSON": text(client_data),
                "authenticatorData": text(about),
                "signature": text(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
                "userHandle": text(self.user_handle),
            }
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps(said).encode()

    def _about(self, more: int = 0) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", self.flags | more, self.count)

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        name = text(self.credential_id)
        made = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return made | {"clientExtensionResults": {}, "authenticatorAttachment": "platform"}
