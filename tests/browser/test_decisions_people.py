"""Journeys of people: a change from its form to its effect, doors that refuse its author, two reviewers at once, a
right that is gone."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from governance.models import Approval, ChangeRequest, Decision
from governance.services import reviews
from kernel import tokens
from kernel.models import User
from tests.browser.decisions import (  # noqa: F401 - the fixtures
    Browsing,
    address,
    approve,
    browsing,
    house,
    open_by_form,
    press_approve,
    settle,
    state_of,
)
from tests.governance import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


def test_a_change_goes_from_its_form_to_its_effect_and_everybody_hears_of_it(house: make.House, browsing: Browsing):
    make.thing()
    author, owner, architect = browsing(house.author), browsing(house.owner), browsing(house.architect)
    number = open_by_form(author, "price-feed")
    assert state_of(author) == "In review"

    owner.goto(reverse("governance:inbox"))
    assert owner.get_by_text("Please review: Add a currency").is_visible()
    owner.locator("[data-review-row]").get_by_role("link", name="Add a currency").click()
    press_approve(owner)
    owner.get_by_text("You approved.").wait_for()
    assert "1 of 2 approvals missing" in owner.locator(".rail").inner_text()
    approve(architect, number)
    assert architect.get_by_text("All approvals are given: the change is approved.").is_visible()
    assert state_of(architect) == "Approved"

    settle()
    author.goto(reverse("governance:inbox"))
    author.get_by_role("link", name="Approved: Add a currency").click()
    assert state_of(author) == "In effect", "its window is open, so the approval carried it out"
    assert [a.subject.id for a in make.THINGS.applied] == ["price-feed"]
    author.get_by_role("link", name="Evidence").click()
    assert "In effect" in author.locator("section[aria-labelledby=h-app]").inner_text()
    owner.goto(reverse("governance:inbox"))
    assert owner.get_by_text("You're all caught up").is_visible()


def test_no_door_lets_the_author_approve(house: make.House, browsing: Browsing):
    User.objects.filter(pk=house.author.pk).update(is_staff=True, is_superuser=True)
    author = User.objects.get(pk=house.author.pk)
    change = make.in_review(author)
    seen = asdict(reviews.Seen.of(change))
    page = browsing(author)

    page.goto(address(change))
    assert page.get_by_role("button", name="Approve").is_disabled()
    assert page.get_by_text("You contributed to this change; somebody else decides.").is_visible()

    token = page.locator("main input[name=csrfmiddlewaretoken], .rail input[name=csrfmiddlewaretoken]").first
    form = seen | {"outcome": "approve", "csrfmiddlewaretoken": token.get_attribute("value")}
    forged = page.request.post(
        address(change, "decide"), headers={"Referer": page.url}, form=form, fail_on_status_code=False
    )
    assert forged.status == 403
    assert "You contributed to this change" in forged.text()

    _, secret = tokens.issue(actor=None, user=author, name="own", scopes=["governance:read", "governance:write"])
    session = {"X-CSRFToken": str(token.get_attribute("value")), "Referer": page.url}
    for headers, code in (
        ({"Authorization": f"Bearer {secret}"}, "decision.by_token"),
        (session, "decision.not_allowed"),
    ):
        called = page.request.post(
            f"/api/v1/changes/{change.pk}/decisions",
            headers=headers | {"Content-Type": "application/json"},
            data=json.dumps(seen | {"outcome": "approve"}),
            fail_on_status_code=False,
        )
        assert (called.status, called.json()["code"]) == (403, code), called.text()

    page.goto(reverse("admin:governance_changerequest_change", args=[change.pk]))
    assert page.get_by_text("Add a currency").first.is_visible()
    assert page.locator("#content-main").get_by_role("button", name="Save").count() == 0
    assert page.goto(reverse("admin:governance_decision_add")).status == 403

    with pytest.raises(IntegrityError, match="do not decide on their own change"), transaction.atomic():
        Decision.objects.create(change=change, revision=1, person=author, outcome="approve", **seen)
    with (
        pytest.raises(IntegrityError, match="do not decide on their own change"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            """insert into governance_decision (change_id, revision, person_id, outcome, note, subject_digest,
                 diff_digest, impact_digest, policy_digest, void_reason)
               select id, revision, author_id, 'approve', '', subject_digest, diff_digest, impact_digest,
                 policy_digest, '' from governance_changerequest where id = %s""",
            [change.pk],
        )
    page.goto(address(change))
    assert state_of(page) == "In review"
    assert not Decision.objects.exists()


def together(*pages: Any) -> None:
    """Every page sends its open dialog in the same instant; the server answers them in threads of its own."""
    for page in pages:
        page.keyboard.press("a")
        page.get_by_role("dialog").wait_for()
    for page in pages:
        page.evaluate("() => { setTimeout(() => document.querySelector('dialog[open] form').requestSubmit(), 50); }")
    for page in pages:
        page.get_by_text("You approved.").wait_for()


def test_two_owners_press_approve_for_one_seat_at_the_same_moment_and_both_are_heard(
    house: make.House, browsing: Browsing
):
    change = make.in_review(house.author)
    second = make.person("otto", "price")
    pages = browsing(house.owner), browsing(second)
    for page in pages:
        page.goto(address(change))
        assert "Owner: Price" in page.locator(".decision-bar").inner_text()
    together(*pages)
    assert Decision.objects.filter(voided_at=None).count() == 2
    pages[0].goto(address(change))
    assert "1 of 2 approvals missing" in pages[0].locator(".rail").inner_text(), (
        "one of them sits, the architect is still missing"
    )
    assert state_of(pages[0]) == "In review"


def test_the_last_two_seats_filled_at_the_same_moment_seal_once(house: make.House, browsing: Browsing):
    change = make.in_review(house.author)
    pages = browsing(house.owner), browsing(house.architect)
    for page in pages:
        page.goto(address(change))
    together(*pages)
    assert Approval.objects.filter(change=change, voided_at=None).count() == 1
    assert ChangeRequest.objects.get().state == "approved"
    for page in pages:
        page.goto(address(change))
        assert state_of(page) == "Approved"


def test_a_reviewer_who_lost_the_right_while_the_page_was_open_is_told_so_and_decides_nothing(
    house: make.House, browsing: Browsing
):
    change = make.in_review(house.author)
    page = browsing(house.owner)
    page.goto(address(change))
    house.owner.groups.clear()
    press_approve(page)
    page.get_by_text("None of the missing approvals is yours to give.").wait_for()
    assert not Decision.objects.exists()
    page.goto(address(change))
    assert page.get_by_role("button", name="Approve").is_disabled()
    assert page.locator("#why-decide").inner_text() == "None of the missing approvals is yours to give."
    page.goto(reverse("governance:inbox"))
    assert page.get_by_text("You're all caught up").is_visible()
