"""A manifest says how long its keys are known: the window holds from the deployment on, and people may set another."""

from __future__ import annotations

from typing import Any

import pytest

from bench.installation import TABLE
from bench.installation import manifest as order_feed
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import Invalid
from kernel.models import AuditEntry
from runtime.ledger import connections
from runtime.models import Deployment, Integration, RetentionPolicy
from runtime.services import deployments, integrations, retention
from tests.runtime import make

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "order-feed"


@pytest.fixture
def catalog() -> None:
    make.catalog_of_orders()
    with connections.connected() as conn:
        conn.execute(TABLE)


def deployed(**event: Any) -> Deployment:
    given = order_feed(source=False)
    facts = {"name": "order.placed", "meaning": "fact", "key": "/number", **event}
    release = integrations.register(integrations.pinned({**given, "event": facts}), actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id=FEED, digest=release.digest)
    approval = approvals.require(Subject("integration", FEED, release.digest), release.digest, "production")
    return deployments.deploy(FEED, approval=approval, actor=None)


def own() -> list[int | None]:
    return list(RetentionPolicy.objects.exclude(integration=None).order_by("id").values_list("days", flat=True))


def test_the_window_of_a_manifest_is_that_of_its_integration_from_the_deployment_on(catalog: None) -> None:
    deployed()
    assert own() == []
    deployed(known_days=400)
    made = RetentionPolicy.objects.exclude(integration=None).get()
    assert (made.data_class, made.days, made.integration) == ("heads", 400, Integration.objects.get())
    assert "manifest" in made.reason
    assert AuditEntry.objects.filter(verb="runtime.retention_set").count() == 1


def test_another_deployment_with_the_same_window_sets_nothing_again(catalog: None) -> None:
    deployed(known_days=400)
    deployed(known_days=400, schema={"type": "object"})
    assert own() == [400]
    deployed(known_days=500)
    assert own() == [400, 500]


def test_what_a_person_has_set_since_holds_until_a_manifest_says_something_else(catalog: None) -> None:
    deployed(known_days=400)
    retention.set_policy("heads", 700, integration=FEED, actor=None, reason="an audit")
    deployed(known_days=400, schema={"type": "object"})
    assert own() == [400, 700]
    deployed(known_days=450)
    assert own() == [400, 700, 450]


def test_a_window_longer_than_the_messages_are_kept_is_refused_with_the_deployment(catalog: None) -> None:
    deployed()
    RetentionPolicy.objects.create(data_class="messages", days=100)
    with pytest.raises(Invalid, match="messages are kept at least as long"):
        deployed(known_days=400)
    assert Deployment.objects.filter(active=True).count() == 1


@pytest.mark.parametrize(
    ("event", "said"),
    [({"known_days": 20}, "20"), ({"meaning": "state", "version": "/updated_at", "known_days": 400}, "only facts")],
)
def test_what_cannot_be_a_window_is_refused_at_registration(catalog: None, event: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        deployed(**event)
    assert said in str(refused.value.findings)
