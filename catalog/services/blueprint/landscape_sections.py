"""Sections of a blueprint on who and what there is: teams, systems, tiers, scopes, business entities and their
records."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.models import Group
from psycopg.types.range import TimestamptzRange

from catalog.domain import systems_of_record
from catalog.domain import tiers as tier_rules
from catalog.models import (
    AttributeGroup,
    Boundary,
    BusinessEntity,
    Domain,
    Environment,
    RetailStore,
    ScopeValue,
    SlaTier,
    System,
    SystemEndpoint,
    Team,
)
from catalog.services import audit_snapshots, endpoints, landscape_values, provision
from catalog.services.blueprint.writer import BLUEPRINT, BlueprintWriter
from kernel import acting, authorities, clock
from kernel.ui.wording import counted

MOST_FURTHER_HOSTS = 20


def teams(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A team with its group of people; its key never changes. Who belongs to one that is `exclusive` says the section
    of people alone."""
    key = writer.key(item, pointer)
    if writer.flag(item, "exclusive", pointer):
        if writer.document.get("people"):
            writer.exclusive.add(key)
        else:
            writer.found.add(
                f"{pointer}/exclusive", "The document names no people, so the team would lose all of its members."
            )
    name = writer.text(item, "name", pointer, 120) or key
    kind = writer.found.choice(item.get("kind") or "domain", Team.Kind.choices, f"{pointer}/kind", noun="kind of team")
    values = {
        "name": name,
        "kind": kind,
        "email": writer.text(item, "email", pointer),
        "on_call": writer.text(item, "on_call", pointer),
    }
    if not Team.objects.filter(key=key).exists():
        group, _ = Group.objects.get_or_create(name=name)
        if Team.objects.filter(group=group).exists():
            group = Group.objects.create(name=f"{name} ({key})")
        Team.objects.create(group=group, key=key, **values)
        writer.record("created", "team", key, None, values)
    else:
        writer.upsert(Team, "team", {"key": key}, values, key, said=writer.said(item, "name", "kind"))


