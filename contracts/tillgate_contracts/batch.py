"""`--batch`: reads JSON Lines and answers each with one line at once. A case that fails gives a line with `error`."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from tillgate_contracts import results
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read_file

Case = Callable[[Mapping[str, Any], argparse.Namespace], dict[str, Any]]
_MAX_LINE = 64 * 1024 * 1024


def run(case: Case, arguments: argparse.Namespace, given: IO[bytes], stream: IO[str]) -> int:
    """Answer every line. Returns 0: an answer per line is success, whatever the answers say."""
    for number, line in enumerate(given, start=1):
        if not line.strip():
            continue
        stream.write(_answer(case, arguments, line, number) + "\n")
        stream.flush()
    return 0


def _answer(case: Case, arguments: argparse.Namespace, line: bytes, number: int) -> str:
    identity: Any = None
    try:
        if len(line) > _MAX_LINE:
            raise ContractError("batch.line", f"Line {number} is longer than {_MAX_LINE:,} bytes.")
        try:
            data = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ContractError("batch.line", f"Line {number} is not JSON: {error}.") from None
        if not isinstance(data, dict):
            raise ContractError("batch.line", f"Line {number} is not an object.")
        identity = data.get("id")
        answer = {"id": identity, **case(data, arguments)}
    except ContractError as error:
        answer = _failure(identity, error.code, error.message, error.findings)
    except Exception as error:  # one case must never end the batch; the text says which defect it is
        answer = _failure(identity, "internal", f"{type(error).__name__}: {error}", [])
    return orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS, default=str).decode()


def _failure(identity: Any, code: str, message: str, findings: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": identity, "error": f"{message} [{code}]", "code": code}
    if findings:
        found["pointer"] = findings[0].get("pointer", "")
        found["line"] = findings[0].get("line")
    return found


def _file(data: Mapping[str, Any], key: str, arguments: argparse.Namespace) -> tuple[Document, str]:
    name = data.get(key)
    if not isinstance(name, str) or not name:
        raise ContractError("batch.field", f"The field {key!r} must be a file path.")
    return read_file(Path(name), root=arguments.root), name


def read_case(data: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """`{"id", "file"}` → what is in the contract."""
    document, _name = _file(data, "file", arguments)
    return results.describe(document, operations=bool(data.get("operations")))


def compare_case(data: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """`{"id", "base", "revision", "policy"?, "as_of"?}` with file paths → verdict and findings."""
    policy = data.get("policy")
    if policy is None and arguments.policy is not None:
        policy = str(arguments.policy)
    chosen = results.policy_from(Path(policy) if isinstance(policy, str) else policy)
    as_of = _day(data.get("as_of")) or arguments.as_of
    base, base_name = _file(data, "base", arguments)
    revision, revision_name = _file(data, "revision", arguments)
    result = results.compare_result(base, revision, policy=chosen, as_of=as_of, names=(base_name, revision_name))
    return {**result.data, "findings": [_addressed(one) for one in result.data["findings"]]}


def _addressed(found: dict[str, Any]) -> dict[str, Any]:
    """The finding with `operation` and `path` apart ("GET", "/prices"). `operations` keeps every operation in full."""
    method, _, _ = str(found.get("operation") or "").partition(" ")
    return {**found, "operation": method}


def compat_case(data: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """`{"id", "old", "new", "direction"?, "content_model"?}` → `compatible` true, false or null.

    The schemas stand inline; a text is a file path. `old` may be a list of earlier versions for the transitive
    directions.
    """
    if "old" not in data or "new" not in data:
        raise ContractError("batch.field", "The fields 'old' and 'new' are needed.")
    old = data["old"] if isinstance(data["old"], list) else [data["old"]]
    direction = str(data.get("direction", arguments.direction))
    content_model = str(data.get("content_model", arguments.content_model))
    documents = [_schema(value) for value in [*old, data["new"]]]
    result, compatible = results.compat_result(
        documents, ["old"] * len(old) + ["new"], direction=direction, content_model=content_model
    )
    return {"compatible": compatible, **result.data}


def lint_case(data: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """`{"id", "file", "tier"?, "layer"?, "data_class"?, "profile"?}` → verdict and findings."""
    document, name = _file(data, "file", arguments)
    result = results.lint_result(
        document,
        name=name,
        tier=data.get("tier", arguments.tier),
        layer=data.get("layer", arguments.layer),
        data_class=data.get("data_class", arguments.data_class),
        profile=data.get("profile", arguments.profile),
        rule_files=arguments.rules,
        only_own=arguments.only_own,
    )
    return dict(result.data)


def _schema(value: Any) -> Document:
    if isinstance(value, str):
        return read_file(Path(value))
    if not isinstance(value, dict | bool):
        raise ContractError("batch.field", "A schema is an object or true or false.")
    return Document.from_schema(value)


def _day(value: Any) -> dt.date | None:
    if value is None:
        return None
    try:
        return dt.date.fromisoformat(value[:10])
    except (ValueError, TypeError):
        raise ContractError("batch.field", f"as_of is {value!r}, and must be a date such as 2026-11-23.") from None
