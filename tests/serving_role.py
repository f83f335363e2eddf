"""The role that serves, in the test's own database: what a process of the product can say there, and nothing more."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import connection

from portal import database_roles
from runtime.ledger import connections

ROLE = "tillgate_test_serving"
PASSWORD = "serves"


@functools.cache
def _given(database: str) -> None:
    """Once in a process for each database; a role belongs to the whole server, where others may make it, too."""
    with connections.connected(name="tillgate-owner") as owner:
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            owner.execute(f"create role {ROLE} login password '{PASSWORD}'")
        database_roles.give(owner, ROLE)


def given() -> str:
    """The name of the role, which has its rights."""
    connection.ensure_connection()
    _given(str(connection.settings_dict["NAME"]))
    return ROLE


@contextmanager
def acting() -> Iterator[None]:
    """Django's connection is the serving role's until the end of the block."""
    role = given()
    with connection.cursor() as cursor:
        cursor.execute(f"set role {role}")
        try:
            yield
        finally:
            cursor.execute("reset role")


def address() -> dict[str, Any]:
    """Where a connection of its own goes."""
    given()
    known = connection.settings_dict
    return {"host": known["HOST"], "port": known["PORT"], "dbname": known["NAME"], "user": ROLE, "password": PASSWORD}


def connected() -> psycopg.Connection[Any]:
    return psycopg.connect(**address(), autocommit=True)


def owners_address() -> dict[str, Any]:
    """Of the test's own database, as its owner."""
    known = connection.settings_dict
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {name: known[key] for name, key in named.items() if known[key]}
