"""Releases that pin an API version and run, or may run next: whom a change of its contract reaches."""

from __future__ import annotations

import json
from dataclasses import dataclass

from kernel.viewer import Viewer
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class PinningRelease:
    """`runs_in`: the environments where it is deployed; `approved_in`: where it may be deployed for the
    first time. `seen`: whether the viewer sees the integration."""

    key: str
    title: str
    team: str
    digest: str
    manifest: Manifest
    runs_in: tuple[str, ...]
    approved_in: tuple[str, ...]
    seen: bool


# What ran there before, and what is older than what runs there, comes back by a change of its own: a rollback.
_PINNING = f"""
select i.key, i.title, g.name as team, r.digest, r.manifest, {SEEN} as seen,
       array(select d.environment
               from runtime_deployment d
              where d.release_id = r.id and d.active
              order by d.environment) as runs_in,
       array(select distinct a.environment
               from governance_valid_approval a
              where a.subject_kind = 'integration'
                and a.subject_id = i.key
                and a.digest = r.digest
                and not exists (select from runtime_deployment d
                                 where d.integration_id = i.id
                                   and d.environment = a.environment
                                   and (d.release_id = r.id or d.active and d.release_id > r.id))
              order by a.environment) as approved_in
  from runtime_release r
  join runtime_integration i on i.id = r.integration_id
  join auth_group g on g.id = i.owner_team_id
 where r.id in (select p.release_id
                  from runtime_pin p
                 where p.version_id = %(version)s)
 order by i.title, i.key, r.id"""  # noqa: S608 - a constant, never input


def releases(viewer: Viewer, version_id: int) -> list[PinningRelease]:
    """Those that are deployed or approved, of every integration: the caller tells of those alone that are `seen`."""
    return [
        PinningRelease(
            row["key"],
            row["title"],
            row["team"],
            row["digest"],
            manifests.load(json.loads(row["manifest"])),
            tuple(row["runs_in"]),
            tuple(row["approved_in"]),
            row["seen"],
        )
        for row in rows(_PINNING, sight(viewer) | {"version": version_id})
        if row["runs_in"] or row["approved_in"]
    ]


_APIS = """
select distinct split_part(p.reference, '@', 1) as slug
  from runtime_pin p
  join runtime_release r on r.id = p.release_id
  join runtime_integration i on i.id = r.integration_id
 where i.key = %(key)s
 order by 1"""


def apis_of(key: str) -> list[str]:
    """The APIs that the releases of an integration pin, regardless of the viewer: for what reacts to a deployment."""
    return [str(row["slug"]) for row in rows(_APIS, {"key": key})]
