"""A till that hands in over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from kernel import tokens
from tests import kept_rows
from tests.runtime import scene


@pytest.fixture
def till(client: Any, transactional_db: None) -> Any:
    """A till's service account hands in; `till(body)` answers."""
    secret = secret_of_the_till()

    address = reverse("runtime-api:intake", args=["sales"])

    def send(body: Any, content_type: str = "application/json", at: str = address, **headers: str) -> Any:
        return client.generic(  # unlike `post`, it leaves bytes as they are
            "POST",
            at,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            content_type=content_type,
            headers={"Authorization": f"Bearer {secret}", **headers},
        )

    client.raise_request_exception = False
    return send


@kept_rows.once
def secret_of_the_till() -> str:
    people = scene.estate()
    manifest = {
        **scene.SALES,
        "event": {"name": "sale", "meaning": "fact", "key": "/id", "schema": {"type": "object", "required": ["id"]}},
    }
    scene.Site(manifest, people.groups["sales-finance"])
    return tokens.issue(actor=people.sofia, user=people.sofia, name="till", scopes=["runtime:write"])[1]
