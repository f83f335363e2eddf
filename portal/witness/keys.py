"""Which keys sign heads of the ledger: those of `STATEMENT_KEYS`, or one of its own below the state folder."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from securesystemslib.signer import CryptoSigner, SSlibKey

from governance.domain import statement_keys
from portal.demo_keys import statement_key


def signer() -> CryptoSigner:
    """The key of statements, else one that is made here for its owner alone. Raises OSError, Unavailable."""
    found = statement_keys.read(settings.STATEMENT_KEYS)[0]
    if found is not None:
        return found
    own = statement_keys.read(statement_key(_folder(make=True)).read_text())[0]
    assert own is not None
    return own


def known() -> tuple[SSlibKey, ...]:
    """Those whose signature counts: of statements, rotated ones included, and the own one where there is one."""
    own = _folder() / "statement-keys.pem"
    texts = [settings.STATEMENT_KEYS, own.read_text() if own.exists() else ""]
    return tuple(key for text in texts for key in statement_keys.read(text)[1])


def _folder(*, make: bool = False) -> Path:
    folder = Path(settings.WITNESS_FILE).parent
    if make:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
