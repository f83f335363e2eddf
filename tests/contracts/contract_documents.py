"""Small contracts for the comparison tests, read through the real reader."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson

from tillgate_contracts.compare import ComparisonPolicy, ComparisonReport, compare
from tillgate_contracts.reading import read

TODAY = dt.date(2026, 11, 23)
OK = {"200": {"description": "OK"}}


def openapi(paths: dict[str, Any] | None = None, *, version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "Orders", "version": "1.0.0"}, "paths": paths or {}, **more}


def with_request(
    schema: Any, *, version: str = "3.1.0", media: str = "application/json", **more: Any
) -> dict[str, Any]:
    body = {"required": True, "content": {media: {"schema": schema}}}
    return openapi({"/orders": {"post": {"requestBody": body, "responses": OK}}}, version=version, **more)


def with_response(
    schema: Any, *, version: str = "3.1.0", media: str = "application/json", **more: Any
) -> dict[str, Any]:
    answer = {"200": {"description": "OK", "content": {media: {"schema": schema}}}}
    return openapi({"/orders": {"get": {"responses": answer}}}, version=version, **more)


def with_parameter(
    parameter: dict[str, Any] | None, *, path: str = "/orders", version: str = "3.1.0"
) -> dict[str, Any]:
    operation: dict[str, Any] = {"responses": OK}
    if parameter is not None:
        operation["parameters"] = [parameter]
    return openapi({path: {"get": operation}}, version=version)


def with_operation(operation: dict[str, Any], *, version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    return openapi({"/orders": {"post": {"responses": OK, **operation}}}, version=version, **more)


def with_event(schema: Any, *, action: str = "send") -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Orders", "version": "1.0.0"},
        "channels": {"orders": {"address": "shop.orders", "messages": {"OrderPlaced": {"payload": schema}}}},
        "operations": {"onOrder": {"action": action, "channel": {"$ref": "#/channels/orders"}}},
    }


def judge(base: dict[str, Any], revision: dict[str, Any], *, as_of: dt.date = TODAY, **policy: Any) -> ComparisonReport:
    return compare(
        read(orjson.dumps(base)),
        read(orjson.dumps(revision)),
        policy=ComparisonPolicy.from_mapping(policy),
        as_of=as_of,
    )


#: Findings on `info.version`, which every break of these small documents has.
VERSION_RULES = {"api-version-not-bumped", "api-major-version-not-bumped", "api-version-decreased"}


def rules(result: ComparisonReport, level: str | None = None, *, versions: bool = False) -> set[str]:
    """Ids of the findings (of one level), those on the version only when asked for."""
    found = {finding.rule for finding in result.findings if level is None or finding.level == level}
    return found if versions else found - VERSION_RULES
