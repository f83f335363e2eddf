"""Integrations, their releases, what is deployed where, and the approvals that let it."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kernel.digest import short
from kernel.errors import Invalid
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.mapping import ExplainedField, diff, explain, lineage, parse
from runtime.models import Integration, Release
from runtime.permissions import SEEN, sight
from runtime.selectors import backlog, gates
from runtime.selectors.backlog import Backlog
from runtime.selectors.gates import GateState
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """A row of the list, for one environment. `digest` is the deployed one, "" where nothing is deployed."""

    key: str
    title: str
    domain: str
    team: str
    tier: int | None
    newest: str
    digest: str
    paused: bool
    permitted: int
    held: int
    subscriptions: int
    expression: str
    next_due_at: datetime | None
    run: int | None
    run_state: str
    run_at: datetime | None

    @property
    def tone(self) -> Tone:
        if not self.newest:
            return quiet("No release")
        if not self.digest:
            return quiet("Not deployed")
        if self.paused:
            return wait("Paused", "pause")
        if not self.subscriptions or self.permitted == self.subscriptions:
            if not self.held:
                return ok("Gate open", "gate-open")
            word = "Gate waits" if self.held == self.subscriptions else "Partly waiting"
            return wait(word, "gate-shut")
        return stop("Gate closed", "gate-shut") if not self.permitted else wait("Partly closed", "gate-shut")

    @property
    def newer(self) -> bool:
        return bool(self.digest) and self.newest != self.digest


_LIST = (
    """
select i.key, i.title, i.domain_key as domain, g.name as team, n.tier, coalesce(n.digest, '') as newest,
       coalesce(r.digest, '') as digest, coalesce(d.paused, false) as paused, coalesce(w.permitted, 0) as permitted,
       coalesce(w.held, 0) as held, coalesce(w.subscriptions, 0) as subscriptions,
       coalesce(c.expression, '') as expression, c.next_due_at, u.id as run,
       coalesce(u.state, '') as run_state, u.started_at as run_at
  from runtime_integration i
  join auth_group g on g.id = i.owner_team_id
  left join lateral (select digest, tier from runtime_release where integration_id = i.id order by id desc limit 1) n
            on true
  left join runtime_deployment d on d.integration_id = i.id and d.environment = %(environment)s and d.active
  left join runtime_release r on r.id = d.release_id
  left join lateral (select count(*) as subscriptions, count(p.subscription_id) as permitted,
                            count(*) filter (where v.breaker <> 'closed' or v.fault <> '' or s.fault_tries > 0) as held
                       from runtime_subscription s
                       join runtime_vendorstate v on v.id = s.vendor_id
                       left join runtime_permitted p on p.subscription_id = s.id
                      where s.deployment_id = d.id
                        and s.open
                        and s.replay_of_id is null) w on true
  left join runtime_schedule c on c.integration_id = i.id and c.environment = %(environment)s and c.enabled
  left join lateral (select n.id, n.state, n.started_at
                       from runtime_stream st
                       cross join lateral (select m.id, m.state, m.started_at
                                             from runtime_run m
                                            where m.stream_id = st.id
                                            order by m.id * -1
                                            limit 1) n
                      where st.integration_id = i.id
                        and st.environment = %(environment)s
                      order by n.id desc
                      limit 1) u on true
 where (%(text)s = '' or i.key ilike %(like)s or i.title ilike %(like)s)
   and """
    + SEEN
    + """
 order by i.title, i.key"""
)


def listed(viewer: Viewer, environment: str, *, text: str = "") -> list[IntegrationRow]:
    """Integrations that the viewer may see, in one query."""
    like = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return [
        IntegrationRow(**one)
        for one in rows(_LIST, sight(viewer) | {"environment": environment, "text": text, "like": like})
    ]


# -- one integration ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """An approval of one digest in one environment, valid now or not."""

    id: int
    change_id: int | None
    digest: str
    environment: str
    sealed_at: datetime
    valid_until: datetime | None
    used_at: datetime | None
    voided_at: datetime | None
    void_reason: str
    valid: bool

    @property
    def tone(self) -> Tone:
        if self.valid:
            return ok("Approved")
        return stop("Void") if self.voided_at else quiet("Ended")


@dataclass(slots=True)
class ReleaseRow:
    id: int
    digest: str
    tier: int
    created_at: datetime
    created_by: str
    approvals: list[ApprovalRow] = field(default_factory=list)
    active_in: tuple[str, ...] = ()
    ran_in: tuple[str, ...] = ()

    def approval_for(self, environment: str) -> ApprovalRow | None:
        """A valid approval before a void one."""
        mine = [one for one in self.approvals if one.environment == environment]
        return next((one for one in mine if one.valid), mine[0] if mine else None)


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    id: int
    environment: str
    digest: str
    kind: str
    active: bool
    paused: bool
    pause_reason: str
    deployed_at: datetime
    deployed_by: str
    ended_at: datetime | None
    change_id: int | None
    approval_id: int


@dataclass(frozen=True, slots=True)
class MappingTable:
    """A target's mapping in words. `findings` instead of rows where it cannot be read."""

    target: ManifestTarget
    rows: tuple[ExplainedField, ...]
    lineage: Mapping[str, list[str]]
    findings: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class TargetState:
    """One subscription of the deployed release with its gate and backlog. `after`: the target that must have each
    message first."""

    id: int
    target: str
    instance: str
    gate: GateState | None
    backlog: Backlog
    after: str = ""


