"""The gate of releases and the runtime's own gate say the same of a freeze, and both read the approved release."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from bench.installation import manifest as order_feed
from catalog.models import Domain, SlaTier
from governance.models import FreezeInterval, FreezeWindow
from governance.services import freezes
from kernel import clock
from runtime.models import Integration, Release
from runtime.services import integrations
from tests.runtime.test_gate_question import FEED, ask, release

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["release"]
ALWAYS = {"kind": "weekly", "zone": "UTC", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]} | {
    "from": "00:00",
    "until": "00:00",
}


def permitted() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from runtime_permitted")
        return int(cursor.fetchone()[0])


def plan(**scope: Any) -> FreezeWindow:
    return freezes.plan(actor=None, name="Peak", calendar=ALWAYS, strictness="work", **scope)


def end(window: FreezeWindow) -> None:
    FreezeWindow.objects.filter(pk=window.pk).update(ended_at=clock.now())


def test_both_gates_agree_on_every_scope(release: Release):
    Domain.objects.create(key="loyalty", name="Loyalty")
    manifest = release.manifest
    target = manifest["targets"][0]["system"]
    assert permitted() > 0
    scopes: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"environment": "production"}, True),
        ({"domain": manifest["domain"]}, True),
        ({"domain": "loyalty"}, False),
        ({"system": target}, True),
        ({"tier": manifest["tier"]}, True),
        ({"tier": manifest["tier"], "domain": "loyalty"}, False),
    ]
    for scope, stops in scopes:
        window = plan(**scope)
        said = {reason["code"] for reason in ask(release.digest)["reasons"]}
        assert ("freeze.active" in said, permitted() == 0) == (stops, stops), scope
        end(window)


def test_another_manifest_that_nobody_approved_lifts_no_freeze(release: Release):
    Domain.objects.create(key="loyalty", name="Loyalty")
    plan(domain=release.manifest["domain"])
    assert permitted() == 0
    moved = integrations.pinned(order_feed(source=False, lanes=2, batch=50)) | {"domain": "loyalty"}
    integrations.register(moved, actor=None)
    assert Integration.objects.get(key=FEED).domain_key == "loyalty", "the row follows what is registered"
    assert permitted() == 0
    assert "freeze.active" in {reason["code"] for reason in ask(release.digest)["reasons"]}


def test_occurrences_of_a_live_freeze_are_not_deleted_and_a_window_without_them_counts_as_open(release: Release):
    window = plan()
    for rows in (FreezeInterval.objects.all(), FreezeWindow.objects.all()):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows._raw_delete("default")
    FreezeWindow.objects.filter(pk=window.pk).update(compiled_until=None)
    FreezeInterval.objects.all()._raw_delete("default")
    assert permitted() == 0
    end(window)
    assert permitted() > 0
    assert SlaTier.objects.exists()
