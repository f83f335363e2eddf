"""Which things of the catalog an item of an import is about, by the names that its source gives them."""

from __future__ import annotations

from catalog.services.importing import contract_files, identity, listed, odcs, tables
from catalog.services.importing.listings import Listed
from catalog.services.importing.sources import ImportItem
from catalog.services.importing.values import plain


def refs_in(item: ImportItem) -> list[str]:
    """The names that an item gives to what it holds; none where it gives none."""
    if item.kind == "backstage":
        return [str(entity)] if (entity := identity.ref_of(item.value)) else []
    if item.kind == "odcs":
        return [contract] if (contract := odcs.ref_of(item.value)) else []
    if item.kind == "listed":
        return [ref] if (ref := listed.ref_of(item)) else []
    slug = (
        tables.slug_of(item) if item.kind == "csv" else contract_files.slug_of(item) if item.kind == "contract" else ""
    )
    return [identity.of_slug(slug)] if slug else []


def part_of(item: ImportItem) -> str:
    """Which version of it an item is about; "" where it says none. Several of them make one thing with versions."""
    if item.kind == "csv":
        return str(item.value.get("label") or item.value.get("contract", ""))
    if item.kind == "odcs":
        return plain(item.value.get("version"), 100)
    if item.kind == "listed" and isinstance(item.value, Listed):
        return item.value.label
    return ""
