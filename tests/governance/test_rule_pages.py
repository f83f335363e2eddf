"""The pages of rules: policies with explain and preview, waivers, freezes, break-glass."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from governance.domain import kinds
from governance.models import BreakGlass, FreezeWindow, Policy, Waiver
from governance.services import breakglass, changes, waivers
from kernel import clock
from kernel.digest import short
from tests.catalog.make import shown
from tests.governance import make
from tests.governance.visits import page, signed_in

pytestmark = pytest.mark.django_db


def test_the_explain_box_says_who_and_why(house: make.House):
    html = page(
        house.stranger,
        "governance:policies",
        query="?kind=version.publish&environment=production&tier=0&data_class=personal&consumers=2&breaking=0",
    )
    assert "1 architect" in html
    assert "Somebody looks at the whole." in html
    assert "1 security reviewer" in html


def test_a_policy_is_previewed_and_proposed_from_its_page(house: make.House):
    change = make.approve(make.in_review(house.author), house.owner)
    client = signed_in(house.architect)
    url = reverse("governance:new-policy")
    assert "approval_days" in client.get(url).content.decode()
    stricter = '{"rules": [{"id": "two", "why": "Two see more.", "slots": {"owner": 2}}]}'
    values = {
        "level": "organisation",
        "document": stricter,
        "title": "Two owners",
        "justification": "Peak.",
        "environment": "production",
    }
    preview = client.post(url, {**values, "preview": "yes"}).content.decode()
    assert change.title in preview
    assert "Owner: Price 2" in preview
    assert client.post(url, {**values, "document": "{"}).status_code == 422
    assert client.post(url, values).status_code == 302
    draft = Policy.objects.get(state="draft")
    assert "What it would change" in page(house.stranger, "governance:policy", draft.pk)


def test_a_waiver_is_asked_for_from_the_page_and_becomes_a_change(house: make.House):
    client = signed_in(house.author)
    make.thing()
    url = reverse("governance:waivers")
    values = {
        "rule": "thing.sound",
        "pointer": "/price",
        "subject_kind": "thing",
        "subject_id": "price-feed",
        "environment": "production",
        "reason": "Kiosks are frozen now.",
    }
    late = (clock.now() + timedelta(days=120)).strftime("%Y-%m-%dT%H:%M")
    assert client.post(url, {**values, "expires_at": late}).status_code == 422
    soon = (clock.now() + timedelta(days=20)).strftime("%Y-%m-%dT%H:%M")
    response = client.post(url, {**values, "expires_at": soon})
    assert response.status_code == 302, response.content.decode()
    assert Waiver.objects.get().state == "proposed"
    assert "Asked for" in client.get(url).content.decode()


def test_the_freeze_calendar_shows_plans_and_ends_windows(house: make.House):
    client = signed_in(house.releaser)
    url = reverse("governance:freezes")
    values = {
        "name": "Peak trading",
        "strictness": "changes",
        "zone": "Europe/Berlin",
        "starts": "2096-11-23T18:00",
        "ends": "2096-12-01T06:00",
        "tier": "1",
    }
    assert client.post(url, values).status_code == 302
    assert "Peak trading" in client.get(f"{url}?month=2096-11").content.decode()
    assert client.post(url, {**values, "zone": "Mars/Base"}).status_code == 422
    assert signed_in(house.stranger).post(url, values).status_code == 403
    assert client.get(f"{url}?month=junk").status_code == 200
    assert client.post(reverse("governance:end-freeze", args=[FreezeWindow.objects.get().pk])).status_code == 302


@pytest.mark.parametrize(
    ("repeats", "fields", "says"),
    [
        (
            "weekly",
            {"days": ["fri", "sat"], "starts": "16:00", "ends": "06:00"},
            "Every Friday and Saturday from 16:00 to 06:00",
        ),
        (
            "retail_weeks",
            {"weeks": "43-44, 47", "starts": "00:00", "ends": "00:00"},
            "Retail weeks 43, 44 and 47 of each year",
        ),
        (
            "period_close",
            {"year": "454", "days_before": "2", "days_after": "3", "starts": "18:00", "ends": "06:00"},
            "2 days before to 3 days after the end of each retail period",
        ),
        (
            "dates",
            {"dates": "2098-01-15, 2098-07-15", "starts": "00:00", "ends": "00:00"},
            "On 2098-01-15 and 2098-07-15",
        ),
    ],
)
def test_a_recurring_freeze_is_planned_from_the_page_and_said_in_words(
    house: make.House, repeats: str, fields: dict, says: str
):
    client, url = signed_in(house.releaser), reverse("governance:freezes")
    assert "How often" in shown(client.get(f"{url}?repeats={repeats}"))
    values = {"repeats": repeats, "name": "Peak", "strictness": "changes", "zone": "Europe/Berlin", **fields}
    bad = dict.fromkeys(fields, "junk")
    assert client.post(url, values | bad).status_code == 422
    assert not FreezeWindow.objects.exists()
    answer = client.post(url, values)
    assert answer.status_code == 302, shown(answer)
    made = FreezeWindow.objects.get()
    assert made.calendar["kind"] == repeats
    assert made.intervals.exists() or repeats == "dates"
    assert says in shown(client.get(url))


@pytest.mark.parametrize(("name", "first"), [("waivers", "version"), ("break-glass", "integration")])
def test_what_a_form_is_about_is_said_in_words(house: make.House, name: str, first: str):
    html = signed_in(house.author).get(reverse(f"governance:{name}")).content.decode()
    choices = dict(re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)</option>', html.split('name="subject_kind"')[1]))
    kinds_known = {kind.subject_kind for kind in kinds.all_kinds()} - {"", "waiver", "policy"}
    assert {key: choices[key] for key in kinds_known if choices[key] == key.replace("_", " ")} == {}
    assert f'<option value="{first}" selected>' in html


def test_a_row_of_a_list_says_what_a_number_is_the_number_of(house: make.House):
    change = make.in_review(house.author)
    change.subjects.update(kind="waiver", subject_id="17")
    assert "<span>waiver 17</span>" in signed_in(house.author).get(reverse("governance:changes")).content.decode()


def test_break_glass_from_the_page_takes_two_people_and_a_review(house: make.House):
    subject = make.thing()
    url = reverse("governance:break-glass")
    values = {
        "subject_kind": "thing",
        "subject_id": subject.id,
        "digest": subject.digest,
        "environment": "production",
        "hours": "2",
        "reason": "Tills show no prices.",
    }
    assert signed_in(house.owner).post(url, {**values, "digest": "x"}).status_code == 422
    assert signed_in(house.owner).post(url, values).status_code == 302
    case = BreakGlass.objects.get()
    step = [reverse("governance:break-glass-step", args=[case.pk, word]) for word in ("confirm", "review")]
    assert signed_in(house.owner).post(step[0]).status_code == 403
    assert signed_in(house.releaser).post(step[0]).status_code == 302
    assert "A break-glass review is due" in page(house.owner, "governance:inbox")
    with pytest.raises(Exception, match="break-glass"):
        changes.submit(make.draft(house.author), actor=house.author)
    assert signed_in(house.architect).post(step[1], {"note": "Prices were republished by hand."}).status_code == 302
    assert breakglass.BreakGlass.objects.get().reviewed_by == house.architect


def test_the_page_says_what_a_break_glass_is_for_and_when_the_thing_has_moved_on(house: make.House):
    subject = make.thing()
    breakglass.open_case(actor=house.owner, subject=subject, environment="production", reason="Tills show no prices.")
    html = page(house.owner, "governance:break-glass")
    assert "content" in html
    assert "which this does not cover" not in html
    now = make.thing(content={"fields": []})
    html = page(house.owner, "governance:break-glass")
    assert f"price-feed is at {short(now.digest)} now, which this does not cover." in html


def test_only_those_with_a_stake_revoke_a_waiver_or_end_an_emergency(house: make.House):
    subject = make.thing()
    waivers.propose(
        actor=house.author,
        rule="thing.sound",
        pointer="",
        subject=subject,
        environment="production",
        reason="Kiosk images are frozen.",
        expires_at=clock.now() + timedelta(days=9),
    )
    case = breakglass.open_case(
        actor=house.owner, subject=subject, environment="production", reason="Tills show no prices."
    )
    breakglass.confirm(case.pk, actor=house.releaser)
    end = reverse("governance:break-glass-step", args=[case.pk, "end"])
    revoke = reverse("governance:revoke-waiver", args=[Waiver.objects.get().pk])
    for url in (end, revoke):
        assert signed_in(house.stranger).post(url).status_code == 403
    assert "the two people who opened it" in page(house.stranger, "governance:break-glass")
    assert case.approval.voided_at is None
    assert signed_in(house.security).post(end).status_code == 403
    assert signed_in(house.security).post(revoke).status_code == 302
    assert signed_in(house.owner).post(end).status_code == 302
    case.approval.refresh_from_db()
    assert case.approval.void_reason == "break-glass ended early"
    assert Waiver.objects.get().state == "revoked"
    assert "End it now" not in page(house.owner, "governance:break-glass")
