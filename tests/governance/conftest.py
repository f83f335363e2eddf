"""The small retailer around a test of decisions, and a change that waits for its review."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from governance.domain import kinds
from governance.models import ChangeRequest
from tests.governance import make


@pytest.fixture
def house() -> make.House:
    return make.house()


@pytest.fixture
def change(house: make.House) -> ChangeRequest:
    return make.in_review(house.author)


@pytest.fixture(autouse=True)
def _kinds_stay() -> Iterator[None]:
    """A test may let checks of a kind pass (`make.quiet`)."""
    before = {kind.key: kind for kind in kinds.all_kinds()}
    yield
    for kind in before.values():
        kinds.register(kind)
