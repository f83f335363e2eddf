"""What a policy names must exist: a slot of an unknown team is never filled, a condition on an unknown name never
matches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catalog.domain.typo_correction import nearest
from catalog.selectors import record_matrix, systems, teams
from governance.domain import kinds
from governance.services.builtin_checks import BUILT_IN
from kernel.errors import Invalid, finding

DATA_CLASSES = ("public", "internal", "personal", "cardholder")


def require_known(document: Mapping[str, Any]) -> None:
    """Raises Invalid `policy.invalid` with a finding for each name that does not exist. The document is sound in form
    (`governance.domain.policy.validate`).
    """
    known = _known()
    found = [one for index, rule in enumerate(document["rules"]) for one in _of_rule(rule, f"/rules/{index}", known)]
    if found:
        raise Invalid(
            "policy.invalid", f"The policy names what does not exist: {found[0]['message']}", {"findings": found}
        )


def _known() -> dict[str, list[str]]:
    entities = record_matrix.entity_keys()
    return {
        "kinds": [kind.key for kind in kinds.all_kinds()],
        "environments": [key for key, *_ in systems.environments()],
        "data_classes": list(DATA_CLASSES),
        "entities": entities,
        "teams": [team.key for team in teams.all_teams()],
        "checks": sorted(
            {check.id for kind in kinds.all_kinds() for check in (*kind.checks, *kind.offered, *BUILT_IN)}
        ),
    }


def _of_rule(rule: Mapping[str, Any], at: str, known: Mapping[str, list[str]]) -> Iterable[dict[str, Any]]:
    for name in ("kinds", "environments", "data_classes", "entities"):
        for index, value in enumerate(rule.get("when", {}).get(name, ())):
            if value not in known[name]:
                yield finding(f"{at}/when/{name}/{index}", _said(_NOUNS[name], value, known[name]))
    for key in rule.get("slots", {}):
        team = key.removeprefix("team:")
        if key.startswith("team:") and team not in known["teams"]:
            yield finding(f"{at}/slots/{key.replace('/', '~1')}", _said("team", team, known["teams"]))
    for index, check in enumerate(rule.get("checks", ())):
        if check not in known["checks"]:
            yield finding(f"{at}/checks/{index}", _said("check", check, known["checks"]))


_NOUNS = {"kinds": "kind of change", "environments": "environment", "data_classes": "data class", "entities": "entity"}


def _said(noun: str, value: str, known: list[str]) -> str:
    near = nearest(value, known, limit=1)
    meant = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known[:20]) or 'none'}."
    return f"There is no {noun} {value[:80]!r}. {meant}"
