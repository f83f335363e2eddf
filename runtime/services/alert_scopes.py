"""Whether what an alert rule or a silence names is there. One that names nothing would tell nobody of anything, and
nobody would notice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catalog.selectors import systems
from kernel.errors import finding
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain.objectives import KINDS
from runtime.mapping.errors import nearest
from runtime.models import Release, TargetSubscription


def problems(given: Mapping[str, Any], viewer: Viewer) -> list[dict[str, Any]]:
    """Findings, each with what is written alike."""
    found = []
    kind, integration = str(given.get("kind") or ""), str(given.get("integration") or "")
    if kind and kind not in KINDS:
        found.append(finding("/kind", f"one of {', '.join(KINDS)}, or empty for all"))
    known = permissions.visible(viewer)
    if integration and not known.filter(key=integration).exists():
        keys = known.values_list("key", flat=True)
        found.append(_unknown("/integration", "integration, or you may not see it", integration, keys))
    elif integration and given.get("target"):
        found += target_problems(integration, str(given["target"]))
    system, environment = str(given.get("system_key") or ""), str(given.get("environment") or "")
    if system and systems.by_key(system) is None:
        found.append(_unknown("/system_key", "such system", system, [one.key for one in systems.all_systems()]))
    environments = [key for key, _, _ in systems.environments()]
    if environment and environment not in environments:
        found.append(_unknown("/environment", "such environment", environment, environments))
    return found


def target_problems(integration: str, target: str) -> list[dict[str, Any]]:
    """Of an integration that the caller may see."""
    known = set(
        TargetSubscription.objects.filter(stream__integration__key=integration).values_list("target", flat=True)
    )
    newest = Release.objects.filter(integration__key=integration).order_by("-id").first()
    if newest is not None:
        known |= {str(one.get("name")) for one in newest.manifest.get("targets", [])}
    if target in known:
        return []
    said = f"target of {integration}; its targets: {', '.join(sorted(known)) or 'none'}"
    return [_unknown("/target", said, target, known)]


def _unknown(pointer: str, what: str, word: str, known: Iterable[str]) -> dict[str, Any]:
    return finding(pointer, f"there is no {what}: {word[:80]!r}.{nearest(word, known)}".rstrip("."))
