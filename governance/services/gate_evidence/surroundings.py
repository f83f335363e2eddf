"""Who asks, where and when: the application, the environment, the store, the policies, and what usage says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from catalog.selectors import gate_asking, teams
from governance.domain import policy, typing_errors
from governance.selectors import policies
from governance.services.gate_evidence.asked import Asked, counted, touched


def application(asked: Asked) -> dict[str, Any]:
    key = asked.question["application"]
    if not asked.asking.known:
        return {"key": key, "known": False, "near": counted(gate_asking.near("application", key))}
    purpose = asked.asking.agent_purpose
    said = {"agent": "no" if purpose is None else "yes", "purpose": purpose or "none"}
    return {"key": key, "known": True, "owner_team": asked.asking.team_key or None, **said}


def environment(asked: Asked) -> dict[str, Any]:
    """`records`: since when everything that runs there is recorded, `unstated` where nobody says so;
    `records_enforced_from`: until then a missing record is reported only."""
    key, there = asked.environment, asked.there
    if not there.known:
        return {"key": key, "known": False, "near": counted(gate_asking.near("environment", key))}
    since, enforced = there.records_complete_since, there.records_enforced_from
    return {
        "key": key,
        "known": True,
        "records": since.isoformat() if since and since <= asked.as_of else "unstated",
        "records_enforced_from": enforced.isoformat() if enforced else "now",
    }


def store(asked: Asked) -> dict[str, Any]:
    """The store in which the instance of the question runs; `none` where the question names no instance, `unknown`
    where the catalog has no such store."""
    found = asked.store
    if found is None:
        return {"key": "unknown" if asked.instance else "none"}
    words = {"banner": found.banner, "region": found.region, "channel": found.channel, "zone": found.zone}
    return {"key": asked.instance, **{name: value or "unstated" for name, value in words.items()}}


def instance(asked: Asked) -> dict[str, Any]:
    """Whether there is such an instance. In a fleet it is a store, or was one, and something still runs there.
    Elsewhere anything may be one, but for what is written almost like another one: it is taken for a typing error."""
    key = asked.instance
    if not key or not asked.there.known or asked.store is not None:
        return {"key": key or "none", "known": True}
    if key in asked.recorded and (not asked.there.is_fleet or gate_asking.was_store(key)):
        return {"key": key, "known": True}
    alike = sorted(one for one in asked.recorded if one != key and typing_errors.is_one(key, one))
    if not (alike or asked.there.is_fleet):
        return {"key": key, "known": True}
    near = gate_asking.near("instance", key) if asked.there.is_fleet else []
    return {"key": key, "known": False, "near": counted(list(dict.fromkeys([*alike, *near]))[:3])}


def policies_in_force(asked: Asked) -> dict[str, str]:
    """The digest of the active policy of every level that bears on the question."""
    domains = {item.domain for item in touched(asked)}
    levels = policies.levels_for(domain_keys=domains, team_keys=_owner_keys(asked))
    return policies.present_digests(levels)


def digest_of_policies(digests: dict[str, str]) -> str | None:
    return policy.digest_of_levels(digests) or None


def _owner_keys(asked: Asked) -> Iterable[str]:
    yield from (version.owner_team_key for version in asked.versions.values())
    for facts in asked.integrations.values():
        for team_id in facts.owner_team_ids:
            team = teams.by_id(team_id)
            if team is not None:
                yield team.key


def _sunset(use: gate_asking.RecentUse) -> str | None:
    """Nothing is known of a version whose row is gone."""
    if not use.known:
        return None
    return use.sunset_at.isoformat() if use.sunset_at else "never"


def undeclared_use(asked: Asked) -> dict[str, Any] | None:
    """What the application called in the last days, and neither the question nor its recorded releases name. An API
    that the asker may not see counts, without its name, also where the question guesses that: whether it is there does
    not show. None: reports of usage vanished."""
    if asked.called is None:
        return None
    named = {entry["ref"] for entry in asked.question["consumes"] or ()} - asked.hidden | asked.own.consumes
    return counted(
        {
            asked.told(reference): {"calls": use.calls, "last_day": use.last_day.isoformat(), "sunset_at": _sunset(use)}
            for reference, use in sorted(asked.called.items())
            if reference not in named
        }
    )
