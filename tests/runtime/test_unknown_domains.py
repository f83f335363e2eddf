"""An integration of a domain that the catalog does not have is in no freeze and no policy of one: that is a finding."""

from __future__ import annotations

import pytest

from bench.installation import manifest as order_feed
from governance.domain.subject import Subject
from governance.models import CheckResult
from runtime.services import integrations
from tests.governance import gate_estate, make

pytestmark = pytest.mark.django_db


def estate_check(domain: str) -> CheckResult:
    """What the deployment's check says of known systems, domain and tier."""
    release = integrations.register(
        integrations.pinned(order_feed(source=False, lanes=2, batch=50) | {"domain": domain}), actor=None
    )
    subject = Subject("integration", gate_estate.FEED, release.digest)
    change = make.in_review(make.person(f"anna-{domain}", "order-team"), subject, kind="integration.deploy")
    return CheckResult.objects.get(change=change, check_id="integration.estate")


def test_a_domain_that_the_catalog_does_not_have_is_a_finding_of_the_deployment():
    gate_estate.build()
    found = estate_check("nowhere")
    assert found.status == CheckResult.Status.FAILED
    (one,) = found.findings
    assert (one["pointer"], one["rule"]) == ("/domain", "domain.unknown"), one
    assert "nowhere" in one["message"]


def test_the_domain_that_is_there_is_none():
    gate_estate.build()
    known = str(order_feed(source=False, lanes=2, batch=50)["domain"])
    assert estate_check(known).status == CheckResult.Status.PASSED
