"""Comparison of what an operation demands for its security, and of servers."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.view import HttpOperation
from tillgate_contracts.compare.schema.source import join
from tillgate_contracts.compare.schema.values import as_list, as_mapping

Alternative = dict[str, frozenset[str]]


def compare_security(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool = False
) -> None:
    """Effective requirements: each way to authenticate that worked before must still satisfy some new alternative.

    `reverse`: the owner of the contract calls. Then each way in which calls may come has to satisfy some alternative
    that the subscriber demanded before. What such an operation does not say itself, the document says of others."""
    before, after = (
        comparison.old.security(old),
        [
            {comparison.schemes.renamed.get(name, name): scopes for name, scopes in entry.items()}
            for entry in comparison.new.security(new)
        ],
    )
    comparison.schemes.used |= {name for entry in before for name in entry} & {
        name for entry in after for name in entry
    }
    if before == after:
        return
    places = {
        word: join(side.pointer, "security") if "security" in side.raw else "/security"
        for word, side in (("base", old), ("revision", new))
    }
    change = _SecurityChange(comparison.collector, before, after, where, places)
    if reverse:
        if "security" in old.raw or "security" in new.raw:
            change.compare_reversed()
        return
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

    def compare_reversed(self) -> None:
        """What the owner sends with its calls."""
        for need in self.after:
            text = _text(need)
            if not any(_satisfies(need, entry) for entry in self.before):
                was = " or ".join(_text(entry) for entry in self.before)
                self.add(
                    "callback-security-weakened", f"Calls may come with {text} instead of {was}.", old=was, new=text
                )
            elif need not in self.before:
                self.add("callback-security-added", f"Calls may come with {text}.", old=None, new=text)

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


def server_urls(raw: Any) -> list[str]:
    """The base URLs of a list of servers, as written; without a list the document means `/`."""
    return list(_servers(raw))


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
        if isinstance(allowed, list) and not isinstance(before.get("enum"), list):
            comparison.collector.add(
                "server-variable-limited",
                f"The server variable `{name}` now allows {', '.join(map(str, allowed))} alone.",
                where=where,
                old=None,
                new=allowed,
                base=base,
                revision=revision,
            )
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
