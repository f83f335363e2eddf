"""How the webhooks of a source are signed and read: a profile's settings with the manifest's on top."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from kernel.errors import NotFound
from runtime.connectors.settings import wrong_setting
from runtime.connectors.webhook_settings import WebhookSettings, webhook_settings
from runtime.domain.manifest import HandedWebhook, ManifestSource
from runtime.profiles import profile


def of_source(source: ManifestSource) -> WebhookSettings:
    """Raises Invalid with the place of what is wrong, NotFound where the source takes none."""
    if source.webhook is None:
        raise NotFound("hook.source", f"The source {source.name!r} takes no webhooks.")
    made = _read(json.dumps(_given(source.webhook), sort_keys=True))
    if source.notifies and made.changed is None:
        raise wrong_setting("/changed", "Webhooks that mean `changes` have to say where the key of what changed is.")
    return made


def _given(webhook: HandedWebhook) -> dict[str, Any]:
    if webhook.profile is None:
        return dict(webhook.settings)
    known = profile(webhook.profile)
    if not known.webhook:
        raise wrong_setting("", f"The profile {webhook.profile!r} says nothing of webhooks.")
    return known.hook(webhook.settings)


@lru_cache(256)
def _read(text: str) -> WebhookSettings:
    return webhook_settings(json.loads(text))
