"""Reading a connector's settings: plain data from a profile and a manifest, checked completely before anything is
opened."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_origin

import msgspec

from kernel.errors import Invalid, finding
from runtime.domain.json_paths import PATTERN, WRONG


def read_settings(kind: type[Any], data: Mapping[str, Any], *, code: str = "connection.settings", at: str = "") -> Any:
    """`data` as `kind` (a msgspec Struct). Unknown keys, wrong types and missing keys raise Invalid with JSON
    Pointers, which begin with `at`."""
    findings = _unknown(kind, data, at)
    try:
        made = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        pointer = "".join(
            f"/{p}" for p in where.rstrip("`").replace("[", ".").replace("]", "").strip(".").split(".") if p
        )
        findings.append(finding(at + pointer, WRONG if repr(PATTERN) in text else text))
        made = None
    if findings:
        first = findings[0]
        raise Invalid(
            code,
            f"The settings cannot be used: {first['message']} (at {first['pointer'] or '/'}).",
            {"findings": findings},
        )
    return made


def wrong_setting(pointer: str, message: str, *, code: str = "connection.settings") -> Invalid:
    """An error about one setting, with its place."""
    return Invalid(code, message, {"findings": [finding(pointer, message)]})


def _unknown(kind: Any, data: Any, pointer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if not isinstance(data, Mapping):
        return found
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in data.items():
        if key not in fields:
            close = get_close_matches(str(key), fields, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known are {', '.join(sorted(fields))}."
            found.append(finding(f"{pointer}/{key}", f"{key!r} is not a setting here.{hint}"))
            continue
        inner = _struct_in(fields[key].type)
        if inner is None:
            continue
        if get_origin(fields[key].type) is dict and isinstance(value, Mapping):
            places = [(f"/{_step(name)}", one) for name, one in value.items()]
        elif isinstance(value, list):
            places = [(f"/{place}", one) for place, one in enumerate(value)]
        else:
            places = [("", value)]
        for place, one in places:
            found += _unknown(inner, one, f"{pointer}/{key}{place}")
    return found


def _step(name: Any) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def _struct_in(kind: Any) -> Any:
    candidates = getattr(kind, "__args__", (kind,))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, msgspec.Struct)), None)
