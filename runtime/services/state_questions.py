"""Whether a question can tell a state from an older one of its key.

A fact is there or not. Under the name of a state something is nearly always there: the state of before. So an answer
about a state is proof only where the name that is asked for is that of this state alone (our key of the message, or a
name with its version), where the target compares versions, or by what the document that is found shows of its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kernel.errors import DomainError, finding
from runtime.connectors.answer_rules import says_there_before
from runtime.connectors.protocols import AskBy
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.domain.templates import names_in
from runtime.mapping import parse
from runtime.services import system_connections

Findings = list[dict[str, Any]]
_REMEDY = (
    "ask by `idempotency_key`, by a template with the version of the state, through a lookup that is `versioned`, or "
    "say under the lookup's `holds` what a document has to show"
)


@dataclass(frozen=True, slots=True)
class NamesProve:
    """Whether a document that is found under a name is this message's for that alone. `taken`: whether the target's
    word that a name is taken proves it as well. `asks`: whether it can be asked."""

    key: bool = True
    reference: bool = True
    taken: bool = True
    asks: bool = False

    def by(self, by: AskBy) -> bool:
        return self.key if by == "key" else self.reference


EVERY_NAME = NamesProve()


def names_prove(manifest: Manifest, target: ManifestTarget) -> NamesProve:
    """What the names of this target prove. Settings and mappings that cannot be read prove nothing of a state."""
    try:
        lookup = _lookup(target)
        if manifest.event.meaning == "fact":
            return NamesProve(asks=bool(lookup))
        versions = _fields_of_version(manifest, target)
    except DomainError:
        fact = manifest.event.meaning == "fact"
        return EVERY_NAME if fact else NamesProve(target.ask_by == "idempotency_key", reference=False, taken=False)
    taken = not versions.isdisjoint(names_in(target.ask_by))
    if lookup.get("versioned") is True:
        return NamesProve(taken=taken, asks=True)
    reference = not versions.isdisjoint(names_in(str(lookup.get("business_reference") or "")))
    key = target.ask_by == "idempotency_key" or not versions.isdisjoint(names_in(target.ask_by))
    return NamesProve(key, reference, taken, asks=bool(lookup))


def _lookup(target: ManifestTarget) -> dict[str, Any]:
    found = system_connections.settings_of(target.connection).get("lookup") if target.connection else None
    return found if isinstance(found, dict) else {}


def _fields_of_version(manifest: Manifest, target: ManifestTarget) -> set[str]:
    """Fields of the mapped document that hold the version of the state."""
    source = manifest.source_of(target)
    paths = {manifest.event.version.strip("/").replace("/", ".")}
    if source.connection is not None:
        settings = system_connections.settings_of(source.connection)
        changes = settings.get("changes")
        paths |= {str(settings.get("version_field") or ""), str(changes.get("field")) if changes else ""}
        paths |= {str(settings.get(name) or "") for name in ("change_field", "changed")}
    made = {
        ".".join(field.target)
        for field in parse(target.mapping).fields
        if {str(path) for path in field.sources()} & (paths - {""})
    }
    return made | ({target.dated_version.field} if target.dated_version else set())


def unprovable(manifest: Manifest) -> Findings:
    """Findings of a new release: targets where a second write is a second effect, and whose question proves nothing."""
    return [one for number, target in _asked(manifest) if target.idempotency != "N" for one in _of(number, target)]


def told(manifest: Manifest) -> Findings:
    """What is said of questions that prove little: targets that are sent a state again after every lost answer, and
    those where a person decides once the key is not known."""
    found = [one for number, target in _asked(manifest) if target.idempotency == "N" for one in _of(number, target)]
    for number, target in _asked(manifest, by="reference"):
        if target.ask_by == "idempotency_key" and _lookup(target).get("references"):
            said = (
                f"the target {target.name!r} is asked about states by a business reference that older states have as "
                "well, where it does not know their key; what is found so goes to a person. Put the version of the "
                "state into `business_reference`, or say under `holds` what a document has to show"
            )
            pointer = f"/targets/{number}/connection/settings/lookup/business_reference"
            found.append(finding(pointer, said, code="lookup.any_state"))
    return [*found, *_duplicates(manifest)]


def _duplicates(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Targets whose word that a state is there already would be taken for a proof."""
    for number, target in enumerate(manifest.targets):
        if manifest.event.meaning != "state" or target.connection is None or names_prove(manifest, target).taken:
            continue
        try:
            settings = system_connections.settings_of(target.connection)
        except DomainError:
            continue  # reported by `links`
        if (place := _taken_for_proof(settings)) is None:
            continue
        what = "it is asked about" if _lookup(target) else "it goes to a person"
        said = (
            f"the target {target.name!r} says of a state that it is there already, where the state of before has the "
            f"same name: that proves nothing, and {what}. A name with the version of the state in it (`ask_by`) does"
        )
        yield finding(f"/targets/{number}/connection/settings/{place}", said, code="duplicate.any_state")


def _taken_for_proof(settings: dict[str, Any]) -> str | None:
    """Where these settings call a name that is taken a success."""
    if settings.get("duplicate_status"):
        return "duplicate_status"
    for rule in settings.get("answers") or ():
        statuses = [str(one) for one in rule.get("status") or ()]
        words = (*statuses, *(str(one) for one in rule.get("codes") or ()))
        if rule.get("says") == "confirmed" and any(map(says_there_before, words)):
            return "answers"
    batch = settings.get("batch") or {}
    return "batch/confirmed" if any(says_there_before(str(one)) for one in batch.get("confirmed") or ()) else None


def _asked(manifest: Manifest, by: AskBy = "key") -> Iterator[tuple[int, ManifestTarget]]:
    """Targets that can be asked, and whose answer can show nothing of the state."""
    for number, target in enumerate(manifest.targets):
        try:
            lookup = _lookup(target)
            compared = lookup.get("holds") or (lookup.get("amount") and lookup.get("amount_sent"))
        except DomainError:
            continue  # reported by `links`
        if lookup and target.idempotency != "U" and not compared and not names_prove(manifest, target).by(by):
            yield number, target


def _of(number: int, target: ManifestTarget) -> Iterator[dict[str, Any]]:
    about = f"the target {target.name!r} is asked about states by a name that older states have as well, so"
    if target.idempotency == "N":
        said = f"{about} what has no answer is sent again after `settle`, whatever is found; else {_REMEDY}"
    else:
        said = f"{about} no answer proves that an update has arrived: {_REMEDY}"
    yield finding(f"/targets/{number}/ask_by", said, code="lookup.any_state")
