"""From a contract to a draft: read it, say what was found and what is missing, keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from catalog import permissions
from catalog.domain import contract_engine, hints, lifecycle, words
from catalog.domain.facts import VersionFacts
from catalog.models import Api, ApiEntity, ApiVersion, BusinessEntity, Contract, ContractRevision
from catalog.selectors import search, versions
from catalog.services import contracts, lookup, search_index, snapshots
from catalog.services.contracts import Reading
from catalog.services.lookup import Findings
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was read from a contract, and what registration suggests. Nothing of it is stored."""

    digest: str
    format: str
    title: str
    declared_version: str
    description: str
    operations: tuple[tuple[str, str, str], ...]
    operation_count: int
    path_count: int
    fields: int
    servers: tuple[str, ...]
    slug: str
    label: str
    style: str
    data_class: str
    sensitive: tuple[str, ...]
    entities: tuple[hints.EntityHint, ...]
    problems: tuple[dict[str, Any], ...]
    known_as: str = ""
    close_to: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = field(default_factory=tuple)
    rules_held: int = 0
    rules_judged: int = 0
    hints: tuple[str, ...] = ()


def propose(content: bytes, *, file_name: str = "", viewer: Viewer) -> Proposal:
    """Read a contract and suggest the rest. Raises Invalid with a code below `contract.`; stores nothing."""
    return proposal_of(contracts.read_contract(content, file_name=file_name), viewer=viewer)


def proposal_of(reading: Reading, *, viewer: Viewer) -> Proposal:
    document = reading.document
    title = document.title or reading.file_name.rpartition("/")[2].rpartition(".")[0]
    known = versions.by_contract(document.digest)
    known_as = known[0].reference if known and permissions.visible(viewer).filter(pk=known[0].api_id).exists() else ""
    operations = [
        (o.method, " ".join((o.path, o.operation_id, o.summary, *o.tags, *o.messages))) for o in document.operations
    ]
    data_class, sensitive = hints.sensitive_fields(document.fields)
    slug = words.slug_of(title)
    missing = [
        name
        for name, have in (
            ("title", document.title),
            ("version", document.version_label),
            ("description", document.description),
            ("operations", operations),
            ("servers", document.servers),
        )
        if not have
    ]
    house = contract_engine.lint(document, data_class=data_class or None)
    judged = [outcome for outcome in house.outcomes if outcome.status in ("passed", "failed")]
    return Proposal(
        rules_held=sum(1 for outcome in judged if outcome.status == "passed"),
        rules_judged=len(judged),
        hints=tuple(dict.fromkeys(found.message for found in house.findings))[:5],
        digest=document.digest,
        format=document.format,
        title=title[:200],
        declared_version=document.version_label,
        description=document.description,
        operations=tuple((o.method, o.path, o.summary or o.operation_id) for o in document.operations[:200]),
        operation_count=len(operations),
        path_count=len({o.path for o in document.operations}),
        fields=len(document.fields),
        servers=document.servers[:10],
        slug=slug,
        label=words.label_for(
            document.version_label, digest=document.digest, today=clock.now().date(), taken=_labels(slug)
        ),
        style=hints.style_of(document.format),
        data_class=data_class,
        sensitive=tuple(sensitive[:20]),
        entities=tuple(hints.entity_hints(operations, _entity_names())),
        problems=tuple(contracts.problems_of(document)[:50]),
        known_as=known_as,
        close_to=tuple(search.close_to(title, viewer=viewer, limit=3)),
        missing=tuple(missing),
    )


def _labels(slug: str) -> set[str]:
    return set(ApiVersion.objects.filter(api__slug=slug).values_list("label", flat=True))


def _entity_names() -> dict[str, list[str]]:
    return {
        key: [key, name, *aliases]
        for key, name, aliases in BusinessEntity.objects.values_list("key", "name", "aliases")
    }


