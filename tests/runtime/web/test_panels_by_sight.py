"""Panels of a change's page are for who sees the integration, and for who reads or decides a change about it."""

from __future__ import annotations

import pytest
from django.test import Client

from governance.models import ChangeRequest
from kernel.models import User
from tests.runtime import scene
from tests.runtime.web.test_hidden_flows import _around, _open_things

pytestmark = pytest.mark.django_db


def status(user: User, path: str) -> int:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client.get(path).status_code


def test_what_would_run_is_shown_to_who_sees_the_integration_or_reads_the_change_and_to_nobody_else():
    day = scene.day()
    _open_things()
    people = day.people
    path = f"/runtime/panels/integrations/sales/?digest={day.sales.release.digest}&environment=production"
    assert (status(people.sofia, path), status(people.rita, path)) == (200, 200)
    assert (status(people.petra, path), status(people.zoe, path)) == (404, 404)
    _around(day)
    change = ChangeRequest.objects.get(subjects__subject_id="sales")
    change.contributors.create(person=people.petra)
    assert status(people.petra, path) == 200, "a part in the change"
    assert status(people.petra, path.replace("production", "test")) == 404, "of another environment"
    assert status(people.petra, "/runtime/panels/integrations/sales/?environment=production") == 404, "of no digest"
    assert status(people.zoe, path) == 404


def test_what_would_be_sent_again_is_shown_to_nobody_else():
    day = scene.day()
    path = f"/runtime/panels/replays/sales/journal/?digest={day.replay.digest}"
    assert (status(day.people.sofia, path), status(day.people.zoe, path)) == (200, 404)


def test_the_number_of_hidden_users_is_told_to_who_may_change_the_api_alone():
    day = scene.day()
    _open_things()
    _around(day)
    path = "/runtime/panels/apis/s4-sales/"

    def told(user: User) -> bool:
        client = Client()
        client.force_login(user)
        return "1 integration of other teams" in client.get(path).content.decode()

    assert told(day.people.petra), "of the owner team"
    assert not told(day.people.zoe)
