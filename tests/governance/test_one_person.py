"""One person with several accounts is one person: for every seat, for both sides of a decision, and for the database
that counts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from catalog import permissions as catalog_permissions
from catalog.models import Subscription
from catalog.services import governed_facts
from governance import permissions
from governance.models import Approval, ChangeRequest, Decision
from governance.services import breakglass, identity, people, reviews, sealing
from kernel import acting, clock, persons
from kernel.errors import Forbidden, Invalid
from kernel.models import AuditEntry, ProvedMail, User
from kernel.viewer import Viewer
from tests.governance import make
from tests.governance.raw_sql import DECIDE, SEAL, decide, refused, seal

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-password"


def at_provider(subject: str, address: str, *teams: str, verified: bool = True) -> User:
    """The account of somebody who signs in through the identity provider."""
    claims: dict[str, Any] = {"sub": subject, "email": address, "email_verified": verified, "name": subject}
    user = identity.person_of(claims, groups_claim="groups")
    for key in teams:
        user.groups.add(make.team(key).group)
    return user


def confirm(user: User, address: str) -> None:
    """The person asks for an address and opens the link that was sent there."""
    client = Client()
    assert client.post("/sign-in/", {"username": user.username, "password": PASSWORD}).status_code == 302
    mail.outbox.clear()
    client.post("/settings/account/details/", {"email": address, "time_zone": "", "prove": "yes"})
    link = re.search(r"https?://[^/]+(/settings/account/mail/\S+)", str(mail.outbox[-1].body))
    assert link
    assert client.post(link[1]).status_code == 302
    user.refresh_from_db()


def approve(change: ChangeRequest, person: User) -> None:
    reviews.approve(change, actor=person, seen=reviews.Seen.of(change))


def twin(user: User, *teams: str) -> User:
    """Another account of the same person, who has proved the same address at both."""
    persons.prove(user, f"{user.username}@home.example", way=persons.LINK)
    return at_provider(f"{user.username}-there", f"{user.username.upper()}@Home.example", *teams)


def told(verb: str, account: User) -> bool:
    return AuditEntry.objects.filter(verb=verb, subject_kind="user", subject_id=str(account.pk)).exists()


def test_a_local_account_and_one_of_the_provider_fill_one_seat(house: make.House):
    paula = make.person("paula", "price")
    confirm(paula, "Paula.Muster@Example.com")
    there = at_provider("p-1", "paula.MUSTER@example.COM", "architects")
    change = make.in_review(house.author)
    approve(change, paula)
    with pytest.raises(Forbidden, match="by another account of yours"):
        approve(change, there)
    refused("one_live_decision_per_person", DECIDE, there.pk, "approve", "", change.pk)
    change.refresh_from_db()
    assert change.state == "in_review"


def test_an_author_does_not_approve_by_another_account(house: make.House):
    ada, there = house.author, at_provider("a-1", "ada@home.example", "price")
    confirm(ada, "ada@home.example")
    change = make.in_review(ada)
    with pytest.raises(Forbidden, match="You contributed"):
        approve(change, there)
    refused("decision_separation_of_duties", DECIDE, there.pk, "approve", "", change.pk)


def test_a_closed_account_is_still_the_same_person(house: make.House):
    there = twin(house.author, "price")
    change = make.in_review(house.author)
    User.objects.filter(pk=house.author.pk).update(is_active=False)
    refused("decision_separation_of_duties", DECIDE, there.pk, "approve", "", change.pk)


def test_a_contributor_does_not_approve_by_another_account(house: make.House):
    helper = make.person("hans")
    there = twin(helper, "price")
    change = make.in_review(house.author, make.thing(contributors=[helper]))
    refused("decision_separation_of_duties", DECIDE, there.pk, "approve", "", change.pk)


def test_an_administrator_says_that_two_accounts_are_one_person_and_no_longer(house: make.House):
    other = make.person("olaf-2", "architects")
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    with acting.by(boss):
        User.objects.filter(pk=other.pk).update(same_person_as=house.owner)
    assert told("kernel.accounts_joined", other)
    assert told("kernel.accounts_joined", house.owner)
    change = make.in_review(house.author)
    approve(change, house.owner)
    with pytest.raises(Forbidden, match="by another account of yours"):
        approve(change, other)
    with acting.by(boss):
        User.objects.filter(pk=other.pk).update(same_person_as=None)
    assert told("kernel.accounts_parted", other)
    assert told("kernel.accounts_parted", house.owner)


def test_accounts_are_one_person_by_way_of_a_third_one(house: make.House):
    first, second, third = make.person("one"), make.person("two"), make.person("three")
    persons.prove(first, "a@home.example", way=persons.LINK)
    persons.prove(second, "a@home.example", way=persons.LINK)
    User.objects.filter(pk=third.pk).update(same_person_as=second)
    assert persons.accounts_of(first.pk) == persons.accounts_of(third.pk) == (first.pk, second.pk, third.pk)
    assert persons.accounts_of(house.author.pk) == (house.author.pk,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rita@Example.COM", " rita@example.com "),
        ("stra\u00dfe@example.com", "STRASSE@example.com"),
        ("ren\u00e9@example.com", "RENE\u0301@example.com"),
        ("\u03bf\u03b4\u03bf\u03c2@example.com", "\u039f\u0394\u039f\u03a3@example.com"),
    ],
)
def test_addresses_are_compared_folded_and_composed(house: make.House, one: str, other: str):
    persons.prove(house.owner, one, way=persons.LINK)
    persons.prove(house.architect, other, way=persons.LINK)
    assert persons.are_one(house.owner.pk, house.architect.pk)


def test_who_takes_another_address_stays_the_same_person(house: make.House):
    there = at_provider("o-1", "olaf@home.example", "architects")
    confirm(house.owner, "olaf@home.example")
    confirm(house.owner, "olaf@elsewhere.example")
    assert persons.are_one(house.owner.pk, there.pk)


def test_a_seal_in_which_two_accounts_turn_out_to_be_one_person_is_void(house: make.House):
    change = make.in_review(house.author)
    approve(change, house.owner)
    approve(change, house.architect)
    assert Approval.objects.get().voided_at is None
    User.objects.filter(pk=house.architect.pk).update(same_person_as=house.owner)
    assert Approval.objects.get().void_reason == "two of its accounts are one person"
    change.refresh_from_db()
    assert change.state == "in_review"
    assert sealing.try_seal(change.pk) == [], "both decisions stand, and one of them counts"


def test_the_database_seals_nothing_where_one_person_fills_two_seats(house: make.House):
    change = make.in_review(house.author)
    approve(change, house.owner)
    entries = seal_as_two_people(change, house)
    refused("one_person_one_slot", SEAL, *entries)


def seal_as_two_people(change: ChangeRequest, house: make.House) -> tuple[object, ...]:
    """What an insert would say that has both accounts of one person, who became known as one after both decided."""
    decide(house.architect.pk, change)
    slots = {slot.group_ids[0]: slot.pk for slot in change.slots.all()}
    by = {d.person_id: d.pk for d in Decision.objects.filter(change=change)}
    seats = ((make.team("price"), house.owner.pk), (make.team("architects"), house.architect.pk))
    filled = [{"slot": slots[team.group_id], "decision": by[pk], "person": pk} for team, pk in seats]
    User.objects.filter(pk=house.architect.pk).update(same_person_as=house.owner)
    return seal(change, filled)


def test_what_was_decided_on_ones_own_change_by_another_account_is_void(house: make.House):
    change = make.in_review(house.author)
    approve(change, house.owner)
    User.objects.filter(pk=house.author.pk).update(same_person_as=house.owner)
    assert Decision.objects.get().void_reason == "this person is a party of the change by another account"


def test_break_glass_takes_three_people_not_three_accounts(house: make.House):
    olaf = twin(house.owner, "architects", "release-managers")
    case = breakglass.open_case(
        actor=house.owner, subject=make.thing(), environment="production", reason="The tills stand still."
    )
    with pytest.raises(Forbidden, match="Ask a second person"):
        breakglass.confirm(case.pk, actor=olaf)
    at = "update governance_breakglass set confirmed_by_id = %s, starts_at = now(), ends_at = now() + interval '1 h'"
    refused("break_glass_takes_two_people", at + " where id = %s", olaf.pk, case.pk)
    breakglass.confirm(case.pk, actor=house.releaser)
    rita = twin(house.releaser, "architects")
    for again in (olaf, rita):
        with pytest.raises(Forbidden, match="Ask a third person"):
            breakglass.review(case.pk, actor=again, note="It was done well.")
        refused(
            "break_glass_reviewed_by_a_third",
            "update governance_breakglass set reviewed_by_id = %s, reviewed_at = now() where id = %s",
            again.pk,
            case.pk,
        )


def test_a_break_glass_that_one_person_opened_ends_when_that_is_known(house: make.House):
    case = breakglass.open_case(
        actor=house.owner, subject=make.thing(), environment="production", reason="The tills stand still."
    )
    breakglass.confirm(case.pk, actor=house.releaser)
    User.objects.filter(pk=house.releaser.pk).update(same_person_as=house.owner)
    assert Approval.objects.get().void_reason == "the two who opened the break-glass are one person"


def test_nobody_delegates_to_oneself(house: make.House):
    there = twin(house.owner)
    with pytest.raises(Invalid):
        lend(house.owner, there)
    refused(
        "delegation_needs_a_right",
        "insert into governance_delegation (delegator_id, delegate_id, group_id, starts_at, ends_at, reason)"
        " values (%s, %s, %s, now(), now() + interval '1 day', '')",
        house.owner.pk,
        there.pk,
        make.team("price").pk,
    )


def test_a_right_that_was_lent_to_ones_own_account_ends_when_that_is_known(house: make.House):
    other = make.person("otto")
    lend(house.owner, other)
    change = make.in_review(house.author)
    assert permissions.may_decide(Viewer.of(other), change, clock.now())
    User.objects.filter(pk=other.pk).update(same_person_as=house.owner)
    assert not permissions.may_decide(Viewer.of(other), change, clock.now())


def test_the_author_lends_no_right_by_another_account(house: make.House):
    there = twin(house.author, "price")
    lend(there, house.stranger, team="price")
    change = make.in_review(house.author)
    assert not permissions.may_decide(Viewer.of(house.stranger), change, clock.now())
    refused("decision_needs_a_right", DECIDE, house.stranger.pk, "approve", "", change.pk)


def lend(by: User, to: User, team: str = "price") -> None:
    now = clock.now()
    people.delegate(actor=by, to=to, team_key=team, starts_at=now, ends_at=now + timedelta(days=1))


# An address that is only written beside an account.


def test_an_address_that_the_provider_does_not_call_verified_is_nobodys(house: make.House):
    confirm(house.owner, "olaf@home.example")
    stranger = at_provider("s-1", "olaf@home.example", "architects", verified=False)
    assert (stranger.email, persons.are_one(stranger.pk, house.owner.pk)) == ("", False)
    change = make.in_review(house.author)
    approve(change, house.owner)
    approve(change, stranger)
    change.refresh_from_db()
    assert change.state == "approved", "neither blocks the other"


def test_a_written_address_binds_the_account_that_has_it_and_not_who_proved_it(house: make.House):
    confirm(house.owner, "olaf@home.example")
    impostor = make.person("mallory", "price", "architects")
    User.objects.filter(pk=impostor.pk).update(email="Olaf@Home.example")
    assert not persons.are_one(impostor.pk, house.owner.pk)
    change = make.in_review(house.author)
    approve(change, house.owner)
    with pytest.raises(Forbidden, match="another account has proved"):
        approve(change, impostor)
    refused("decision_needs_a_right", DECIDE, impostor.pk, "approve", "", change.pk)
    approve(change, house.architect)
    change.refresh_from_db()
    assert change.state == "approved", "who proved the address is not touched"
    with pytest.raises(Forbidden, match="another account has proved"):
        make.in_review(impostor)


def test_what_an_account_proposed_before_its_double_proved_the_address_is_not_sealed(house: make.House):
    User.objects.filter(pk=house.author.pk).update(email="ada@home.example")
    change = make.in_review(house.author)
    there = at_provider("a-1", "ada@home.example", "price")
    for somebody in (there, house.owner):
        with pytest.raises(Forbidden, match="Another account has proved the address of ada"):
            approve(change, somebody)
    decide(there.pk, change)
    decide(house.architect.pk, change)
    refused("approval_knows_its_parties", SEAL, *seal(change))
    confirm_present(house.author)
    assert persons.are_one(house.author.pk, there.pk)
    assert Decision.objects.get(person=there).voided_at is not None
    approve(change, house.owner)
    change.refresh_from_db()
    assert change.state == "approved"


def confirm_present(user: User) -> None:
    """The person proves the address that somebody else wrote beside the account."""
    user.refresh_from_db()
    confirm(user, user.email)


def test_two_written_addresses_of_a_shared_mailbox_bind_nobody(house: make.House):
    User.objects.filter(pk__in=[house.owner.pk, house.architect.pk]).update(email="shop@example.com")
    change = make.in_review(house.author)
    approve(change, house.owner)
    approve(change, house.architect)
    change.refresh_from_db()
    assert change.state == "approved"


def test_an_administrator_forgets_what_was_proved_and_the_rights_rest(house: make.House):
    twin(house.owner)
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    admin = Client()
    admin.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    chosen = {"action": "forget_proved_addresses", "_selected_action": [house.owner.pk]}
    assert admin.post("/admin/kernel/user/", chosen).status_code == 302
    assert not ProvedMail.objects.filter(user=house.owner).exists()
    assert told("kernel.mail_proof_forgotten", house.owner)


def test_an_architect_of_the_team_that_gives_by_another_account_hands_nothing_over_alone(house: make.House):
    giving, receiving = make.team("price"), make.team("stores")
    about = {"what": "price-api", "code": "api.needs_receiving_team"}
    governed_facts.require_both_sides(house.architect, giving, receiving, **about)
    twin(house.architect, "price")
    with pytest.raises(Forbidden, match="has not been asked"):
        governed_facts.require_both_sides(house.architect, giving, receiving, **about)


def test_who_asked_for_a_subscription_does_not_decide_it_by_another_account(house: make.House):
    asked = Subscription(requested_by=house.owner, state=Subscription.State.REQUESTED)
    there = twin(house.owner, "price")
    permission = catalog_permissions.may_decide_subscription(Viewer.of(there), asked)
    assert "You asked for this yourself" in permission.reason


def test_who_proposed_a_pipeline_connection_does_not_confirm_it_by_another_account(house: make.House):
    there = twin(house.owner, "release-managers")
    assert "You proposed it" in permissions.may_confirm_pipeline(Viewer.of(there), house.owner.pk).reason
