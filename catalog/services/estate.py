"""A blueprint: the estate of a retailer as one reviewed YAML document, applied as often as one likes.

```yaml
blueprint: 1
teams:        [{key, name, kind: role|domain|consumer, email, on_call}]
people:       [{username, first_name, last_name, email, kind: person|service, superuser, teams: [key]}]
environments: [{key, name, is_fleet}]
domains:      [{key, name, owner_team}]
systems:      [{key, name, vendor, kind, deployment, network_zone, owner_team, endpoints: {environment: {base_url, auth_kind, secret_ref}}}]
tiers:        [{level, name, rules: {…}}]
scopes:       {banner: [{key, name}], region: […], channel: […]}
entities:     [{key, name, domain, aliases: [], attribute_groups: [{key, name}]}]
boundaries:   [{entity, attribute_group, scope: {channel: store}, system, from, until}]
apis:         [{slug, name, purpose, domain, owner_team, layer, style, tier, data_class, visibility, system, entities: [{entity, attribute_group, access}],
                versions: [{label, contract: file, state, predecessor, successor, published_at, deprecated_at, sunset_at, migration_guide,
                            endpoints: {environment: url}}]}]
applications: [{key, name, team, description}]
subscriptions: [{application, version: slug@label, environment, state: active|requested, from, until}]
dependencies: [{api, needs: slug | needs_system: key, criticality, degraded_mode}]
campaigns:    [{key, name, point, due_on, owner_team}]
```

Everything is found by its key; what is there already is changed only where the document says something else, and what a change
request has decided (a version's state, its contract, a boundary in force) is kept and reported, never overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Model
from psycopg.types.range import TimestamptzRange

from catalog import permissions
from catalog.domain import lifecycle, records, scorecards, tiers, words
from catalog.models import (
    Api,
    ApiEntity,
    ApiVersion,
    Application,
    AttributeGroup,
    Boundary,
    BusinessEntity,
    Campaign,
    Dependency,
    Domain,
    Environment,
    ScopeValue,
    SlaTier,
    Subscription,
    System,
    SystemEndpoint,
    Team,
    VersionEndpoint,
)
from catalog.services import contracts, lookup, search_index, snapshots
from catalog.services.lookup import Findings
from kernel import audit, outbox
from kernel.errors import DomainError, Invalid
from kernel.models import User

SECTIONS = (
    "teams", "people", "environments", "domains", "systems", "tiers", "scopes", "entities", "boundaries", "apis", "applications",
    "subscriptions", "dependencies", "campaigns",
)  # fmt: skip


@dataclass(slots=True)
class Report:
    """What applying a blueprint did, or would do. `lines` are (outcome, kind, key, note)."""

    dry_run: bool
    lines: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, outcome: str, kind: str, key: Any, note: str = "") -> None:
        self.lines.append((outcome, kind, str(key), note))

    def number(self, outcome: str, kind: str = "") -> int:
        return sum(1 for line in self.lines if line[0] == outcome and (not kind or line[1] == kind))

    @property
    def changed_anything(self) -> bool:
        return any(line[0] in {"created", "changed"} for line in self.lines)

    def summary(self) -> str:
        counts = (
            ", ".join(f"{self.number(o)} {o}" for o in ("created", "changed", "unchanged", "kept") if self.number(o)) or "nothing"
        )
        return f"{'Would be: ' if self.dry_run else ''}{counts}"


class _Undo(Exception):
    """Ends a dry run: the transaction is rolled back."""


def apply(
    document: dict[str, Any],
    *,
    actor: User | None,
    dry_run: bool = False,
    base_dir: Path | None = None,
    passwords: dict[str, str] | None = None,
) -> Report:
    """Apply a blueprint in one transaction: all of it or nothing.

    `base_dir` is the folder that contract files are read from and never left; `passwords` gives sign-in passwords to *new*
    people by user name. Raises Invalid `estate.invalid` with every finding (`/apis/3/tier` …). A dry run does the same work
    and undoes it.
    """
    report = Report(dry_run)
    try:
        with transaction.atomic():
            _Builder(document, actor=actor, report=report, base_dir=base_dir, passwords=passwords or {}).build()
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    return report


class _Builder:
    def __init__(
        self, document: Any, *, actor: User | None, report: Report, base_dir: Path | None, passwords: dict[str, str]
    ) -> None:
        self.found = Findings()
        self.actor, self.report, self.base_dir, self.passwords = actor, report, base_dir, passwords
        self.touched: set[int] = set()
        if not isinstance(document, dict):
            raise Invalid("estate.invalid", "A blueprint is an object with the key `blueprint: 1`.")
        if document.get("blueprint") != 1:
            self.found.add("/blueprint", "This must be 1: the version of the format.")
        for key in document:
            if key not in SECTIONS and key != "blueprint" and not str(key).startswith("x-"):
                self.found.add(f"/{str(key)[:60]}", f"Unknown section. Known: {', '.join(SECTIONS)}.")
        self.document = document

    def build(self) -> None:
        for section in SECTIONS:
            for pointer, item in self._items(section):
                before = len(self.found.items)
                try:
                    with transaction.atomic():
                        getattr(self, f"_{section}")(item, pointer)
                except DomainError as error:
                    inner = error.findings or [{"pointer": "", "message": error.message}]
                    for each in inner[:20]:
                        self.found.add(f"{pointer}{each['pointer']}", each["message"], code=error.code)
                except IntegrityError as error:
                    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
                    self.found.add(pointer, f"The database refuses this: {name or error}.", code=name or "database.refused")
                if len(self.found.items) > before + 200:
                    break
        self.found.require_none(
            "estate.invalid", f"The blueprint cannot be applied: {len(self.found.items)} finding(s). Nothing was changed."
        )
        if self.report.changed_anything:
            search_index.refresh_all() if self.report.number("changed") else search_index.refresh(self.touched)
        if self.report.changed_anything:
            audit.record(actor=self.actor, verb="catalog.blueprint_applied", subject_kind="estate", subject_id="estate",
                         after={o: self.report.number(o) for o in ("created", "changed", "unchanged", "kept")})  # fmt: skip

    def _items(self, section: str) -> list[tuple[str, dict[str, Any]]]:
        value = self.document.get(section)
        if value is None:
            return []
        if section == "scopes":
            if not isinstance(value, dict):
                self.found.add("/scopes", "An object {banner: [], region: [], channel: []}.")
                return []
            value = [
                {"dimension": d, **i} if isinstance(i, dict) else i
                for d, items in value.items()
                if isinstance(items, list)
                for i in items
            ]
        if not isinstance(value, list):
            self.found.add(f"/{section}", "A list is needed here.")
            return []
        good = []
        for n, item in enumerate(value):
            if isinstance(item, dict):
                good.append((f"/{section}/{n}", item))
            else:
                self.found.add(f"/{section}/{n}", "An object is needed here.")
        return good

    # -- small steps ---------------------------------------------------------------------------------------------------
    def _key(self, item: dict[str, Any], pointer: str, name: str = "key") -> str:
        key = self.found.text(item.get(name), f"{pointer}/{name}", limit=100, required="Every item has a key.")
        if key and not words.is_slug(key):
            raise Invalid(
                "estate.key",
                f"{key!r} is no key.",
                {"findings": [{"pointer": f"/{name}", "message": "Small letters, digits, hyphens."}]},
            )
        return key

    def _upsert(
        self, model: type[Model], kind: str, lookup_by: dict[str, Any], values: dict[str, Any], key: str, *, before: Any = None
    ) -> Any:
        """Create, or change only what differs, and say so in the ledger."""
        row = model._default_manager.filter(**lookup_by).first()
        if row is None:
            row = model._default_manager.create(**lookup_by, **values)
            self._record("created", kind, key, None, values)
            return row
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        if not changed:
            self.report.add("unchanged", kind, key)
            return row
        was = {name: getattr(row, name) for name in changed}
        for name, value in changed.items():
            setattr(row, name, value)
        row.save(update_fields=list(changed))
        self._record("changed", kind, key, was, changed)
        return row

    def _record(self, outcome: str, kind: str, key: str, before: Any, after: Any) -> None:
        self.report.add(outcome, kind, key)
        verb = f"catalog.{kind}_{'declared' if outcome == 'created' else 'changed'}"
        audit.record(
            actor=self.actor, verb=verb, subject_kind=kind, subject_id=key[:120], before=_plain(before), after=_plain(after)
        )

    def _text(self, item: dict[str, Any], name: str, pointer: str, limit: int = 200, required: str = "") -> str:
        return self.found.text(item.get(name), f"{pointer}/{name}", limit=limit, required=required)

    def _time(self, item: dict[str, Any], name: str, pointer: str) -> datetime | None:
        return as_time(item.get(name), self.found, f"{pointer}/{name}")

    # -- sections ------------------------------------------------------------------------------------------------------
    def _teams(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        name = self._text(item, "name", pointer, 120) or key
        kind = self.found.choice(item.get("kind") or "domain", Team.Kind.choices, f"{pointer}/kind", noun="kind of team")
        values = {
            "name": name,
            "kind": kind,
            "email": self._text(item, "email", pointer),
            "on_call": self._text(item, "on_call", pointer),
        }
        if not Team.objects.filter(key=key).exists():
            group, _ = Group.objects.get_or_create(name=name)
            if Team.objects.filter(group=group).exists():
                group = Group.objects.create(name=f"{name} ({key})")
            Team.objects.create(group=group, key=key, **values)
            self._record("created", "team", key, None, values)
        else:
            self._upsert(Team, "team", {"key": key}, values, key)

    def _people(self, item: dict[str, Any], pointer: str) -> None:
        username = self._text(item, "username", pointer, 150, "Every person has a user name.")
        if not username:
            return
        kind = self.found.choice(item.get("kind") or "person", User.Kind.choices, f"{pointer}/kind", noun="kind of user")
        values: dict[str, Any] = {n: self._text(item, n, pointer, 150) for n in ("first_name", "last_name", "email")} | {
            "kind": kind
        }
        if item.get("superuser") is True:
            values |= {"is_superuser": True, "is_staff": True}
        user = self._upsert(User, "person", {"username": username}, values, username)
        if not user.password:
            user.set_password(self.passwords.get(username))
            user.save(update_fields=["password"])
        wanted = {k: self.found.one(Team, k, f"{pointer}/teams", noun="team") for k in item.get("teams") or []}
        have = set(user.groups.values_list("id", flat=True))
        new = [team.pk for team in wanted.values() if team is not None and team.pk not in have]
        if new:
            user.groups.add(*new)
            self._record(
                "changed", "membership", username, None, {"joined": [t.key for t in wanted.values() if t and t.pk in new]}
            )

    def _environments(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        position = int(pointer.rpartition("/")[2]) + 1
        values = {
            "name": self._text(item, "name", pointer, 60) or key,
            "is_fleet": item.get("is_fleet") is True,
            "position": position,
        }
        self._upsert(Environment, "environment", {"key": key}, values, key)

    def _domains(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        owner = self.found.one(Team, item.get("owner_team"), f"{pointer}/owner_team", noun="team")
        values = {
            "name": self._text(item, "name", pointer, 120) or key,
            "owner_team": owner,
            "position": int(pointer.rpartition("/")[2]) + 1,
        }
        self._upsert(Domain, "domain", {"key": key}, values, key)

    def _systems(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        values: dict[str, Any] = {n: self._text(item, n, pointer, 120) for n in ("vendor", "kind", "network_zone")}
        values |= {
            "name": self._text(item, "name", pointer, 120) or key,
            "description": self._text(item, "description", pointer, 2000),
            "deployment": self.found.choice(
                item.get("deployment"), System.Deployment.choices, f"{pointer}/deployment", noun="deployment"
            ),
            "owner_team": self.found.one(Team, item.get("owner_team"), f"{pointer}/owner_team", noun="team"),
        }
        system = self._upsert(System, "system", {"key": key}, values, key)
        for env, endpoint in (item.get("endpoints") or {}).items():
            environment = self.found.one(Environment, env, f"{pointer}/endpoints/{env}", noun="environment")
            if environment is None or not isinstance(endpoint, dict):
                continue
            at = f"{pointer}/endpoints/{env}"
            values = {"base_url": self._text(endpoint, "base_url", at, 500, "Give its address."),
                      "auth_kind": self._text(endpoint, "auth_kind", at, 40) or "none", "secret_ref": self._text(endpoint, "secret_ref", at)}  # fmt: skip
            self._upsert(SystemEndpoint, "endpoint", {"system": system, "environment": environment}, values, f"{key}/{env}")

    def _tiers(self, item: dict[str, Any], pointer: str) -> None:
        level = item.get("level")
        if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= 3:
            self.found.add(f"{pointer}/level", "0, 1, 2 or 3.")
            return
        name = self._text(item, "name", pointer, 80) or f"Tier {level}"
        rules = item.get("rules") if isinstance(item.get("rules"), dict) else {}
        tiers.read(level, name, rules or {})
        self._upsert(SlaTier, "tier", {"level": level}, {"name": name, "rules": rules}, str(level))

    def _scopes(self, item: dict[str, Any], pointer: str) -> None:
        dimension = self.found.choice(item.get("dimension"), ScopeValue.Dimension.choices, pointer, noun="dimension")
        key = self._key(item, pointer)
        if dimension and key:
            values = {"name": self._text(item, "name", pointer, 120) or key}
            self._upsert(ScopeValue, "scope", {"dimension": dimension, "key": key}, values, f"{dimension}/{key}")

    def _entities(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        values = {
            "name": self._text(item, "name", pointer, 120) or key,
            "domain": self.found.one(Domain, item.get("domain"), f"{pointer}/domain", noun="domain"),
            "aliases": [self.found.text(a, f"{pointer}/aliases", limit=60) for a in item.get("aliases") or []],
            "position": int(pointer.rpartition("/")[2]) + 1,
        }
        entity = self._upsert(BusinessEntity, "entity", {"key": key}, values, key)
        for n, group in enumerate(item.get("attribute_groups") or []):
            group = group if isinstance(group, dict) else {"key": group}
            group_key = self._key(group, f"{pointer}/attribute_groups/{n}")
            named = {
                "name": self._text(group, "name", f"{pointer}/attribute_groups/{n}", 120) or group_key.replace("-", " "),
                "position": n + 1,
            }
            self._upsert(AttributeGroup, "attribute_group", {"entity": entity, "key": group_key}, named, f"{key}/{group_key}")

    def _boundaries(self, item: dict[str, Any], pointer: str) -> None:
        entity = self.found.one(BusinessEntity, item.get("entity") or "?", f"{pointer}/entity", noun="entity")
        system = self.found.one(System, item.get("system") or "?", f"{pointer}/system", noun="system")
        begin, end = self._time(item, "from", pointer), self._time(item, "until", pointer)
        group = None
        if item.get("attribute_group"):
            group = AttributeGroup.objects.filter(entity=entity, key=item["attribute_group"]).first()
            if group is None:
                self.found.add(
                    f"{pointer}/attribute_group",
                    f"There is no attribute group {item['attribute_group']!r} of {item.get('entity')!r}.",
                )
                return
        places: dict[str, ScopeValue | None] = dict.fromkeys(records.DIMENSIONS)
        for name, key in (item.get("scope") or {}).items():
            places[name] = ScopeValue.objects.filter(dimension=name, key=key).first() if name in places else None
            if places.get(name) is None:
                self.found.add(f"{pointer}/scope/{name}", f"There is no {name} {key!r}.")
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
            self.report.add("kept" if note else "unchanged", "boundary", key, note)
            return
        made = Boundary.objects.create(
            entity=entity, attribute_group=group, system=system, valid=TimestamptzRange(begin, end, "[)"), **places
        )
        self._record("created", "boundary", key, None, snapshots.of_boundary(made))

    def _apis(self, item: dict[str, Any], pointer: str) -> None:
        slug = self._key(item, pointer, "slug")
        if not slug:
            return
        given = {"name": slug, **{k: v for k, v in item.items() if k not in ("slug", "versions", "entities", "visibility")},
                 "visibility": item.get("visibility") or "internal"}  # fmt: skip
        values = lookup.api_fields(given, self.found, base=pointer)
        uses = lookup.entity_uses(item.get("entities") or [], self.found, base=f"{pointer}/entities")
        before = Api.objects.filter(slug=slug).select_related("owner_team").first()
        owner = before.owner_team if before else None
        api = self._upsert(Api, "api", {"slug": slug}, values, slug)
        permissions.hand_over(api, before=owner)
        have = {(u.entity_id, u.attribute_group_id, u.access) for u in api.entity_uses.all()}
        new = [
            u
            for u in uses
            if (u["entity"].pk, u["attribute_group"].pk if u["attribute_group"] else None, u["access"]) not in have
        ]
        if new:
            ApiEntity.objects.bulk_create(ApiEntity(api=api, **use) for use in new)
            self._record("changed" if before else "created", "api_entities", slug, None, {"added": len(new)})
        for n, version in enumerate(item.get("versions") or []):
            if isinstance(version, dict):
                self._version(api, version, f"{pointer}/versions/{n}", n + 1)
        self._successors(api, item.get("versions") or [], pointer)
        self.touched.add(api.pk)

    def _version(self, api: Api, item: dict[str, Any], pointer: str, position: int) -> None:
        label = self._text(item, "label", pointer, 100, "Every version has a label.")
        if not words.is_label(label):
            self.found.add(f"{pointer}/label", "Letters, digits, dot, plus, hyphen and underscore.")
            return
        state = self.found.choice(
            item.get("state") or "draft", [(s, s) for s in lifecycle.STATES], f"{pointer}/state", noun="state"
        )
        contract = self._contract(item, pointer)
        version = api.versions.filter(label=label).first()
        if version is None:
            dates = {n: self._time(item, n, pointer) for n in ("published_at", "deprecated_at", "sunset_at", "retired_at")}
            origin = "registered" if state in lifecycle.EDITABLE else "declared"
            version = ApiVersion.objects.create(
                api=api, label=label, contract=contract, state=state, origin=origin, position=position, created_by=self.actor,
                migration_guide=self._text(item, "migration_guide", pointer, 4000), **dates)  # fmt: skip
            self._record("created", "version", str(version), None, snapshots.of_version(version))
            outbox.emit(
                "catalog.version_added", key=str(version), payload={"version_id": version.pk, "digest": version.contract_id}
            )
        else:
            self._known_version(version, contract, state)
        for env, url in (item.get("endpoints") or {}).items():
            environment = self.found.one(Environment, env, f"{pointer}/endpoints/{env}", noun="environment")
            if environment is not None:
                values = {"url": self.found.text(url, f"{pointer}/endpoints/{env}", limit=500)}
                self._upsert(
                    VersionEndpoint,
                    "version_endpoint",
                    {"version": version, "environment": environment},
                    values,
                    f"{version}/{env}",
                )

    def _known_version(self, version: ApiVersion, contract: Any, state: str) -> None:
        differs = contract is not None and version.contract_id != contract.digest
        if differs and version.state == lifecycle.DRAFT:
            before = snapshots.of_version(version)
            version.contract = contract
            version.save(update_fields=["contract"])
            self._record("changed", "version", str(version), before, snapshots.of_version(version))
            outbox.emit("catalog.version_contract_changed", key=str(version),
                        payload={"version_id": version.pk, "old": before["contract"], "new": contract.digest})  # fmt: skip
        elif differs:
            self.report.add("kept", "version", str(version), "its contract changes through a change request")
        elif version.state != state:
            self.report.add("kept", "version", str(version), f"it is {version.state} by decision; the blueprint says {state}")
        else:
            self.report.add("unchanged", "version", str(version))

    def _successors(self, api: Api, items: list[Any], pointer: str) -> None:
        labels = {v.label: v for v in api.versions.all()}
        for n, item in enumerate(items):
            if not isinstance(item, dict) or item.get("label") not in labels:
                continue
            version, fields = labels[item["label"]], []
            for name in ("successor", "predecessor"):
                if item.get(name):
                    other = labels.get(str(item[name]).rpartition("@")[2])
                    if other is None:
                        self.found.add(f"{pointer}/versions/{n}/{name}", f"{api.slug} has no version {item[name]!r}.")
                    elif getattr(version, f"{name}_id") is None:
                        setattr(version, name, other)
                        fields.append(name)
            if fields:
                version.save(update_fields=fields)

    def _contract(self, item: dict[str, Any], pointer: str) -> Any:
        given = item.get("contract")
        if not given:
            return None
        if self.base_dir is None or not isinstance(given, str):
            self.found.add(f"{pointer}/contract", "The name of a file beside the blueprint.")
            return None
        path = (self.base_dir / given).resolve()
        if not path.is_relative_to(self.base_dir.resolve()) or not path.is_file():
            self.found.add(f"{pointer}/contract", f"There is no file {given!r} beside the blueprint.")
            return None
        try:
            reading = contracts.read_contract(path.read_bytes(), file_name=path.name, base_dir=path.parent)
        except Invalid as error:
            self.found.add(f"{pointer}/contract", f"{given}: {error.message}", code=error.code)
            return None
        return contracts.store(reading)

    def _applications(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        values = {
            "name": self._text(item, "name", pointer) or key,
            "description": self._text(item, "description", pointer, 2000),
            "team": self.found.one(Team, item.get("team"), f"{pointer}/team", noun="team"),
        }
        self._upsert(Application, "application", {"key": key}, values, key)

    def _subscriptions(self, item: dict[str, Any], pointer: str) -> None:
        application = self.found.one(Application, item.get("application") or "?", f"{pointer}/application", noun="application")
        environment = self.found.one(Environment, item.get("environment") or "?", f"{pointer}/environment", noun="environment")
        slug, _, label = str(item.get("version") or "").partition("@")
        version = ApiVersion.objects.select_related("api").filter(api__slug=slug, label=label).first()
        if version is None:
            self.found.add(f"{pointer}/version", f"There is no API version {str(item.get('version'))[:100]!r}.")
        if application is None or environment is None or version is None:
            return
        key = f"{application.key} {version} {environment.key}"
        if Subscription.objects.filter(application=application, version=version, environment=environment).exists():
            self.report.add("unchanged", "subscription", key)
            return
        state = self.found.choice(
            item.get("state") or "active", [("active", ""), ("requested", "")], f"{pointer}/state", noun="state"
        )
        begin = self._time(item, "from", pointer)
        if state == "active" and begin is None:
            self.found.add(f"{pointer}/from", "An active subscription is dated.")
            return
        moves = item.get("moves_on")
        made = Subscription.objects.create(
            application=application, version=version, environment=environment, state=state, valid_from=begin,
            valid_until=self._time(item, "until", pointer), moves_on=moves if isinstance(moves, date) else None)  # fmt: skip
        self.touched.add(version.api_id)
        self._record("created", "subscription", key, None, snapshots.of_subscription(made))

    def _dependencies(self, item: dict[str, Any], pointer: str) -> None:
        api = self.found.one(Api, item.get("api") or "?", f"{pointer}/api", noun="API", field="slug")
        target = self.found.one(Api, item.get("needs"), f"{pointer}/needs", noun="API", field="slug")
        system = self.found.one(System, item.get("needs_system"), f"{pointer}/needs_system", noun="system")
        if api is None or (target is None) == (system is None):
            if api is not None and not item.get("needs") and not item.get("needs_system"):
                self.found.add(pointer, "Name what it depends on: an API in `needs` or a system in `needs_system`.")
            return
        values = {
            "criticality": self.found.choice(
                item.get("criticality") or "hard", Dependency.Criticality.choices, f"{pointer}/criticality", noun="criticality"
            ),
            "degraded_mode": self._text(item, "degraded_mode", pointer, 300),
        }
        key = f"{api.slug} on {target.slug if target else system.key if system else ''}"
        self._upsert(Dependency, "dependency", {"api": api, "target_api": target, "target_system": system}, values, key)

    def _campaigns(self, item: dict[str, Any], pointer: str) -> None:
        key = self._key(item, pointer)
        due = item.get("due_on")
        if not isinstance(due, date):
            self.found.add(f"{pointer}/due_on", "A day: 2027-03-31.")
            return
        point = self.found.choice(
            item.get("point"), [(p, "") for p in scorecards.POINTS], f"{pointer}/point", noun="scorecard point"
        )
        owner = self.found.one(Team, item.get("owner_team"), f"{pointer}/owner_team", noun="team")
        values = {"name": self._text(item, "name", pointer, 160) or key, "point": point, "due_on": due, "owner_team": owner}
        self._upsert(Campaign, "campaign", {"key": key}, values, key)


def as_time(value: Any, found: Findings, pointer: str) -> datetime | None:
    """A zone-aware moment from YAML (a date is midnight UTC) or ISO 8601 text; None when absent, noted when unreadable."""
    if value in (None, ""):
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        try:
            made = datetime.fromisoformat(value)
        except ValueError:
            made = None
        if made is not None:
            return made if made.tzinfo else made.replace(tzinfo=UTC)
    found.add(pointer, f"{str(value)[:60]!r} is no moment. Write 2026-11-23 or 2026-11-23T18:00:00+01:00.")
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Model):
        return getattr(value, "key", None) or getattr(value, "slug", None) or getattr(value, "level", None) or value.pk
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
