"""People and teams for the tests of the front door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, transaction

from catalog.models import Team
from kernel.models import User

PASSWORD = "correct horse battery"


def person(name: str = "ann", *teams: Group, **more: Any) -> User:
    made = User.objects.create_user(name, password=PASSWORD, **more)
    made.groups.set(teams)
    return made


@contextmanager
def untold() -> Iterator[None]:
    """The accounts that a test needs first, in a ledger that is still empty."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        yield
        cursor.execute("set local session_replication_role = origin")


def service(name: str, *teams: Group) -> User:
    return person(name, *teams, kind=User.Kind.SERVICE)


def team(key: str, name: str = "", kind: str = "domain") -> Group:
    group = Group.objects.create(name=name or key.capitalize())
    Team.objects.create(group=group, key=key, name=name or key.capitalize(), kind=kind)
    return group
