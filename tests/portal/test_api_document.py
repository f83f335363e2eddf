"""The OpenAPI document of the running product: made once, the same for all who ask at the same time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import resolve, reverse
from rest_framework.test import force_authenticate

from kernel.models import User

MANY = 6


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def ask(accept: str = "application/vnd.oai.openapi+json", *, user: User | AnonymousUser | None = None) -> bytes:
    request = RequestFactory().get(reverse("schema"), headers={"accept": accept})
    force_authenticate(request, user=user or User(username="ann"))
    answer = resolve(reverse("schema")).func(request)
    answer.render()
    assert answer.status_code == 200, answer.data
    return bytes(answer.content)


def test_many_who_ask_at_once_get_the_same_document(impatient: None) -> None:
    with ThreadPoolExecutor(MANY) as pool:
        found = set(pool.map(lambda _: ask(), range(MANY)))
    assert len(found) == 1


def test_it_comes_as_yaml_and_as_json() -> None:
    assert ask().startswith(b"{")
    assert ask("application/vnd.oai.openapi").startswith(b"openapi:")
