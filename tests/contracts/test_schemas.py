"""A schema is whole in itself: no file of this machine and no address is read for what it refers to."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tillgate_contracts.lint.functions import FUNCTIONS, FunctionError
from tillgate_contracts.schemas import UnusableSchema, validator_for

SECRET = "only-this-machine-knows-it"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


def abroad(folder: Path, listener: socket.socket) -> list[dict[str, Any]]:
    """Each way in which a schema can name something that is not inside it."""
    file = folder / "secrets.json"
    file.write_text(json.dumps({"postgres": SECRET, "type": "object"}))
    web = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return [
        {"$ref": f"{file.as_uri()}#/postgres"},
        {"$ref": file.as_uri()},
        {"$ref": "file:///nowhere"},
        {"$ref": folder.as_uri()},
        {"$ref": f"{web}/a"},
        {"$id": f"{web}/a", "$ref": "b.json"},
        {"$id": f"{file.parent.as_uri()}/a", "$ref": file.name},
        {"$schema": f"{web}/meta"},
        {"$dynamicRef": f"{web}/a"},
        {"properties": {"a": {"items": {"allOf": [{"$ref": f"{web}/a"}]}}}},
        {"$ref": "b.json"},
    ]


def test_nothing_outside_is_read_and_the_refusal_says_nothing_of_it(tmp_path: Path, listener: socket.socket) -> None:
    for schema in abroad(tmp_path, listener):
        with pytest.raises(UnusableSchema) as caught:
            validator_for(schema)
        assert SECRET not in str(caught.value), schema
        assert "os error" not in str(caught.value), schema
    with pytest.raises(BlockingIOError):  # nobody called
        listener.accept()


def test_a_rule_file_fetches_nothing_either(tmp_path: Path, listener: socket.socket) -> None:
    for schema in abroad(tmp_path, listener):
        with pytest.raises(FunctionError, match="not usable"):
            FUNCTIONS["schema"]({"schema": schema})
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$id": "http://a/x", "$ref": "b.json", "$defs": {"b": {"$id": "b.json", "type": "string"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "string"},
        {"type": "string"},
    ],
)
def test_what_stands_inside_is_followed(schema: dict[str, Any]) -> None:
    made = validator_for(schema)
    assert made.is_valid("x")
    assert not made.is_valid(1)


def test_the_drafts_themselves_are_known() -> None:
    assert validator_for({"$ref": "https://json-schema.org/draft/2020-12/schema"}).is_valid({"type": "string"})


@pytest.mark.parametrize("schema", [{"type": 1}, {"$ref": "#/nowhere"}, {"pattern": "("}])
def test_what_is_no_schema_is_refused_with_words(schema: dict[str, Any]) -> None:
    with pytest.raises(UnusableSchema, match=r"\w"):
        validator_for(schema)
