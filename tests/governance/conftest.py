"""The small retailer around a test of decisions, and a change that waits for its review."""

from __future__ import annotations

import pytest

from governance.models import ChangeRequest
from tests.governance import make


@pytest.fixture
def house() -> make.House:
    return make.house()


@pytest.fixture
def change(house: make.House) -> ChangeRequest:
    return make.in_review(house.author)
