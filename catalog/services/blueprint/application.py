"""Applies a blueprint: the estate of a retailer as one reviewed YAML document. Applying it again changes nothing.

```yaml
blueprint: 1
teams:        [{key, name, kind: role|domain|consumer, email, on_call, exclusive}]
people:       [{username, first_name, last_name, email, kind: person|service, superuser, teams: [key]}]
environments: [{key, name, is_fleet, records_complete_since, records_enforced_from}]
domains:      [{key, name, owner_team}]
systems:      [{key, name, vendor, third_party, kind, deployment, network_zone, owner_team,
                endpoints: {environment: {base_url, auth_kind, secret_ref, further_hosts: [], trust_ref}}}]
tiers:        [{level, name, rules: {…}}]
scopes:       {banner: [{key, name}], region: […], channel: […]}
stores:       [{key, name, banner, region, channel, zone}]
entities:     [{key, name, domain, aliases: [], attribute_groups: [{key, name}]}]
boundaries:   [{entity, attribute_group, scope: {channel: store}, system, from, until}]
apis:         [{slug, any field of `domain.api_fields`, third_party, per_instance,
                entities: [{entity, attribute_group, access}],
                versions: [{label, contract: file, state, predecessor, successor, published_at, deprecated_at,
                            sunset_at, retired_at, migration_guide, endpoints: {environment: url}}]}]
applications: [{key, name, team, description}]
providers:    [{application, api, reason}]
subscriptions: [{application, version: slug@label, environment, state: active|requested, from, until}]
dependencies: [{api, needs: slug | needs_system: key, criticality, degraded_mode}]
campaigns:    [{key, name, point, due_on, owner_team}]
groups:       [{group: a name at the identity provider, or one with a star, team: key or a star, roles, note}]
```

Each item is found by its key and changed only where the document differs. A field that an item leaves out stays as it
is; only what is new gets the defaults. What a change request has decided (a
version's state, its contract, a boundary in force) is kept and reported, never overwritten. Nobody is taken out of a
team that is not `exclusive`, and nobody who is no longer named is closed without `prune`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, transaction

from catalog.services import search_index
from catalog.services.blueprint import api_sections, landscape_sections, people_section
from catalog.services.blueprint.writer import BlueprintReport, BlueprintWriter
from catalog.services.findings import Findings
from kernel import acting, audit, user_names
from kernel.constraints import violated
from kernel.errors import DomainError, Invalid
from kernel.models import User
from kernel.ui.wording import counted

SECTIONS: dict[str, Callable[[BlueprintWriter, dict[str, Any], str], None]] = {
    "teams": landscape_sections.teams,
    "people": people_section.people,
    "environments": landscape_sections.environments,
    "domains": landscape_sections.domains,
    "systems": landscape_sections.systems,
    "tiers": landscape_sections.tiers,
    "scopes": landscape_sections.scopes,
    "stores": landscape_sections.stores,
    "entities": landscape_sections.entities,
    "boundaries": landscape_sections.boundaries,
    "apis": api_sections.apis,
    "applications": api_sections.applications,
    "providers": api_sections.providers,
    "subscriptions": api_sections.subscriptions,
    "dependencies": api_sections.dependencies,
    "campaigns": api_sections.campaigns,
}


def register(section: str, write: Callable[[BlueprintWriter, dict[str, Any], str], None]) -> None:
    """A section of a room above, written after all others."""
    SECTIONS[section] = write


_TRIES = 3


class _Undo(Exception):
    """Ends a dry run: the transaction is rolled back."""


def apply(
    document: dict[str, Any],
    *,
    actor: User | None,
    dry_run: bool = False,
    base_dir: Path | None = None,
    passwords: dict[str, str] | None = None,
    keeps: bool = False,
    prune: bool = False,
) -> BlueprintReport:
    """Apply a blueprint in one transaction: all of it or nothing. With `keeps` a field that somebody else has changed
    since the same actor wrote it stays as it is, and is reported as kept. With `prune` people whom a blueprint named
    before, and this one does not, are closed; otherwise they are reported as missing.

    `base_dir` is the folder that contract files are read from and never left; `passwords` gives sign-in passwords to
    *new* people by user name. Raises Invalid `estate.invalid` with every finding (`/apis/3/tier` …). A dry run does the
    same work and undoes it.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _applied(document, actor, dry_run, base_dir, passwords or {}, keeps, prune)
        except Invalid as error:  # who was made at the same moment is found now
            if not left or all(one.get("code") not in user_names.TAKEN for one in error.findings):
                raise
    raise AssertionError("unreachable")


