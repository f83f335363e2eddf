"""Several parts of a key become one text, and no two lists of parts the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec
import pytest

from runtime.connectors.file_drop import connector as file_drop
from runtime.connectors.protocols import CallContext, Secrets
from runtime.connectors.rawjson import KeyReader
from runtime.domain import record_keys


def test_no_two_lists_of_parts_have_the_same_key() -> None:
    texts = ["".join(one) for n in range(4) for one in product("/\\a", repeat=n)]
    assert len({record_keys.joined(pair) for pair in product(texts, repeat=2)}) == len(texts) ** 2


@pytest.mark.parametrize(("parts", "key"), [(("1", "2"), "1/2"), (("a b", ""), "a b/"), (("a/b",), "a/b")])
def test_keys_of_plain_parts_are_as_they_were(parts: tuple[str, ...], key: str) -> None:
    assert record_keys.joined(parts) == key


def read_one(rows: list[dict[str, Any]]) -> list[str | None]:
    reader = KeyReader(["id", "b"], None)
    return [reader.read(msgspec.json.encode(row))[0] for row in rows]


def read_all(rows: list[dict[str, Any]]) -> list[str | None]:
    return list(KeyReader(["id", "b"], None).read_all([msgspec.json.encode(row) for row in rows])[0])


@pytest.mark.parametrize("read", [read_one, read_all])
def test_rows_of_json_with_a_stroke_in_a_part_have_keys_of_their_own(
    read: Callable[[list[dict[str, Any]]], list[str | None]],
) -> None:
    keys = read([{"id": "1/2", "b": "3"}, {"id": "1", "b": "2/3"}, {"id": 1, "b": 2}])
    assert keys == ["1\\/2/3", "1/2\\/3", "1/2"]


def test_rows_of_a_file_have_the_same_keys(tmp_path: Any) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.csv").write_text("id,b\n1/2,3\n1,2/3\n1,2\n")
    source = file_drop.source(
        {"root": str(tmp_path), "quiet": 0, "key_fields": ["id", "b"], "dialect": {"delimiter": ","}}
    )
    found, cursor, done = [], None, False
    while not done:
        page = source.read(cursor, call=CallContext(Secrets(), 5.0))
        found += [one.key for one in page.records]
        cursor, done = page.cursor, page.done
    assert found == ["1\\/2/3", "1/2\\/3", "1/2"]
