"""An approval that is written by hand counts as little as none: its slots, checks and levels are those of the active
policies, and what was decided stands in the ledger, or it is not stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from catalog.models import Domain
from governance.models import Approval
from governance.services import freezes, policies
from kernel import clock
from kernel.models import AuditEntry
from tests.governance import make
from tests.governance.forging import Forger, as_serving
from tests.governance.raw_sql import run

pytestmark = pytest.mark.django_db
EVERYDAY = 4


@contextmanager
def refused(constraint: str) -> Iterator[None]:
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), as_serving():
        yield
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)


@pytest.fixture
def forger(house: make.House) -> Forger:
    """Everything as the policy wants it, but for the ledger."""
    subject = make.thing()
    owners, architects = make.team("price").pk, make.team("architects").pk
    facts = {"tier": 2, "data_class": "internal", "entities": [], "consumers": 0, "breaking": 0, "domain": "price"}
    return Forger(
        author=house.author,
        subject=subject,
        people=(house.owner, house.architect),
        slots=(("team:price", (owners,)), ("architect", (architects,))),
        facts=facts | {"domains": ["price"]},
        levels=("organisation", "domain:price", "team:price"),
        owners=(owners,),
    )


def test_an_approval_by_hand_with_slots_of_ones_choice_is_refused(house: make.House, forger: Forger) -> None:
    anyone = (("anyone", (make.team("stores").pk,)),)
    with refused("approval_needs_what_policy_asks"):
        replace(forger, slots=anyone, people=(house.stranger,), recorded=True).forge()


LESS: dict[str, tuple[str, Callable[[Forger, make.House], Forger]]] = {
    "no architect": ("slot architect", lambda f, h: replace(f, slots=f.slots[:1], people=f.people[:1])),
    "no owner": ("slot owner", lambda f, h: replace(f, slots=f.slots[1:], people=f.people[1:])),
    "another team's owner": (
        "slot owner",
        lambda f, h: replace(
            f, slots=(("team:price", (make.team("stores").pk,)), f.slots[1]), people=(h.stranger, h.architect)
        ),
    ),
    "facts that nobody knows": ("slot security", lambda f, h: replace(f, facts={})),
    "a change without an owner": ("slot owner", lambda f, h: replace(f, owners=())),
    "a check left out": ("check change.window", lambda f, h: f),
    "a level left out": ("policy domain:price", lambda f, h: replace(f, levels=("organisation",))),
}


@pytest.mark.parametrize("how", LESS)
def test_what_the_policy_asks_for_is_counted_by_the_database(house: make.House, forger: Forger, how: str) -> None:
    lacking, change = LESS[how]
    if how in ("a check left out", "a level left out"):
        Domain.objects.create(key="price", name="Price")
        rule = {"id": "agreed", "why": "The domain agrees.", "checks": ["change.window"]}
        policies.install(level="domain:price", document={"rules": [rule]}, actor=None)
    with pytest.raises(IntegrityError, match=lacking) as caught, transaction.atomic(), as_serving():
        replace(change(forger, house), recorded=True).forge()
    assert caught.value.__cause__.diag.constraint_name == "approval_needs_what_policy_asks"


def test_a_decision_without_its_entry_in_the_ledger_is_not_stored(forger: Forger) -> None:
    with refused("decision_is_on_record"):
        forger.forge()
    assert Approval.objects.count() == 0


def test_who_writes_all_of_it_by_hand_leaves_all_of_it_in_the_ledger(house: make.House, forger: Forger) -> None:
    """What is left to who serves for everybody: to say that a person decided who did not. It cannot be left unsaid."""
    with as_serving():
        approval = replace(forger, recorded=True).forge()
    told = AuditEntry.objects.filter(verb="governance.decision_approved")
    assert {entry.actor_id for entry in told} == {house.owner.pk, house.architect.pk}
    assert AuditEntry.objects.get(verb="governance.change_approved").after["approvals"] == [approval]
    made = Approval.objects.get(pk=approval)
    assert made.valid_from == made.sealed_at > made.change.created_at


def test_an_entry_of_another_decision_proves_nothing(house: make.House, forger: Forger) -> None:
    other = make.approved(house, make.thing("another"))
    with refused("decision_is_on_record"):
        forger.forge()
    assert other.state == "approved"


OPEN = """insert into governance_breakglass (subject_kind, subject_id, digest, environment, reason, owner_team_ids,
   hours, opened_by_id, review_note)
   values ('thing', 'price-feed', %s, 'production', 'fire', %s, 4, %s, '') returning id"""
CONFIRM = """update governance_breakglass set confirmed_by_id = %s, starts_at = now(), ends_at = now() + interval '4 h'
   where id = %s"""


def test_break_glass_is_for_those_who_have_the_right_and_an_open_account(house: make.House, forger: Forger) -> None:
    digest, price = forger.subject.digest, [make.team("price").pk]
    with refused("break_glass_needs_a_right"):
        run(OPEN, digest, price, house.stranger.pk)
    house.owner.is_active = False
    house.owner.save()
    with refused("break_glass_needs_a_right"):
        run(OPEN, digest, price, house.owner.pk)
    with refused("break_glass_needs_a_right"):
        run(CONFIRM, house.stranger.pk, run(OPEN, digest, price, house.releaser.pk)[0][0])
    with refused("break_glass_is_on_record"):
        run(OPEN, digest, price, house.releaser.pk)


LEND = """insert into governance_delegation (delegator_id, delegate_id, group_id, starts_at, ends_at, reason)
   values (%s, %s, %s, now() - interval '1 h', now() + %s::interval, '') returning id"""


def test_a_right_is_lent_by_who_has_it_for_a_while_and_on_record(house: make.House) -> None:
    price = make.team("price").pk
    with refused("delegation_needs_a_right"):
        run(LEND, house.releaser.pk, house.stranger.pk, price, "1 day")
    with refused("delegation_is_for_a_while"):
        run(LEND, house.owner.pk, house.stranger.pk, price, "3650 days")
    with refused("delegation_is_on_record"):
        run(LEND, house.owner.pk, house.stranger.pk, price, "1 day")
    with refused("delegation_is_immutable"):
        run(
            "update governance_delegation set ends_at = ends_at + interval '1 d' where id = %s",
            run(LEND, house.owner.pk, house.stranger.pk, price, "1 day")[0][0],
        )


FREEZE = """insert into governance_freezewindow (name, reason, strictness, calendar, compiled_until)
   values ('Christmas', '', 'work', '{}', now() + interval '9 d') returning id"""
LIFTED = {
    "ended": ("freeze_is_on_record", "update governance_freezewindow set ended_at = now() where ended_at is null"),
    "narrowed": ("freeze_is_immutable", "update governance_freezewindow set tier = 0"),
    "weakened": ("freeze_is_immutable", "update governance_freezewindow set strictness = 'notice'"),
    "without its occurrences": (
        "freeze_is_on_record",
        "update governance_freezewindow set compiled_until = null; delete from governance_freezeinterval; "
        "update governance_freezewindow set compiled_until = now() + interval '9 d'",
    ),
}


@pytest.mark.parametrize("how", LIFTED)
def test_a_freeze_is_not_lifted_by_hand(house: make.House, how: str) -> None:
    made = run(FREEZE)[0][0]
    run(
        "insert into governance_freezeinterval (freeze_id, period) values (%s, tstzrange(now() - interval '1 h', "
        "now() + interval '9 d'))",
        made,
    )
    constraint, statement = LIFTED[how]
    with refused(constraint):
        run(statement)
    assert run("select count(*) from governance_active_freeze") == [(1,)]


def test_what_runs_where_is_not_ended_by_hand(house: make.House) -> None:
    row = """insert into governance_applicationrelease (application, version, environment, instance, mode, consumes,
       provides, provided_apis, integrations)
       values ('till', '1', 'production', '', 'deployed', '{}', '{}', '{}', '{}')"""
    with refused("release_record_is_on_record"):
        run(row)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(), as_serving():
        run("update governance_releasetally set live = 0")


def test_a_freeze_is_not_worked_out_for_longer_than_it_has_occurrences(house: make.House) -> None:
    begins = clock.now() + timedelta(days=2)
    calendar = {"kind": "once", "zone": "UTC", "from": f"{begins:%Y-%m-%dT%H:%M}", "until": "2099-01-01T00:00"}
    window = freezes.plan(actor=house.releaser, name="Peak", strictness="changes", calendar=calendar, reason="Peak.")
    with refused("freeze_is_compiled_ahead"):
        run("update governance_freezewindow set compiled_until = '2099-01-01' where id = %s", window.pk)
