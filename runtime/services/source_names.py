"""Whether a release would know the messages of an integration by other names than the release before.

A message is known by its key: what `event.key` or the source's `key_fields` point to, with several sources behind the
name of its source (`Manifest.prefix`). A release that changes any of that would take what comes again for new, and send
it a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kernel.errors import finding
from runtime.domain.manifest import Manifest
from runtime.models import Deployment, Integration, Lane

_AGAIN = "what comes again would be taken for new and sent twice"
_OWN = "Give it an integration of its own, with another key"


def changed(manifest: Manifest, integration: Integration, environment: str | None = None) -> list[dict[str, Any]]:
    """Findings for each environment (or this one) where messages have come in under other names."""
    last = Deployment.objects.filter(integration=integration).order_by("environment", "-id").distinct("environment")
    if environment is not None:
        last = last.filter(environment=environment)
    found = []
    for deployment in last.select_related("release"):
        other = list(differences(deployment.release.manifest, manifest, deployment.environment))
        if other and _has_messages(integration, deployment.environment):
            found += other
    return found


def _has_messages(integration: Integration, environment: str) -> bool:
    return Lane.objects.filter(stream__integration=integration, stream__environment=environment, next__gt=1).exists()


def differences(before: Mapping[str, Any], now: Manifest, environment: str) -> Iterator[dict[str, Any]]:
    """What would be known by another name."""
    was, will = {one["name"]: one for one in before["sources"]}, {one.name: one for one in now.sources}
    if (len(was) > 1) != (len(will) > 1):
        yield _another_prefix(environment, several=len(will) > 1)
    elif len(will) > 1 and (gone := was.keys() - will.keys()) and (new := will.keys() - was.keys()):
        message = (
            f"in {environment} messages of {_listed(gone)} are known by that name: if {_listed(new)} gives the same, "
            f"{_AGAIN}. Keep the name; if it is another source, take the one out in this release and add the other in "
            f"the next"
        )
        yield finding("/sources", message, code="sources.names")
    if (key := before["event"].get("key", "")) != now.event.key and key and now.event.key:
        message = (
            f"in {environment} messages are known by {key}, and would be known by {now.event.key}: {_AGAIN}. {_OWN}"
        )
        yield finding("/event/key", message, code="sources.names")
    alone = len(was) == len(will) == 1  # known without its name, whatever that is
    for number, (name, source) in enumerate(will.items()):
        old = next(iter(was.values())) if alone else was.get(name, {})
        fields, others = _key_fields(old.get("connection")), _key_fields(source.connection)
        if fields and others and fields != others:
            message = (
                f"in {environment} messages of {name} are known by {', '.join(fields)}, and would be known by "
                f"{', '.join(others)}: {_AGAIN}. {_OWN}"
            )
            yield finding(f"/sources/{number}/connection/settings/key_fields", message, code="sources.names")


def _another_prefix(environment: str, *, several: bool) -> dict[str, Any]:
    was, would = ("without", "with") if several else ("with", "without")
    way = "Give the other source an integration of its own" if several else "Keep the other source, or take another key"
    message = f"in {environment} messages are known {was} the name of their source, and would be known {would} it: "
    return finding("/sources", f"{message}{_AGAIN}. {way}", code="sources.names")


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))


def _key_fields(connection: Any) -> list[str]:
    """What a source's connection says of the key, where it does."""
    settings = connection.get("settings") if isinstance(connection, Mapping) else getattr(connection, "settings", None)
    fields = settings.get("key_fields") if isinstance(settings, Mapping) else None
    return [str(one) for one in fields] if isinstance(fields, list) else []
