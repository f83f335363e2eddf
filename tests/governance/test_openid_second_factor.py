"""What an identity provider says of its own second factor counts where the installation takes it, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from governance.domain.id_tokens import second_factor_asked_there
from governance.models import GroupMapping
from kernel.models import AuditEntry, User
from tests.governance import make
from tests.governance.fake_provider import Provider, oidc_settings, running, sign_in

pytestmark = pytest.mark.django_db
DIGESTS = ("subject_digest", "diff_digest", "impact_digest", "policy_digest")


@pytest.fixture
def provider(settings: Any) -> Iterator[str]:
    """Who signs in is an architect, and deciders need a second factor."""
    with running() as issuer:
        settings.OIDC = oidc_settings(issuer) | {"second_factor_amr": ["mfa", "hwk"], "second_factor_acr": ["gold"]}
        settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "governance.web.oidc.Backend"]
        settings.SECOND_FACTOR_REQUIRED = ["deciders"]
        GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
        yield issuer


@pytest.mark.parametrize("said", [{"amr": ["pwd", "mfa"]}, {"amr": ["hwk"]}, {"acr": "gold"}])
def test_who_proved_a_second_factor_there_needs_none_here(house: make.House, provider: str, said: dict[str, Any]):
    Provider.lie = said
    here = Client()
    sign_in(here)
    assert here.get("/inbox/").status_code == 200
    change = make.in_review(house.author)
    sent = {"outcome": "approve", **{name: getattr(change, name) for name in DIGESTS}}
    answer = here.post(f"/api/v1/changes/{change.pk}/decisions", sent, content_type="application/json")
    assert answer.status_code == 201, answer.content
    proved = AuditEntry.objects.get(verb="governance.decision_approved").after["proved"]
    assert (proved["way"], proved["second_factor"]) == ("identity provider", "identity provider")


@pytest.mark.parametrize("said", [{}, {"amr": ["pwd"]}, {"amr": "mfa"}, {"acr": "silver"}, {"amr": [None, 5]}])
def test_whose_provider_says_nothing_of_the_kind_adds_one_here(house: make.House, provider: str, said: dict[str, Any]):
    Provider.lie, Provider.about = said, {"amr": ["mfa"], "acr": "gold"}
    here = Client()
    sign_in(here)
    assert User.objects.filter(username="oidc:abc-1").exists()
    assert here.get("/inbox/").url == "/sign-in/second/"
    assert here.get("/sign-in/second/").url == "/sign-in/second/add/"


def test_nothing_counts_where_nothing_is_configured():
    assert not second_factor_asked_there({"amr": ["mfa"], "acr": "gold"}, amr=(), acr=())
    assert not second_factor_asked_there({"amr": [["mfa"]], "acr": ["gold"]}, amr=["mfa"], acr=["gold"])
