"""Signatures of webhooks: HMAC-SHA256 over the bytes as they came, compared in constant time.

Sources: docs.github.com, *Validating webhook deliveries* (`X-Hub-Signature-256: sha256=<hex>`); docs.gitlab.com,
*External status checks*, and GitLab's `ExternalStatusChecks::DispatchService` (`X-Gitlab-Signature: <hex>`).
"""

from __future__ import annotations

from collections.abc import Iterable

from kernel import signed_bodies
from kernel.signed_bodies import SHORTEST_SECRET


def of(provider: str, secret: str, body: bytes) -> str:
    """The signature as the provider writes it into its header."""
    made = signed_bodies.made(secret.encode(), body).hex()
    return f"sha256={made}" if provider == "github" else made


def matches(provider: str, secrets: Iterable[str], body: bytes, given: str) -> bool:
    """Whether the header was made with one of these secrets. All of them are tried, whichever fits."""
    made = [of(provider, secret, body).encode() for secret in secrets if len(secret) >= SHORTEST_SECRET]
    return signed_bodies.any_same(made, [given.encode("utf-8", "replace")])
