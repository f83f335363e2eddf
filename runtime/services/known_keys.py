"""How long the keys of an integration are known, as its manifest says: a policy of retention, set with the
deployment."""

from __future__ import annotations

from runtime.domain.manifest import Manifest
from runtime.models import Integration, RetentionPolicy
from runtime.services import retention

DECLARED = "said by its manifest"
_CLASS = RetentionPolicy.DataClass.HEADS


def declare(integration: Integration, manifest: Manifest) -> None:
    """Set the window where this manifest says another one than the last that said one; what a person has set since
    then holds until a manifest says something else. Raises Invalid `retention.policy`."""
    days = manifest.event.known_days
    if days is None:
        return
    said = RetentionPolicy.objects.filter(integration=integration, data_class=_CLASS, reason=DECLARED)
    last = said.order_by("-id").first()
    if last is None or last.days != days:
        retention.set_policy(_CLASS, days, integration=integration.key, actor=None, reason=DECLARED)
