"""An entry proves only what was written in its own transaction. The two sessions here are of the serving role, whose
transaction begins before people decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from governance.models import Decision, FreezeInterval, FreezeWindow
from governance.services import freezes, reviews
from kernel import clock
from kernel.models import AuditEntry
from tests import serving_role
from tests.governance import make
from tests.governance.raw_sql import DECIDE, VERBS, beneath_guards, run

FREEZE = """insert into governance_freezewindow (name, reason, strictness, calendar, compiled_until)
   values ('Christmas', '', 'work', '{}', now() + interval '9 d') returning id"""
END = "update governance_freezewindow set ended_at = now() where id = %s"
TELL_END = "select kernel_record(null, 'x', 'governance.freeze_ended', 'freeze', %s, null, null, '', '')"
MONDAYS = {"kind": "weekly", "zone": "UTC", "days": ["mon"], "from": "10:00", "until": "12:00"}


def refused(session: psycopg.Connection[Any], constraint: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as caught:
        session.execute("commit")
    assert caught.value.diag.constraint_name == constraint, str(caught.value)
    session.execute("rollback")


@pytest.mark.django_db(transaction=True)
def test_a_decision_that_was_taken_back_does_not_come_back_with_the_entry_of_before():
    house = make.house()
    change = make.in_review(house.author)
    with serving_role.connected() as session:
        session.execute("begin")
        session.execute("select now()")
        decision = reviews.approve(change, actor=house.owner, seen=reviews.Seen.of(change))
        assert decision is not None
        reviews.retract(change, actor=house.owner)
        told = AuditEntry.objects.count()
        session.execute(DECIDE.encode(), (house.owner.pk, "approve", "", change.pk))
        refused(session, "decision_is_on_record")
    assert AuditEntry.objects.count() == told
    assert not Decision.objects.filter(change=change, voided_at=None).exists()
    assert VERBS["approve"] in AuditEntry.objects.values_list("verb", flat=True)


@pytest.mark.django_db(transaction=True)
def test_a_freeze_does_not_end_with_an_entry_of_another_transaction():
    make.house()
    with connection.cursor() as cursor:
        cursor.execute(FREEZE)
        window = cursor.fetchone()[0]
    with serving_role.connected() as session, serving_role.connected() as other:
        session.execute("begin")
        session.execute("select now()")
        other.execute(TELL_END, (str(window),))
        session.execute(END, (window,))
        refused(session, "freeze_is_on_record")
        # With its own entry, in whichever savepoint both were written, it ends.
        session.execute("begin; savepoint a")
        session.execute(TELL_END, (str(window),))
        session.execute("release savepoint a; savepoint b")
        session.execute(END, (window,))
        session.execute("release savepoint b")
        session.execute("commit")
        # An entry that was rolled back proves nothing.
        assert session.execute("select ended_at is not null from governance_freezewindow").fetchone() == (True,)


@pytest.mark.django_db(transaction=True)
def test_what_runs_where_does_not_end_with_an_entry_of_another_transaction():
    row = """insert into governance_applicationrelease (application, version, environment, instance, mode, consumes,
       provides, provided_apis, integrations)
       values ('till', '1', 'production', '', 'deployed', '{}', '{}', '{}', '{}')"""
    tell = "select kernel_record(null, 'x', 'governance.application_deployed', 'application', %s, null, null, '', '')"
    make.house()
    with serving_role.connected() as session, serving_role.connected() as other:
        session.execute("begin")
        session.execute("select now()")
        other.execute(tell, ("till@1",))
        session.execute(row.encode())
        refused(session, "release_record_is_on_record")


@pytest.mark.django_db
def test_how_far_a_freeze_is_worked_out_moves_with_an_entry_alone():
    """A window whose occurrences end before `compiled_until` freezes nothing after them."""
    until = clock.now() + timedelta(days=9)
    window = FreezeWindow.objects.create(name="Close", strictness="work", calendar=MONDAYS, compiled_until=until)
    refused_here("freeze_horizon_is_on_record", "update governance_freezewindow set compiled_until = '2033-01-01'")
    freezes.compile_all(now=clock.now() + timedelta(days=60))
    run("set constraints all immediate")
    entry = AuditEntry.objects.get(verb="governance.freeze_compiled")
    window.refresh_from_db()
    assert (entry.subject_id, entry.after["until"]) == (str(window.pk), window.compiled_until.isoformat())


@pytest.mark.django_db
def test_a_freeze_that_counts_as_worked_out_for_ever_is_worked_out_again_and_so_are_the_others():
    far, other = planned("A"), planned("B")
    with beneath_guards():
        FreezeWindow.objects.filter(pk=far.pk).update(compiled_until=datetime(2099, 1, 1, tzinfo=UTC))
        FreezeWindow.objects.filter(pk=other.pk).update(compiled_until=clock.now() + timedelta(days=9))
        FreezeInterval.objects.filter(period__startswith__gt=clock.now() + timedelta(days=9)).delete()
    freezes.compile_all()
    run("set constraints all immediate")
    for window in (far, other):
        window.refresh_from_db()
        assert timedelta(days=499) < window.compiled_until - clock.now() <= timedelta(days=500)
        assert window.intervals.filter(period__startswith__gt=clock.now()).count() >= 70


@pytest.mark.django_db
def test_a_calendar_that_cannot_be_read_keeps_no_other_window_from_its_occurrences():
    bad, good = planned("A"), planned("B")
    with beneath_guards():
        FreezeWindow.objects.filter(pk=bad.pk).update(calendar={"kind": "weekly", "zone": "Nowhere/Else"})
        FreezeWindow.objects.filter(pk=good.pk).update(compiled_until=clock.now() + timedelta(days=9))
    with pytest.raises(Exception, match="Nowhere"):
        freezes.compile_all()
    good.refresh_from_db()
    assert good.compiled_until - clock.now() > timedelta(days=499)


def planned(name: str = "Close") -> FreezeWindow:
    return freezes.plan(actor=None, name=name, calendar=MONDAYS)


def refused_here(constraint: str, statement: str) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        run(f"{statement}; set constraints all immediate")
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)
