"""Signatures of webhooks: HMAC-SHA256 over the bytes as they came, compared in constant time.

Sources: docs.github.com, *Validating webhook deliveries* (`X-Hub-Signature-256: sha256=<hex>`); docs.gitlab.com,
*External status checks*, and GitLab's `ExternalStatusChecks::DispatchService` (`X-Gitlab-Signature: <hex>`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

SHORTEST_SECRET = 16
"""Characters. A shorter secret is guessed, an empty one is known to everybody."""


def of(provider: str, secret: str, body: bytes) -> str:
    """The signature as the provider writes it into its header."""
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={made}" if provider == "github" else made


def matches(provider: str, secrets: Iterable[str], body: bytes, given: str) -> bool:
    """Whether the header was made with one of these secrets. All of them are tried, whichever fits."""
    sent, found = given.encode("utf-8", "replace"), False
    for secret in secrets:
        same = hmac.compare_digest(of(provider, secret, body).encode(), sent)
        found |= same and len(secret) >= SHORTEST_SECRET
    return found
