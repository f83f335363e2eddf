"""A signed head of the ledger: a DSSE envelope whose payload says position, hash and time, and names the head before
it by its digest. The signature of the newest one therefore covers all before it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from kernel.audit_chain import Witnessed
from kernel.digest import canonical_json

SCHEMA = "tillgate.ledger-head/1"
PAYLOAD = "application/vnd.tillgate.ledger-head+json"


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """One line of a witness. `previous` is the digest of the line before. `breaks` says why it does not continue that
    one; `restored` is what was stated about the database having gone back, with `from_position`: earlier heads above
    it are no longer expected."""

    position: int
    hash: str
    database_time: datetime
    installation: str
    previous: str = ""
    breaks: str = ""
    restored: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if self.breaks:
            more["breaks"] = self.breaks
        if self.restored:
            more["restored"] = dict(self.restored)
        return {
            "schema": SCHEMA,
            "installation": self.installation,
            "position": self.position,
            "hash": self.hash,
            "database_time": self.database_time.isoformat(),
            "previous": self.previous,
            **more,
        }

    @property
    def witnessed(self) -> Witnessed:
        return Witnessed(self.position, self.hash, self.database_time)


class NoHead(ValueError):
    """A line that is no head of a ledger, with the reason."""


def signed(head: LedgerHead, signer: CryptoSigner) -> bytes:
    """The line, without its line feed."""
    envelope = Envelope(canonical_json(head.document()), PAYLOAD, {})
    envelope.sign(signer)
    return canonical_json(envelope.to_dict())


def read(line: bytes) -> LedgerHead:
    """The head of a line, its signature unchecked. Raises NoHead."""
    try:
        envelope = json.loads(line)
        if envelope["payloadType"] != PAYLOAD:
            raise NoHead("another type of payload")
        found = json.loads(base64.b64decode(envelope["payload"], validate=True))
        if found["schema"] != SCHEMA:
            raise NoHead(f"schema {found['schema']!r}")
        return LedgerHead(
            position=int(found["position"]),
            hash=str(found["hash"]),
            database_time=datetime.fromisoformat(found["database_time"]),
            installation=str(found["installation"]),
            previous=str(found["previous"]),
            breaks=str(found.get("breaks", "")),
            restored=found.get("restored", {}),
        )
    except NoHead:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise NoHead(f"not a signed head: {type(error).__name__}") from None


def digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def signed_by(line: bytes, keys: Sequence[SSlibKey]) -> str:
    """The key id of the one of these keys that signed it. Raises NoHead."""
    try:
        envelope = Envelope.from_dict(json.loads(line))
        return next(iter(envelope.verify(list(keys), 1)))
    except (VerificationError, KeyError, TypeError, ValueError, StopIteration):
        raise NoHead("signed by no key that is known here") from None
