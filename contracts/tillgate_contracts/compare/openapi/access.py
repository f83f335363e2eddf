"""Comparison of security and servers."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.view import HttpOperation
from tillgate_contracts.compare.schema.source import join
from tillgate_contracts.compare.schema.values import as_list, as_mapping
from tillgate_contracts.compare.unread import LocatedObject

Alternative = dict[str, frozenset[str]]


def compare_security(comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where) -> None:
    """Effective requirements: each way to authenticate that worked before must still satisfy some new alternative."""
    before, after = comparison.old.security(old), comparison.new.security(new)
    comparison.used_schemes |= {name for entry in before for name in entry} & {
        name for entry in after for name in entry
    }
    if before == after:
        return
    places = {
        word: join(side.pointer, "security") if "security" in side.raw else "/security"
        for word, side in (("base", old), ("revision", new))
    }
    change = _SecurityChange(comparison.collector, before, after, where, places)
    for entry in before:
        if not any(_satisfies(entry, need) for need in after):
            change.add_refused(entry)
    for need in after:
        if any(_satisfies(entry, need) for entry in before):
            change.add_eased(need)
        elif any(_satisfies(entry, other) for other in after for entry in before):
            change.add("api-security-added", f"The operation also accepts {_text(need)}.", old=None, new=_text(need))


class _SecurityChange:
    """The alternatives of one operation, before and after."""

    def __init__(
        self,
        collector: FindingCollector,
        before: list[Alternative],
        after: list[Alternative],
        where: Where,
        places: dict[str, str],
    ) -> None:
        self.collector = collector
        self.before, self.after = before, after
        self.where = where
        self.places = places

    def add(self, rule: str, message: str, *, old: Any, new: Any) -> None:
        self.collector.add(rule, message, where=self.where, old=old, new=new, **self.places)

    def add_refused(self, entry: Alternative) -> None:
        """An alternative of the base that satisfies none of the revision."""
        demanded = [_text(need) for need in self.after]
        nearest = next((need for need in self.after if need.keys() == entry.keys()), None)
        if nearest is not None:
            scopes = sorted(scope for name in nearest for scope in nearest[name] - entry[name])
            text = f"The operation demands the further scope {', '.join(scopes)}."
            self.add("api-security-scope-added", text, old=_text(entry), new=_text(nearest))
        elif any(need.keys() > entry.keys() for need in self.after) or not entry:
            text = f"The operation now demands {' or '.join(demanded)} instead of {_text(entry)}."
            self.add("api-security-requirement-added", text, old=_text(entry), new=demanded)
        else:
            text = f"The operation no longer accepts {_text(entry)}."
            self.add("api-security-alternative-removed", text, old=_text(entry), new=demanded)

    def add_eased(self, need: Alternative) -> None:
        """An alternative of the revision that some alternative of the base satisfies, where it demands less."""
        nearest = next((entry for entry in self.before if entry.keys() == need.keys()), None)
        if nearest is None:
            text = f"The operation is satisfied with {_text(need)}."
            self.add("api-security-removed", text, old=None, new=_text(need))
        elif nearest != need:
            scopes = sorted(scope for name in need for scope in nearest[name] - need[name])
            text = f"The operation no longer demands the scope {', '.join(scopes)}."
            self.add("api-security-scope-removed", text, old=_text(nearest), new=_text(need))


def _satisfies(have: Alternative, need: Alternative) -> bool:
    """True when a caller prepared for one alternative has all that another one demands."""
    return all(name in have and scopes <= have[name] for name, scopes in need.items())


def _text(entry: Alternative) -> str:
    if not entry:
        return "anonymous access"
    return " and ".join(
        f"{name} [{', '.join(sorted(scopes))}]" if scopes else name for name, scopes in sorted(entry.items())
    )


def compare_schemes(comparison: DocumentComparison) -> None:
    """Security schemes by name; a change counts where some operation demands the scheme on both sides."""
    old, new = comparison.old.security_schemes(), comparison.new.security_schemes()
    for name, before in old.items():
        after = new.get(name)
        if after is not None and before.raw != after.raw:
            _Scheme(comparison, name, before, after).compare()


class _Scheme:
    def __init__(self, comparison: DocumentComparison, name: str, old: LocatedObject, new: LocatedObject) -> None:
        self.comparison = comparison
        self.name = name
        self.old, self.new = old, new
        self.used = name in comparison.used_schemes

    def add(self, rule: str, message: str, old: Any, new: Any) -> None:
        level = None if self.used else "info"
        if not self.used and rule not in {
            "api-security-component-oauth-scope-removed",
            "api-security-component-oauth-scope-added",
            "api-security-component-oauth-scope-changed",
            "api-security-component-oauth-flow-added",
        }:
            rule = "api-security-component-changed-unused"
        self.comparison.collector.add(
            rule,
            f"Security scheme `{self.name}`: {message}.",
            old=old,
            new=new,
            base=self.old.pointer,
            revision=self.new.pointer,
            level=level,
        )

    def compare(self) -> None:
        old, new = self.old.raw, self.new.raw
        if old.get("type") != new.get("type"):
            self.add(
                "api-security-component-type-changed",
                f"its type changed from {old.get('type')} to {new.get('type')}",
                old.get("type"),
                new.get("type"),
            )
            return
        for word, shown, rule in (
            ("in", "its place", "api-security-component-place-changed"),
            ("name", "its name on the wire", "api-security-component-place-changed"),
            ("scheme", "its HTTP scheme", "api-security-component-scheme-changed"),
            ("openIdConnectUrl", "its OpenID URL", "api-security-component-oauth-url-changed"),
        ):
            before, after = old.get(word), new.get(word)
            if (before != after and str(before).lower() != str(after).lower()) or (
                word == "openIdConnectUrl" and before != after
            ):
                self.add(rule, f"{shown} changed from {before} to {after}", before, after)
        self._flows(as_mapping(old.get("flows")), as_mapping(new.get("flows")))

    def _flows(self, old: Any, new: Any) -> None:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return
        for flow, before in old.items():
            after = new.get(flow)
            if not isinstance(before, dict):
                continue
            if not isinstance(after, dict):
                self.add("api-security-component-oauth-flow-removed", f"the flow {flow} was removed", flow, None)
                continue
            for word, rule in (
                ("authorizationUrl", "api-security-component-oauth-url-changed"),
                ("tokenUrl", "api-security-component-oauth-token-url-changed"),
            ):
                if before.get(word) != after.get(word):
                    self.add(
                        rule,
                        f"{word} changed from {before.get(word)} to {after.get(word)}",
                        before.get(word),
                        after.get(word),
                    )
            self._scopes(as_mapping(before.get("scopes")), as_mapping(after.get("scopes")))
        for flow in new:
            if flow not in old:
                self.add("api-security-component-oauth-flow-added", f"the flow {flow} was added", None, flow)

    def _scopes(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        for scope in old:
            if scope not in new:
                self.add(
                    "api-security-component-oauth-scope-removed", f"the scope {scope} is no longer offered", scope, None
                )
            elif old[scope] != new[scope]:
                self.add(
                    "api-security-component-oauth-scope-changed",
                    f"the scope {scope} is described differently",
                    old[scope],
                    new[scope],
                )
        for scope in new:
            if scope not in old:
                self.add("api-security-component-oauth-scope-added", f"the scope {scope} is offered", None, scope)


def compare_servers(
    comparison: DocumentComparison, old: Any, new: Any, base: str, revision: str, where: Where | None
) -> None:
    """Base URLs. Without a list the document means `/`."""
    before, after = _servers(old), _servers(new)
    collector = comparison.collector
    lost = [url for url in before if url not in after]
    gained = [url for url in after if url not in before]
    for url in lost:
        text = f"The base URL {url} was {'replaced by ' + ', '.join(gained) if gained else 'removed'}."
        collector.add(
            "server-url-changed", text, where=where, old=url, new=gained or None, base=base, revision=revision
        )
    if not lost:
        for url in gained:
            collector.add(
                "server-added", f"The base URL {url} was added.", where=where, new=url, base=base, revision=revision
            )
    for url, raw in before.items():
        if url in after:
            _variables(comparison, raw, after[url], base, revision, where)


def _servers(raw: Any) -> dict[str, dict[str, Any]]:
    entries = [entry for entry in raw if isinstance(entry, dict)] if isinstance(raw, list) else []
    return {str(entry.get("url", "")).rstrip("/"): entry for entry in entries} or {"": {}}


def _variables(
    comparison: DocumentComparison,
    old: dict[str, Any],
    new: dict[str, Any],
    base: str,
    revision: str,
    where: Where | None,
) -> None:
    left, right = as_mapping(old.get("variables")), as_mapping(new.get("variables"))
    for name, before in left.items():
        after = right.get(name)
        if not isinstance(before, dict) or not isinstance(after, dict):
            continue
        allowed = after.get("enum")
        for value in as_list(before.get("enum")):
            if isinstance(allowed, list) and value not in allowed:
                comparison.collector.add(
                    "server-variable-value-removed",
                    f"The server variable `{name}` no longer allows the value {value}.",
                    where=where,
                    old=value,
                    base=base,
                    revision=revision,
                )
        if before.get("default") != after.get("default"):
            comparison.collector.add(
                "server-variable-default-changed",
                f"The server variable `{name}` changed its default.",
                where=where,
                old=before.get("default"),
                new=after.get("default"),
                base=base,
                revision=revision,
            )
