"""What people hear of the runtime, and that every reaction of the wiring exists."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
from django.core import mail
from django.urls import reverse

from governance.domain import kinds
from governance.models import Approval, Notice
from governance.services import approvals
from kernel import outbox
from kernel.models import User
from portal import runtime_notices, wiring
from runtime.models import Integration
from tests.governance import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> make.House:
    """The integration `price-feed` is owned by the price team."""
    made = make.house()
    make.thing()
    thing = kinds.kind("test.thing")
    for key in ("integration.deploy", "integration.tested"):  # the second one without a manifest
        monkeypatch.setitem(kinds._kinds, key, replace(thing, key=key, subject_kind="integration", apply=None))
    return made


def emitted(topic: str, key: str, **payload: object) -> None:
    outbox.emit(topic, key=key, payload=payload)
    while outbox.dispatch():
        pass


def told(kind: str) -> set[str]:
    return set(Notice.objects.filter(kind=kind).values_list("person__username", flat=True))


def test_every_reaction_of_the_wiring_can_be_called():
    for topic, target in wiring.REACTIONS:
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function)), topic


def test_the_owners_hear_of_a_failed_run_and_not_again_before_they_have_read_it(house: make.House):
    emitted("runtime.run_failed", "price-feed", run=7, error="401 from the ERP\nbody")
    emitted("runtime.run_failed", "price-feed", run=8, error="401 from the ERP")
    assert told("run_failed") == {"ada", "olaf"}
    assert Notice.objects.get(person=house.owner).text == "Run failed: price-feed: 401 from the ERP"
    assert Notice.objects.get(person=house.owner).url == "/runtime/runs/7/"
    assert len(mail.outbox) == 2
    Notice.objects.update(read_at="2026-01-01T00:00Z")
    emitted("runtime.run_failed", "price-feed", run=9, error="again")
    assert Notice.objects.filter(person=house.owner).count() == 2


def test_a_failed_run_is_told_once_however_often_the_event_comes(house: make.House):
    event = {"id": 5, "topic": "runtime.run_failed", "key": "price-feed", "payload": {"run": 7, "error": ""}}
    for _ in range(2):
        runtime_notices.on_run_failed(event)
    assert Notice.objects.filter(person=house.owner).count() == 1
    assert len(mail.outbox) == 2


def test_an_unknown_integration_tells_nobody_and_breaks_nothing(house: make.House):
    emitted("runtime.run_failed", "gone", run=7, error="x")
    emitted("runtime.deployed", "gone", deployment=1, digest="sha256:" + "a" * 64, environment="production")
    assert not Notice.objects.exists()


def test_those_who_asked_and_those_who_decided_hear_that_it_is_live(house: make.House):
    subject = replace(make.thing(), kind="integration")
    Integration.objects.create(key="price-feed", title="Prices", domain_key="", owner_team=house.author.groups.get())
    change = make.approved(house, subject, kind="integration.tested")
    approvals.mark_used(Approval.objects.get(change=change).pk, actor=house.releaser)
    emitted("runtime.deployed", "price-feed", deployment=1, digest=subject.digest, environment="production")
    assert told("deployed") == {"ada", "olaf", "archie"}
    assert Notice.objects.get(person=house.architect).text == "Deployed in production: price-feed"


def test_silent_workers_are_told_to_those_who_run_the_installation(house: make.House):
    User.objects.filter(pk=house.stranger.pk).update(is_superuser=True)
    emitted("runtime.workers_silent", "workers", lanes=3, since="2026-11-23 08:00")
    assert told("workers_silent") == {"rita", "stan"}
    assert "3 lanes" in Notice.objects.filter(kind="workers_silent")[0].text


def test_a_source_that_is_not_read_is_told_to_its_owners_and_taken_back_when_it_is_read(house: make.House):
    place = {"environment": "production", "source": "conditions", "since": "2026-11-23T08:00:00+00:00"}
    emitted("runtime.source_late", "price-feed", reason="The source did not answer: 503", **place)
    line = Notice.objects.filter(kind="source_late")[0]
    assert (
        "Source not read since 2026-11-23 08:00 UTC: price-feed, conditions: The source did not answer: 503"
        in line.text
    )
    assert line.url == reverse("runtime:integration", args=["price-feed"])
    emitted("runtime.source_read_again", "price-feed", **place)
    assert not Notice.objects.filter(kind="source_late", read_at=None).exists()