def register(
    *,
    actor: User,
    content: bytes,
    file_name: str = "",
    slug: str,
    label: str = "",
    entities: Sequence[dict[str, Any]] = (),
    **values: Any,
) -> VersionFacts:
    """A new API with its first version, as a draft.

    `values` are those of `lookup.api_fields`: name, purpose, domain, owner_team, layer, style, tier, data_class, visibility,
    system … An owner team and an SLA tier are required: nobody could approve the draft without. Raises Invalid with every
    finding at once, Conflict `api.slug_taken`, Forbidden for a team that is not the actor's.
    """
    reading = contracts.read_contract(content, file_name=file_name)
    found = Findings()
    if not words.is_slug(slug):
        found.add("/slug", "Small letters, digits and hyphens; it begins with a letter or a digit; at most 100.")
    label = label.strip() or words.label_for(
        reading.document.version_label, digest=reading.digest, today=clock.now().date()
    )
    if not words.is_label(label):
        found.add("/label", "Letters, digits, dot, plus, hyphen and underscore; at most 100.")
    values.setdefault("name", reading.document.title)
    fields = lookup.api_fields(values, found)
    uses = lookup.entity_uses(list(entities), found)
    if fields.get("owner_team") is None and not _already(found, "/owner_team"):
        found.add(
            "/owner_team",
            "Choose who answers for it. An API without an owner cannot be approved.",
            code="value.missing",
        )
    if fields.get("tier") is None and not _already(found, "/tier"):
        found.add("/tier", "Choose an SLA tier: it decides who has to agree.", code="value.missing")
    found.require_none(
        "registration.incomplete",
        f"{len(found.items)} thing(s) are missing before this can be a draft. The contract was read.",
    )
    allowed = permissions.may_register(Viewer.of(actor), fields["owner_team"])
    if not allowed:
        raise Forbidden(
            "registration.not_your_team", allowed.reason, {"findings": [finding("/owner_team", allowed.reason)]}
        )
    try:
        with transaction.atomic():
            api = Api.objects.create(slug=slug, created_by=actor, **fields)
            version = _keep(api, reading, label=label, actor=actor, uses=uses)
    except IntegrityError as error:
        raise _taken(error, slug) from None
    return versions.facts(version.pk)


def _already(found: Findings, pointer: str) -> bool:
    return any(item["pointer"] == pointer for item in found.items)


def _taken(error: IntegrityError, slug: str) -> Exception:
    if "slug" in str(error):
        message = f"The short name {slug!r} is taken. Choose another one, or add a version to that API."
        return Conflict("api.slug_taken", message, {"findings": [finding("/slug", message)]})
    return error


def _keep(api: Api, reading: Reading, *, label: str, actor: User, uses: list[dict[str, Any]]) -> ApiVersion:
    permissions.hand_over(api, before=None)
    ApiEntity.objects.bulk_create(ApiEntity(api=api, **use) for use in uses)
    version = ApiVersion.objects.create(
        api=api, label=label, contract=contracts.store(reading), created_by=actor, position=1
    )
    audit.record(
        actor=actor, verb="catalog.api_registered", subject_kind="api", subject_id=api.slug, after=snapshots.of_api(api)
    )
    _say_version_added(version, actor)
    return version


