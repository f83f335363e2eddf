"""What the gate reads for each answer, in two queries: the versions that are named, and the application with its
subscriptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from catalog.domain.facts import SubscriptionState, VersionFacts
from catalog.domain.subscription_state import SubscriptionRow, state_at
from catalog.selectors.versions import split_reference
from kernel import prepared_queries
from kernel.viewer import Viewer

_VERSIONS = """
select v.id, a.slug || '@' || v.label, v.api_id, a.slug, a.name, v.label, v.state, v.contract_id, t.level,
       a.data_class, a.owner_team_id, coalesce(o.key, ''), coalesce(d.key, ''), d.owner_team_id, a.layer, a.style,
       coalesce(s.key, ''), v.deprecated_at, v.sunset_at, coalesce(sa.slug || '@' || sv.label, ''), v.published_at,
       v.origin, v.approval_id, a.enforced_from
  from unnest(%s::text[], %s::text[]) as asked (slug, label)
  join catalog_api a on a.slug = asked.slug
  join catalog_apiversion v on v.api_id = a.id and v.label = asked.label
  left join catalog_slatier t on t.id = a.tier_id
  left join catalog_team o on o.group_id = a.owner_team_id
  left join catalog_domain d on d.id = a.domain_id
  left join catalog_system s on s.id = a.system_id
  left join catalog_apiversion sv on sv.id = v.successor_id
  left join catalog_api sa on sa.id = sv.api_id
"""


def versions(references: Iterable[str]) -> dict[str, VersionFacts]:
    """The named versions as facts, without their entities and without what only pages need. Unknown references are
    missing."""
    wanted = [split_reference(reference) for reference in set(references) if "\x00" not in reference]
    rows = prepared_queries.rows(_VERSIONS, [[slug for slug, _ in wanted], [label for _, label in wanted]])
    return {
        row[1]: VersionFacts(
            id=row[0],
            reference=row[1],
            api_id=row[2],
            api_slug=row[3],
            api_name=row[4],
            label=row[5],
            state=row[6],
            contract_digest=row[7],
            contract_format="",
            tier=row[8],
            data_class=row[9],
            owner_team_id=row[10],
            owner_team_key=row[11],
            domain_key=row[12],
            domain_owner_team_id=row[13],
            layer=row[14],
            style=row[15],
            system_key=row[16],
            entities=(),
            deprecated_at=row[17],
            sunset_at=row[18],
            successor_reference=row[19],
            migration_guide="",
            published_at=row[20],
            origin=row[21],
            approval_id=row[22],
            enforced_from=row[23],
        )
        for row in rows
    }


_HIDDEN = """
select a.slug from catalog_api a left join catalog_apisearch s on s.api_id = a.id
 where a.slug = any(%s::text[]) and (s.api_id is null or s.restricted and not s.team_ids && %s::int[])
"""


def hidden_apis(slugs: Iterable[str], viewer: Viewer) -> set[str]:
    """Those of the named APIs that the viewer may not see, by the rule of `catalog.permissions.seen_by`."""
    if viewer.sees_everything:
        return set()
    wanted = sorted({slug for slug in slugs if "\x00" not in slug})
    return {slug for (slug,) in prepared_queries.rows(_HIDDEN, [wanted, sorted(viewer.team_ids)])}


@dataclass(frozen=True, slots=True)
class GateApplication:
    """The application that asks. `known` is False where there is no such application; `team_key` is "" where it has
    no team; `states` holds the subscription's state by version id."""

    known: bool
    team_key: str
    environment_known: bool
    states: dict[int, SubscriptionState] = field(default_factory=dict)


_APPLICATION = """
select exists (select from catalog_environment e where e.key = %(environment)s),
       a.id is not null,
       coalesce(t.key, ''),
       s.version_id, s.state, s.valid_from, s.valid_until
  from (select 1) one
  left join catalog_application a on a.key = %(application)s and a.retired_at is null
  left join catalog_team t on t.group_id = a.team_id
  left join catalog_environment e on e.key = %(environment)s
  left join catalog_subscription s
    on s.application_id = a.id and s.environment_id = e.id and s.version_id = any(%(versions)s)
"""


def application(application_key: str, version_ids: Iterable[int], environment: str, at: datetime) -> GateApplication:
    """The application, whether the environment exists, and `subscriptions.state` for every version; one without a row
    is `none`."""
    ids = list(version_ids)
    parameters = {"application": application_key, "environment": environment, "versions": ids}
    rows = prepared_queries.rows(_APPLICATION, parameters)
    found: dict[int, list[SubscriptionRow]] = {}
    for row in rows:
        if row[3] is not None:
            found.setdefault(row[3], []).append((row[4], row[5], row[6]))
    return GateApplication(
        rows[0][1], rows[0][2], rows[0][0], {version: state_at(found.get(version, []), at) for version in ids}
    )
