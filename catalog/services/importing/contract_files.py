"""A folder of contracts: the path names the API and the version, the contract says the rest."""

from __future__ import annotations

from catalog.domain import contract_hints
from catalog.services import contracts
from catalog.services.importing import identity
from catalog.services.importing.sources import ImportItem, names_from_path
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import target_purpose
from kernel.errors import Invalid


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One contract file becomes a version of the API that its path names."""
    file = item.file
    if file is None:
        raise Invalid("import.nothing", "There is no file.")
    slug, label, title = _names(item)
    reading = contracts.read_contract(file.data, file_name=item.source, base_dir=file.base_dir)
    document = reading.document
    notes = [f"{p.pointer or '/'}: {p.message}" for p in document.problems]
    data_class, sensitive = contract_hints.sensitive_fields(document.fields)
    if sensitive:
        notes.append(f"fields suggest {data_class} data: {', '.join(sensitive[:5])}")
    known = target_purpose(document.description)
    said = {
        "name": (document.title or title)[:200],
        "style": contract_hints.style_of(document.format),
        "purpose": known,
    }
    thing = identity.claim_slug(slug, source=target.source, notes=notes, may_edit=False)
    api, first = target.remembered(thing, slug, said, notes=notes, of=item.source)
    version, second = target.version(api, reading, label=label)
    target.entities(api, reading)
    outcome = target.finish(api, first if first == "created" or thing else "unchanged", second)
    return ImportOutcome(outcome, str(version), "import.noticed" if notes else "", "; ".join(notes[:8]))


def slug_of(item: ImportItem) -> str:
    """The API that a file's path names."""
    return _names(item)[0]


def _names(item: ImportItem) -> tuple[str, str, str]:
    folder = item.file.base_dir.name if item.file is not None and item.file.base_dir else ""
    return names_from_path(item.source, folder=folder)
