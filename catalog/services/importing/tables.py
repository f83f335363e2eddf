"""A CSV of APIs: a slug or a name, any field of `domain.api_fields`, and contract (a file beside the CSV), label and
state."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, Final

from catalog.domain import lifecycle, naming
from catalog.domain.api_fields import API_FIELDS, KEYS, ApiField, names_in
from catalog.models import Api
from catalog.services import contracts
from catalog.services.importing import identity
from catalog.services.importing.sources import MORE_CELLS, ImportItem
from catalog.services.importing.target import ImportOutcome, ImportTarget
from kernel.errors import Invalid

COLUMNS: Final = ("slug", *KEYS, "contract", "label", "state")


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One line. Unknown columns are noted; an unknown owner or domain leaves the field empty and is noted."""
    row: dict[str, Any] = dict(item.value)
    slug = slug_of(item)
    if not naming.is_slug(slug):
        raise Invalid("import.csv_key", "Every line needs a slug (small letters, digits, hyphens) or a name.")
    notes = [f"column {name!r} is not read" for name in row if name.strip() and name not in COLUMNS]
    if more := row.get(MORE_CELLS):
        notes.append(
            f"cells beyond the columns of the first line: {more}, which are not read; a text with the delimiter in it "
            "stands in quotes"
        )
    values = {field.key: _cell(field, row[field.key]) for field in API_FIELDS if field.key in row}
    values["name"] = values.get("name") or slug
    thing = identity.claim_slug(slug, source=target.source, notes=notes, may_edit=True)
    if item.again and (there := Api.objects.filter(slug=slug).first()) is not None:
        notes += [f"{item.again} says what the API is; of this line only the version counts"] if row_says(row) else []
        api, first = there, "unchanged"
    else:
        api, first = target.remembered(thing, slug, values, notes=notes, of="line")
    reading = _contract(row.get("contract", ""), item)
    second = "unchanged"
    reference = slug
    differs = [n for n in notes if "is proposed and not taken over" in n]
    notes = [n for n in notes if n not in differs]
    if reading is not None or row.get("label"):
        state = row.get("state", "").lower()
        version, second = target.version(api, reading, label=row.get("label", ""), state=state)
        reference = str(version)
        if reading is None:
            notes.append("no contract was given: the version stays a draft")
        elif second == "unchanged" and state in lifecycle.STATES and version.state != state:
            differs.append(f"state {state}: {version} is {version.state}; a state moves by a decision")
    elif row.get("state"):
        said = row["state"][:40]
        notes.append(f"state {said!r} is of a version, and this line has neither a contract nor a label: none was made")
    code = "import.differs" if differs else "import.noticed" if notes else ""
    return ImportOutcome(target.finish(api, first, second), reference, code, "; ".join([*differs, *notes][:8]))


def row_says(row: dict[str, Any]) -> bool:
    """Whether a line says anything of its API, beside its name."""
    return any(row.get(key) for key in KEYS if key != "name")


def slug_of(item: ImportItem) -> str:
    """The API that a line is about; "" where it names none."""
    return item.value.get("slug") or naming.slug_of(item.value.get("name", ""), fallback="")


def _cell(field: ApiField, text: str) -> Any:
    """What a cell says: choices in any case, several names separated by commas or semicolons."""
    if field.kind == "names":
        return names_in(text)
    if field.kind == "level":  # Excel writes a whole number as 1,0 or 1.0 where its column has decimals
        return re.sub(r"\A(\d+)[.,]0+\Z", r"\1", text)
    return text.lower() if field.kind == "choice" else text


def _contract(name: str, item: ImportItem) -> Any:
    if not name:
        return None
    folder = PurePosixPath(item.file.name).parent if item.file else PurePosixPath()
    data = item.siblings.get((folder / name).as_posix())
    if data is None and item.file is not None and item.file.base_dir is not None:
        root = item.file.base_dir.resolve()
        path = (root / name).resolve()
        data = path.read_bytes() if path.is_relative_to(root) and path.is_file() else None
    if data is None:
        raise Invalid("import.contract_missing", f"There is no file {name[:200]!r} beside the CSV.")
    return contracts.read_contract(data, file_name=name)