def _applied(
    document: dict[str, Any],
    actor: User | None,
    dry_run: bool,
    base_dir: Path | None,
    passwords: dict[str, str],
    keeps: bool,
    prune: bool,
) -> BlueprintReport:
    report = BlueprintReport(dry_run)
    try:
        with transaction.atomic(), acting.by(actor) if actor else nullcontext():
            found = Findings()
            _require_blueprint(document, found)
            _build(
                document,
                BlueprintWriter(found, report, actor, base_dir, passwords, document=document, keeps=keeps, prune=prune),
            )
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    return report


def _require_blueprint(document: Any, found: Findings) -> None:
    """Raises Invalid for anything but an object; notes another version of the format and unknown sections."""
    if not isinstance(document, dict):
        raise Invalid("estate.invalid", "A blueprint must be an object with the key `blueprint: 1`.")
    if document.get("blueprint") != 1:
        found.add("/blueprint", "This must be 1: the version of the format.")
    for key in document:
        if key not in SECTIONS and key != "blueprint" and not str(key).startswith("x-"):
            found.add(f"/{str(key)[:60]}", f"Unknown section. Known: {', '.join(SECTIONS)}.")


def _build(document: dict[str, Any], writer: BlueprintWriter) -> None:
    for section, write in SECTIONS.items():
        for pointer, item in _items(document, section, writer.found):
            before = len(writer.found.items)
            try:
                with nullcontext() if section == "people" else transaction.atomic():  # people are written at the end
                    write(writer, item, pointer)
            except DomainError as error:
                inner = error.findings or [{"pointer": "", "message": error.message}]
                for each in inner[:20]:
                    writer.found.add(f"{pointer}{each['pointer']}", each["message"], code=error.code)
            except DataError as error:  # a text is longer than its column, a number larger
                said = str(error).strip().partition("\n")[0]
                writer.found.add(pointer, f"The database cannot keep this: {said}.", code="database.value")
            except IntegrityError as error:
                name = violated(error)
                writer.found.add(
                    pointer, f"The database refuses this: {name or error}.", code=name or "database.refused"
                )
            if len(writer.found.items) > before + 200:
                break
        if section == "people" and document.get("people"):
            people_section.after_all(writer)
    writer.found.require_none(
        "estate.invalid",
        f"The blueprint cannot be applied: {counted(len(writer.found.items), 'finding')}. Nothing was changed.",
    )
    if writer.report.changed_anything:
        search_index.refresh_all() if writer.report.number("changed") else search_index.refresh(writer.touched)
    if writer.report.changed_anything:
        audit.record(
            actor=writer.actor,
            verb="catalog.blueprint_applied",
            subject_kind="estate",
            subject_id="estate",
            after={o: writer.report.number(o) for o in ("created", "changed", "closed", "unchanged", "kept")},
        )


def _items(document: dict[str, Any], section: str, found: Findings) -> list[tuple[str, dict[str, Any]]]:
    value = document.get(section)
    if value is None:
        return []
    if section == "scopes":
        if not isinstance(value, dict):
            found.add("/scopes", "Give an object {banner: [], region: [], channel: []}.")
            return []
        value = [
            {"dimension": d, **i} if isinstance(i, dict) else i
            for d, items in value.items()
            if isinstance(items, list)
            for i in items
        ]
    if not isinstance(value, list):
        found.add(f"/{section}", "Give a list.")
        return []
    good = []
    for n, item in enumerate(value):
        if isinstance(item, dict):
            good.append((f"/{section}/{n}", item))
        else:
            found.add(f"/{section}/{n}", "Give an object.")
    return good
