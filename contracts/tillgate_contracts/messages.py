"""Compatibility of whole documents: a JSON Schema is one schema, an AsyncAPI document is a set of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tillgate_contracts.compare.compat import Compat, check_compat
from tillgate_contracts.compare.findings import Finding, fingerprint
from tillgate_contracts.compare.payloads.report import compare_payloads, language, payload_level
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, follow, join
from tillgate_contracts.reading.detect import is_json_payload


def check_documents(documents: Sequence[Document], *, direction: str, content_model: str) -> Compat:
    """Compare the last document with its predecessor, or (transitive directions) with every earlier one.

    Raises ContractError `compat.format` for documents that are neither JSON Schema nor AsyncAPI, `compat.direction` and
    `compat.content_model` for unknown words.
    """
    newest = documents[-1]
    earlier = documents[:-1] if direction.endswith("-transitive") else documents[-2:-1]
    answers: list[bool | None] = []
    findings: list[Finding] = []
    order = ""
    for older in earlier:
        found = _pair(older, newest, direction, content_model)
        answers.append(found.compatible)
        findings += found.findings
        order = found.upgrade_order
    whole = False if False in answers else None if None in answers else True
    return Compat(compatible=whole, findings=findings, upgrade_order=order, direction=direction)


def _pair(old: Document, new: Document, direction: str, content_model: Any) -> Compat:
    families = (old.family, new.family)
    if families == ("jsonschema", "jsonschema"):
        return check_compat(old.tree, new.tree, direction=direction, content_model=content_model)
    if families != ("asyncapi", "asyncapi"):
        raise ContractError(
            "compat.format",
            f"Compatibility modes are for JSON Schema and events, not for {old.format} against {new.format}. "
            "Use compare.",
        )
    before, after = payloads(old), payloads(new)
    findings: list[Finding] = [] if direction.startswith("none") else _unread(old, new)
    answers: list[bool | None] = [None] if findings else []
    hidden = bool(findings)
    plain = check_compat(True, True, direction=direction, content_model=content_model)
    others = other_languages(old), other_languages(new)
    for name in sorted(before | after):
        if name in before and name in after and (name in others[0] or name in others[1]):
            answer, told = _other_language(name, others, after[name][0], direction, new)
            answers.append(answer)
            findings += told
        elif name in before and name in after:
            found = check_compat(before[name][1], after[name][1], direction=direction, content_model=content_model)
            answers.append(found.compatible)
            findings += [_named(finding, name) for finding in found.findings]
        elif hidden:
            continue  # it may be the one that was not read
        elif name in before and not direction.startswith(("forward", "none")):
            answers.append(False)
            findings.append(_gone(name, before[name][0], "event-message-removed", "receive", old))
        elif name in after and not direction.startswith(("backward", "none")):
            answers.append(False)
            findings.append(_gone(name, after[name][0], "event-message-added", "send", new))
    whole = False if False in answers else None if None in answers else True
    return Compat(compatible=whole, findings=findings, upgrade_order=plain.upgrade_order, direction=direction)


def _unread(old: Document, new: Document) -> list[Finding]:
    """A warning for each message that was not read. Equal ones of both documents are one."""
    found: dict[tuple[str, str], Finding] = {}
    for document, side in ((old, "base"), (new, "revision")):
        for name, tokens, value in _messages(document):
            if isinstance(value, dict) and follow(document.tree, value) is None:
                pointer, ref = join(tokens), str(value.get("$ref"))
                found[pointer, ref] = Finding(
                    rule="reference-unresolved",
                    level="warning",
                    direction="none",
                    message=f"Cannot tell automatically what changed: {ref[:200]} was not read.",
                    hint="Bundle the contract into one file, or give the folder that its files are read from.",
                    path=name,
                    operations=(name,),
                    pointer=document.origin(pointer),
                    side=side,
                    line=document.pointer_line(pointer),
                    fingerprint=fingerprint("reference-unresolved", pointer, ref),
                )
    return list(found.values())


def _other_language(
    name: str, others: tuple[dict[str, Any], dict[str, Any]], pointer: str, direction: str, new: Document
) -> tuple[bool | None, list[Finding]]:
    """The answer for a payload of Avro or Protobuf; None where it is not decided."""
    plain = direction.removesuffix("-transitive")
    (word, before), (other, after) = (side.get(name, ("", None)) for side in others)
    findings: list[Finding] = []
    levels: set[str] = set()
    for mode, way in (("backward", "event-receive"), ("forward", "event-send")):
        if plain not in (mode, "full"):
            continue
        changes = compare_payloads(word, before, after, way, name) if word and word == other else None
        if changes is None:
            changes, levels = [], levels | {"warning"}
            text = f"The payload of {name} cannot be compared automatically; read the change yourself."
            findings.append(_told("event-payload-undecided", "warning", way, text, name, pointer, new))
        for change in changes:
            level = payload_level(word, change.kind, way)
            levels.add(level)
            findings.append(_told(f"{way}-{word}-{change.kind}", level, way, change.text, name, pointer, new))
    return (False if "breaking" in levels else None if "warning" in levels else True), findings


def _told(rule: str, level: str, way: str, text: str, name: str, pointer: str, document: Document) -> Finding:
    return Finding(
        rule=rule,
        level=level,
        direction=way,
        message=text,
        path=name,
        operations=(name,),
        pointer=document.origin(pointer),
        line=document.pointer_line(pointer),
        fingerprint=fingerprint(rule, name, text),
    )


def other_languages(document: Document) -> dict[str, tuple[str, Any]]:
    """Messages whose payload is no JSON Schema, by name: `avro`, `protobuf` or "" for another language, and the
    payload."""
    found: dict[str, tuple[str, Any]] = {}
    for name, _, value in _messages(document):
        message = _map(follow(document.tree, value))
        payload = message.get("payload")
        wrapped = isinstance(payload, dict) and "schemaFormat" in payload and "schema" in payload
        written = _map(payload).get("schemaFormat") if wrapped else message.get("schemaFormat")
        if is_json_payload(written):
            continue
        raw = _map(payload)["schema"] if wrapped else payload
        raw = follow(document.tree, raw) if isinstance(raw, dict) and "$ref" in raw else raw
        label = message.get("name") if isinstance(message.get("name"), str) else name
        found.setdefault(str(label), (language(str(written).lower()), raw))
    return found


def _named(finding: Finding, name: str) -> Finding:
    return msgspec.structs.replace(finding, path=name, operations=(name,))


def _gone(name: str, pointer: str, rule: str, word: str, document: Document) -> Finding:
    removed = rule.endswith("removed")
    message = (
        f"The message {name} is gone: the new contract cannot {word} what the old one wrote."
        if removed
        else f"The message {name} is new: readers of the old contract do not know it."
    )
    return Finding(
        rule=rule,
        level="breaking",
        direction="event-receive" if removed else "event-send",
        message=message,
        hint="Keep the message until every reader has moved." if removed else "Let the readers move first.",
        path=name,
        operations=(name,),
        pointer=document.origin(pointer),
        side="base" if removed else "revision",
        line=document.pointer_line(pointer),
        fingerprint=fingerprint(rule, name),
    )


def payloads(document: Document) -> dict[str, tuple[str, Any]]:
    """Each message of an AsyncAPI document by its name: pointer of the payload, and the payload as a schema of its own.

    The schema is a reference into the whole document, so that references inside the payload go on resolving.
    """
    found: dict[str, tuple[str, Any]] = {}
    for name, tokens, value in _messages(document):
        message = follow(document.tree, value)
        if not isinstance(message, dict) or "payload" not in message:
            continue
        target = [*tokens, "payload"]
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            pointer = value["$ref"].removeprefix("#") + "/payload"
        else:
            pointer = join(target)
        payload = message["payload"]
        if isinstance(payload, dict) and "schemaFormat" in payload and "schema" in payload:
            pointer += "/schema"
        label = message.get("name") if isinstance(message.get("name"), str) else name
        found.setdefault(str(label), (pointer, {**document.tree, "$ref": "#" + pointer}))
    return found


def _messages(document: Document) -> list[tuple[str, list[str], Any]]:
    tree = document.tree
    found: list[tuple[str, list[str], Any]] = []
    for name, message in _map(_map(tree.get("components")).get("messages")).items():
        found.append((name, ["components", "messages", name], message))
    for address, channel in _map(tree.get("channels")).items():
        for name, message in _map(_map(channel).get("messages")).items():
            found.append((name, ["channels", address, "messages", name], message))
        for verb in ("publish", "subscribe"):
            message = _map(_map(channel).get(verb)).get("message")
            several = _map(message).get("oneOf")
            if isinstance(several, list):
                found += [
                    (f"{address} {verb} {number}", ["channels", address, verb, "message", "oneOf", str(number)], one)
                    for number, one in enumerate(several)
                ]
            elif isinstance(message, dict):
                found.append((f"{address} {verb}", ["channels", address, verb, "message"], message))
    return found


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
