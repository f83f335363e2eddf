"""What came at the addresses of an integration's webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.domain import number_gaps
from runtime.domain.manifest import ManifestSource
from runtime.models import Hook, HookEvent, HookNotice, HookSequence, Integration
from runtime.services import hooks

LATEST = 5


@dataclass(frozen=True, slots=True)
class HookState:
    """An address, why nothing can be taken there now (else empty), its latest events, how many keys wait to be read,
    and of which resources numbers are missing."""

    hook: Hook
    address: str
    problem: str
    events: Sequence[HookEvent]
    waiting: int
    missing: Sequence[str]


def states(integration: Integration, environment: str, sources: Sequence[ManifestSource]) -> list[HookState]:
    """The caller has checked what the viewer may see."""
    return [_state(hook, sources) for hook in hooks.hooks_of(integration, environment)]


def _state(hook: Hook, sources: Sequence[ManifestSource]) -> HookState:
    gaps = HookSequence.objects.filter(hook=hook, gap_at__isnull=False).order_by("gap_at")[:LATEST]
    return HookState(
        hook,
        hooks.address_of(hook),
        hooks.problems(hook, sources),
        list(HookEvent.objects.filter(hook=hook).order_by("-at")[:LATEST]),
        HookNotice.objects.filter(hook=hook, read_at=None).count(),
        [f"{one.resource}: {number_gaps.said(one.missing)}" for one in gaps],
    )


__all__ = ["HookState", "states"]
