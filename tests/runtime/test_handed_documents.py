"""A document that is handed in by code is judged as the same document that comes over the wire."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kernel import strict_json
from kernel.digest import canonical_json
from runtime.domain.batches import item_of


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"a": "NUL \x00"}, "json.nul"),
        ({"\x00": 1}, "json.nul"),
        ({"a": ["half \ud83d"]}, "json.surrogate"),
        ({"a": 10**64}, "json.number"),
        ({"a": Decimal("1E+400")}, "json.number"),
        ({"a": Decimal("1" * 40 + "." + "1" * 40)}, "json.number"),
        (nested(strict_json.MAX_DEPTH + 1), "json.depth"),
    ],
)
def test_what_cannot_be_stored_has_a_flaw(document: Any, code: str) -> None:
    flaw = item_of(document).flaw
    assert flaw is not None
    assert flaw.code == code


@pytest.mark.parametrize(
    "document",
    [
        {"b": 1, "a": "größe", "escaped": "\\u0000", "digits": "1" * 65},
        {"a": 10**63, "b": 1.5, "c": None, "d": [True, {}]},
        {"price": Decimal("1.10")},
        nested(strict_json.MAX_DEPTH),
        [{}] * 100,
    ],
)
def test_what_can_be_stored_is_kept_in_its_canonical_form(document: Any) -> None:
    item = item_of(document)
    assert item.flaw is None
    assert item.payload == canonical_json(document)
    assert item.document is document


@pytest.mark.parametrize("document", [{"a": object()}, {"a": float("nan")}])
def test_what_json_cannot_express_is_an_error_of_the_caller(document: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        item_of(document)
