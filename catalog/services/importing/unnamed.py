"""Whether something of a source cannot be told by its name: a file that cannot be read, an entry without a name, a name
that may be misspelt. Then nobody knows what the source names no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from catalog.domain import naming
from catalog.models import ImportedThing
from catalog.services import contracts
from catalog.services.importing import backstage, contract_files, identity, naming_twice, odcs, tables
from catalog.services.importing.sources import ImportItem
from kernel.errors import Invalid

_TOLD: Final = ("import.format_unread", naming_twice.TWICE)
"""What is blocked, and yet is known to name nothing else."""


def hides_a_name(items: Sequence[ImportItem], gone: Sequence[ImportedThing], source: str) -> bool:
    """Whether one of these items may be what is `gone`, as far as can be said."""
    known = dict(ImportedThing.objects.filter(source=source).values_list("ref", "key"))
    slugs = {*known.values(), *(ref.removeprefix("slug:") for ref in known)}
    return any(_hides(item, gone, known, slugs) for item in items)


def _hides(item: ImportItem, gone: Sequence[ImportedThing], known: dict[str, str], slugs: set[str]) -> bool:
    match item.kind:
        case "blocked":
            return item.value.code not in _TOLD
        case "csv":
            return not naming.is_slug(tables.slug_of(item))
        case "listed":
            return item.value is None
        case "odcs":
            return not odcs.id_of(item.value) and odcs.ref_of(item.value) not in known
        case "backstage":
            return _is_odd(item, gone)
        case "contract":
            return contract_files.slug_of(item) not in slugs and not _is_contract(item)
    return False


def _is_odd(item: ImportItem, gone: Sequence[ImportedThing]) -> bool:
    """An entity without a name, or one of an unknown kind with the name of something that is gone."""
    ref = identity.ref_of(item.value)
    if ref is None or not any(letter.isalnum() for letter in ref.name):
        return True
    if ref.kind in identity.TABLE_OF or ref.kind in backstage.ELSEWHERE:
        return False
    name = str(ref).partition(":")[2]
    return any(thing.ref.partition(":")[2] == name for thing in gone)


def _is_contract(item: ImportItem) -> bool:
    """Whether a file whose path names nothing of before is a new contract: it may have been a list of APIs or a file of
    entities, and be broken now."""
    if item.file is None:
        return False
    try:
        contracts.read_contract(item.file.data, file_name=item.source, base_dir=item.file.base_dir)
    except Invalid:
        return False
    return True
