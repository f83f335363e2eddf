"""Tests that commit leave an empty database behind. Emptying asks each table whether it holds anything and deletes only
there: one round trip, where `flush` truncates every table, its indexes and its files and then migrates signals."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import django.test
from django.apps import apps

from tests import kept_sessions

# What migrations write once and nothing changes: their rows keep their keys.
LASTING = {"django_content_type", "auth_permission", "django_migrations", "kernel_writestamp"}
# What migrations write first and people change later: a test may find their rows, or none after a test that committed.
SEEDED = frozenset({"runtime_alertrule", "runtime_retention"})
# What a connection of the ledger notes where it finds nothing: it stands in no builder's way.
NOTED = frozenset({"runtime_database"})
# Append-only tables refuse a delete, so the emptying, and only it, sets the triggers aside.
EMPTYING = """
do $$
declare
  name text;
  filled boolean;
begin
  set local session_replication_role = replica;
  foreach name in array '{%s}'::text[] loop
    execute format('select exists (select from %%I)', name) into filled;
    if filled then
      execute format('delete from %%I', name);
    end if;
  end loop;
end $$"""


def emptying(tables: Iterable[str]) -> str:
    """The statement that empties these tables."""
    return EMPTYING % ",".join(tables)


@functools.cache
def tables_of(room: str = "") -> tuple[str, ...]:
    """The tables of a room, or of all, those between two models included."""
    models = apps.get_app_config(room).get_models() if room else apps.get_models(include_auto_created=True)
    made = dict.fromkeys(model._meta.db_table for model in models if model._meta.managed and not model._meta.proxy)
    return tuple(name for name in made if name not in LASTING)


def after_a_test(self: django.test.TransactionTestCase) -> None:
    """Stands in for `TransactionTestCase._fixture_teardown`."""
    kept_sessions.beneath_triggers().execute(emptying(tables_of()))
