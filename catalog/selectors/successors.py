"""A successor is named to those alone who may see it: to everybody else the version has none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from catalog.domain.facts import VersionFacts
from catalog.models import ApiVersion
from catalog.selectors import gate_facts
from kernel.viewer import Viewer


def told(facts: VersionFacts, viewer: Viewer) -> VersionFacts:
    """The version as the viewer is told of it."""
    return all_told([facts], viewer)[0]


def all_told(listed: Sequence[VersionFacts], viewer: Viewer) -> list[VersionFacts]:
    """These versions as the viewer is told of them: one query, and none where each stays within its API."""
    named = {v.successor_reference.partition("@")[0] for v in listed if v.successor_reference}
    hidden = _hidden(named - {v.api_slug for v in listed}, viewer)
    return [
        replace(v, successor_reference="") if v.successor_reference.partition("@")[0] in hidden else v for v in listed
    ]


def rows_told(rows: Iterable[ApiVersion], viewer: Viewer) -> list[ApiVersion]:
    """Rows that are read with `successor__api`, and not written afterwards, in the same way."""
    listed = list(rows)
    named = {v.successor.api.slug for v in listed if v.successor and v.successor.api_id != v.api_id}
    hidden = _hidden(named, viewer)
    for row in listed:
        if row.successor and row.successor.api.slug in hidden:
            row.successor = None
    return listed


def _hidden(slugs: set[str], viewer: Viewer) -> set[str]:
    return gate_facts.hidden_apis(slugs, viewer) if slugs else set()
