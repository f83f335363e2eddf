"""The secrets of pipeline connections, read where they are used and kept nowhere."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from governance.domain.pipelines import addresses, signatures
from governance.models import PipelineConnection
from kernel.errors import Invalid, Unavailable

LARGEST = 64 * 1024


def read(reference: str) -> str:
    """The secret behind `env:TILLGATE_PIPELINE_…` or `file:<name>`. Raises Unavailable `pipeline.secret`, which
    says the name and never the secret."""
    try:
        scheme, _, name = addresses.secret_reference(reference, "/secret").partition(":")
    except Invalid:
        raise _unusable(reference, "is no name of a secret for pipelines") from None
    value = os.environ.get(name, "") if scheme == "env" else _file(reference, name)
    if not value.strip():
        raise _unusable(reference, "is not set on this server")
    return value.strip()


def _file(reference: str, name: str) -> str:
    if not settings.PIPELINE_SECRETS:
        raise _unusable(reference, "cannot be read: the setting PIPELINE_SECRETS names no folder")
    folder = Path(settings.PIPELINE_SECRETS).resolve()
    try:
        with (folder / name).open(encoding="utf-8") as file:
            return file.read(LARGEST)
    except (OSError, UnicodeDecodeError):
        raise _unusable(reference, "cannot be read on this server") from None


def _unusable(reference: str, why: str) -> Unavailable:
    return Unavailable("pipeline.secret", f"The secret {reference!r} {why}.")


def of_webhooks(connection: PipelineConnection) -> list[str]:
    """The secrets that webhooks may be signed with: the present one, and while it is rotated the one before. Raises
    Unavailable `pipeline.secret`."""
    named = [connection.webhook_secret_ref, connection.old_webhook_secret_ref]
    found = [(reference, read(reference)) for reference in named if reference]
    for reference, secret in found:
        if len(secret) < signatures.SHORTEST_SECRET:
            raise _unusable(reference, f"is shorter than {signatures.SHORTEST_SECRET} characters")
    return [secret for _, secret in found]
