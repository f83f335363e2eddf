"""Reads contracts and stores each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.domain import contract_engine, naming
from catalog.domain.contract_engine import Document
from catalog.models import Contract
from kernel.errors import Invalid, finding

_MEDIA_TYPES = {"edmx": "application/xml", "json": "application/json", "yaml": "application/yaml"}
_BY_FORMAT = {
    "graphql-sdl": "application/graphql",
    "wsdl-1.1": "application/wsdl+xml",
    "wsdl-2.0": "application/wsdl+xml",
    "xsd-1.0": "application/xsd+xml",
}
MAX_OPERATIONS = 2000


@dataclass(frozen=True, slots=True)
class ReadContract:
    """A contract that was read and is not stored yet."""

    document: Document
    data: bytes
    file_name: str
    media_type: str

    @property
    def digest(self) -> str:
        return self.document.digest


def read_contract(data: bytes, *, file_name: str = "", base_dir: Any = None) -> ReadContract:
    """Raises Invalid with a code below `contract.` and, where known, pointer and line."""
    if not data.strip():
        raise Invalid(
            "contract.empty",
            "There is no contract here: the file is empty.",
            {"findings": [finding("", "Choose a file or paste the text of one.")]},
        )
    document = contract_engine.read(data, name=file_name or None, base_dir=base_dir)
    head = data.lstrip()[:1]
    kind = "edmx" if head == b"<" else "json" if head in (b"{", b"[") else "yaml"
    media_type = _BY_FORMAT.get(document.format, _MEDIA_TYPES[kind])
    return ReadContract(document, data, file_name[:255], media_type)


def problems_of(document: Document) -> list[dict[str, Any]]:
    """What the reader noticed, as findings."""
    return [{"pointer": p.pointer, "message": p.message, "code": p.code} for p in document.problems]


def store(reading: ReadContract) -> Contract:
    """The stored contract with this canonical form; the first upload's bytes are the original."""
    document = reading.document
    operations = [
        {
            "method": o.method,
            "path": o.path,
            "id": o.operation_id,
            "summary": o.summary[:300],
            "deprecated": o.deprecated,
        }
        for o in document.operations[:MAX_OPERATIONS]
    ]
    contract, _ = Contract.objects.get_or_create(
        digest=document.digest,
        defaults={
            "format": document.format,
            "title": document.title[:300],
            "declared_version": document.version_label[:100],
            "original": reading.data,
            "media_type": reading.media_type,
            "file_name": reading.file_name,
            "canonical": document.canonical,
            "size": len(reading.data),
            "operations": operations,
            "operation_words": naming.distinct_words(
                text for o in document.operations for text in (o.operation_id, o.path, o.summary, *o.tags, *o.messages)
            ),
            "field_words": naming.distinct_words((*document.schemas, *document.fields)),
            "findings": problems_of(document)[:200],
        },
    )
    return contract
