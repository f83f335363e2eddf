"""The secrets of pipeline connections, read where they are used and kept nowhere."""

from __future__ import annotations

from governance.domain.pipelines import addresses
from governance.models import PipelineConnection
from kernel.named_secrets import SecretNames
from kernel.signed_bodies import SHORTEST_SECRET

NAMES = SecretNames(addresses.SECRET_NAMES, "PIPELINE_SECRETS", "pipeline.secret")


def read(reference: str) -> str:
    """The secret behind `env:TILLGATE_PIPELINE_…` or `file:<name>`. Raises Unavailable `pipeline.secret`, which
    says the name and never the secret."""
    return NAMES.read(reference)


def of_webhooks(connection: PipelineConnection) -> list[str]:
    """The secrets that webhooks may be signed with: the present one, and while it is rotated the one before. Raises
    Unavailable `pipeline.secret`."""
    named = [connection.webhook_secret_ref, connection.old_webhook_secret_ref]
    found = [(reference, read(reference)) for reference in named if reference]
    for reference, secret in found:
        if len(secret) < SHORTEST_SECRET:
            raise NAMES.unusable(reference, f"is shorter than {SHORTEST_SECRET} characters")
    return [secret for _, secret in found]
