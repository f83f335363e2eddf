"""No migration stops an installation that runs: what each kind of statement locks, and for how long."""

from __future__ import annotations

import pytest

from tests.migrations.lint import EXCUSED, excuse_of, findings_in, sql_of_migrations

HARMFUL = {
    "require-concurrent-index-creation": 'create index d on "runtime_delivery" ("outcome");',
    "require-concurrent-index-deletion": 'drop index "delivery_by_time";',
    "constraint-missing-not-valid": 'alter table "runtime_head" add constraint c check ("position" > 0);',
    "adding-foreign-key-constraint": (
        'alter table "runtime_delivery" add constraint f foreign key ("subscription_id") '
        'references "runtime_subscription" ("id") deferrable initially deferred;'
    ),
    "disallowed-unique-constraint": 'alter table "runtime_head" add constraint u unique ("key");',
    "adding-not-nullable-field": 'alter table "runtime_attempt" alter column "answer" set not null;',
    "adding-required-field": 'alter table "runtime_head" add column "lane" smallint not null;',
    "changing-column-type": 'alter table "runtime_delivery" alter column "outcome" type text using "outcome"::text;',
    "adding-field-with-default": 'alter table "runtime_head" add column "at" timestamptz default clock_timestamp();',
    "ban-drop-column": 'alter table "runtime_head" drop column "hash";',
    "writes-a-big-table": "update runtime_head set hash = 0;",
}
HARMLESS = (
    'alter table "runtime_delivery" add column "note" text null;',
    """alter table "runtime_delivery" add column "note" text default '' not null;""",
    'alter table "runtime_head" add constraint c check ("position" > 0) not valid;',
    'alter table "runtime_head" validate constraint c;',
    'create table "runtime_new" ("id" bigint primary key); create index "n" on "runtime_new" ("id");',
)


@pytest.mark.parametrize("rule", HARMFUL)
def test_a_statement_that_holds_a_big_table_is_found(rule: str) -> None:
    assert rule in {one.rule for one in findings_in({"runtime/9999_new": (HARMFUL[rule], True)})}


@pytest.mark.parametrize("statement", HARMLESS)
def test_a_statement_that_only_changes_the_catalog_passes(statement: str) -> None:
    assert findings_in({"runtime/9999_new": (statement, True)}) == []


def test_a_concurrent_index_passes_outside_of_a_transaction_and_not_inside() -> None:
    statement = 'create index concurrently "d" on "runtime_delivery" ("outcome");'
    assert findings_in({"runtime/9999_new": (statement, False)}) == []
    found = findings_in({"runtime/9999_new": (statement, True)})
    assert {one.rule for one in found} == {"concurrently-in-transaction"}


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)  # concurrent operations refuse to be written down inside of one
def test_every_migration_keeps_to_the_rules_or_says_why_not() -> None:
    found = findings_in(sql_of_migrations())
    wrong = [str(one) for one in found if excuse_of(one) is None]
    assert wrong == [], "docs/how-to/add-a-migration.md says what to write instead"
    used = {(one.migration, one.rule) for one in found}
    vain = [(e["migration"], rule) for e in EXCUSED for rule in e["rules"] if (e["migration"], rule) not in used]
    assert vain == []
