"""Journeys of what undoes a decision: another digest, another policy, an open debt, a waiver that ended. Each time the
page says so."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse

from governance.models import Approval, BreakGlass, ChangeRequest, Decision, Waiver
from governance.services import approvals, changes
from kernel import clock
from kernel.errors import NotApproved
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


def test_a_digest_that_moves_after_the_approval_takes_it_back_and_an_open_page_approves_nothing(
    house: make.House, browsing: Browsing
):
    make.thing(old={"fields": ["sku"]})
    change = make.in_review(house.author)
    owner, architect = browsing(house.owner), browsing(house.architect)
    approve(owner, change)
    architect.goto(address(change))
    first = change.subject_digest
    changes.revise(change, subjects=[make.thing(content={"fields": ["other"]})], actor=house.author)
    press_approve(architect)
    architect.get_by_text("This change was edited after you opened it").wait_for()
    assert "the subject" in architect.locator("main").inner_text()
    assert not Decision.objects.filter(person=house.architect).exists()
    assert not Approval.objects.exists()
    architect.get_by_role("link", name="What changed since").click()
    architect.wait_for_url("**/differences/")

    settle()
    for page in (owner, architect):
        approve(page, change)
    assert state_of(architect) == "Approved"
    subject = changes.subjects_of(ChangeRequest.objects.get())[0]
    assert approvals.require(subject, subject.digest, "production")
    changes.revise(
        ChangeRequest.objects.get(), subjects=[make.thing(content={"fields": ["third"]})], actor=house.author
    )
    settle()
    architect.goto(address(change))
    assert state_of(architect) == "In review"
    assert architect.get_by_role("button", name="Put into effect").count() == 0
    assert architect.get_by_text("Earlier approvals no longer count").count() == 2
    struck = architect.locator(f".digest[data-void], s:has-text('{first[7:15]}')").first
    assert struck.is_visible()
    architect.goto(address(change, "evidence"))
    sealed = architect.locator("section[aria-labelledby=h-app]").inner_text()
    assert "Void" in sealed
    assert "the subject changed" in sealed
    with pytest.raises(NotApproved):
        approvals.require(subject, subject.digest, "production")
    architect.goto(reverse("governance:inbox"))
    assert architect.get_by_text("No longer approved, the subject changed: Add a currency").is_visible()


def test_a_new_policy_takes_an_approval_back_and_the_page_asks_for_the_new_people(
    house: make.House, browsing: Browsing
):
    change = make.approved(house, planned_from=clock.now() + timedelta(days=1))
    second = make.person("alma", "architects")
    stricter = {
        **make.POLICY,
        "rules": [*make.POLICY["rules"], {"id": "peak", "why": "Peak.", "slots": {"release_manager": 1}}],
    }
    writer = browsing(house.security)
    writer.goto(reverse("governance:new-policy"))
    writer.get_by_label("Document").fill(json.dumps(stricter))
    writer.get_by_label("Title of the change").fill("Release managers before peak")
    writer.get_by_label("Why").fill("Peak is near.")
    writer.get_by_role("button", name="Preview").click()
    flips = writer.locator("section[aria-labelledby=h-flips]")
    assert "Add a currency" in flips.inner_text()
    assert "Release manager 1" in flips.inner_text()
    assert ChangeRequest.objects.get().state == "approved", "a preview decides nothing"
    writer.get_by_role("button", name="Propose").click()
    writer.wait_for_url(re.compile(r"/changes/\d+/$"))
    writer.get_by_role("button", name="Submit for review").click()
    writer.get_by_text("Submitted.").wait_for()
    settle()
    number = int(writer.url.rstrip("/").rpartition("/")[2])
    reader = browsing(house.architect)
    approve(reader, number)
    approve(browsing(second), number)
    settle()

    reader.goto(address(change))
    assert state_of(reader) == "In review"
    assert reader.get_by_text("Earlier approvals no longer count").is_visible()
    assert "policy" in reader.locator("main").inner_text().lower()
    assert "Release manager" in reader.locator(".rail").inner_text()
    assert Approval.objects.get(change=change).void_reason == "the policy changed"
    reader.goto(address(change, "evidence"))
    assert "the policy changed" in reader.locator("section[aria-labelledby=h-app]").inner_text()


def test_break_glass_takes_two_people_and_its_debt_blocks_the_next_change_until_it_is_reviewed(
    house: make.House, browsing: Browsing
):
    subject = make.thing()
    owner, releaser, architect = browsing(house.owner), browsing(house.releaser), browsing(house.architect)
    owner.goto(
        reverse("governance:break-glass") + f"?subject_kind=thing&subject_id={subject.id}&digest={subject.digest}"
    )
    owner.get_by_label("What is the emergency?").fill("Tills show no prices.")
    owner.get_by_role("main").get_by_role("button", name="Request", exact=True).click()
    owner.get_by_text("Requested. Nothing is allowed until a second person confirms.").wait_for()
    assert owner.get_by_role("button", name="Confirm for 4 hours").is_disabled()
    with pytest.raises(NotApproved):
        approvals.require(subject, subject.digest, "production")

    releaser.goto(reverse("governance:break-glass"))
    releaser.get_by_role("button", name="Confirm for 4 hours").click()
    releaser.get_by_text("A review is due.").wait_for()
    assert approvals.require(subject, subject.digest, "production").valid_until <= clock.now() + timedelta(hours=4)
    settle()

    draft = make.draft(house.author, make.thing("stock-feed"))
    author = browsing(house.author)
    author.goto(address(draft))
    author.get_by_role("button", name="Submit for review").click()
    author.get_by_text("its review is still owed").first.wait_for()
    assert ChangeRequest.objects.get().state == "draft"
    author.goto(reverse("governance:inbox"))
    assert author.get_by_text("A break-glass review is due").is_visible()
    assert author.get_by_text(re.compile("Break-glass confirmed: price-feed")).is_visible()

    architect.goto(reverse("governance:break-glass"))
    architect.get_by_label("What was done").fill("Prices were published by hand and compared.")
    architect.get_by_role("button", name="Complete the review").click()
    architect.get_by_text("The review is complete.").wait_for()
    assert BreakGlass.objects.get().reviewed_by == house.architect
    author.goto(address(draft))
    author.get_by_role("button", name="Submit for review").click()
    author.get_by_text("Submitted.").wait_for()


def expire(waiver: Waiver) -> None:
    """As if its days had passed: the guard refuses any other way to move the end of a waiver."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(
            "update governance_waiver "
            "set starts_at = starts_at - interval '30 days', expires_at = clock_timestamp() "
            "where id = %s",
            [waiver.pk],
        )


