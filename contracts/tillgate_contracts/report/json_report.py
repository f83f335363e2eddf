"""JSON: the versioned form that programs read."""

from __future__ import annotations

import orjson

from tillgate_contracts.report.result import Result

SCHEMA_VERSION = "1"


def to_json(result: Result) -> str:
    """The result as indented JSON with sorted keys; the same inputs give the same text."""
    data = {"schema_version": SCHEMA_VERSION, "command": result.command, **result.data}
    return (
        orjson.dumps(
            data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str
        ).decode()
        + "\n"
    )
