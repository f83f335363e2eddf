"""The reference of manifests as a page of Markdown, made from the schema that refuses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from runtime.domain.manifest_words import TITLES, WORDS
from runtime.selectors import manifest_schema

_HEAD = "| member | is | without it | | example |\n|---|---|---|---|---|"
_FIRST = """# The manifest of an integration

`manage.py manifest_schema --markdown` makes this page from the schema; a test compares them.

Everything that an approver approves and a worker runs, under one digest. It is JSON, or YAML where a file is read;
unknown members are findings, each with its JSON Pointer. **Bold** members are required.

**Editors** complete a manifest and show what each member means by its JSON Schema, which has the settings of every
connector too: `manage.py manifest_schema > manifest.schema.json`, or `GET /api/v1/manifest-schema`. In YAML the
first line is `# yaml-language-server: $schema=manifest.schema.json`; in JSON the member is `"$schema":
"manifest.schema.json"`, which is no part of the manifest and leaves its digest as it is.

A small one stands in [your first integration](../how-to/first-integration.md), larger ones in
`deploy/demo/integrations/`. In the tables a *key* is `^[a-z0-9][a-z0-9-]{0,79}$`, a *version* `slug@label`, a
*digest* `sha256:` and 64 hex digits, a *pointer* a JSON Pointer (RFC 6901), a *duration* a number with `s`, `m` or
`h`."""
_FORMS = {
    "^[a-z0-9][a-z0-9-]{0,79}$": "key",
    "^[a-z0-9][a-z0-9-]*@[A-Za-z0-9][A-Za-z0-9._-]*$": "version",
    "^sha256:[0-9a-f]{64}$": "digest",
    "^(/.*)?$": "pointer",
    "^(/[^/]+)+$": "pointer",
    "^/": "pointer",
    "^[1-9][0-9]{0,5}[smh]$": "duration",
    "^([01][0-9]|2[0-3]):[0-5][0-9]$": "`HH:MM`",
}
_RULES = (
    (
        "fed by intake",
        "a source without a connection; then the event needs `key`, and only such a source has `expect_every`, "
        "`expect_within` and `poslog`",
    ),
    ("`webhook`", "without a connection it `means` `messages`, with one `changes`; not together with `poslog`"),
    ("`schedule`", "needs a source with a connection"),
    ("`connection` or `table`", "a target has one of them; with a connection it names its `api` and `contract`"),
    (
        "`api` and `contract`",
        "both or none. `contract: current` is replaced by the digest of now where the page or the API "
        "(`pin_current: true`) registers the manifest",
    ),
    ("facts", "have no `version` and no `coalesce`; states have no `known_days`"),
    ("class U", "takes one message at a time (`batch: 1`)"),
    ("numbers with a fraction", "lie between 0.0001 and 10^16, or are written as text"),
)
_LAST = """## Endpoints and secrets

No manifest names a host or a secret: they stand at the
[endpoint of the system](connections.md#the-endpoint-of-a-system), per environment, by
[reference](connections.md#secrets)."""


def markdown() -> str:
    """The page `docs/reference/manifest.md`."""
    found = dict[str, tuple[type[msgspec.Struct], dict[str, Any]]]()
    for _, kind, part in manifest_schema.parts(manifest_schema.described()):
        found.setdefault(kind.__name__, (kind, part))
    lines = [_FIRST]
    for name, title in TITLES.items():
        kind, part = found.pop(name)
        lines += ["", f"## {title}", "", _HEAD, *_rows(kind, part)]
    assert not found, f"no title for {', '.join(found)}"
    lines += ["", "## Rules over several members", "", "| rule | |", "|---|---|"]
    lines += [f"| {rule} | {said} |" for rule, said in _RULES]
    return "\n".join([*lines, "", _LAST]) + "\n"


def _rows(kind: type[msgspec.Struct], part: dict[str, Any]) -> Iterator[str]:
    required = set(part.get("required", []))
    for name, member in part["properties"].items():
        words = WORDS[f"{kind.__name__}.{name}"]
        shown = f"**`{name}`**" if name in required else f"`{name}`"
        without = "required" if name in required else _shown(member["default"]) if "default" in member else "none"
        said = words.said + (f" [More]({words.see})." if words.see else "")
        cells = (shown, _kind(member), without, said, _shown(words.example))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 90 else text[:87] + '…'}`"


def _kind(member: dict[str, Any]) -> str:
    """Type and limits, for people."""
    if "enum" in member:
        return ", ".join(f"`{one}`" for one in member["enum"])
    if "anyOf" in member and "type" not in member:
        return " or ".join(dict.fromkeys(_kind(one) for one in member["anyOf"]))
    of = member.get("type", "any value")
    if of == "array":
        inner = member.get("items", {})
        least, most = member.get("minItems"), member.get("maxItems")
        many = f", {least} to {most}" if least and most else ", not empty" if least else ""
        return f"list of {'objects' if 'properties' in inner else _kind(inner)}{many}"
    if of in ("integer", "number"):
        return f"{of}{_limits(member)}"
    if of == "string" and "pattern" in member:
        return _FORMS.get(member["pattern"], f"`{member['pattern']}`")
    if of == "string" and "maxLength" in member:
        return f"text, at most {member['maxLength']}"
    return {"string": "text", "null": "null"}.get(str(of), str(of))


def _limits(member: dict[str, Any]) -> str:
    least, above, most = (member.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f", {least:,} to {most:,}"
    if above is not None:
        return f" above {above:,}, at most {most:,}"
    return f", at least {least:,}" if least is not None else ""


__all__ = ["markdown"]
