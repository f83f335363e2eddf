"""Where imports write: APIs and versions found by their keys, created or completed. An empty value never overwrites
a stored one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from catalog import permissions
from catalog.domain import contract_hints, lifecycle, naming
from catalog.models import Api, ApiEntity, ApiVersion, BusinessEntity, ImportedThing
from catalog.services import api_values, audit_snapshots, contracts, governed_facts, provision, search_index
from catalog.services.contract_proposal import entity_names, operation_texts
from catalog.services.contracts import ReadContract
from catalog.services.findings import Findings
from catalog.services.importing import identity
from kernel import audit, clock, outbox
from kernel.errors import Forbidden, Invalid
from kernel.models import User

STATES = (lifecycle.DRAFT, lifecycle.PUBLISHED)
Result = Literal["created", "changed", "unchanged", "refused"]


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    outcome: Result
    reference: str = ""
    code: str = ""
    message: str = ""


class ImportTarget:
    """Bound to one import. `defaults` fill what a source leaves out; `source` is its name, "" for an upload. What comes
    in is a draft, unless the source says its state, or `defaults` say `state` for all of it."""

    def __init__(self, *, actor: User | None, defaults: dict[str, str], source: str = "") -> None:
        self.source = source
        self.names = identity.Names()
        self.actor, self.defaults = actor, {k: v for k, v in defaults.items() if v}
        self.state = self.defaults.pop("state", lifecycle.DRAFT)
        if self.state not in STATES:
            raise Invalid("import.state", f"New versions come in as one of: {', '.join(STATES)}.")
        self.people = bool(self.defaults.pop("people", ""))
        if self.people and not (actor is None or actor.is_superuser):
            raise Forbidden("import.people", "Only an administrator takes people from a source.")
        self.kept: dict[str, Any] = {}  # what a reader of a kind keeps for the time of this import
        found = Findings()
        api_values.read(dict(self.defaults), found)
        found.require_none("import.defaults", "The defaults cannot be used.")
        self.entity_names = entity_names()

    def api(self, slug: str, values: dict[str, Any], *, notes: list[str]) -> tuple[Api, str]:
        """The API, and "created", "changed" or "unchanged". Values that name something unknown are left out and
        noted; an empty value changes nothing."""
        found = Findings()
        given = {k: v for k, v in values.items() if v not in (None, "", [])}
        fields = {k: v for k, v in api_values.read(given, found).items() if v not in (None, "", [])}
        notes += [f"{f['pointer'].strip('/')}: {f['message']}" for f in found.items]
        rows = Api.objects.select_related("owner_team", "domain", "system", "tier")
        api = rows.select_for_update(of=("self",)).filter(slug=slug).first()
        if api is None:
            assumed = {
                k: v
                for k, v in api_values.read(dict(self.defaults), Findings()).items()
                if v not in (None, "") and k not in fields
            }
            values = {"name": slug, **assumed, **fields}
            reporting = clock.now() + provision.REPORT_ONLY
            api = Api.objects.create(slug=slug, created_by=self.actor, enforced_from=reporting, **values)
            permissions.hand_over(api, before=None)
            audit.record(
                actor=self.actor,
                verb="catalog.api_imported",
                subject_kind="api",
                subject_id=slug,
                after=audit_snapshots.of_api(api),
            )
            return api, "created"
        changed = {k: v for k, v in fields.items() if getattr(api, k) != v}
        if self.actor is not None:
            changed = _without_gate_facts(api, changed, notes)
        if not changed:
            return api, "unchanged"
        before, owner = audit_snapshots.of_api(api), api.owner_team
        for name, value in changed.items():
            setattr(api, name, value)
        api.save(update_fields=list(changed))
        permissions.hand_over(api, before=owner)
        audit.record(
            actor=self.actor,
            verb="catalog.api_changed",
            subject_kind="api",
            subject_id=slug,
            before=before,
            after=audit_snapshots.of_api(api),
            reason="bulk import",
        )
        return api, "changed"

    def remembered(
        self, thing: ImportedThing | None, slug: str, values: dict[str, Any], *, notes: list[str], of: str
    ) -> tuple[Api, str]:
        """As `api`, and what a named source said the last time is not taken over again: what people changed since
        stays. `of` is the part of the source that says it: each contract file speaks for itself."""
        if thing is None:
            return self.api(slug, values, notes=notes)
        said = {k: v for k, v in values.items() if v not in (None, "", [])}
        before = thing.said.get(of)
        known = before if isinstance(before, dict) and Api.objects.filter(slug=slug).exists() else {}
        held: list[str] = []
        api, result = self.api(slug, {k: v for k, v in said.items() if known.get(k) != v}, notes=held)
        notes += held
        waiting = {n.partition(":")[0] for n in held if "is proposed and not taken over" in n}
        taken = {k: v for k, v in said.items() if k not in waiting}
        if thing.pk is None or before != taken:
            thing.said = {**thing.said, of: taken}
            thing.save()
        return api, result

    def version(
        self, api: Api, reading: ReadContract | None, *, label: str, state: str = "", released_on: date | None = None
    ) -> tuple[ApiVersion, str]:
        """The version with this contract, and "created" or "unchanged". A taken label gets a part of the digest. A new
        one has the `state` that its source says, else that of the import."""
        state = state or self.state
        siblings = list(api.versions.order_by("position", "id"))
        known = _known_version(siblings, reading, label)
        if known is not None:
            return known, "unchanged"
        if state not in lifecycle.STATES:
            message = f"{state[:40]!r} is not a valid lifecycle state. Choose one of: {', '.join(lifecycle.STATES)}."
            raise Invalid("import.state", message)
        contract = contracts.store(reading) if reading else None
        state = lifecycle.DRAFT if state in lifecycle.LIVE and contract is None else state
        now = clock.now()
        version = ApiVersion.objects.create(
            api=api,
            label=_free_label(siblings, reading, label),
            contract=contract,
            state=state,
            origin="imported",
            created_by=self.actor,
            released_on=released_on,
            position=max((v.position for v in siblings), default=0) + 1,
            deprecated_at=now if state == lifecycle.DEPRECATED else None,
            retired_at=now if state == lifecycle.RETIRED else None,
        )
        after = audit_snapshots.of_version(version)
        audit.record(
            actor=self.actor,
            verb="catalog.version_imported",
            subject_kind="version",
            subject_id=str(version),
            after=after,
        )
        payload = {"version_id": version.pk, "digest": version.contract_id}
        outbox.emit("catalog.version_added", key=str(version), payload=payload)
        return version, "created"

    def entities(self, api: Api, reading: ReadContract) -> None:
        """State the entities that the operations mention, for an API that states none yet."""
        if not self.entity_names or api.entity_uses.exists():
            return
        operations = operation_texts(reading.document)
        for hint in contract_hints.entity_hints(operations, self.entity_names, limit=3):
            ApiEntity.objects.create(api=api, entity=BusinessEntity.objects.get(key=hint.entity), access=hint.access)

    def finish(self, api: Api, *outcomes: str) -> Result:
        """Bring the search row up to date; the strongest of the outcomes."""
        strongest: Result = "created" if "created" in outcomes else "changed" if "changed" in outcomes else "unchanged"
        if strongest != "unchanged":
            search_index.refresh([api.pk])
        return strongest


def _without_gate_facts(api: Api, changed: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """What the gate decides by is proposed to a person, for an API that it decides about."""
    held = [name for name in governed_facts.GATE_FACTS if name in changed]
    if not held or not governed_facts.is_governed(api):
        return changed
    for name in held:
        notes.append(f"{name}: {changed[name]} is proposed and not taken over; change it on the page of {api.slug}.")
    return {name: value for name, value in changed.items() if name not in held}


def _known_version(siblings: Sequence[ApiVersion], reading: ReadContract | None, label: str) -> ApiVersion | None:
    """The version that has this contract already; without a contract the one with this label, and without a label the
    newest that an import has made."""
    if reading is None and not label:
        return next((v for v in reversed(siblings) if v.origin == "imported"), None)
    if reading is None:
        return next((v for v in siblings if v.label == label), None)
    return next((v for v in siblings if v.contract_id == reading.digest), None)


def _free_label(siblings: Sequence[ApiVersion], reading: ReadContract | None, label: str) -> str:
    return naming.label_for(
        label or (reading.document.version_label if reading else ""),
        digest=reading.digest if reading else "none",
        today=clock.now().date(),
        taken={v.label for v in siblings},
    )