@dataclass(slots=True)
class DeployedIntegration:
    """All that the page of an integration shows for one environment. `release`: the chosen, deployed or newest one."""

    integration: Integration
    environment: str
    releases: list[ReleaseRow]
    deployments: list[DeploymentRow]
    targets: list[TargetState]
    cursor: str
    release: ReleaseRow | None = None
    manifest: Manifest | None = None
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deployed(self) -> DeploymentRow | None:
        return next((one for one in self.deployments if one.active and one.environment == self.environment), None)

    @property
    def gate(self) -> GateState | None:
        """The worst gate of its targets: a closed one before one that waits."""
        known = [one.gate for one in self.targets if one.gate is not None]
        return min(known, key=lambda gate: (gate.permitted, gate.open), default=None)

    @property
    def gate_target(self) -> str:
        """The target of `gate`, where there are several targets."""
        gate = self.gate
        names = [f"{one.target} {one.instance}".strip() for one in self.targets if one.gate is gate]
        return names[0] if names and len(self.targets) > 1 else ""

    @property
    def shut_target(self) -> str:
        return self.gate_target if self.gate is not None and not self.gate.open else ""

    @property
    def tier_words(self) -> str:
        return f"Tier {self.release.tier}" if self.release else "Tier unknown"

    @property
    def tone(self) -> Tone:
        if self.release is None:
            return quiet("No release")
        if self.deployed is None:
            return quiet("Not deployed here")
        if self.gate is None:
            return quiet("No target")
        shut = sum(1 for one in self.targets if one.gate is not None and not one.gate.open)
        if self.deployed.paused or not shut or shut == len(self.targets) or len(self.targets) == 1:
            return wait("Paused", "pause") if self.deployed.paused else self.gate.tone
        return wait(f"{shut} of {len(self.targets)} targets wait", "gate-shut")


_RELEASES = """
select r.id, r.digest, r.tier, r.created_at, coalesce(u.username, 'system') as created_by,
       coalesce((select array_agg(distinct d.environment)
                   from runtime_deployment d
                  where d.release_id = r.id
                    and d.active),
                '{}') as active_in,
       coalesce((select array_agg(distinct d.environment)
                   from runtime_deployment d
                  where d.release_id = r.id
                    and not d.active),
                '{}') as ran_in
  from runtime_release r
  left join kernel_user u on u.id = r.created_by_id
 where r.integration_id = %(id)s
 order by r.id desc
 limit 50"""

_APPROVALS = """
select a.id, a.change_id, a.digest, a.environment, a.sealed_at, a.valid_until, a.used_at, a.voided_at, a.void_reason,
       exists (select from governance_valid_approval w where w.approval_id = a.id) as valid
  from governance_approval a
 where a.subject_kind = 'integration'
   and a.subject_id = %(key)s
 order by a.id desc
 limit 200"""

_DEPLOYMENTS = """
select d.id, d.environment, r.digest, d.kind, d.active, d.paused, d.pause_reason, d.deployed_at,
       coalesce(u.username, 'system') as deployed_by, d.ended_at, a.change_id, d.approval_id
  from runtime_deployment d
  join runtime_release r on r.id = d.release_id
  join governance_approval a on a.id = d.approval_id
  left join kernel_user u on u.id = d.deployed_by_id
 where d.integration_id = %(id)s
 order by d.active desc, d.id desc
 limit 50"""

_TARGETS = """
select s.id, s.target, s.instance, coalesce(a.target, '') as after, coalesce(left(c.cursors, 500), '') as cursor
  from runtime_stream st
  left join runtime_subscription s on s.stream_id = st.id and s.open and s.replay_of_id is null
  left join runtime_subscription a on a.id = s.after_subscription
  left join lateral (select jsonb_object_agg(name, cursor)::text as cursors
                       from runtime_source
                      where stream_id = st.id
                        and cursor is not null) c on true
 where st.integration_id = %(id)s
   and st.environment = %(environment)s
 order by s.target, s.instance"""


