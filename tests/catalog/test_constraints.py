"""What the database refuses, tried by raw SQL: no code of ours stands between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction

from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def sql(text: str, *params: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def refused(by: str) -> Iterator[None]:
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        yield
    diagnosis = getattr(caught.value.__cause__, "diag", None)
    said = f"{getattr(diagnosis, 'constraint_name', '')} {caught.value}"
    assert by in said, said


INSERT = """insert into catalog_boundary (entity_id, attribute_group_id, region_id, channel_id, system_id, valid)
  select e.id, g.id, r.id, c.id, s.id, tstzrange(%s, %s) from catalog_businessentity e
    left join catalog_attributegroup g on g.entity_id = e.id and g.key = %s
    left join catalog_scopevalue r on r.dimension = 'region' and r.key = %s
    left join catalog_scopevalue c on c.dimension = 'channel' and c.key = %s
    join catalog_system s on s.key = 'erp' where e.key = %s"""


@pytest.mark.parametrize(
    ("entity", "group", "region", "channel", "begin", "end"),
    [
        ("price", "base", None, None, "2025-06-01", None),
        ("price", None, None, None, "2027-01-01", None),
        ("price", None, "islands", None, "2027-01-01", "2027-01-02"),
        ("price", "base", None, "store", "2027-01-01", None),
        ("price", "offer", None, None, "2027-01-01", None),
        ("price", "offer", "islands", "online", "2027-01-01", None),
        ("loyalty-account", None, "mainland", None, "2020-01-01", None),
        ("loyalty-account", None, None, None, None, None),
    ],
)
def test_two_systems_are_never_the_record_of_the_same_thing(entity, group, region, channel, begin, end):
    with refused("one_system_of_record"):
        sql(INSERT, begin, end, group, region, channel, entity)


@pytest.mark.parametrize(
    ("entity", "group", "region", "begin", "end"),
    [
        ("price", "base", None, "2024-01-01", "2025-03-01"),
        ("loyalty-account", None, None, "2020-01-01", "2024-01-01"),
        ("tender", None, None, "2020-01-01", None),
        ("price", "offer", "islands", "2020-01-01", "2026-01-01"),
    ],
)
def test_a_free_period_or_scope_takes_a_record(entity, group, region, begin, end):
    sql(INSERT, begin, end, group, region, None, entity)


def test_a_wider_period_cannot_be_reached_by_an_update_either():
    sql(INSERT, "2024-01-01", "2025-03-01", "base", None, None, "price")
    with refused("one_system_of_record"):
        sql("update catalog_boundary set valid = tstzrange(lower(valid), null) where upper(valid) = '2025-03-01'")


def test_the_history_of_a_boundary_is_neither_rewritten_nor_deleted():
    with refused("boundary_history_is_kept"):
        sql("update catalog_boundary set system_id = (select id from catalog_system where key = 'erp')")
    with refused("Cannot delete"):
        sql("delete from catalog_boundary")


def test_an_attribute_group_of_another_entity_is_refused():
    with refused("boundary_group_of_its_entity"):
        sql("""insert into catalog_boundary (entity_id, attribute_group_id, system_id, valid)
               select e.id, g.id, s.id, tstzrange(null, null)
                 from catalog_businessentity e, catalog_attributegroup g, catalog_system s
                where e.key = 'tender' and g.key = 'base' and s.key = 'erp'""")


@pytest.mark.parametrize(
    "table",
    ["api", "apiversion", "contract", "system", "team", "domain", "application", "subscription", "businessentity"],
)
def test_facts_are_never_deleted(table):
    with refused(""):
        sql(f"delete from catalog_{table}")


def test_a_contract_never_changes():
    with refused("Cannot update"):
        sql("update catalog_contract set canonical = 'x'")


@pytest.mark.parametrize(
    ("label", "state"),
    [("v3", "published"), ("v3", "approved"), ("v2", "retired"), ("v2", "draft"), ("v1", "published")],
)
def test_a_version_takes_no_step_that_the_lifecycle_does_not_have(label, state):
    with refused("version_move"):
        sql(
            "update catalog_apiversion set state = %s"
            " where label = %s and api_id = (select id from catalog_api where slug = 'price-api')",
            state,
            label,
        )


def test_a_registered_version_is_not_approved_without_an_approval():
    sql("update catalog_apiversion set state = 'in_review' where label = 'v3'")
    with refused("version_move_is_approved"):
        sql("update catalog_apiversion set state = 'approved' where label = 'v3'")
    sql("update catalog_apiversion set state = 'approved', approval_id = 7 where label = 'v3'")


def test_a_registered_version_starts_as_a_draft():
    with refused("version_starts_as_draft"):
        sql("""insert into catalog_apiversion (api_id, label, state, origin, migration_guide, notes, position)
               select id, 'v9', 'published', 'registered', '', '', 9 from catalog_api where slug = 'price-api'""")


def test_the_contract_of_a_published_version_changes_only_with_a_new_approval():
    change = (
        "update catalog_apiversion"
        " set contract_id = (select digest from catalog_contract where title = 'Loyalty points') {} where label = 'v2'"
    )
    with refused("version_contract_is_approved"):
        sql(change.format(""))
    sql(change.format(", approval_id = 3"))
    with refused("version_contract_is_approved"):
        sql("update catalog_apiversion set contract_id = null where label = 'v2'")


def test_a_sunset_does_not_lie_before_the_deprecation():
    with refused("deprecated_before_sunset"):
        sql("update catalog_apiversion set deprecated_at = '2027-01-02', sunset_at = '2027-01-01' where label = 'v2'")


def test_a_promised_sunset_comes_earlier_only_with_an_approval():
    sql("update catalog_apiversion set deprecated_at = '2027-01-01', sunset_at = '2028-01-01' where label = 'v2'")
    with refused("version_sunset_is_a_promise"):
        sql("update catalog_apiversion set sunset_at = '2027-06-01' where label = 'v2'")
    with refused("version_sunset_is_a_promise"):
        sql("update catalog_apiversion set sunset_at = null where label = 'v2'")
    sql("update catalog_apiversion set sunset_at = '2029-01-01' where label = 'v2'")


def test_nobody_decides_about_their_own_subscription():
    with refused("subscription_not_decided_by_requester"):
        sql(
            "update catalog_subscription set requested_by_id = u.id, decided_by_id = u.id"
            " from kernel_user u where u.username = 'stan'"
        )


def test_the_short_name_of_an_api_stays():
    with refused("api_slug_stays"):
        sql("update catalog_api set slug = 'other' where slug = 'price-api'")


def test_an_api_does_not_depend_on_itself_and_names_one_target():
    with refused("dependency_not_on_itself"):
        sql(
            "insert into catalog_dependency (api_id, target_api_id, criticality, degraded_mode)"
            " select id, id, 'hard', '' from catalog_api where slug = 'price-api'"
        )
    with refused("dependency_has_one_target"):
        sql(
            "insert into catalog_dependency (api_id, criticality, degraded_mode)"
            " select id, 'hard', '' from catalog_api where slug = 'price-api'"
        )
