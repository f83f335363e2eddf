"""People and teams for the tests of the front door."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from catalog.models import Team
from kernel.models import User

PASSWORD = "correct horse battery"


def person(name: str = "ann", *teams: Group, **more: Any) -> User:
    made = User.objects.create_user(name, password=PASSWORD, **more)
    made.groups.set(teams)
    return made


def service(name: str, *teams: Group) -> User:
    return person(name, *teams, kind=User.Kind.SERVICE)


def team(key: str, name: str = "", kind: str = "domain") -> Group:
    group = Group.objects.create(name=name or key.capitalize())
    Team.objects.create(group=group, key=key, name=name or key.capitalize(), kind=kind)
    return group
