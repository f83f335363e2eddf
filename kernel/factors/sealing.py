"""Secrets that have to be read again, encrypted before they are stored: AES-256-GCM with a key made from SECRET_KEY.

What was sealed with an earlier key is opened as long as that key is in SECRET_KEY_FALLBACKS. A sealed text is bound to
what it is about, so that a row cannot be copied to another person.
"""

from __future__ import annotations

import base64
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from kernel.errors import Invalid

FORM = "1."  # what of the text is the version of this form
_NONCE = 12


def seal(secret: bytes, *, about: str) -> str:
    """The secret as a text that only this installation can open, and only as one about the same thing."""
    nonce = os.urandom(_NONCE)
    closed = AESGCM(_key(settings.SECRET_KEY)).encrypt(nonce, secret, about.encode())
    return FORM + base64.urlsafe_b64encode(nonce + closed).decode()


def open_sealed(text: str, *, about: str) -> bytes:
    """What was sealed. Raises Invalid `factor.unreadable` when no key of this installation opens it."""
    try:
        closed = base64.urlsafe_b64decode(text.removeprefix(FORM))
    except ValueError:
        closed = b""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return AESGCM(_key(key)).decrypt(closed[:_NONCE], closed[_NONCE:], about.encode())
        except (InvalidTag, ValueError):
            continue
    raise Invalid(
        "factor.unreadable",
        "Your authenticator app cannot be used: SECRET_KEY was changed since it was added. Use a passkey or a recovery "
        "code, or ask an administrator to reset your second factor.",
    )


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"tillgate second factors").derive(secret.encode())
