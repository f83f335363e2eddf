"""Which system owns which data: the pure rule, the question, the move."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.range import TimestamptzRange

from catalog.domain import systems_of_record
from catalog.domain.facts import BoundaryFacts, SystemFacts
from catalog.models import AttributeGroup, Boundary, BusinessEntity, ScopeValue, System
from catalog.selectors import boundaries
from catalog.services import publication
from kernel.errors import Invalid
from kernel.models import AuditEntry
from tests.catalog import make

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def boundary(
    system: str, group: str | None = None, begin: int | None = None, end: int | None = None, **scope: str
) -> BoundaryFacts:
    def at(day: int | None) -> datetime | None:
        return None if day is None else datetime(2026, 1, day, tzinfo=UTC)

    return BoundaryFacts(
        0, "price", group, scope, SystemFacts(system, system, "", "", "", "", None), at(begin), at(end)
    )


KNOWN = (("base", "offer"), (), ("islands", "mainland"), ("online", "store"))


@pytest.mark.parametrize(
    ("found", "asked", "answer"),
    [
        ([], (None, None, None, None), None),
        ([boundary("a")], (None, None, None, None), "a"),
        ([boundary("a")], ("base", None, "islands", None), "a"),
        ([boundary("a", "base")], (None, None, None, None), None),
        ([boundary("a", "base")], ("base", None, None, None), "a"),
        ([boundary("a", "base"), boundary("a", "offer")], (None, None, None, None), "a"),
        ([boundary("a", "base"), boundary("b", "offer")], (None, None, None, None), None),
        ([boundary("a", region="islands")], (None, None, None, None), None),
        ([boundary("a", region="islands"), boundary("a", region="mainland")], (None, None, None, None), "a"),
        (
            [boundary("a", region="islands"), boundary("a", region="mainland", channel="store")],
            (None, None, None, None),
            None,
        ),
        (
            [boundary("a", region="islands"), boundary("a", region="mainland", channel="store")],
            (None, None, None, "store"),
            "a",
        ),
    ],
)
def test_a_system_is_right_only_when_it_covers_everything_that_was_asked(found, asked, answer):
    assert systems_of_record.sole_system(found, asked, KNOWN) == answer


@pytest.mark.django_db
def test_the_question_answers_unknown_where_two_share_it_or_nobody_has_it():
    make.estate()
    assert boundaries.record_of("price", "base", {}, NOW).key == "price-engine"
    assert boundaries.record_of("price", "offer", {"region": "islands"}, NOW).key == "pos"
    assert boundaries.record_of("price", "offer", {}, NOW) is None
    assert boundaries.record_of("price", None, {"region": "mainland"}, NOW).key == "price-engine"
    assert boundaries.record_of("tender", None, {}, NOW) is None
    assert boundaries.record_of("nothing", None, {}, NOW) is None
    assert boundaries.record_of("price", "base", {}, datetime(2024, 1, 1, tzinfo=UTC)) is None


_PLACES = st.tuples(
    st.sampled_from([None, "base", "offer"]),
    st.sampled_from([None, "islands", "mainland"]),
    st.sampled_from([None, "store"]),
    st.sampled_from([None, 1, 5, 9]),
    st.sampled_from([None, 5, 9, 20]),
).filter(lambda p: p[3] is None or p[4] is None or p[3] < p[4])


@pytest.mark.django_db
@settings(max_examples=40, deadline=None)
@given(first=_PLACES, second=_PLACES)
def test_the_database_refuses_exactly_what_the_rule_calls_an_overlap(first, second):
    with transaction.atomic():
        if not BusinessEntity.objects.filter(key="price").exists():
            make.estate()
        entity = BusinessEntity.objects.create(key=f"e{BusinessEntity.objects.count()}", name="e")
        groups = {k: AttributeGroup.objects.create(entity=entity, key=k, name=k) for k in ("base", "offer")}
        places = {s.key: s for s in ScopeValue.objects.all()}
        erp = System.objects.get(key="erp")

        def write(place):
            group, region, channel, begin, end = place
            made = boundary(
                "erp", group, begin, end, **{k: v for k, v in (("region", region), ("channel", channel)) if v}
            )
            Boundary.objects.create(
                entity=entity,
                attribute_group=groups.get(group),
                region=places.get(region),
                channel=places.get(channel),
                system=erp,
                valid=TimestamptzRange(made.valid_from, made.valid_until, "[)"),
            )
            return made

        one = write(first)
        try:
            with transaction.atomic():
                two = write(second)
            accepted = True
        except IntegrityError:
            accepted = False
            group, region, channel, begin, end = second
            two = boundary(
                "erp", group, begin, end, **{k: v for k, v in (("region", region), ("channel", channel)) if v}
            )
        assert accepted is not systems_of_record.overlaps(one, two)
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_a_move_closes_what_was_in_force_and_is_in_the_ledger():
    make.estate()
    moved = publication.move_boundary(
        entity="price",
        attribute_group="base",
        scope={},
        system="erp",
        valid_from=datetime(2027, 2, 1, tzinfo=UTC),
        approval_id=5,
        actor=None,
    )
    assert moved.system.key == "erp"
    assert boundaries.record_of("price", "base", {}, datetime(2027, 1, 31, tzinfo=UTC)).key == "price-engine"
    assert boundaries.record_of("price", "base", {}, datetime(2027, 2, 1, tzinfo=UTC)).key == "erp"
    assert [b.system.key for b in boundaries.history("price", "base")] == ["erp", "price-engine"]
    entry = AuditEntry.objects.get(verb="catalog.boundary_moved")
    assert entry.after["approval"] == 5
    assert entry.before[0]["system"] == "price-engine"


@pytest.mark.django_db
def test_a_move_out_of_a_wider_boundary_divides_it():
    make.estate()
    begin = datetime(2027, 2, 1, tzinfo=UTC)
    publication.move_boundary(
        entity="loyalty-account",
        attribute_group=None,
        scope={"channel": "store"},
        system="pos",
        valid_from=begin,
        approval_id=5,
        actor=None,
    )
    assert boundaries.record_of("loyalty-account", None, {"channel": "store"}, begin).key == "pos"
    assert boundaries.record_of("loyalty-account", None, {"channel": "online"}, begin).key == "loyalty-engine"
    assert (
        boundaries.record_of("loyalty-account", None, {"channel": "store"}, datetime(2027, 1, 31, tzinfo=UTC)).key
        == "loyalty-engine"
    )
    assert boundaries.record_of("loyalty-account", None, {}, begin) is None
    assert {b.approval_id for b in boundaries.history("loyalty-account") if b.valid_from == begin} == {5}
    divided = AuditEntry.objects.get(verb="catalog.boundary_moved").after["divided"]
    assert [d["system"] for d in divided] == ["loyalty-engine"]


_BOX = st.tuples(
    st.sampled_from([None, "base", "offer"]),
    st.just(None),
    st.sampled_from([None, "islands", "mainland"]),
    st.sampled_from([None, "online", "store"]),
)


@given(wide=_BOX, part=_BOX)
def test_what_is_left_of_a_divided_boundary_covers_the_rest_exactly_once(wide, part):
    from itertools import product

    def holds(box, point):
        return all(b is None or b == p for b, p in zip(box, point, strict=True))

    left = systems_of_record.divided(wide, part, KNOWN)
    for point in product(KNOWN[0], [""], KNOWN[2], KNOWN[3]):
        wanted = holds(wide, point) and not holds(part, point)
        assert sum(holds(box, point) for box in left) == wanted


@pytest.mark.django_db
def test_a_move_to_something_unknown_names_everything_that_is_unknown():
    make.estate()
    with pytest.raises(Invalid) as caught:
        publication.move_boundary(
            entity="price",
            attribute_group="colour",
            scope={"region": "moon"},
            system="abacus",
            valid_from=datetime(2027, 2, 1, tzinfo=UTC),
            approval_id=5,
            actor=None,
        )
    assert {f["pointer"] for f in caught.value.findings} == {"/system", "/attribute_group", "/scope/region"}
