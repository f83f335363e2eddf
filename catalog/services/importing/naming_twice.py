"""One thing that a source names twice: the first place counts, and the second one is told of both. Without that, each
would take over what the other one says, at every import anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from catalog.services.importing.named import part_of, refs_in
from catalog.services.importing.sources import ImportItem
from kernel.errors import Invalid

TWICE: Final = "import.named_twice"
_KINDS: Final = ("backstage", "csv", "odcs", "listed")


def told(items: Iterable[ImportItem]) -> list[ImportItem]:
    """The items, in which each thing is said by one. A further version of a thing knows where it was named first; what
    says the same again is put aside, and what says something else is refused with both places.

    Contract files are left alone: each path is a version, and keeps apart what it says.
    """
    first: dict[tuple[str, str], ImportItem] = {}
    versions: dict[tuple[str, str, str], ImportItem] = {}
    made = []
    for item in items:
        ref = next(iter(refs_in(item)), "") if item.kind in _KINDS else ""
        if not ref:
            made.append(item)
            continue
        before = first.setdefault((item.kind, ref), item)
        same = versions.setdefault((item.kind, ref, part_of(item)), item)
        if before is item:
            made.append(item)
        elif same is item:
            made.append(replace(item, again=before.source))
        elif same.value == item.value:
            reason = f"{same.source} names {ref} in the same words"
            made.append(replace(item, kind="aside", value=reason))
        else:
            made.append(replace(item, kind="blocked", value=_refusal(item, same, ref)))
    return made


def _refusal(item: ImportItem, same: ImportItem, ref: str) -> Invalid:
    version = f" with the version {part_of(item)[:60]!r}" if part_of(item) else ""
    return Invalid(
        TWICE,
        f"{ref.removeprefix('slug:')}{version} is named twice: in {same.source}, which counts, and in {item.source}, "
        "which says something else. Take one of them out, or give it a name of its own.",
    )
