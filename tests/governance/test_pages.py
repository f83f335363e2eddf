"""The pages: they say what is, refuse what must be refused, and work without script."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from governance.models import ChangeRequest, Decision, Delegation
from governance.services import changes, reviews
from kernel import clock
from kernel.models import User
from tests.governance import make
from tests.governance.visits import page, signed_in

pytestmark = pytest.mark.django_db


def seen(change: ChangeRequest) -> dict[str, str]:
    change.refresh_from_db()
    return asdict(reviews.Seen.of(change))


TABS = [
    "governance:change",
    "governance:differences",
    "governance:checks",
    "governance:impact",
    "governance:evidence",
    "governance:checks-fragment",
    "governance:decide",
]


ELSEWHERE = [(tab, state) for state in ("draft", "approved") for tab in TABS]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        *((tab, "in_review") for tab in TABS),
        *ELSEWHERE[::6],
        *(pytest.param(*one, marks=pytest.mark.thorough) for one in ELSEWHERE if one not in ELSEWHERE[::6]),
    ],
)
def test_every_tab_answers_in_every_state(house: make.House, name: str, state: str):
    make.THINGS.failing["price-feed"] = [make.breaking()] if state == "in_review" else []
    subject = make.thing(old={"fields": ["sku"]}, consumers=[make.consumer("till")])
    change = {"draft": make.draft, "in_review": make.in_review}.get(state, lambda author, s: make.approved(house, s))(
        house.author, subject
    )
    html = page(house.architect, name, change.pk)
    assert "Traceback" not in html
    assert re.search(r'style="|on(click|load)=', html) is None


@pytest.mark.parametrize(
    "query",
    [
        "?reading=words",
        "?reading=tree",
        "?reading=text",
        "?reading=text&layout=sides",
        "?show=breaking",
        "?page=99&show=attention",
        "?reading=%01",
    ],
)
def test_the_three_readings_of_a_difference(house: make.House, query: str):
    change = make.in_review(
        house.author, make.thing(old={"fields": ["sku"], "a": 1}, content={"fields": ["sku", "amount"], "a": 2})
    )
    html = page(house.architect, "governance:differences", change.pk, query=query)
    assert "Differences" in html


def test_the_inbox_shows_what_waits_for_me_and_what_i_asked_for(house: make.House):
    change = make.in_review(house.author)
    assert change.title in page(house.architect, "governance:inbox").partition("My open changes")[0]
    mine = page(house.author, "governance:inbox")
    assert change.title not in mine.partition("My open changes")[0]
    assert change.title in mine
    assert "all caught up" in page(house.stranger, "governance:inbox")
    make.approve(change, house.owner, house.architect)
    assert "all caught up" in page(house.architect, "governance:inbox")
    assert "Approved" in page(house.stranger, "governance:inbox")


def test_a_review_through_the_page_seals_the_change(house: make.House):
    change = make.in_review(house.author)
    for actor in (house.owner, house.architect):
        html = page(actor, "governance:change", change.pk)
        assert change.subject_digest in html
        response = signed_in(actor).post(
            reverse("governance:decide", args=[change.pk]), {"outcome": "approve", "note": "", **seen(change)}
        )
        assert response.status_code == 302
    change.refresh_from_db()
    assert change.state == "approved"


def test_the_author_sees_why_the_button_is_disabled_and_a_forged_post_is_refused(house: make.House):
    change = make.in_review(house.author)
    html = page(house.author, "governance:change", change.pk)
    assert "You contributed to this change" in html
    assert 'data-decide="approve"' not in html
    response = signed_in(house.author).post(
        reverse("governance:decide", args=[change.pk]), {"outcome": "approve", **seen(change)}
    )
    assert response.status_code == 403
    assert not Decision.objects.exists()


def test_a_stale_page_is_a_conflict_that_says_what_changed_and_keeps_the_note(house: make.House):
    change = make.in_review(house.author)
    old = seen(change)
    changes.revise(change, subjects=[make.thing(content={"fields": ["other"]})], actor=house.author)
    response = signed_in(house.owner).post(
        reverse("governance:decide", args=[change.pk]), {"outcome": "request_changes", "note": "Keep the field.", **old}
    )
    html = response.content.decode()
    assert response.status_code == 409
    assert "Your note was kept: Keep the field." in html
    assert reverse("governance:differences", args=[change.pk]) in html
    assert "Earlier approvals" in page(house.owner, "governance:change", change.pk) or "A new revision begins" in page(
        house.owner, "governance:change", change.pk
    )


def test_the_line_that_earlier_approvals_no_longer_count_is_drawn(house: make.House):
    change = make.approve(make.in_review(house.author), house.owner)
    changes.revise(change, subjects=[make.thing(content={"fields": ["other"]})], actor=house.author)
    assert "Earlier approvals no longer count" in page(house.owner, "governance:change", change.pk)


def test_a_reviewer_who_lost_the_right_while_the_page_was_open_is_refused(house: make.House):
    change = make.in_review(house.author)
    client = signed_in(house.owner)
    assert 'data-decide="approve"' in client.get(reverse("governance:change", args=[change.pk])).content.decode()
    house.owner.groups.clear()
    response = client.post(reverse("governance:decide", args=[change.pk]), {"outcome": "approve", **seen(change)})
    assert response.status_code == 403
    assert "None of the missing approvals" in response.content.decode()


def test_a_reject_without_a_reason_comes_back_with_what_was_typed(house: make.House):
    change = make.in_review(house.author)
    response = signed_in(house.owner).post(
        reverse("governance:decide", args=[change.pk]), {"outcome": "reject", "note": " ", **seen(change)}
    )
    assert response.status_code == 422
    assert "Say why" in response.content.decode()


def test_a_change_is_opened_and_submitted_from_the_form(house: make.House):
    make.thing()
    client = signed_in(house.author)
    url = reverse("governance:new-change")
    assert (
        "Price Feed" in client.get(f"{url}?kind=test.thing&subject=price-feed&environment=production").content.decode()
    )
    values = {
        "kind": "test.thing",
        "subject": "price-feed",
        "environment": "production",
        "title": "T",
        "justification": "Because.",
        "rollback_plan": "Go back to it.",
    }
    response = client.post(
        url, {**values, "planned_from": "2026-11-23T10:00", "planned_until": "2099-11-23T10:00", "submit": "yes"}
    )
    assert response.status_code == 302, response.content.decode()
    change = ChangeRequest.objects.get()
    assert (change.state, change.subject_digest) == ("in_review", make.THINGS.known["price-feed"].digest)
    refused = client.post(url, {**values, "subject": "nobody-knows", "justification": ""})
    assert refused.status_code == 422
    assert not ChangeRequest.objects.exclude(pk=change.pk).exists()
    refused = client.post(url, {**values, "subject": "nobody-knows"})
    assert "This is not known here" in refused.content.decode()


@pytest.mark.parametrize(
    "kind",
    [
        "version.publish",
        "contract.change",
        "version.deprecate",
        "version.retire",
        "boundary.move",
        "tier.change",
        "surprise",
    ],
)
def test_the_form_of_every_kind_answers(house: make.House, kind: str):
    assert "Open a change" in page(house.author, "governance:new-change", query=f"?kind={kind}&subject=price-api@v3")


def test_comments_links_withdrawal_and_retraction(house: make.House):
    change, other = make.in_review(house.author), make.draft(house.author, make.thing("other"))
    client = signed_in(house.author)
    assert (
        client.post(reverse("governance:comment", args=[change.pk]), {"text": "Please <b>look</b>"}).status_code == 302
    )
    assert "Please &lt;b&gt;look&lt;/b&gt;" in page(house.stranger, "governance:change", change.pk)
    assert client.post(reverse("governance:comment", args=[change.pk]), {"text": " "}).status_code == 422
    assert client.post(reverse("governance:link", args=[change.pk]), {"other": f"#{other.pk}"}).status_code == 302
    assert other.title in page(house.stranger, "governance:change", change.pk)
    make.approve(change, house.owner)
    assert signed_in(house.owner).post(reverse("governance:retract", args=[change.pk])).status_code == 302
    assert not Decision.objects.filter(voided_at=None).exists()
    assert signed_in(house.stranger).post(reverse("governance:withdraw", args=[change.pk])).status_code == 403
    assert client.post(reverse("governance:withdraw", args=[change.pk]), {"reason": "No."}).status_code == 302


def test_an_approved_change_is_put_into_effect_from_its_page(house: make.House):
    change = make.approved(house)
    assert signed_in(house.owner).post(reverse("governance:apply", args=[change.pk])).status_code == 403
    assert "may not put it into effect" in page(house.owner, "governance:change", change.pk)
    assert signed_in(house.releaser).post(reverse("governance:apply", args=[change.pk])).status_code == 302
    change.refresh_from_db()
    assert change.state == "applied"
    assert [a.subject.id for a in make.THINGS.applied] == ["price-feed"]


@pytest.mark.parametrize(
    "name",
    [
        "governance:inbox",
        "governance:changes",
        "governance:policies",
        "governance:waivers",
        "governance:freezes",
        "governance:break-glass",
        "governance:pipelines",
    ],
)
def test_every_page_answers_when_there_is_nothing_and_asks_strangers_to_sign_in(house: make.House, name: str):
    assert page(house.stranger, name)
    assert Client().get(reverse(name)).status_code == 302


def test_the_list_of_changes_filters_by_its_address_and_costs_the_same_for_many(
    house: make.House, django_assert_max_num_queries
):
    for n in range(6):
        make.draft(house.author, make.thing(f"thing-{n}"), title=f"Number {n}")
    client = signed_in(house.stranger)
    with django_assert_max_num_queries(24):
        html = client.get(reverse("governance:changes")).content.decode()
    assert "Number 5" in html
    assert "Number 3" in client.get(reverse("governance:changes") + "?q=thing-3&state=draft").content.decode()
    assert "No change matches" in client.get(reverse("governance:changes") + "?state=approved").content.decode()


def test_the_admin_shows_decisions_and_approvals_and_offers_no_way_to_make_one(house: make.House):
    boss = make.person("boss")
    User.objects.filter(pk=boss.pk).update(is_staff=True, is_superuser=True)
    change = make.approved(house)
    client = signed_in(User.objects.get(pk=boss.pk))
    for name in ("decision", "approval", "changerequest", "waiver", "policy", "breakglass", "verdict"):
        assert client.get(reverse(f"admin:governance_{name}_changelist")).status_code == 200
        assert client.post(reverse(f"admin:governance_{name}_add"), {}).status_code == 403
    approval = change.approvals.get()
    assert (
        client.post(reverse("admin:governance_approval_change", args=[approval.pk]), {"digest": "x"}).status_code == 403
    )
    assert (
        client.post(reverse("admin:governance_approval_delete", args=[approval.pk]), {"post": "yes"}).status_code == 403
    )


def test_self_approval_from_the_shell_is_refused_by_the_database(house: make.House):
    change = make.in_review(house.author)
    with pytest.raises(IntegrityError, match="do not decide on their own change"), transaction.atomic():
        Decision.objects.create(change=change, revision=1, person=house.author, outcome="approve", **seen(change))
    assert not Decision.objects.exists()


def test_the_window_is_stated_later_on_the_edit_page_and_voids_what_was_decided(house: make.House):
    change = make.approve(make.in_review(house.author, planned_from=None, planned_until=None), house.owner)
    url = reverse("governance:edit-change", args=[change.pk])
    client = signed_in(house.author)
    assert "1 decision rests" in client.get(url).content.decode()
    values = {"title": change.title, "justification": "Better words.", "rollback_plan": change.rollback_plan}
    assert client.post(url, values).status_code == 302
    assert change.decisions.filter(voided_at=None).count() == 1, "other words leave decisions alone"
    assert (
        client.post(
            url, {**values, "planned_from": "2098-01-02T00:00", "planned_until": "2098-01-01T00:00"}
        ).status_code
        == 422
    )
    assert (
        client.post(
            url, {**values, "planned_from": "2098-01-01T00:00", "planned_until": "2098-01-02T00:00"}
        ).status_code
        == 302
    )
    change.refresh_from_db()
    assert change.planned_until.year == 2098
    assert not change.decisions.filter(voided_at=None).exists()
    assert signed_in(house.stranger).get(url).status_code == 403


def test_absence_and_lending_from_the_page(house: make.House):
    client = signed_in(house.architect)
    url = reverse("governance:away")
    dates = {"starts_at": "2020-01-01T00:00", "ends_at": (clock.now() + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M")}
    assert client.post(url, {"what": "absence", **{f"absence-{k}": v for k, v in dates.items()}}).status_code == 302
    lend = {
        "what": "lend",
        "lend-team": "architects",
        "lend-delegate": "stan",
        **{f"lend-{k}": v for k, v in dates.items()},
    }
    assert client.post(url, lend).status_code == 422
    lend["lend-starts_at"] = (clock.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert client.post(url, {**lend, "lend-delegate": "nobody"}).status_code == 422
    assert client.post(url, lend).status_code == 302
    html = " ".join(client.get(url).content.decode().split())
    assert "gives your approvals for architects" in html
    change = make.in_review(house.author)
    assert "Stan (for Archie)" in page(house.author, "governance:change", change.pk)
    lent = Delegation.objects.get()
    assert signed_in(house.stranger).post(reverse("governance:end-delegation", args=[lent.pk])).status_code == 404
    assert client.post(reverse("governance:end-delegation", args=[lent.pk])).status_code == 302
    assert "Everybody who could is absent" in page(house.author, "governance:change", change.pk)


def test_the_impact_names_the_teams_of_consumers(house: make.House):
    subject = make.thing(consumers=[make.consumer("till", team_key="store-systems")])
    html = page(house.architect, "governance:impact", make.in_review(house.author, subject).pk)
    assert re.search(r'data-label="Owner">\s*Store Systems\s*<', html)
