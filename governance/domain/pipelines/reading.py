"""A webhook as it came: which header signs it, and what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.pipelines import github, gitlab
from governance.domain.pipelines.asked_review import AskedReview, NothingAsked

LARGEST_BODY = 2 * 1024 * 1024
SIGNATURE = {"github": "X-Hub-Signature-256", "gitlab": "X-Gitlab-Signature"}
DELIVERY = {"github": "X-GitHub-Delivery", "gitlab": "X-Gitlab-Event-UUID"}
EVENT = {"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event"}


def signature(provider: str, headers: Mapping[str, str]) -> str:
    return headers.get(SIGNATURE[provider], "")


def event(provider: str, headers: Mapping[str, str]) -> str:
    """The name that the provider gave the event. It is not signed, so nothing is decided by it."""
    return headers.get(EVENT[provider], "")[:60]


def delivery(provider: str, headers: Mapping[str, str]) -> str:
    """The provider's own number of the delivery. It is not signed, so nothing is decided by it."""
    return "".join(one for one in headers.get(DELIVERY[provider], "")[:64] if one.isprintable())


def asked(provider: str, payload: Any, api_url: str) -> AskedReview | NothingAsked:
    """Raises Invalid `pipeline.payload`."""
    return github.read(payload, api_url) if provider == "github" else gitlab.read(payload)