def detail(viewer: Viewer, key: str, environment: str, *, digest: str = "") -> DeployedIntegration | None:
    """An integration with all that its page shows, in nine queries; None when there is none or the viewer may not
    see it.
    """
    integration = permissions.visible(viewer).select_related("owner_team").filter(key=key).first()
    if integration is None:
        return None
    chosen = {"id": integration.pk, "key": key, "environment": environment}
    targets = rows(_TARGETS, chosen)
    ids = [one["id"] for one in targets if one["id"] is not None]
    gate_of, behind = gates.states(ids), backlog.of(ids)
    made = DeployedIntegration(
        integration,
        environment,
        releases=_releases(chosen),
        deployments=[DeploymentRow(**one) for one in rows(_DEPLOYMENTS, chosen)],
        targets=[
            TargetState(
                one["id"], one["target"], one["instance"], gate_of.get(one["id"]), behind[one["id"]], one["after"]
            )
            for one in targets
            if one["id"] is not None
        ],
        cursor=targets[0]["cursor"] if targets else "",
    )
    _choose(made, digest)
    return made


def _releases(chosen: Mapping[str, Any]) -> list[ReleaseRow]:
    approvals = [ApprovalRow(**one) for one in rows(_APPROVALS, chosen)]
    made = []
    for one in rows(_RELEASES, chosen):
        one["active_in"], one["ran_in"] = tuple(one["active_in"]), tuple(one["ran_in"])
        made.append(ReleaseRow(**one, approvals=[a for a in approvals if a.digest == one["digest"]]))
    return made


def _choose(made: DeployedIntegration, digest: str) -> None:
    wanted = digest or (made.deployed.digest if made.deployed else "")
    made.release = next((one for one in made.releases if wanted and wanted in (one.digest, short(one.digest))), None)
    if made.release is None and not digest and made.releases:
        made.release = made.releases[0]
    if made.release is not None:
        made.document = Release.objects.values_list("manifest", flat=True).get(pk=made.release.id)
        made.manifest = manifests.load(made.document)


def mapping_tables(manifest: Manifest) -> list[MappingTable]:
    """The mapping of each target, field by field, with where each value comes from."""
    made = []
    for target in manifest.targets:
        try:
            mapping = parse(target.mapping)
        except Invalid as error:  # releases have readable mappings, but an older reader may have been laxer
            made.append(MappingTable(target, (), {}, tuple(error.findings)))
            continue
        made.append(MappingTable(target, tuple(explain(mapping)), lineage(mapping)))
    return made


def mapping_changes(old: Manifest, new: Manifest) -> list[tuple[str, list[str]]]:
    """(target, sentences) about each mapping that a new release changes, for its reviewers."""
    before = {target.name: target for target in old.targets}
    changes: list[tuple[str, list[str]]] = []
    for target in new.targets:
        was = before.pop(target.name, None)
        said = ["This target is new."] if was is None else diff(parse(was.mapping), parse(target.mapping))
        if said:
            changes.append((target.name, said))
    return changes + [(name, ["This target is gone."]) for name in before]


def of_api(viewer: Viewer, slug: str) -> list[dict[str, Any]]:
    """Deployed integrations that pin a version of an API: for the API's page. One query."""
    return rows(
        _OF_API,
        sight(viewer)
        | {"slug": slug, "like": slug.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "@%"},
    )


_OF_API = (
    """
select i.key, i.title, g.name as team, p.role, p.reference, d.environment, r.digest, d.paused, p.contract_digest
  from runtime_pin p
  join runtime_release r on r.id = p.release_id
  join runtime_integration i on i.id = r.integration_id
  join auth_group g on g.id = i.owner_team_id
  join runtime_deployment d on d.release_id = r.id and d.active
 where p.reference like %(like)s
   and """
    + SEEN
    + """
 order by i.title, d.environment, p.role"""
)


def release(viewer: Viewer, key: str, digest: str) -> Release | None:
    return (
        Release.objects.select_related("integration__owner_team")
        .filter(integration__in=permissions.visible(viewer), integration__key=key, digest=digest)
        .first()
    )


def running(key: str, environment: str) -> Release | None:
    """The release that is deployed now. The caller has checked with `release` what the viewer may see."""
    return Release.objects.filter(
        integration__key=key, deployments__active=True, deployments__environment=environment
    ).first()


def environments_of(deployments: Sequence[DeploymentRow]) -> list[str]:
    return sorted({one.environment for one in deployments if one.active})


def users_of_api(slug: str) -> int:
    """The number of deployed integrations that pin a version of an API, regardless of the viewer: its owner may know
    it.
    """
    like = slug.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "@%"
    return int(rows(_USERS_OF_API, {"like": like})[0]["users"])


_USERS_OF_API = """
select count(distinct r.integration_id) as users
  from runtime_pin p
  join runtime_release r on r.id = p.release_id
  join runtime_deployment d on d.release_id = r.id and d.active
 where p.reference like %(like)s"""
