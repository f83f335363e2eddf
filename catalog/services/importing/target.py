"""Where imports write: APIs and versions found by their keys, created or completed, never overwritten with nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from catalog import permissions
from catalog.domain import contract_hints, lifecycle, naming
from catalog.models import Api, ApiEntity, ApiVersion, BusinessEntity
from catalog.services import api_values, audit_snapshots, contracts, search_index
from catalog.services.contracts import ReadContract
from catalog.services.findings import Findings
from kernel import audit, clock, outbox
from kernel.errors import Invalid
from kernel.models import User

Result = Literal["created", "changed", "unchanged", "refused"]


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    outcome: Result
    reference: str = ""
    code: str = ""
    message: str = ""


class ImportTarget:
    """Bound to one import. `defaults` fill what a source leaves out."""

    def __init__(self, *, actor: User | None, defaults: dict[str, str]) -> None:
        self.actor, self.defaults = actor, {k: v for k, v in defaults.items() if v}
        found = Findings()
        api_values.read(dict(self.defaults), found)
        found.require_none("import.defaults", "The defaults cannot be used.")
        self.entity_names = {
            key: [key, name, *aliases]
            for key, name, aliases in BusinessEntity.objects.values_list("key", "name", "aliases")
        }

    def api(self, slug: str, values: dict[str, Any], *, notes: list[str]) -> tuple[Api, str]:
        """The API, and created | changed | unchanged. Given values that name something unknown are left out and noted;
        empty ones change nothing; a value that stands there already gives way only to a value that the source says."""
        found = Findings()
        given = {k: v for k, v in values.items() if v not in (None, "", [])}
        fields = {k: v for k, v in api_values.read(given, found).items() if v not in (None, "", [])}
        notes += [f"{f['pointer'].strip('/')}: {f['message']}" for f in found.items]
        api = Api.objects.select_for_update(of=("self",)).filter(slug=slug).first()
        if api is None:
            assumed = {
                k: v
                for k, v in api_values.read(dict(self.defaults), Findings()).items()
                if v not in (None, "") and k not in fields
            }
            api = Api.objects.create(slug=slug, created_by=self.actor, **{"name": slug, **assumed, **fields})
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

    def version(
        self,
        api: Api,
        reading: ReadContract | None,
        *,
        label: str,
        state: str = lifecycle.PUBLISHED,
        released_on: date | None = None,
    ) -> tuple[ApiVersion, str]:
        """The version with this contract; the same contract again is the same version, the same label with another
        contract gets the digest beside its label."""
        siblings = list(api.versions.order_by("position", "id"))
        digest = reading.digest if reading else None
        if reading is not None:
            same = next((v for v in siblings if v.contract_id == digest), None)
            if same is not None:
                return same, "unchanged"
        elif existing := next((v for v in siblings if v.label == label), None):
            return existing, "unchanged"
        if state not in lifecycle.STATES:
            raise Invalid(
                "import.state", f"{state[:40]!r} is no lifecycle state. One of {', '.join(lifecycle.STATES)}."
            )
        contract = contracts.store(reading) if reading else None
        if state in lifecycle.LIVE and contract is None:
            state = lifecycle.DRAFT
        label = naming.label_for(
            label or (reading.document.version_label if reading else ""),
            digest=digest or "none",
            today=clock.now().date(),
            taken={v.label for v in siblings},
        )
        now = clock.now()
        version = ApiVersion.objects.create(
            api=api,
            label=label,
            contract=contract,
            state=state,
            origin="imported",
            created_by=self.actor,
            released_on=released_on,
            position=max((v.position for v in siblings), default=0) + 1,
            deprecated_at=now if state == lifecycle.DEPRECATED else None,
            retired_at=now if state == lifecycle.RETIRED else None,
        )
        audit.record(
            actor=self.actor,
            verb="catalog.version_imported",
            subject_kind="version",
            subject_id=str(version),
            after=audit_snapshots.of_version(version),
        )
        outbox.emit(
            "catalog.version_added", key=str(version), payload={"version_id": version.pk, "digest": version.contract_id}
        )
        return version, "created"

    def entities(self, api: Api, reading: ReadContract) -> None:
        """Name the entities that the operations speak of, for an API that names none yet."""
        if not self.entity_names or api.entity_uses.exists():
            return
        operations = [
            (o.method, " ".join((o.path, o.operation_id, o.summary, *o.tags, *o.messages)))
            for o in reading.document.operations
        ]
        for hint in contract_hints.entity_hints(operations, self.entity_names, limit=3):
            ApiEntity.objects.create(api=api, entity=BusinessEntity.objects.get(key=hint.entity), access=hint.access)

    def finish(self, api: Api, *outcomes: str) -> Result:
        """Bring the search row up to date; the strongest of the outcomes."""
        strongest: Result = "created" if "created" in outcomes else "changed" if "changed" in outcomes else "unchanged"
        if strongest != "unchanged":
            search_index.refresh([api.pk])
        return strongest