def test_a_waiver_is_seen_where_it_counts_and_when_it_ends_the_rule_holds_again(house: make.House, browsing: Browsing):
    make.THINGS.failing["price-feed"] = [make.breaking("/price") | {"breaking": False}]
    change = make.in_review(house.author, planned_from=clock.now() - timedelta(days=2))
    author, owner, architect = browsing(house.author), browsing(house.owner), browsing(house.architect)
    author.goto(address(change, "checks"))
    author.get_by_role("link", name="Ask for a waiver").click()
    author.get_by_label("Reason").fill("Kiosk images are frozen.")
    author.get_by_label("Until (UTC)").fill(f"{clock.now() + timedelta(days=20):%Y-%m-%dT%H:%M}")
    author.get_by_role("button", name="Request the waiver").click()
    author.wait_for_url(re.compile(r"/changes/\d+/$"))
    settle()
    asked = int(author.url.rstrip("/").rpartition("/")[2])
    for page in (owner, architect):
        approve(page, asked)
    settle()
    waiver = Waiver.objects.get()
    assert waiver.state == "granted"

    owner.goto(address(change, "checks"))
    assert owner.get_by_text("settled by a waiver or an acceptance").is_visible()
    assert "Kiosk images are frozen." in owner.locator(".rail").inner_text()
    for page in (owner, architect):
        approve(page, change)
    assert state_of(architect) == "Approved"
    assert "Waivers in force" in architect.locator(".rail").inner_text()
    subject = changes.subjects_of(change)[0]
    assert approvals.require(subject, subject.digest, "production")

    expire(waiver)
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, "production")
    assert [u["code"] for u in caught.value.unmet] == ["check.blocking"]
    architect.goto(address(change))
    rail = architect.locator(".rail").inner_text()
    assert "Waivers in force" not in rail
    assert "Blocked" in rail
    assert "Check thing.sound failed: what settled it has ended." in rail
    architect.goto(reverse("governance:waivers"))
    assert "Expired" in architect.locator(f"#w{waiver.pk}").inner_text()
