"""An API that a list of APIs names, taken in: with a contract where its definition came along, else as a draft."""

from __future__ import annotations

import posixpath

from catalog.services import contracts
from catalog.services.importing import identity
from catalog.services.importing.listings import MOST, Listed
from catalog.services.importing.sources import ImportItem
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import bounded
from kernel.errors import Invalid


def ref_of(item: ImportItem) -> str:
    """How its source calls the API of an item; "" for an entry that names nothing."""
    return item.value.ref if isinstance(item.value, Listed) else ""


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One listed API. Raises Invalid `import.listed_name` for an entry without a name."""
    listed: Listed | None = item.value
    if listed is None:
        raise Invalid(
            "import.listed_name",
            "This entry names no API: a name, an id or a complete address "
            f"(https://…) is missing, or it is of another kind. At most {MOST:,} entries of one list are read.",
        )
    notes = list(listed.notes)
    thing = identity.claim(listed.ref, "api", names=[listed.slug], title=listed.name, source=target.source, adopt=True)
    again = bool(item.again) and thing.pk is not None
    if again:
        api, first = target.api(thing.key, {}, notes=notes)
    else:
        said = {"name": listed.name, **listed.values}
        api, first = target.remembered(thing, thing.key, said, notes=notes, of="listing")
    reading = _definition(listed, item, notes)
    version, second = target.version(api, reading, label=listed.label)
    if reading is not None:
        target.entities(api, reading)
    kept = not again and identity.keep(thing, thing.said, bounded(listed.facts))
    result = target.finish(api, first, second, "changed" if kept else "unchanged")
    return ImportOutcome(result, str(version), "import.noticed" if notes else "", "; ".join(notes[:8]))


def _definition(listed: Listed, item: ImportItem, notes: list[str]) -> contracts.ReadContract | None:
    where = listed.definition
    if not where:
        return None
    folder = posixpath.dirname(item.file.name) if item.file else ""
    data = item.siblings.get(posixpath.normpath(posixpath.join(folder, where))) if "://" not in where else None
    if data is None:
        notes.append(f"definition {where[:200]!r} did not come along; nothing is fetched from the network")
        return None
    try:
        return contracts.read_contract(data, file_name=where[:255])
    except Invalid as error:
        notes.append(f"definition: {error.message}")
        return None
