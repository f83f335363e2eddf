"""From the slots that policy requires to the teams that may fill them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from governance.domain.policy import RequiredSlot

ROLE_TEAMS = {"architect": "architects", "security": "security", "release_manager": "release-managers"}
OF_CONSUMERS = "Consumer: {}"
OWNERLESS = "Owner of {}"
ROLE_LABELS = {"architect": "Architect", "security": "Security", "release_manager": "Release manager"}


@dataclass(frozen=True, slots=True)
class SlotTeam:
    id: int
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class InvolvedTeams:
    """The teams that a change involves: owners of the subject, of the record, of affected consumers, and the role
    teams.
    """

    owners: tuple[SlotTeam, ...] = ()
    record_owners: tuple[SlotTeam, ...] = ()
    consumer_owners: tuple[SlotTeam, ...] = ()
    by_key: Mapping[str, SlotTeam] | None = None


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """`count` slots of one key; empty `group_ids` means that nobody can fill them, which keeps the change from being
    approved.
    """

    key: str
    label: str
    count: int
    group_ids: tuple[int, ...]
    why: tuple[str, ...]


def derive(demands: Sequence[RequiredSlot], teams: InvolvedTeams) -> list[SlotSpec]:
    """One spec per team or role. Two requirements of one team become one, with the larger count and both reasons."""
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
                add(demanded.key, words.format("unknown"), demanded.count, (), demanded.why)
    return list(specs.values())


def without_name(label: str) -> str:
    """The label of a slot in words for everybody: that of a consumer's owner names neither."""
    return "Owner of a consumer" if label.startswith(OF_CONSUMERS.format("")) else label


def _of(key: str, teams: InvolvedTeams) -> tuple[tuple[SlotTeam, ...], str]:
    return {
        "owner": (teams.owners, "Owner: {}"),
        "owner_of_record": (teams.record_owners, "Owner of record: {}"),
        "consumer_owner": (teams.consumer_owners, OF_CONSUMERS),
    }[key]
