"""Keys and versions that cannot be: what is refused, and what it is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bench.order_server import order
from runtime.domain.versions import version_number
from runtime.services import intake
from runtime.services.message_checks import usable_key, usable_keys
from tests.runtime.test_services import FEED, catalog, deployed

__all__ = ["catalog"]
CONTROL = ["a\tb", "a\nb", "a\x00", "\x1f", "a\x7f", "a\x85b", "\x9f"]
USABLE = ["a b", "é", "e\u0301", "\u00a0", "日本", "😀", "K\u200b", "a\u2028b", "in:a", "%2F"]


@pytest.mark.parametrize("key", CONTROL, ids=ascii)
def test_a_key_with_a_control_character_is_none(key: str) -> None:
    assert not usable_key(key)
    assert not usable_keys(["good", key])


@pytest.mark.parametrize("key", USABLE, ids=ascii)
def test_every_other_text_is_one(key: str) -> None:
    assert usable_key(key)
    assert usable_keys(["good", key])


@pytest.mark.parametrize("text", [str(10**19), str(10**40), "-" + "9" * 60, "9" * 5000])
def test_a_number_that_is_too_large_for_a_version_is_told_to_be(text: str) -> None:
    with pytest.raises(ValueError, match="is too large"):
        version_number(text)


@pytest.mark.django_db(transaction=True)
def test_a_handed_in_version_counts_by_its_value_and_one_that_is_too_large_is_told_to_be(catalog: None) -> None:
    deployed(event={"name": "order.changed", "meaning": "state", "key": "/number", "version": "/total"})

    def handed(version: Any) -> intake.IntakeReceipt:
        return intake.accept(FEED, "production", [{**order(1), "total": version}])[0]

    assert handed(Decimal("5.0")).status == "accepted"
    assert handed(Decimal("4.0")).status == "older"
    huge = handed(10**40)
    assert huge.status == "refused"
    assert "too large" in huge.reason
