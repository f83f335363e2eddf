"""What a stream, a subscription and the state of a vendor are for stays: by these rows a freeze is found, and the place
of an endpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from governance.services import freezes
from kernel import clock
from runtime.models import Deployment, Stream, TargetSubscription, VendorState
from tests.governance.forging import as_serving
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(db: Any) -> scene.Site:
    return scene.Site(scene.SALES, scene.estate().groups["sales-finance"])


def said(statement: str, *given: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return cursor.fetchall() if cursor.description else []


def refused(constraint: str, statement: str, *given: Any) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), as_serving():
        said(statement, *given)
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)


@pytest.mark.parametrize(
    "deed",
    [
        "update runtime_vendorstate set system_key = 'elsewhere'",
        "update runtime_vendorstate set instance = '4711'",
        "update runtime_vendorstate set environment = 'test'",
        "update runtime_stream set environment = 'test'",
        "update runtime_subscription set target = 'another'",
        "update runtime_subscription set instance = '4711'",
    ],
)
def test_what_they_are_for_stays(site: scene.Site, deed: str) -> None:
    refused("runtime_names_stay", deed)


def test_a_freeze_of_a_system_is_not_lifted_by_another_name_or_another_vendor(site: scene.Site) -> None:
    frozen = VendorState.objects.filter(subscriptions__isnull=False).first()
    assert frozen is not None
    begins = clock.now() - timedelta(hours=1)
    calendar = {"kind": "once", "zone": "UTC", "from": f"{begins:%Y-%m-%dT%H:%M}", "until": "2099-01-01T00:00"}
    freezes.plan(actor=None, name="Peak", strictness="work", calendar=calendar, system=frozen.system_key)
    permitted = "select count(*) from runtime_permitted where vendor_id = %s"
    assert said(permitted, frozen.pk) == [(0,)]
    refused("runtime_names_stay", "update runtime_vendorstate set system_key = 'elsewhere' where id = %s", frozen.pk)
    other = VendorState.objects.create(system_key="elsewhere", environment="production")
    moved = "update runtime_subscription set vendor_id = %s where vendor_id = %s"
    refused("runtime_subscription_fits", moved, other.pk, frozen.pk)
    assert said(permitted, frozen.pk) == [(0,)]
    assert said(permitted, other.pk) == [(0,)]


def test_a_subscription_is_of_the_environment_of_its_deployment(site: scene.Site) -> None:
    one = TargetSubscription.objects.order_by("pk").first()
    assert one is not None
    here = Deployment.objects.get(pk=one.deployment_id)
    elsewhere = VendorState.objects.create(system_key=one.vendor.system_key, instance=one.instance, environment="test")
    refused("runtime_subscription_fits", "update runtime_subscription set vendor_id = %s", elsewhere.pk)
    stream = Stream.objects.create(integration=here.integration, environment="test")
    insert = """insert into runtime_subscription (stream_id, target, instance, deployment_id, vendor_id, kind,
       idempotency, coalesce, batch, max_attempts, tier, open)
      select %s, target, instance, deployment_id, vendor_id, kind, idempotency, coalesce, batch, max_attempts, tier,
             open
        from runtime_subscription where id = %s"""
    refused("runtime_subscription_fits", insert, stream.pk, one.pk)
