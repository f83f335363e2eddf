"""From a policy's demand to seats with the groups that may fill them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from governance.domain.policy import SlotDemand

ROLE_TEAMS = {"architect": "architects", "security": "security", "release_manager": "release-managers"}
ROLE_LABELS = {"architect": "Architect", "security": "Security", "release_manager": "Release manager"}


@dataclass(frozen=True, slots=True)
class Team:
    id: int
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Teams:
    """The teams that a situation knows: owners of the subject, of the record, of affected consumers, and the role teams."""

    owners: tuple[Team, ...] = ()
    record_owners: tuple[Team, ...] = ()
    consumer_owners: tuple[Team, ...] = ()
    by_key: Mapping[str, Team] | None = None


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """`count` seats; `group_ids` empty means that nobody can fill them, which keeps the change shut."""

    key: str
    label: str
    count: int
    group_ids: tuple[int, ...]
    why: tuple[str, ...]


def derive(demands: Sequence[SlotDemand], teams: Teams) -> list[SlotSpec]:
    """One spec per team or role. Two demands on the same team become one with the larger count and both reasons."""
    specs: dict[str, SlotSpec] = {}

    def add(key: str, label: str, count: int, groups: tuple[int, ...], why: tuple[str, ...]) -> None:
        old = specs.get(key)
        specs[key] = (
            SlotSpec(key, label, count, groups, why)
            if old is None
            else SlotSpec(key, old.label, max(old.count, count), old.group_ids, tuple(dict.fromkeys(old.why + why)))
        )

    known = teams.by_key or {}
    for demanded in demands:
        if demanded.key in ROLE_TEAMS:
            team = known.get(ROLE_TEAMS[demanded.key])
            add(demanded.key, ROLE_LABELS[demanded.key], demanded.count, (team.id,) if team else (), demanded.why)
        elif demanded.key.startswith("team:"):
            team = known.get(demanded.key.removeprefix("team:"))
            add(
                demanded.key,
                team.name if team else demanded.key.removeprefix("team:"),
                demanded.count,
                (team.id,) if team else (),
                demanded.why,
            )
        else:
            chosen, words = _of(demanded.key, teams)
            for team in chosen:
                add(f"team:{team.key}", words.format(team.name), demanded.count, (team.id,), demanded.why)
            if not chosen and demanded.key != "consumer_owner":
                add(demanded.key, words.format("nobody"), demanded.count, (), demanded.why)
    return list(specs.values())


def _of(key: str, teams: Teams) -> tuple[tuple[Team, ...], str]:
    return {
        "owner": (teams.owners, "Owner: {}"),
        "owner_of_record": (teams.record_owners, "Owner of record: {}"),
        "consumer_owner": (teams.consumer_owners, "Consumer: {}"),
    }[key]
