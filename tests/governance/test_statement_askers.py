"""A statement says whose question the gate answered: anybody may ask, and declares what is judged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from catalog.models import Application
from kernel.models import User
from tests.catalog import make as catalog
from tests.governance.stated import asked, payload, signed_as, signing, verify

pytestmark = pytest.mark.django_db
__all__ = ["signing"]


def of_the_application(username: str) -> None:
    catalog.person(username).groups.add(Application.objects.get(key="till").team.group)


@pytest.mark.parametrize("kind", ["service", "person", "agent"])
def test_a_statement_says_who_asked_and_whether_they_are_of_the_applications_team(client: Client, kind: str, capsys):
    robot = catalog.person("robot")
    User.objects.filter(pk=robot.pk).update(kind=kind)
    robot.groups.clear()
    asked(client)
    assert payload()["predicate"]["tillgate"]["asked_by"] == {"account": "robot", "kind": kind, "own_team": False}
    assert verify() == 0
    assert "of another team" in capsys.readouterr().out
    of_the_application("robot")
    asked(client)
    assert payload()["predicate"]["tillgate"]["asked_by"] == {"account": "robot", "kind": kind, "own_team": True}
    assert verify() == 0
    assert "asked by robot (" in capsys.readouterr().out


def test_who_verifies_may_take_only_what_the_application_itself_asked(client: Client, capsys):
    User.objects.filter(username="robot").update(kind="service")
    catalog.person("robot").groups.clear()
    asked(client)
    assert verify("--asked-by", "anybody") == 0
    for whom in ("own-team", "own-pipeline"):
        assert verify("--asked-by", whom) == 4
        assert "robot" in capsys.readouterr().err
    of_the_application("robot")
    asked(client)
    assert (verify("--asked-by", "own-team"), verify("--asked-by", "own-pipeline")) == (0, 0)
    User.objects.filter(username="robot").update(kind="person")
    asked(client)
    assert (verify("--asked-by", "own-team"), verify("--asked-by", "own-pipeline")) == (0, 4)
    assert verify("--asked-by", "") == verify("--asked-by", "me") == 3


def test_a_statement_of_before_that_does_not_say_who_asked_passes_unless_that_is_required(client: Client, capsys):
    asked(client)
    made = payload()
    del made["predicate"]["tillgate"]["asked_by"]
    signed_as(made)
    assert verify() == 0
    assert "asked by" not in capsys.readouterr().out
    assert verify("--asked-by", "own-team") == 4
    assert "does not say who asked" in capsys.readouterr().err


SAID = {"account": "robot", "kind": "service", "own_team": True}
BADLY = [None, "robot", [], *({name: word for name, word in SAID.items() if name != left} for left in SAID)]
BADLY += [SAID | wrong for wrong in ({"account": ""}, {"kind": 1}, {"kind": "x"}, {"own_team": 1}, {"own_team": "no"})]


@pytest.mark.parametrize("said", BADLY)
def test_what_says_badly_who_asked_does_not_pass(client: Client, said: Any):
    asked(client)
    made = payload()
    made["predicate"]["tillgate"]["asked_by"] = said
    signed_as(made)
    assert verify() == verify("--asked-by", "own-team") == 4


def test_an_allow_with_reasons_against_it_does_not_pass(client: Client, capsys):
    asked(client)
    made = payload()
    for codes in (["version.retired"], None, "version.retired"):
        made["predicate"]["tillgate"]["codes"] = codes
        signed_as(made)
        assert verify() == 4
    assert "version.retired" in capsys.readouterr().err
    del made["predicate"]["tillgate"]["codes"]
    signed_as(made)
    assert verify() == 4
