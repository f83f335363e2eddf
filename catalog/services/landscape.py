"""Systems and business entities, registered and changed one by one; a blueprint writes the same rows.

What the gate decides by is said elsewhere: who provides a system (`provision`), where it answers (`endpoints`), which
system is right about an entity (a change of the kind `boundary.move`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Max, Model

from catalog import permissions
from catalog.models import Api, AttributeGroup, BusinessEntity, System
from catalog.services import governed_facts, landscape_values, search_index
from catalog.services.findings import Findings
from catalog.services.governed_facts import Decides
from kernel import audit
from kernel.errors import Conflict, Forbidden, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

SYSTEM_FIELDS = landscape_values.SYSTEM_FIELDS
M = TypeVar("M", bound=Model)
Check = Callable[[Any], None]
"""Looks at the locked row and may refuse it: the condition of a conditional write."""


def register_system(
    *, actor: User, key: str, values: Mapping[str, Any], third_party: bool | None = None, decides: Decides | None = None
) -> System:
    """A new system, of a team of the actor; an architect registers it for any team, or for none yet.

    Raises Forbidden `system.not_your_team`, Invalid `system.invalid` with every finding, Conflict `system.key_taken`.
    `third_party` is what the gate decides by: `decides` refuses a token where it is said.
    """
    found = Findings()
    key = landscape_values.key_of(key, found, "/key")
    read = {"name": "", **landscape_values.system_values(values, found)}
    read["name"] = read["name"] or key
    if not found.items:
        names = [("/name", read["name"]), ("/key", key)] if read["name"] != key else [("/key", key)]
        _require_free(System, "system", key)
        landscape_values.require_own_name("system", key, names, found)
    found.require_none("system.invalid", "The system cannot be registered.")
    allowed = permissions.may_register_system(Viewer.of(actor), read.get("owner_team"))
    if not allowed:
        raise Forbidden("system.not_your_team", allowed.reason, {"findings": [finding("/owner_team", allowed.reason)]})
    if third_party is not None and decides is not None:
        decides()
    with transaction.atomic():
        made = _create(System, "system", key=key, third_party=third_party, **read)
        said = read | ({"third_party": third_party} if third_party is not None else {})
        audit.record(
            actor=actor, verb="catalog.system_registered", subject_kind="system", subject_id=key, after=_told(said)
        )
    return made


def change_system(
    key: str, *, actor: User, values: Mapping[str, Any], check: Check | None = None, decides: Decides | None = None
) -> System:
    """What is said of a system; what is left out stays. Raises NotFound, Forbidden `system.not_yours` or
    `system.needs_receiving_team`, Invalid `system.invalid`."""
    with transaction.atomic():
        rows = System.objects.select_for_update(of=("self",)).select_related("owner_team")
        row = rows.filter(key=key, retired_at=None).first() if "\x00" not in key else None
        if row is None:
            raise NotFound("system.unknown", f"There is no system {key[:80]!r}.")
        allowed = permissions.may_state_system(Viewer.of(actor), row)
        if not allowed:
            raise Forbidden("system.not_yours", allowed.reason)
        if check:
            check(row)
        found = Findings()
        read = landscape_values.system_values(values, found)
        if read.get("name") == "":
            found.add("/name", "A system has a name.")
        if read.get("name") not in (None, "", row.name):
            landscape_values.require_own_name("system", key, [("/name", read["name"])], found)
        found.require_none("system.invalid", "The system cannot be changed.")
        if "owner_team" in read and read["owner_team"] != row.owner_team:
            if decides is not None:
                decides()
            code = "system.needs_receiving_team"
            governed_facts.require_both_sides(actor, row.owner_team, read["owner_team"], what=row.name, code=code)
        if (changed := _save(row, read)) is not None:
            before, after = changed
            audit.record(
                actor=actor,
                verb="catalog.system_changed",
                subject_kind="system",
                subject_id=key,
                before=before,
                after=after,
            )
        if "name" in read:
            search_index.refresh(Api.objects.filter(system=row).values_list("pk", flat=True))
    return row


def register_entity(*, actor: User, key: str, values: Mapping[str, Any]) -> BusinessEntity:
    """A new business entity with its attribute groups. An architect registers it, or the owner of its domain.

    Raises Forbidden `entity.not_yours`, Invalid `entity.invalid` with every finding, Conflict `entity.key_taken`.
    """
    found = Findings()
    key = landscape_values.key_of(key, found, "/key")
    read = {"name": "", **landscape_values.entity_values(values, found)}
    read["name"] = read["name"] or key
    groups = landscape_values.group_values(values.get("attribute_groups") or [], found)
    if not found.items:
        _require_free(BusinessEntity, "entity", key)
        words = [("/key", key), ("/name", read["name"]), *_aliases(read)]
        landscape_values.require_own_name("entity", key, words, found)
    found.require_none("entity.invalid", "The entity cannot be registered.")
    _require_domain(actor, read.get("domain"))
    with transaction.atomic():
        last = BusinessEntity.objects.aggregate(last=Max("position"))["last"] or 0
        made = _create(BusinessEntity, "entity", key=key, position=min(last + 1, 32_767), **read)
        _add_groups(made, groups)
        told = read | {"attribute_groups": [one for one, _ in groups]}
        audit.record(
            actor=actor, verb="catalog.entity_registered", subject_kind="entity", subject_id=key, after=_told(told)
        )
    return made


def change_entity(
    key: str, *, actor: User, values: Mapping[str, Any], check: Check | None = None, decides: Decides | None = None
) -> BusinessEntity:
    """What is said of an entity; what is left out stays, and so do attribute groups that are not named: records and
    contracts speak of them. Raises NotFound, Forbidden `entity.not_yours`, Invalid `entity.invalid`."""
    with transaction.atomic():
        rows = BusinessEntity.objects.select_for_update(of=("self",)).select_related("domain__owner_team")
        row = rows.filter(key=key).first() if "\x00" not in key else None
        if row is None:
            raise NotFound("entity.unknown", f"There is no entity {key[:80]!r}.")
        _require_domain(actor, row.domain)
        if check:
            check(row)
        found = Findings()
        read = landscape_values.entity_values(values, found)
        groups = landscape_values.group_values(values.get("attribute_groups") or [], found)
        if read.get("name") == "":
            found.add("/name", "An entity has a name.")
        words = [("/name", read["name"])] if read.get("name") not in (None, "", row.name) else []
        words += [(at, word) for at, word in _aliases(read) if word not in (row.aliases or [])]
        landscape_values.require_own_name("entity", key, words, found)
        found.require_none("entity.invalid", "The entity cannot be changed.")
        if "domain" in read and read["domain"] != row.domain:
            if decides is not None:
                decides()
            _require_domain(actor, read["domain"])
        added = _add_groups(row, groups)
        if (changed := _save(row, read, {"attribute_groups": added})) is not None:
            before, after = changed
            audit.record(
                actor=actor,
                verb="catalog.entity_changed",
                subject_kind="entity",
                subject_id=key,
                before=before,
                after=after,
            )
    return row


def _aliases(read: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(f"/aliases/{n}", word) for n, word in enumerate(read.get("aliases") or [])]


def _require_domain(actor: User, domain: Any) -> None:
    allowed = permissions.may_state_entity(Viewer.of(actor), domain)
    if not allowed:
        raise Forbidden("entity.not_yours", allowed.reason, {"findings": [finding("/domain", allowed.reason)]})


def _require_free(model: type[Model], noun: str, key: str) -> None:
    if model._default_manager.filter(key=key).exists():
        raise _taken(noun, key)


def _taken(noun: str, key: str) -> Conflict:
    message = f"There is {'an' if noun[0] in 'aeiou' else 'a'} {noun} {key!r} already. Use it, or choose another key."
    return Conflict(f"{noun}.key_taken", message, {"findings": [finding("/key", message)]})


def _create(model: type[M], noun: str, **values: Any) -> M:
    """Raises Conflict where somebody else was quicker."""
    try:
        with transaction.atomic():
            return model._default_manager.create(**values)
    except IntegrityError:
        if not model._default_manager.filter(key=values["key"]).exists():
            raise
        raise _taken(noun, values["key"]) from None


def _add_groups(entity: BusinessEntity, groups: list[tuple[str, str]]) -> list[str]:
    """Adds those that are new, in their order, and renames the others; the keys of what was added or renamed."""
    there = {row.key: row for row in entity.attribute_groups.all()}
    last = max((row.position for row in there.values()), default=0)
    touched = []
    for key, name in groups:
        row = there.get(key)
        if row is None:
            last += 1
            AttributeGroup.objects.create(entity=entity, key=key, name=name, position=min(last, 32_767))
        elif row.name != name and name != key.replace("-", " "):
            row.name = name
            row.save(update_fields=["name"])
        else:
            continue
        touched.append(key)
    return touched


def _save(
    row: Any, read: Mapping[str, Any], added: Mapping[str, list[str]] | None = None
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Writes what differs; what the ledger is told of it, before and after. None where nothing does."""
    changed = {name: value for name, value in read.items() if getattr(row, name) != value}
    before = {name: getattr(row, name) for name in changed}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.save(update_fields=list(changed))
    more = {name: keys for name, keys in (added or {}).items() if keys}
    return (_told(before), _told(changed | more)) if changed or more else None


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keys instead of rows."""
    return {name: getattr(value, "key", value) for name, value in values.items()}
