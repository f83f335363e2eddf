"""One comparison of two OpenAPI documents: what its parts read, and where they leave what they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.media import is_json, is_multipart, is_opaque, is_xml
from tillgate_contracts.compare.openapi.view import OpenApiView
from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.files import is_file
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.schema.source import Part, join
from tillgate_contracts.compare.unread import tell_unread

#: Kind of lifecycle change -> rule id for an operation.
_LIFECYCLE = {
    "deprecated": "endpoint-deprecated",
    "deprecated-with-sunset": "endpoint-deprecated-with-sunset",
    "deprecated-sunset-missing": "api-deprecated-sunset-missing",
    "deprecated-sunset-unreadable": "api-deprecated-sunset-parse",
    "sunset-unreadable": "api-path-sunset-parse",
    "sunset-date-too-small": "api-sunset-date-too-small",
    "sunset-date-changed-too-small": "api-sunset-date-changed-too-small",
    "sunset-changed": "api-sunset-date-changed",
    "sunset-deleted": "sunset-deleted",
    "reactivated": "endpoint-reactivated",
    "stability-decreased": "api-stability-decreased",
    "stability-increased": "api-stability-increased",
    "invalid-stability-level": "api-invalid-stability-level",
}


@dataclass(slots=True)
class SchemeNames:
    """Security schemes: `used` are those that some operation demands on both sides (by their name in the base),
    `renamed` those that have another name in the revision, new name to old."""

    used: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)


class BasePath(NamedTuple):
    """What the paths of the base, and those of the revision, begin with more than those of the other side."""

    old: str = ""
    new: str = ""


class DocumentComparison:
    """Both views, the schema graph and the collector of findings."""

    def __init__(self, old: OpenApiView, new: OpenApiView, graph: SchemaGraph, collector: FindingCollector) -> None:
        self.old, self.new = old, new
        self.graph = graph
        self.collector = collector
        self.schemes = SchemeNames()
        #: The part of all paths that moved from the servers' URLs into the paths, and the one that moved out of them.
        self.base_path = BasePath()

    def tell_unread(self, where: Where | None = None) -> None:
        """Records the references that were met since the last time and lead nowhere."""
        tell_unread(self.collector, self.old, self.new, where)

    def add_lifecycle(self, change: lifecycle.LifecycleChange, where: Where) -> None:
        """Records what happened to the deprecation, sunset or stability of an operation."""
        text = f"{where.label or where.path}: {change.kind.replace('-', ' ')}"
        if change.old is not None or change.new is not None:
            text += f" ({change.old} became {change.new})"
        self.collector.add(_LIFECYCLE[change.kind], f"{text}.", where=where, old=change.old, new=change.new)

    def content_schema(
        self,
        media: str,
        old: Any,
        new: Any,
        places: tuple[str, str],
        direction: Direction,
        place: str,
        where: Where,
        *,
        old_media: str | None = None,
        wire: str | None = None,
    ) -> None:
        """The schema of one media type on both sides. `places`: pointers of the two `content` objects. `wire`: the
        media type that is sent, where `media` is the wildcard that stands for it."""
        old, new = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        base, revision = join(places[0], old_media or media), join(places[1], media)
        sent = wire or media
        words = [word for word in ("schema", "itemSchema") if word in old or word in new]
        if is_opaque(sent) and words == ["schema"] and self._are_files(sent, old, new):
            return
        for word in words:
            self._described(word, old, new, (base, revision), sent, media, direction, place, where)

    def _described(
        self,
        word: str,
        old: dict[str, Any],
        new: dict[str, Any],
        places: tuple[str, str],
        sent: str,
        media: str,
        direction: Direction,
        place: str,
        where: Where,
    ) -> None:
        """One of the two schemas of a media type: of the whole body, or (OpenAPI 3.2) of each item of a sequence."""
        base, revision = places
        if word in old and word in new:
            left, right = (Part(old[word], join(base, word)),), (Part(new[word], join(revision, word)),)
            form = "body" if is_multipart(sent) else "part" if is_opaque(sent) and word == "schema" else ""
            as_sent = direction._replace(text=not is_json(sent), xml=is_xml(sent), form=form)
            self.collector.use(self.graph.link(left, right, as_sent), place, where)
            if as_sent.xml and word == "schema" and place == "body":
                self._xml_root(left[0], right[0], where)
        elif (word in old) != (word in new):
            gone = word in old
            free = (
                self.graph.old.node((Part(old[word], ""),)).is_free
                if gone
                else self.graph.new.node((Part(new[word], ""),)).is_free
            )
            if free or place != "body":
                return
            rule = f"{direction.name}-body-media-type-schema-{'removed' if gone else 'added'}"
            self.collector.add(
                rule,
                f"The {word} of the {media} body was {'dropped' if gone else 'added'}.",
                where=where,
                base=base,
                revision=revision,
            )

    def _xml_root(self, left: Part, right: Part, where: Where) -> None:
        """The root element has the name of the component where no `xml` object says one (OpenAPI 3.2.0 section
        4.26.2); readers of 3.0 and 3.1 do the same without a word of the standard."""
        names = [_component_name(self.graph.old, left), _component_name(self.graph.new, right)]
        if None in names or names[0] == names[1]:
            return
        told = all(str(view.tree.get("openapi", "")).startswith("3.2") for view in (self.old, self.new))
        self.collector.add(
            "body-xml-root-renamed",
            f"The schema of the XML body is named {names[1]} instead of {names[0]}, and so is its root element."
            if told
            else f"The schema of the XML body is named {names[1]} instead of {names[0]}. Cannot tell automatically "
            "whether its root element is named like it.",
            where=where,
            old=names[0],
            new=names[1],
            base=left.pointer,
            revision=right.pointer,
            level=None if told else "warning",
        )

    def _are_files(self, media: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
        """True where both sides mean any bytes of the media type, in whatever words."""
        return all(
            "schema" not in side or is_file(builder.node((Part(side["schema"], ""),)), media)
            for side, builder in ((old, self.graph.old), (new, self.graph.new))
        )


def _component_name(builder: Builder, part: Part) -> str | None:
    """The name of the component that a schema is a reference to; None where it is none, or says its name in XML."""
    ref = part.raw.get("$ref") if isinstance(part.raw, dict) else None
    xml = builder.node((part,)).annotations.get("xml")
    if not isinstance(ref, str) or (isinstance(xml, dict) and xml.get("name")):
        return None
    return ref.rsplit("/", 1)[-1]
