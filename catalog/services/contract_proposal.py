"""What was read in a contract before anything is stored, and what registration suggests for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog import permissions
from catalog.domain import contract_engine, contract_hints, naming
from catalog.domain.contract_engine import Document
from catalog.models import ApiVersion, BusinessEntity
from catalog.selectors import search, versions
from catalog.services import contracts
from catalog.services.contracts import ReadContract
from kernel import clock
from kernel.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a contract says and what it suggests; a person confirms or changes each suggestion.

    `known_as` is the version that has exactly this contract, "" for none that the viewer sees; `close_to` lists (slug,
    name) of APIs with a similar title; `missing` names what the contract leaves out; `hints` are the first messages of
    lint rules that fail.
    """

    digest: str
    format: str
    title: str
    declared_version: str
    description: str
    operations: tuple[tuple[str, str, str], ...]
    operation_count: int
    path_count: int
    fields: int
    servers: tuple[str, ...]
    slug: str
    label: str
    style: str
    data_class: str
    sensitive: tuple[str, ...]
    entities: tuple[contract_hints.EntityHint, ...]
    problems: tuple[dict[str, Any], ...]
    known_as: str = ""
    close_to: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    rules_held: int = 0
    rules_judged: int = 0
    hints: tuple[str, ...] = ()


def propose(content: bytes, *, file_name: str = "", viewer: Viewer) -> Proposal:
    """Read a contract and suggest the rest. Raises Invalid with a code below `contract.`; stores nothing."""
    reading = contracts.read_contract(content, file_name=file_name)
    document = reading.document
    title = document.title or reading.file_name.rpartition("/")[2].rpartition(".")[0]
    slug = naming.slug_of(title)
    data_class, sensitive = contract_hints.sensitive_fields(document.fields)
    return Proposal(
        digest=document.digest,
        format=document.format,
        title=title[:200],
        declared_version=document.version_label,
        description=document.description,
        operations=tuple((o.method, o.path, o.summary or o.operation_id) for o in document.operations[:200]),
        operation_count=len(document.operations),
        path_count=len({o.path for o in document.operations}),
        fields=len(document.fields),
        servers=document.servers[:10],
        slug=slug,
        label=_free_label(reading, slug),
        style=contract_hints.style_of(document.format),
        data_class=data_class,
        sensitive=tuple(sensitive[:20]),
        entities=tuple(contract_hints.entity_hints(operation_texts(document), entity_names())),
        problems=tuple(contracts.problems_of(document)[:50]),
        known_as=_known_as(document.digest, viewer),
        close_to=tuple(search.close_to(title, viewer=viewer, limit=3)),
        missing=_missing(document),
        **_lint_summary(document, data_class),
    )


def operation_texts(document: Document) -> list[tuple[str, str]]:
    """(method, everything that is written about it) of each operation."""
    return [
        (o.method, " ".join((o.path, o.operation_id, o.summary, *o.tags, *o.messages))) for o in document.operations
    ]


def entity_names() -> dict[str, list[str]]:
    """The names that contracts may use for each business entity, by its key."""
    rows = BusinessEntity.objects.values_list("key", "name", "aliases")
    return {key: [key, name, *aliases] for key, name, aliases in rows}


def _free_label(reading: ReadContract, slug: str) -> str:
    taken = set(ApiVersion.objects.filter(api__slug=slug).values_list("label", flat=True))
    return naming.label_for(
        reading.document.version_label, digest=reading.digest, today=clock.now().date(), taken=taken
    )


def _known_as(digest: str, viewer: Viewer) -> str:
    known = versions.by_contract(digest)
    return known[0].reference if known and permissions.visible(viewer).filter(pk=known[0].api_id).exists() else ""


def _missing(document: Document) -> tuple[str, ...]:
    parts = {
        "title": document.title,
        "version": document.version_label,
        "description": document.description,
        "operations": document.operations,
        "servers": document.servers,
    }
    return tuple(name for name, stated in parts.items() if not stated)


def _lint_summary(document: Document, data_class: str) -> dict[str, Any]:
    result = contract_engine.lint(document, data_class=data_class or None)
    judged = [outcome for outcome in result.outcomes if outcome.status in ("passed", "failed")]
    return {
        "rules_held": sum(1 for outcome in judged if outcome.status == "passed"),
        "rules_judged": len(judged),
        "hints": tuple(dict.fromkeys(found.message for found in result.findings))[:5],
    }
