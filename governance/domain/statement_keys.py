"""The keys of signed statements, from the setting `STATEMENT_KEYS`.

It holds Ed25519 keys as PEM blocks. The first is a private key and signs; the others, private or public, are only
published, so that statements of before still pass after a rotation.
"""

from __future__ import annotations

import functools
import re

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from kernel.errors import Unavailable

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


def wrong(text: str) -> str | None:
    """What is wrong with the setting, without a word of its content; None when nothing is."""
    try:
        read(text)
    except Unavailable as error:
        return error.message
    return None


@functools.lru_cache(maxsize=4)
def read(text: str) -> tuple[CryptoSigner | None, tuple[SSlibKey, ...]]:
    """The signer and the keys to publish. Raises Unavailable `statement.keys` with what is wrong."""
    blocks = [match[0].encode() for match in _BLOCK.finditer(text)]
    if not blocks:
        if text.strip():
            raise Unavailable("statement.keys", "STATEMENT_KEYS holds no PEM block.")
        return None, ()
    signer: CryptoSigner | None = None
    public = []
    for index, block in enumerate(blocks):
        private, key = _read(block)
        if index == 0:
            if private is None:
                raise Unavailable("statement.keys", "The first block of STATEMENT_KEYS is a private key: it signs.")
            signer = CryptoSigner(private, SSlibKey.from_crypto(key))
        public.append(SSlibKey.from_crypto(key))
    if len({key.keyid for key in public}) != len(public):
        raise Unavailable("statement.keys", "STATEMENT_KEYS holds a key twice.")
    return signer, tuple(public)


def _read(block: bytes) -> tuple[Ed25519PrivateKey | None, Ed25519PublicKey]:
    try:
        if b"PRIVATE" in block[:40]:
            private = serialization.load_pem_private_key(block, password=None)
            if isinstance(private, Ed25519PrivateKey):
                return private, private.public_key()
        else:
            public = serialization.load_pem_public_key(block)
            if isinstance(public, Ed25519PublicKey):
                return None, public
    except (ValueError, TypeError):
        pass
    raise Unavailable(
        "statement.keys", "STATEMENT_KEYS holds a block that is no Ed25519 key in PEM without a password."
    )