def environments(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """An environment, in the order of the document. A new one reports for a while what has no record, unless it
    says from when on that blocks."""
    key = writer.key(item, pointer)
    position = _place(writer, Environment, "environments", key, pointer)
    values: dict[str, Any] = {
        "name": writer.text(item, "name", pointer, 60) or key,
        "is_fleet": writer.flag(item, "is_fleet", pointer) or False,
        **position,
    }
    for name in ("records_complete_since", "records_enforced_from"):
        if name in item:
            values[name] = writer.time(item, name, pointer)
    present = Environment.objects.filter(key=key).first()
    if present is None and "records_enforced_from" not in item:
        values["records_enforced_from"] = clock.now() + provision.REPORT_ONLY
    if present is not None and present.records_approval_id is not None:
        values.pop("records_complete_since", None)  # decided by a change request: kept
    said = writer.said(item, "name", "is_fleet") | position.keys()
    writer.upsert(Environment, "environment", {"key": key}, values, key, said=said)


def _place(
    writer: BlueprintWriter, model: type[Environment | Domain | BusinessEntity], section: str, key: str, pointer: str
) -> dict[str, int]:
    number = int(pointer.rpartition("/")[2])
    return writer.place(number, key, writer.document[section], model.objects.all())


def domains(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A business domain and its owner."""
    key = writer.key(item, pointer)
    owner = writer.found.row_by_key(Team, item.get("owner_team"), f"{pointer}/owner_team", noun="team")
    position = _place(writer, Domain, "domains", key, pointer)
    values = {"name": writer.text(item, "name", pointer, 120) or key, "owner_team": owner, **position}
    writer.upsert(Domain, "domain", {"key": key}, values, key, said=writer.said(item, "name") | position.keys())


def systems(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A system and where it answers in each environment; secrets are named, never written."""
    key = writer.key(item, pointer)
    values: dict[str, Any] = dict.fromkeys(("vendor", "kind", "network_zone", "description", "deployment"), "")
    values |= {"owner_team": None, **landscape_values.system_values(item, writer.found, base=pointer)}
    values["name"] = values.get("name") or key
    third_party = writer.flag(item, "third_party", pointer)
    if third_party is not None or values["vendor"]:
        values["third_party"] = third_party if third_party is not None else provision.is_vendors(values["vendor"])
    said = writer.said(item, "name", "third_party")
    system = writer.upsert(System, "system", {"key": key}, values, key, said=said)
    given = item.get("endpoints") or {}
    if not isinstance(given, dict):
        writer.found.add(f"{pointer}/endpoints", "Give an object {environment: {base_url: …}}.")
        return
    for env, endpoint in given.items():
        at = f"{pointer}/endpoints/{env}"
        environment = writer.found.row_by_key(Environment, env, at, noun="environment")
        if not isinstance(endpoint, dict):
            writer.found.add(at, "Give an object {base_url: …}.")
        elif environment is not None:
            _endpoint(writer, system, environment, endpoint, at)


def _endpoint(
    writer: BlueprintWriter, system: System, environment: Environment, item: dict[str, Any], pointer: str
) -> None:
    place = {"system": system, "environment": environment}
    row = SystemEndpoint.objects.filter(**place).first()
    values = {
        "base_url": writer.text(item, "base_url", pointer, 500, "" if row else "Give its address."),
        "auth_kind": writer.text(item, "auth_kind", pointer, 40) or "none",
        "secret_ref": writer.text(item, "secret_ref", pointer),
        "further_hosts": _further_hosts(writer, item.get("further_hosts"), f"{pointer}/further_hosts"),
        "trust_ref": writer.text(item, "trust_ref", pointer),
    }
    said = writer.said(item, "base_url", "auth_kind")
    before = endpoints.values_of(row)
    wanted = values if row is None else before | {name: values[name] for name in values if name in said}
    found = (
        [one for one in endpoints.findings(wanted, before) if one["pointer"][1:] in said] if wanted != before else []
    )
    for one in found:
        writer.found.add(f"{pointer}{one['pointer']}", one["message"])
    if found:
        return
    key, held = f"{system.key}/{environment.key}", partial(_held, writer, system.key, environment.key)
    with acting.by(writer.actor, way=BLUEPRINT):
        writer.upsert(SystemEndpoint, "endpoint", place, values, key, said=said, held=held)


def _held(writer: BlueprintWriter, system: str, environment: str, wanted: dict[str, Any]) -> str:
    """Why an endpoint waits: what runs over it was approved for where it is. In a person's name it is proposed."""
    number = endpoints.flows_over(system, environment)
    if not number:
        return ""
    runs = f"{counted(number, 'approved integration')} would follow it"
    if writer.report.dry_run:
        return f"{runs}: would be proposed as a change of its destination"
    if writer.actor is None:
        return f"{endpoints.in_use(system, environment, number).message} With --as a blueprint proposes it."
    change = endpoints.propose(system, environment, wanted, actor=writer.actor)
    return f"{runs}: change {change} proposes it. Complete and submit that."


def _further_hosts(writer: BlueprintWriter, given: Any, pointer: str) -> list[str]:
    """Authorities in their canonical spelling, sorted and once each; what is none is noted."""
    if given is None:
        return []
    if not isinstance(given, list) or len(given) > MOST_FURTHER_HOSTS:
        writer.found.add(pointer, f"A list of at most {MOST_FURTHER_HOSTS} hosts, as [login.example.com].")
        return []
    found = set()
    for number, one in enumerate(given):
        try:
            found.add(str(authorities.of_further_host(str(one))))
        except authorities.NoAuthority as error:
            writer.found.add(f"{pointer}/{number}", f"{str(one)[:100]!r} is no host: {error}.")
    return sorted(found)


def tiers(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """An SLA tier 0 to 3 with its promises."""
    level = item.get("level")
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= 3:
        writer.found.add(f"{pointer}/level", "0, 1, 2 or 3.")
        return
    name = writer.text(item, "name", pointer, 80) or f"Tier {level}"
    rules = item.get("rules") if isinstance(item.get("rules"), dict) else {}
    tier_rules.read(level, name, rules or {})
    values = {"name": name, "rules": rules}
    writer.upsert(SlaTier, "tier", {"level": level}, values, str(level), said=writer.said(item, "name", "rules"))


def scopes(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A banner, region or channel."""
    dimension = writer.found.choice(item.get("dimension"), ScopeValue.Dimension.choices, pointer, noun="dimension")
    key = writer.key(item, pointer)
    if dimension and key:
        values = {"name": writer.text(item, "name", pointer, 120) or key}
        one, said = {"dimension": dimension, "key": key}, writer.said(item, "name")
        writer.upsert(ScopeValue, "scope", one, values, f"{dimension}/{key}", said=said)


def stores(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A store, where the instance of the same key runs."""
    key = writer.key(item, pointer)
    values: dict[str, Any] = {"name": writer.text(item, "name", pointer) or key}
    values["zone"] = provision.zone(writer.text(item, "zone", pointer, 64), writer.found, f"{pointer}/zone")
    for dimension in ScopeValue.Dimension.values:
        given = item.get(dimension)
        found = ScopeValue.objects.filter(dimension=dimension, key=str(given)[:60]).first() if given else None
        if given and found is None:
            writer.found.add(f"{pointer}/{dimension}", f"There is no {dimension} {str(given)[:60]!r}.")
        values[dimension] = found
    if key:
        writer.upsert(RetailStore, "store", {"key": key}, values, key, said=writer.said(item, "name"))


def entities(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A business entity with its attribute groups."""
    key = writer.key(item, pointer)
    position = _place(writer, BusinessEntity, "entities", key, pointer)
    values = {
        "name": writer.text(item, "name", pointer, 120) or key,
        "domain": writer.found.row_by_key(Domain, item.get("domain"), f"{pointer}/domain", noun="domain"),
        "aliases": [writer.found.text(a, f"{pointer}/aliases", limit=60) for a in item.get("aliases") or []],
        **position,
    }
    said = writer.said(item, "name") | position.keys()
    entity = writer.upsert(BusinessEntity, "entity", {"key": key}, values, key, said=said)
    groups = item.get("attribute_groups") or []
    for n, group in enumerate(groups):
        group = group if isinstance(group, dict) else {"key": group}
        at = f"{pointer}/attribute_groups/{n}"
        group_key = writer.key(group, at)
        place = writer.place(n, group_key, groups, entity.attribute_groups.all())
        named = {"name": writer.text(group, "name", at, 120) or group_key.replace("-", " "), **place}
        one, said = {"entity": entity, "key": group_key}, writer.said(group, "name") | place.keys()
        writer.upsert(AttributeGroup, "attribute_group", one, named, f"{key}/{group_key}", said=said)


def boundaries(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """Which system is right about an entity, from when. One that was decided is kept and reported."""
    entity = writer.found.row_by_key(BusinessEntity, item.get("entity") or "?", f"{pointer}/entity", noun="entity")
    system = writer.found.row_by_key(System, item.get("system") or "?", f"{pointer}/system", noun="system")
    begin, end = writer.time(item, "from", pointer), writer.time(item, "until", pointer)
    group = None
    if item.get("attribute_group"):
        group = AttributeGroup.objects.filter(entity=entity, key=item["attribute_group"]).first()
        if group is None:
            writer.found.add(
                f"{pointer}/attribute_group",
                f"There is no attribute group {item['attribute_group']!r} of {item.get('entity')!r}.",
            )
            return
    places: dict[str, ScopeValue | None] = dict.fromkeys(systems_of_record.DIMENSIONS)
    for name, key in (item.get("scope") or {}).items():
        places[name] = ScopeValue.objects.filter(dimension=name, key=key).first() if name in places else None
        if places.get(name) is None:
            writer.found.add(f"{pointer}/scope/{name}", f"There is no {name} {key!r}.")
            return
    if entity is None or system is None:
        return
    key = f"{entity.key}/{group.key if group else 'all'}" + "".join(f"/{p.key}" for p in places.values() if p)
    same = Boundary.objects.filter(entity=entity, attribute_group=group, **places)
    if begin is not None:
        same = same.filter(valid__startswith=begin) | same.filter(approval_id__isnull=False, valid__endswith=None)
    present = same.order_by("-id").first()
    if present is not None:
        note = (
            ""
            if present.system_id == system.pk
            else f"{present.system.key} is the record by decision; the blueprint says {system.key}"
        )
        writer.report.add("kept" if note else "unchanged", "boundary", key, note)
        return
    made = Boundary.objects.create(
        entity=entity, attribute_group=group, system=system, valid=TimestamptzRange(begin, end, "[)"), **places
    )
    writer.record("created", "boundary", key, None, audit_snapshots.of_boundary(made))
