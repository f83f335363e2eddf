"""New APIs and new versions of APIs, as drafts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from catalog import permissions
from catalog.domain import lifecycle, naming
from catalog.domain.facts import VersionFacts
from catalog.models import Api, ApiEntity, ApiVersion, Team
from catalog.selectors import versions
from catalog.services import announcements, api_values, audit_snapshots, contracts, provision
from catalog.services.contracts import ReadContract
from catalog.services.findings import Findings
from catalog.services.locked_rows import locked_api
from kernel import audit, clock
from kernel.constraints import violated
from kernel.errors import Conflict, Forbidden, Invalid, finding
from kernel.models import User
from kernel.ui.wording import counted
from kernel.viewer import Viewer

SLUG_TAKEN = "catalog_api_slug_key"
_LABEL_FORM = "Letters, digits, dot, plus, hyphen and underscore; at most 100."


def register(
    *,
    actor: User,
    content: bytes,
    file_name: str = "",
    slug: str,
    label: str = "",
    entities: Sequence[dict[str, Any]] = (),
    third_party: bool | None = None,
    **values: Any,
) -> VersionFacts:
    """A new API with its first version, as a draft. `third_party` says whose contract it is; None: as its system says.

    `values` are given under the keys of `domain.api_fields`. An owner team and an SLA tier are required, because nobody
    could approve a draft without them. Raises Invalid with every finding at once, Conflict `api.slug_taken`, Forbidden
    for a team that is not the actor's.
    """
    reading = contracts.read_contract(content, file_name=file_name)
    found = Findings()
    if not naming.is_slug(slug):
        found.add("/slug", "Small letters, digits and hyphens; it begins with a letter or a digit; at most 100.")
    label = _label(label, reading, taken=())
    if not naming.is_label(label):
        found.add("/label", _LABEL_FORM)
    values.setdefault("name", reading.document.title)
    fields = _required_fields(values, found)
    uses = api_values.entity_uses(list(entities), found)
    found.require_none(
        "registration.incomplete",
        f"The contract was read. Before it can be a draft: {counted(len(found.items), 'correction')}.",
    )
    _require_team(actor, fields["owner_team"])
    try:
        with transaction.atomic():
            api = Api.objects.create(slug=slug, created_by=actor, **fields)
            version = _save_api(api, reading, label=label, actor=actor, uses=uses)
            if third_party is not None:
                provision.state_api(slug, third_party=third_party, per_instance=None, actor=actor)
    except IntegrityError as error:
        if violated(error) != SLUG_TAKEN:
            raise
        message = f"The short name {slug!r} is taken. Choose another one, or add a version to that API."
        raise Conflict("api.slug_taken", message, {"findings": [finding("/slug", message)]}) from None
    return versions.facts(version.pk)


def _require_team(actor: User, team: Team) -> None:
    allowed = permissions.may_register(Viewer.of(actor), team)
    if not allowed:
        findings = [finding("/owner_team", allowed.reason)]
        raise Forbidden("registration.not_your_team", allowed.reason, {"findings": findings})


def _required_fields(values: dict[str, Any], found: Findings) -> dict[str, Any]:
    """The stored values; a missing owner or SLA tier is noted once."""
    fields = api_values.read(values, found)
    if fields.get("owner_team") is None and not found.has("/owner_team"):
        message = "Choose who answers for it. An API without an owner cannot be approved."
        found.add("/owner_team", message, code="value.missing")
    if fields.get("tier") is None and not found.has("/tier"):
        found.add("/tier", "Choose an SLA tier: it decides who has to agree.", code="value.missing")
    return fields


def _save_api(api: Api, reading: ReadContract, *, label: str, actor: User, uses: list[dict[str, Any]]) -> ApiVersion:
    permissions.hand_over(api, before=None)
    ApiEntity.objects.bulk_create(ApiEntity(api=api, **use) for use in uses)
    version = ApiVersion.objects.create(
        api=api, label=label, contract=contracts.store(reading), created_by=actor, position=1
    )
    after = audit_snapshots.of_api(api)
    audit.record(actor=actor, verb="catalog.api_registered", subject_kind="api", subject_id=api.slug, after=after)
    announcements.version_changed(version, "version_added", actor=actor, payload={"digest": version.contract_id})
    return version


def _label(given: str, reading: ReadContract, *, taken: Collection[str]) -> str:
    """The label as given, else the one that the contract declares of itself, made usable and unique."""
    return given.strip() or naming.label_for(
        reading.document.version_label, digest=reading.digest, today=clock.now().date(), taken=taken
    )


def add_version(
    *,
    actor: User,
    slug: str,
    content: bytes,
    file_name: str = "",
    label: str = "",
    predecessor: str = "",
    released_on: date | None = None,
    notes: str = "",
) -> VersionFacts:
    """One more version of an API, as a draft. The same contract again is refused: a version is its contract.

    `predecessor` is a label; without it the newest version that was not rejected or withdrawn precedes. Raises Conflict
    `version.label_taken` or `version.contract_known`, Invalid for a predecessor that does not exist, Forbidden for
    others than owners.
    """
    reading = contracts.read_contract(content, file_name=file_name)
    with transaction.atomic():
        api = locked_api(slug)
        allowed = permissions.may_change_api(Viewer.of(actor), api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        siblings = list(api.versions.order_by("-position", "-id"))
        before = _predecessor(slug, predecessor, siblings)
        label = _label(label, reading, taken={v.label for v in siblings})
        _require_new(slug, label, reading.digest, siblings)
        version = ApiVersion.objects.create(
            api=api,
            label=label,
            contract=contracts.store(reading),
            predecessor=before,
            created_by=actor,
            released_on=released_on,
            notes=notes[:4000],
            position=max((v.position for v in siblings), default=0) + 1,
        )
        announcements.version_changed(version, "version_added", actor=actor, payload={"digest": version.contract_id})
    return versions.facts(version.pk)


def _predecessor(slug: str, label: str, siblings: Sequence[ApiVersion]) -> ApiVersion | None:
    if not label:
        return None
    found = next((v for v in siblings if v.label == label), None)
    if found is None:
        findings = [finding("/predecessor", "Name an existing label.")]
        raise Invalid("version.unknown", f"{slug} has no version {label!r}.", {"findings": findings})
    return found


def _require_new(slug: str, label: str, digest: str, siblings: Sequence[ApiVersion]) -> None:
    """Raises Invalid for a label that addresses cannot hold, Conflict for a contract or a label that the API has
    already."""
    if not naming.is_label(label):
        raise Invalid("version.label", _LABEL_FORM, {"findings": [finding("/label", _LABEL_FORM)]})
    ended = (lifecycle.REJECTED, lifecycle.WITHDRAWN)
    same = next((v for v in siblings if v.contract_id == digest and v.state not in ended), None)
    if same is not None:
        reference = f"{slug}@{same.label}"
        message = f"This contract is already registered as {reference}; nothing was added."
        raise Conflict("version.contract_known", message, {"reference": reference})
    if any(v.label == label for v in siblings):
        message = f"{slug}@{label} exists. Choose another label."
        raise Conflict("version.label_taken", message, {"findings": [finding("/label", "Taken.")]})