def _say_version_added(version: ApiVersion, actor: User | None) -> None:
    audit.record(
        actor=actor,
        verb="catalog.version_added",
        subject_kind="version",
        subject_id=str(version),
        after=snapshots.of_version(version),
    )
    outbox.emit(
        "catalog.version_added", key=str(version), payload={"version_id": version.pk, "digest": version.contract_id}
    )
    search_index.refresh([version.api_id])


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
    `version.label_taken` or `version.contract_known`.
    """
    reading = contracts.read_contract(content, file_name=file_name)
    with transaction.atomic():
        api = lookup.api_locked(slug)
        allowed = permissions.may_change_api(Viewer.of(actor), api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        before = None
        siblings = list(api.versions.order_by("-position", "-id"))
        if predecessor:
            before = next((v for v in siblings if v.label == predecessor), None)
            if before is None:
                raise Invalid(
                    "version.unknown",
                    f"{slug} has no version {predecessor!r}.",
                    {"findings": [finding("/predecessor", "Name an existing label.")]},
                )
        taken = {v.label for v in siblings}
        label = label.strip() or words.label_for(
            reading.document.version_label, digest=reading.digest, today=clock.now().date(), taken=taken
        )
        if not words.is_label(label):
            message = "Letters, digits, dot, plus, hyphen and underscore; at most 100."
            raise Invalid("version.label", message, {"findings": [finding("/label", message)]})
        same = next(
            (
                v
                for v in siblings
                if v.contract_id == reading.digest and v.state not in (lifecycle.REJECTED, lifecycle.WITHDRAWN)
            ),
            None,
        )
        if same is not None:
            raise Conflict(
                "version.contract_known",
                f"This contract is {slug}@{same.label} already; nothing was added.",
                {"reference": f"{slug}@{same.label}"},
            )
        if label in taken:
            raise Conflict(
                "version.label_taken",
                f"{slug}@{label} exists. Choose another label.",
                {"findings": [finding("/label", "Taken.")]},
            )
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
        _say_version_added(version, actor)
    return versions.facts(version.pk)


def revise_contract(
    *,
    actor: User,
    reference: str,
    content: bytes,
    file_name: str = "",
    check: Callable[[ApiVersion], None] | None = None,
) -> VersionFacts:
    """Another contract for a version.

    A draft or a version in review takes it at once; whoever looked at the old digest then sees that it has changed (topic
    `catalog.version_contract_changed`). A published version keeps its contract, and the new one waits as a revision for the
    approval of a `contract.change`. `check` may refuse the locked row (If-Match).
    """
    reading = contracts.read_contract(content, file_name=file_name)
    with transaction.atomic():
        version = version_locked(reference)
        allowed = permissions.may_change_api(Viewer.of(actor), version.api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        if check:
            check(version)
        if version.state in lifecycle.ENDED or version.state == lifecycle.APPROVED:
            raise Conflict(
                "version.not_editable",
                f"{reference} is {version.state}; its contract does not change any more. Add a new version.",
            )
        contract = contracts.store(reading)
        if contract.digest == version.contract_id:
            return versions.facts(version.pk)
        if (
            ApiVersion.objects.filter(api=version.api, contract=contract)
            .exclude(pk=version.pk)
            .exclude(state__in=["rejected", "withdrawn"])
            .exists()
        ):
            raise Conflict("version.contract_known", "Another version of this API has exactly this contract.")
        if version.state in lifecycle.EDITABLE:
            _take(version, contract, actor)
        else:
            _propose_revision(version, contract, actor)
        search_index.refresh([version.api_id])
    return versions.facts(version.pk)


def _take(version: ApiVersion, contract: Contract, actor: User) -> None:
    before = snapshots.of_version(version)
    version.contract = contract
    version.save(update_fields=["contract"])
    audit.record(
        actor=actor,
        verb="catalog.version_contract_changed",
        subject_kind="version",
        subject_id=str(version),
        before=before,
        after=snapshots.of_version(version),
    )
    outbox.emit(
        "catalog.version_contract_changed",
        key=str(version),
        payload={"version_id": version.pk, "old": before["contract"], "new": contract.digest},
    )


def _propose_revision(version: ApiVersion, contract: Contract, actor: User) -> None:
    now = clock.now()
    ContractRevision.objects.filter(version=version, adopted_at=None, dropped_at=None).update(dropped_at=now)
    ContractRevision.objects.create(
        version=version, contract=contract, replaces_id=version.contract_id, proposed_by=actor
    )
    audit.record(
        actor=actor,
        verb="catalog.contract_revision_proposed",
        subject_kind="version",
        subject_id=str(version),
        before={"contract": version.contract_id},
        after={"contract": contract.digest},
    )
    outbox.emit(
        "catalog.contract_revision_proposed",
        key=str(version),
        payload={"version_id": version.pk, "old": version.contract_id, "new": contract.digest},
    )


def withdraw(*, actor: User, reference: str, reason: str = "") -> VersionFacts:
    """End a version that was never decided. It stays readable."""
    with transaction.atomic():
        version = version_locked(reference)
        allowed = permissions.may_change_api(Viewer.of(actor), version.api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        lifecycle.require_move(version.state, lifecycle.WITHDRAWN, reference=reference)
        before = snapshots.of_version(version)
        version.state = lifecycle.WITHDRAWN
        version.save(update_fields=["state"])
        audit.record(
            actor=actor,
            verb="catalog.version_withdrawn",
            subject_kind="version",
            subject_id=str(version),
            before=before,
            after=snapshots.of_version(version),
            reason=reason,
        )
        outbox.emit("catalog.version_withdrawn", key=str(version), payload={"version_id": version.pk})
        search_index.refresh([version.api_id])
    return versions.facts(version.pk)


def version_locked(reference: str) -> ApiVersion:
    """The version's row, locked. Raises NotFound `version.unknown`."""
    slug, label = versions.split_reference(reference)
    rows = ApiVersion.objects.select_for_update(of=("self",)).select_related("api__owner_team", "successor__api")
    found = rows.filter(api__slug=slug, label=label).first() if "\x00" not in reference else None
    if found is None:
        raise NotFound("version.unknown", f"There is no API version {reference[:200]!r}.")
    return found
