"""Names of a source and rows of the catalog: kind, namespace and name, as Backstage resolves them.

https://backstage.io/docs/features/software-catalog/references
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from catalog.domain import naming
from catalog.models import Api, Application, Domain, ImportedThing, System, Team
from catalog.services.importing.values import plain
from kernel import clock
from kernel.errors import Conflict

TABLES: Final[dict[str, Any]] = {
    "team": Team,
    "domain": Domain,
    "system": System,
    "api": Api,
    "application": Application,
}
TABLE_OF: Final = {"group": "team", "domain": "domain", "system": "system", "api": "api", "component": "application"}
_LONGEST: Final = {"team": 60, "domain": 60, "system": 60, "api": 100, "application": 100}
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of an entity. Kind, namespace and name are compared without regard to case."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}".lower()[:500]


def ref_of(entity: Mapping[str, Any]) -> Ref | None:
    """The name that an entity gives itself; None where it has none."""
    meta = entity.get("metadata")
    name = plain(meta.get("name"), 200) if isinstance(meta, dict) else ""
    if not name or not isinstance(meta, dict):
        return None
    return Ref(plain(entity.get("kind"), 60).lower(), plain(meta.get("namespace"), 100) or DEFAULT, name)


def parsed(value: Any, *, kind: str, namespace: str) -> Ref | None:
    """`[kind:][namespace/]name`; what is left out is `kind`, and the namespace of the entity that refers."""
    text = plain(value, 400)
    before, colon, rest = text.partition(":")
    if not colon:
        before, rest = kind, text
    place, slash, name = rest.partition("/")
    if not slash:
        place, name = namespace, rest
    return Ref(before.lower(), place, name) if before and place and name else None


def _key_field(table: str) -> str:
    return "slug" if table == "api" else "key"


def row_of(table: str, key: str) -> Any:
    return TABLES[table].objects.filter(**{_key_field(table): key}).first()


class Names:
    """What references mean, kept for the time of one import: most entities name the same few owners and systems.

    Only what is there is kept. What an import writes about a thing is forgotten here, and everything is where an item
    of it was undone.
    """

    def __init__(self) -> None:
        self._things: dict[str, ImportedThing] = {}
        self._rows: dict[tuple[str, str], Any] = {}
        self._domains: dict[str, Domain | None] = {}

    def preload(self, refs: Iterable[str]) -> None:
        """Read at once what an import is going to ask for."""
        for thing in ImportedThing.objects.filter(ref__in=set(refs)):
            self._things[thing.ref] = thing
        for table in TABLES:
            keys = [t.key for t in self._things.values() if t.table == table]
            field = _key_field(table)
            found = TABLES[table].objects.filter(**{f"{field}__in": keys}) if keys else []
            self._rows |= {(table, getattr(row, field)): row for row in found}

    def forget(self, thing: ImportedThing) -> None:
        self._things.pop(thing.ref, None)
        self._rows.pop((thing.table, thing.key), None)
        self._domains.pop(thing.key, None)

    def clear(self) -> None:
        self._things, self._rows, self._domains = {}, {}, {}

    def resolve(self, ref: Ref | None) -> Any:
        """The row that an entity of this name is here; None where there is none. Users are no rows: they own
        nothing."""
        table = TABLE_OF.get(ref.kind) if ref else None
        if ref is None or table is None:
            return None
        thing = self._thing(str(ref))
        if thing is not None:
            return self.row(table, thing.key)
        if ref.namespace.lower() != DEFAULT:
            return None
        key = naming.slug_of(ref.name, fallback="")
        taken = ImportedThing.objects.filter(table=table, key=key).exists()
        return None if taken or not key else self.row(table, key)

    def domain_of(self, system: System | None) -> Domain | None:
        """The domain that the source of a system names for it."""
        if system is None:
            return None
        if system.key not in self._domains:
            thing = ImportedThing.objects.filter(table="system", key=system.key).first()
            place = thing.ref.partition(":")[2].partition("/")[0] if thing else ""
            said = parsed(thing.facts.get("domain"), kind="domain", namespace=place) if thing else None
            self._domains[system.key] = self.resolve(said)
        return self._domains[system.key]

    def _thing(self, ref: str) -> ImportedThing | None:
        if ref not in self._things:
            thing = ImportedThing.objects.filter(ref=ref).first()
            if thing is None:
                return None
            self._things[ref] = thing
        return self._things[ref]

    def row(self, table: str, key: str) -> Any:
        if (table, key) not in self._rows:
            row = row_of(table, key)
            if row is None:
                return None
            self._rows[table, key] = row
        return self._rows[table, key]


def claim(ref: str, table: str, *, names: Iterable[str], title: str, source: str, adopt: bool) -> ImportedThing:
    """What the source calls `ref`, with the key of its row, which may not be there yet; it is not stored.

    A name that is new takes the first of `names` that is free. A row of before, which no source names, is taken by the
    first of them where `adopt`, or where it has the title. Raises Conflict `import.other_source`.
    """
    thing = ImportedThing.objects.select_for_update().filter(ref=ref).first()
    if thing is not None:
        if thing.source and thing.source != source:
            raise _another(thing, ref, source)
        _named(thing, source)
        return thing
    wanted = [naming.slug_of(n, fallback="")[: _LONGEST[table]].strip("-") for n in names]
    plainest = naming.slug_of(title, fallback="")[: _LONGEST[table]].strip("-")
    mark = hashlib.sha256(ref.encode()).hexdigest()[:8]
    first = next((w for w in wanted if w), f"{table}-{mark}")
    for n, key in enumerate([*wanted, plainest if adopt else "", f"{first[: _LONGEST[table] - 9].strip('-')}-{mark}"]):
        if not key or ImportedThing.objects.filter(table=table, key=key).exists():
            continue
        row = row_of(table, key)
        if row is None or (adopt and n == 0) or row.name == title:
            return ImportedThing(ref=ref, table=table, key=key, source=source)
    return ImportedThing(ref=ref, table=table, key=f"{table}-{mark}", source=source)


def of_slug(slug: str) -> str:
    """The name of an API that a contract file or a line of a CSV is about: both say its slug."""
    return f"slug:{slug}"


def claim_slug(slug: str, *, source: str, notes: list[str], may_edit: bool) -> ImportedThing | None:
    """What a file of `source` calls the API `slug`; None where no source is named, for nothing is remembered then.

    What another source brought is its own: Conflict `import.other_source`, but for an edit of no named source where
    `may_edit`, which is noted.
    """
    thing = ImportedThing.objects.select_for_update().filter(table="api", key=slug).first()
    if thing is None:
        return ImportedThing(ref=of_slug(slug), table="api", key=slug, source=source) if source else None
    if thing.source and thing.source != source:
        if source or not may_edit:
            raise _another(thing, slug, source)
        notes.append(
            f"comes from the source {thing.source!r}: what is said here stays until that source says otherwise"
        )
        return None
    if not source:
        return None
    _named(thing, source)
    return thing


def _named(thing: ImportedThing, source: str) -> None:
    """It is named, by this source: stored at once where that is new."""
    if thing.gone_since is not None or (source and thing.source != source):
        thing.source, thing.gone_since = source or thing.source, None
        thing.save(update_fields=["source", "gone_since"])


def _another(thing: ImportedThing, name: str, source: str) -> Conflict:
    return Conflict(
        "import.other_source",
        f"{name} comes from the source {thing.source!r}, and this import is "
        f"{f'that of {source!r}' if source else 'of no named source'}: nothing was changed. "
        f"Import it as that source, or take it out of one of the two.",
    )


def keep(thing: ImportedThing, said: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Store what the source said; True when one of the kept facts differs from before."""
    differs: bool = thing.pk is not None and thing.facts != dict(facts)
    if thing.pk is None or differs or thing.said != dict(said):
        thing.said, thing.facts = dict(said), dict(facts)
        thing.save()
    return differs


def no_longer_named(source: str, named: set[str]) -> list[ImportedThing]:
    """What came from a named source and is in use here, while the source names it no more."""
    if not source:
        return []
    rows = ImportedThing.objects.filter(source=source)
    left = [t for t in rows if t.ref not in named and not (t.table == "api" and of_slug(t.key) in named)]
    return [t for t in left if in_use(t)]


def in_use(thing: ImportedThing) -> bool:
    """Whether the row is there and not retired; of an API, whether one of its versions has not ended."""
    row = row_of(thing.table, thing.key)
    if row is None or getattr(row, "retired_at", None) is not None:
        return False
    return thing.table != "api" or row.versions.exclude(state__in=["retired", "withdrawn", "rejected"]).exists()


def mark_gone(thing: ImportedThing) -> str:
    """Note since when it is no longer named; what to do about it, in a sentence."""
    if thing.gone_since is None:
        thing.gone_since = clock.now()
        thing.save(update_fields=["gone_since"])
    noun = "API" if thing.table == "api" else thing.table
    return (
        f"{thing.ref} is no longer named by the source {thing.source!r} since {thing.gone_since:%Y-%m-%d}. The {noun} "
        f"stays until somebody retires it or keeps it."
    )
