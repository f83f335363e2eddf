"""The entry point: takes two documents and a policy, gives a verdict with findings."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Protocol

from tillgate_contracts.compare.asyncapi.document import EventComparison
from tillgate_contracts.compare.asyncapi.view import EventView
from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.findings import ComparisonReport, Finding, verdict_of
from tillgate_contracts.compare.graphql.comparison import GraphqlComparison
from tillgate_contracts.compare.libraries import compare_definitions, compare_libraries
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.document import compare_documents
from tillgate_contracts.compare.openapi.view import OpenApiView
from tillgate_contracts.compare.policy import DEFAULT, ComparisonPolicy
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.schema.settings import Settings
from tillgate_contracts.compare.schema.source import Part, SchemaDialect, SchemaSource
from tillgate_contracts.compare.soap.document import XmlComparison
from tillgate_contracts.compare.unread import tell_problems
from tillgate_contracts.errors import ContractError

_MAJOR = re.compile(r"^[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


class DocumentLike(Protocol):
    """What the comparison needs of a document that was read (`tillgate_contracts.reading.document.Document`)."""

    @property
    def format(self) -> str: ...
    @property
    def tree(self) -> dict[str, Any]: ...
    @property
    def digest(self) -> str: ...
    def origin(self, pointer: str) -> str: ...
    def pointer_line(self, pointer: str) -> int | None: ...


def family(format_name: str) -> str:
    """openapi, asyncapi, jsonschema, graphql, wsdl or xsd: documents of one family can be compared.

    EDMX is lifted to the shape of OpenAPI.
    """
    head = format_name.split("-", 1)[0]
    return "openapi" if head == "edmx" else head


def compare(
    base: DocumentLike, revision: DocumentLike, *, policy: ComparisonPolicy = DEFAULT, as_of: dt.date | None = None
) -> ComparisonReport:
    """Compares two documents.

    `as_of` is the day against which sunsets are judged: today in UTC when it is left out. Pass it wherever the result
    is kept, so that it can be computed again. Raises ContractError `contract.family` when the documents are of kinds
    that have nothing in common, `contract.comparison_too_large` or `contract.comparison_too_deep` when the work would
    not end within bounds.
    """
    today = as_of or dt.datetime.now(tz=dt.UTC).date()
    kind = family(base.format)
    if kind != family(revision.format):
        raise ContractError(
            "contract.family",
            f"A document of kind {base.format} cannot be compared with one of kind {revision.format}.",
            {"base": base.format, "revision": revision.format},
        )
    findings: list[Finding] = []
    # A reference that could not be followed may hide a change, even between two files of the same bytes.
    doubtful = bool(getattr(base, "problems", ()) or getattr(revision, "problems", ()))
    if base.digest != revision.digest or base.format != revision.format or doubtful:
        try:
            findings = _findings(base, revision, kind, policy, today)
        except RecursionError:
            raise ContractError(
                "contract.comparison_too_deep",
                "The schemas are nested in unions too deeply to be compared. Name the inner alternatives once.",
                {},
            ) from None
    counts = {level: sum(1 for item in findings if item.level == level) for level in ("breaking", "warning", "info")}
    return ComparisonReport(
        verdict=verdict_of(findings),
        findings=findings,
        breaking=counts["breaking"],
        warnings=counts["warning"],
        compatible=counts["info"],
        base_digest=base.digest,
        revision_digest=revision.digest,
        as_of=today.isoformat(),
    )


def _findings(
    base: DocumentLike, revision: DocumentLike, kind: str, policy: ComparisonPolicy, today: dt.date
) -> list[Finding]:
    old = SchemaSource(base.tree, SchemaDialect.of_document(base.tree, base.format))
    new = SchemaSource(revision.tree, SchemaDialect.of_document(revision.tree, revision.format))
    settings = Settings(
        strict=policy.content_model == "strict",
        as_of=today,
        sunset_min_days_beta=policy.sunset_min_days_beta,
        sunset_min_days_stable=policy.sunset_min_days_stable,
        stability_threshold=policy.stability_threshold,
    )
    graph = SchemaGraph(old, new, settings)
    collector = FindingCollector(base, revision, graph, policy)
    if kind == "openapi":
        views = OpenApiView(base.tree, old), OpenApiView(revision.tree, new)
        compare_documents(DocumentComparison(*views, graph, collector))
        compare_libraries(graph, collector)
    elif kind == "asyncapi":
        EventComparison(EventView(base.tree, old), EventView(revision.tree, new), graph, collector).run()
        compare_libraries(graph, collector)
    elif kind == "graphql":
        GraphqlComparison(base.tree, revision.tree, collector).run()
    elif kind in ("wsdl", "xsd"):
        XmlComparison(base.tree, revision.tree, collector).run()
    else:
        _schemas(graph, collector)
        compare_definitions(graph, collector)
    collector.collect()
    tell_problems(collector, base, revision)
    _version(base, revision, collector)
    return collector.finish()


def _schemas(graph: SchemaGraph, collector: FindingCollector) -> None:
    """A bare JSON Schema does not say which side sends, so it is compared for both."""
    where = Where("schema", "", "", "")
    for direction in ("event-receive", "event-send"):
        key = graph.link((Part(graph.old.source.tree, ""),), (Part(graph.new.source.tree, ""),), Direction(direction))
        collector.use(key, "payload", where)


def _version(base: DocumentLike, revision: DocumentLike, collector: FindingCollector) -> None:
    """`info.version` against the findings (semver.org §8: what breaks needs a new major version).

    Only numbers are compared.
    """
    before, after = (_number(document.tree.get("info")) for document in (base, revision))
    if before is None or after is None:
        return
    place: dict[str, Any] = {"base": "/info/version", "revision": "/info/version"}
    shown = [str(document.tree["info"]["version"]).strip()[:80] for document in (base, revision)]
    word = "sap:schema-version" if base.format.startswith("edmx") and revision.format.startswith("edmx") else "version"
    if after < before:
        text = f"The {word} went down from {shown[0]} to {shown[1]}."
        collector.add("api-version-decreased", text, old=shown[0], new=shown[1], **place)
    elif collector.is_breaking() and after == before:
        text = f"The contract breaks, and its {word} is still {shown[1]}."
        collector.add("api-version-not-bumped", text, old=shown[0], new=shown[1], **place)
    elif collector.is_breaking() and after[0] == before[0] and (after[0] or after[1] == before[1]):
        text = f"The contract breaks, and its {word} only went from {shown[0]} to {shown[1]}."
        collector.add("api-major-version-not-bumped", text, old=shown[0], new=shown[1], **place)


def _number(info: Any) -> tuple[int, int, int] | None:
    version = info.get("version") if isinstance(info, dict) else None
    found = _MAJOR.match(str(version)) if version is not None else None
    if found is None:
        return None
    return int(found[1]), int(found[2] or 0), int(found[3] or 0)
