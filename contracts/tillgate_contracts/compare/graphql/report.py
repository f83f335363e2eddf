"""Findings of a GraphQL comparison: each with its places in both schemas and the operations that reach it."""

from __future__ import annotations

from typing import Any, NamedTuple

from tillgate_contracts.compare.collector import FindingCollector
from tillgate_contracts.compare.graphql.reach import SchemaReach

_HIDES = "@inaccessible"


class Place(NamedTuple):
    """Places in both normal forms; the type (in the old and the new schema) and the field that they belong to."""

    base: str | None
    revision: str | None
    type: str
    new_type: str
    field: str = ""

    def below(self, section: str, name: str, field: str | None = None) -> Place:
        base = None if self.base is None else f"{self.base}/{section}/{name}"
        revision = None if self.revision is None else f"{self.revision}/{section}/{name}"
        return Place(base, revision, self.type, self.new_type, name if field is None else (field or self.field))

    def gone(self) -> Place:
        return self._replace(revision=None)

    def fresh(self) -> Place:
        return self._replace(base=None)


class GraphqlReport:
    """Records findings with the operations behind them."""

    def __init__(self, old: SchemaReach, new: SchemaReach, collector: FindingCollector) -> None:
        self.old, self.new = old, new
        self.collector = collector

    def add(
        self, rule: str, text: str, place: Place, *, old: Any = None, new: Any = None, level: str | None = None
    ) -> None:
        """One finding. Operations are those of the new schema, or of the old one where the thing is gone."""
        reach, owner = (self.new, place.new_type) if place.revision is not None else (self.old, place.type)
        self.collector.add_for(
            reach.operations(owner, place.field),
            rule,
            text,
            old=old,
            new=new,
            base=place.base,
            revision=place.revision,
            level=level,
        )

    def deprecation(self, place: Place, before: dict[str, Any], after: dict[str, Any], subject: str) -> None:
        """`@deprecated` added, dropped or with another reason."""
        old, new = before.get("deprecated"), after.get("deprecated")
        if old == new:
            return
        if old is None:
            self.add("graphql-deprecated", f"{subject} is deprecated: {new}", place, new=new)
        elif new is None:
            self.add("graphql-reactivated", f"{subject} is no longer deprecated.", place, old=old)
        else:
            self.words(place)

    def words(self, place: Place) -> None:
        self.collector.add_for(
            self.new.operations(place.new_type, place.field),
            "annotation-changed",
            f"The description of `{place.type + ('.' + place.field if place.field else '')}` changed.",
            base=place.base,
            revision=place.revision,
        )

    def applied(self, place: Place, before: dict[str, Any], after: dict[str, Any], subject: str) -> None:
        """Directives that stand on something. `@inaccessible` hides it from clients; no other one's effect is known."""
        key = "applied" if "types" in after else "directives"
        old, new = before.get(key, []), after.get(key, [])
        if old == new:
            return
        gone = [item for item in old if item not in new]
        came = [item for item in new if item not in old]
        if _HIDES in came:
            self.add("graphql-element-hidden", f"{subject} is hidden from clients now (@inaccessible).", place)
        if _HIDES in gone:
            self.add("graphql-element-shown", f"{subject} is shown to clients now.", place)
        gone, came = ([item for item in side if item != _HIDES] for side in (gone, came))
        if gone or came or sorted(old) == sorted(new):
            parts = [f"no longer has {', '.join(gone)}"] * bool(gone) + [f"now has {', '.join(came)}"] * bool(came)
            told = " and ".join(parts) or "has its directives in another order"
            text = f"{subject} {told}: what that changes is not said in the schema."
            self.add("graphql-directive-usage-changed", text, place, old=gone or None, new=came or None)
