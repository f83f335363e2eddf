"""A folder of contracts: the path names the API and the version, the contract says the rest."""

from __future__ import annotations

import re
from typing import Final

from catalog.domain import contract_hints
from catalog.services import contracts
from catalog.services.importing.sources import ImportItem, names_from_path
from catalog.services.importing.target import ImportOutcome, ImportTarget
from kernel.errors import Invalid

_LINK: Final = re.compile(r"!?\[([^\]]{0,200})\]\([^)]{0,500}\)")


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One contract file becomes a version of the API that its path names."""
    file = item.file
    if file is None:
        raise Invalid("import.nothing", "There is no file.")
    slug, label, title = names_from_path(item.source, folder=file.base_dir.name if file.base_dir else "")
    reading = contracts.read_contract(file.data, file_name=item.source, base_dir=file.base_dir)
    document = reading.document
    notes = [f"{p.pointer or '/'}: {p.message}" for p in document.problems]
    data_class, sensitive = contract_hints.sensitive_fields(document.fields)
    if sensitive:
        notes.append(f"fields suggest {data_class} data: {', '.join(sensitive[:5])}")
    known = target_purpose(document.description)
    api, first = target.api(
        slug,
        {"name": (document.title or title)[:200], "style": contract_hints.style_of(document.format), "purpose": known},
        notes=notes,
    )
    version, second = target.version(api, reading, label=label)
    target.entities(api, reading)
    outcome = target.finish(api, first if first == "created" else "unchanged", second)
    return ImportOutcome(outcome, str(version), "import.noticed" if notes else "", "; ".join(notes[:8]))


def target_purpose(description: str) -> str:
    """The first sentence or line of a description, without its mark-up."""
    for line in description.replace("\x00", "").splitlines():
        text = _LINK.sub(r"\1", re.sub(r"<[^>]{0,200}>", " ", line)).strip(" #*>_-`").strip()
        if len(text) > 15:
            return text.partition(". ")[0][:300]
    return ""
