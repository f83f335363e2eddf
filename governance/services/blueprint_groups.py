"""The section `groups` of a blueprint: which groups of the identity provider mean which teams."""

from __future__ import annotations

from typing import Any

from catalog.selectors import teams
from catalog.services.blueprint import BlueprintWriter
from governance.domain import group_patterns
from governance.models import GroupMapping, GroupPattern
from governance.services.provisioning.groups import join_declared


def write(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A name of a group with the key of its team, or a pattern with a star. What is declared counts at once for people
    whom a provider keeps in such groups."""
    group = writer.text(item, "group", pointer, 200, "Write the group's name at the identity provider, or a pattern.")
    team = writer.text(item, "team", pointer, 80, "Write the key of a team, or a star in it.")
    roles, note = writer.flag(item, "roles", pointer), writer.text(item, "note", pointer, 200)
    if not group or not team:
        return
    key, said = f"{group} → {team}", writer.said(item, "roles")
    if group_patterns.STAR in group or group_patterns.STAR in team:
        if found := group_patterns.flaws(group, team):
            for name, message in found.items():
                writer.found.add(f"{pointer}/{'group' if name == 'claim' else name}", message)
            return
        values = {"roles": roles or False, "note": note}
        writer.upsert(GroupPattern, "group_pattern", {"claim": group, "team": team}, values, key, said=said)
    else:
        known = teams.by_key(team)
        if known is None:
            writer.found.add(f"{pointer}/team", f"There is no team {team!r}.", code="team.unknown")
            return
        if roles is False:
            writer.found.add(f"{pointer}/roles", "A single group is declared for a single team: leave `roles` out.")
            return
        by = {"claim": group, "group_id": known.id}
        writer.upsert(GroupMapping, "group_mapping", by, {"note": note}, key, said=said - {"roles"})
    if writer.report.lines[-1][0] in ("created", "changed"):
        join_declared(actor=writer.actor)
