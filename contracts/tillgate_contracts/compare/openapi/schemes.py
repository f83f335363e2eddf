"""Comparison of security schemes, and of the flows of OAuth 2."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.schema.values import as_mapping, signature
from tillgate_contracts.compare.unread import LocatedObject

_URL_RULES = {
    "authorizationUrl": "api-security-component-oauth-url-changed",
    "deviceAuthorizationUrl": "api-security-component-oauth-url-changed",
    "tokenUrl": "api-security-component-oauth-token-url-changed",
    "refreshUrl": "api-security-component-oauth-url-changed",
}
#: The URLs that a flow uses (OpenAPI 3.1.1 section 4.8.29 and 3.2.0 section 4.28, "Applies To").
_URLS_OF_FLOW = {
    "implicit": ("authorizationUrl", "refreshUrl"),
    "password": ("tokenUrl", "refreshUrl"),
    "clientCredentials": ("tokenUrl", "refreshUrl"),
    "authorizationCode": ("authorizationUrl", "tokenUrl", "refreshUrl"),
    "deviceAuthorization": ("deviceAuthorizationUrl", "tokenUrl", "refreshUrl"),
}


def compare_schemes(comparison: DocumentComparison) -> None:
    """Security schemes by name; a change counts where some operation demands the scheme on both sides."""
    old, new = comparison.old.security_schemes(), comparison.new.security_schemes()
    names = {old_name: new_name for new_name, old_name in comparison.schemes.renamed.items()}
    _tell_undeclared(comparison, old, new)
    for name, before in old.items():
        after = new.get(names.get(name, name))
        if name in names and after is not None and name in comparison.schemes.used:
            comparison.collector.add(
                "api-security-component-renamed",
                f"The security scheme `{name}` is now called `{names[name]}`; on the wire nothing changed.",
                old=name,
                new=names[name],
                base=before.pointer,
                revision=after.pointer,
            )
        if after is not None and before.raw != after.raw:
            _Scheme(comparison, name, before, after).compare()


def _tell_undeclared(
    comparison: DocumentComparison, old: dict[str, LocatedObject], new: dict[str, LocatedObject]
) -> None:
    """Names that operations demand on both sides, and that only one side declares (OpenAPI 3.1.1 section 4.8.30)."""
    unread = comparison.old.has_unread_schemes() or comparison.new.has_unread_schemes()
    for name in sorted(comparison.schemes.used):
        if unread or (name in old) == (name in new) or name in comparison.schemes.renamed.values():
            continue
        gone = name in old
        comparison.collector.add(
            "api-security-component-undeclared",
            f"The security scheme `{name}` is {'no longer' if gone else 'now'} declared, and operations demand it. "
            f"Cannot tell automatically what {'they demand now' if gone else 'they demanded'}.",
            old=name if gone else None,
            new=None if gone else name,
            base=old[name].pointer if gone else "/components",
            revision="/components" if gone else new[name].pointer,
        )


def find_renamed(old: dict[str, LocatedObject], new: dict[str, LocatedObject]) -> dict[str, str]:
    """Schemes of the revision that stood in the base under another key, which only names a scheme within its document:
    new key -> old key. A scheme that two keys could mean is none of them."""
    gone, come = [
        {name: item for name, item in side.items() if name not in other} for side, other in ((old, new), (new, old))
    ]
    left, right = ({name: _identity(item) for name, item in side.items()} for side in (gone, come))
    return {
        name: next(other for other, known in left.items() if known == key)
        for name, key in right.items()
        if list(left.values()).count(key) == 1 and list(right.values()).count(key) == 1
    }


def _identity(scheme: LocatedObject) -> str:
    """What a scheme is on the wire, as text."""
    said = {key: value for key, value in scheme.raw.items() if key != "description" and not key.startswith("x-")}
    return signature(said).decode()


class _Scheme:
    def __init__(self, comparison: DocumentComparison, name: str, old: LocatedObject, new: LocatedObject) -> None:
        self.comparison = comparison
        self.name = name
        self.old, self.new = old, new
        self.used = name in comparison.schemes.used

    def add(self, rule: str, message: str, old: Any, new: Any) -> None:
        level = None if self.used else "info"
        if not self.used and rule not in {
            "api-security-component-oauth-scope-removed",
            "api-security-component-oauth-scope-added",
            "api-security-component-oauth-scope-changed",
            "api-security-component-oauth-flow-added",
            "api-security-component-oauth-url-without-effect",
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
            self._urls(flow, before, after)
            self._scopes(as_mapping(before.get("scopes")), as_mapping(after.get("scopes")))
        for flow in new:
            if flow not in old:
                self.add("api-security-component-oauth-flow-added", f"the flow {flow} was added", None, flow)

    def _urls(self, flow: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """The URLs of one flow: what it uses counts, what it does not use is declared only."""
        used = _URLS_OF_FLOW.get(flow, tuple(_URL_RULES))
        for word, rule in _URL_RULES.items():
            before, after = self.comparison.old.url(old.get(word)), self.comparison.new.url(new.get(word))
            if word == "refreshUrl":
                # Without one, tokens are renewed where they are given (RFC 6749 section 6).
                before = before or self.comparison.old.url(old.get("tokenUrl"))
                after = after or self.comparison.new.url(new.get("tokenUrl"))
                if before == self.comparison.old.url(old.get("tokenUrl")) and after == self.comparison.new.url(
                    new.get("tokenUrl")
                ):
                    continue
            if before == after:
                continue
            shown = [side or "none" for side in (old.get(word), new.get(word))]
            text = f"{word} changed from {shown[0]} to {shown[1]}"
            if word not in used:
                rule, text = (
                    "api-security-component-oauth-url-without-effect",
                    f"{text}, which the flow {flow} never uses",
                )
            self.add(rule, text, old.get(word), new.get(word))

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
