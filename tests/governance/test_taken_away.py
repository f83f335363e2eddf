"""What was taken away against the gate is seen by it for a day, whatever the serving role writes meanwhile."""

from __future__ import annotations

import psycopg
import pytest
from django.db import transaction

from catalog.models import Subscription
from governance.models import ApplicationRelease
from governance.services import release_records, verdicts
from kernel.viewer import SYSTEM
from tests import serving_role
from tests.governance import gate_estate


def said_about_withdrawal(codes: list[str]) -> None:
    """The gate about a release of the price service that leaves out what the till uses."""
    asked = {
        "application": "price-service",
        "version": "2",
        "environment": "production",
        "consumes": ["loyalty-api@v1"],
    }
    answer = verdicts.ask(asked, viewer=SYSTEM).document
    assert [reason["code"] for reason in answer["reasons"]] == codes


@pytest.mark.django_db(transaction=True)
def test_what_was_taken_away_against_the_gate_stays_so_for_who_did_not_take_it_away():
    with transaction.atomic():
        gate_estate.build()
    place = {"environment": "production", "instance": ""}
    with transaction.atomic():
        ended = release_records.undeploy({"application": "price-service"} | place, viewer=SYSTEM)
    assert [row.ended_against_gate for row in ended] == [True]
    said_about_withdrawal(["provider.withdrawn"])
    kept = list(ApplicationRelease.objects.order_by("id").values())
    with serving_role.connected() as session:
        for to in ("not ended_against_gate", "false"):
            with pytest.raises(psycopg.errors.IntegrityError) as caught:
                session.execute(
                    f"update governance_applicationrelease set ended_against_gate = {to} "
                    "where ended_at is not null".encode()
                )
            assert caught.value.diag.constraint_name == "release_content_stays", str(caught.value)
    assert list(ApplicationRelease.objects.order_by("id").values()) == kept
    said_about_withdrawal(["provider.withdrawn"])


@pytest.mark.django_db(transaction=True)
def test_who_takes_away_what_nobody_uses_finds_that_out_in_the_same_transaction():
    with transaction.atomic():
        gate_estate.build()
    for application in ("till", "price-service"):
        if application == "price-service":
            Subscription.objects.filter(version__api__slug="price-api").update(state="ended")
        with transaction.atomic():
            release_records.undeploy({"application": application, "environment": "production"}, viewer=SYSTEM)
    assert not ApplicationRelease.objects.filter(ended_against_gate=True).exists()
    assert ApplicationRelease.objects.filter(ended_at=None, application="price-service").count() == 0
    said_about_withdrawal([])
