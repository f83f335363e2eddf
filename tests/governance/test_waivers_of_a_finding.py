"""A waiver of a change's finding is for what its approvers saw: the content at its digest, and what the check said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.models import ApiVersion
from catalog.services import version_changes
from governance.domain.subject import Subject
from governance.models import ChangeRequest, Waiver
from governance.selectors import rights, waiver_standings
from governance.services import changes, checks, policies, waivers
from kernel import clock
from kernel.digest import digest_of, short
from kernel.errors import Invalid
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.raw_sql import beneath_guards, run
from tests.governance.test_catalog_changes import POLICY, asked, decided, settle_but, version
from tests.governance.visits import page, signed_in

pytestmark = pytest.mark.django_db


def found(*consumers: str, message: str = "It became required.") -> dict[str, Any]:
    return make.breaking(consumers=list(consumers)) | {"message": message}


@pytest.fixture
def change(house: make.House) -> ChangeRequest:
    """A draft whose check finds that the till breaks at /price."""
    make.THINGS.failing["price-feed"] = [found("till")]
    return make.in_review(house.author)


def granted(house: make.House, *, pointer: str = "/price", digest: str = "") -> Waiver:
    asked = waivers.propose(
        actor=house.author,
        rule="thing.sound",
        pointer=pointer,
        subject=Subject("thing", "price-feed", digest),
        environment="production",
        reason="The till is replaced in May.",
        expires_at=clock.now() + timedelta(days=30),
    )
    waiver = Waiver.objects.get(pk=int(asked.subjects.get().subject_id))
    with beneath_guards():
        run(
            "update governance_waiver set state = 'granted', granted_at = now(), starts_at = starts_at"
            " - interval '1 minute' where id = %s",
            waiver.pk,
        )
    return waiver


def blocked(change: ChangeRequest) -> bool:
    return "thing.sound" in dict(rights.blocking_checks(change.pk))


def moves_on(change: ChangeRequest, house: make.House) -> None:
    """The author gives the draft other content, in which the check finds the same."""
    changes.revise(change, subjects=[make.thing(content={"fields": ["sku"]})], actor=house.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()


def test_a_waiver_agreed_for_one_draft_settles_nothing_once_the_content_has_moved_on(change, house):
    granted(house)
    assert not blocked(change)
    moves_on(change, house)
    assert blocked(change), "its approvers saw another content"


def test_a_waiver_settles_nothing_of_another_change_with_other_content(change, house):
    granted(house)
    changes.withdraw(change, actor=house.author)
    other = make.in_review(house.author, make.thing(content={"fields": []}))
    assert blocked(other)


def test_a_waiver_settles_what_the_check_said_then_and_nothing_that_it_says_since(change, house):
    granted(house)
    make.THINGS.failing["price-feed"] = [found("till", "shop")]
    checks.run_checks(change.pk)
    assert blocked(change), "nobody agreed that the shop breaks"
    make.THINGS.failing["price-feed"] = [found("till")]
    checks.run_checks(change.pk)
    assert not blocked(change)


def test_a_waiver_does_not_settle_a_second_finding_at_the_same_place(change, house):
    granted(house)
    make.THINGS.failing["price-feed"] = [found("till"), found("till", message="It is gone.")]
    checks.run_checks(change.pk)
    assert blocked(change)


def test_what_the_proposal_says_beside_the_content_is_a_part_of_what_was_seen(change, house):
    """Dates and names of a proposal stand in its parameters: the digest does not know them, the finding does."""
    make.THINGS.failing["price-feed"] = [found(message="The sunset on 1 May is sooner than promised.")]
    checks.run_checks(change.pk)
    granted(house)
    assert not blocked(change)
    make.THINGS.failing["price-feed"] = [found(message="The sunset on 1 March is sooner than promised.")]
    checks.run_checks(change.pk)
    assert blocked(change)


def test_asked_for_before_any_check_said_something_it_covers_what_is_said_of_that_content(house):
    make.thing()
    waiver = granted(house)
    assert waiver.seen_findings is None
    make.THINGS.failing["price-feed"] = [found("till")]
    change = make.in_review(house.author)
    assert not blocked(change)
    moves_on(change, house)
    assert blocked(change)


def test_asked_for_before_any_check_said_something_it_covers_nothing_that_is_proposed_beside_the_content(house):
    make.thing()
    granted(house)
    make.THINGS.failing["price-feed"] = [found("till")]
    change = make.in_review(house.author)
    with beneath_guards():
        run('update governance_changerequest set parameters = \'{"sunset_at": "2027-01-01"}\' where id = %s', change.pk)
    assert blocked(change)


def test_who_asks_may_say_which_content_is_meant_and_none_that_is_not_there(change, house):
    with pytest.raises(Invalid) as refused:
        granted(house, digest="sha256:" + "0" * 64)
    assert [f["pointer"] for f in refused.value.findings] == ["/subject_digest"]
    waiver = granted(house, digest=change.subject_digest)
    assert (waiver.subject_digest, waiver.seen_findings) == (change.subject_digest, [found("till")])
    assert waivers.document(waiver)["findings"] == [digest_of(found("till"))]


def test_where_several_contents_have_the_finding_who_asks_says_which(change, house):
    other = make.in_review(house.author, make.thing(content={"fields": []}))
    with pytest.raises(Invalid, match="Say which") as refused:
        granted(house)
    assert [f["pointer"] for f in refused.value.findings] == ["/subject_digest"]
    granted(house, digest=other.subject_digest)
    assert (blocked(change), blocked(other)) == (True, False)


def test_of_what_nobody_knows_no_waiver_is_asked_for(house):
    with pytest.raises(Invalid, match="There is no thing"):
        granted(house)


@pytest.mark.parametrize("when", ["before the check", "after the check"])
def test_a_waiver_of_before_covers_the_revision_that_was_checked_when_it_was_approved(change, house, when: str):
    waiver = granted(house)
    at = "now() - interval '1 day'" if when == "before the check" else "now()"
    with beneath_guards():
        run(
            "update governance_waiver set subject_digest = null, seen_findings = null,"
            f" granted_at = clock_timestamp() + ({at} - now()) where id = %s",
            waiver.pk,
        )
    assert blocked(change) is (when == "before the check")
    if when == "after the check":
        moves_on(change, house)
        assert blocked(change)


@pytest.mark.parametrize("proposed", [False, True])
def test_asked_for_before_the_retirement_is_opened_it_is_for_the_contract_that_the_version_has(proposed: bool):
    """Not for one that is proposed for it meanwhile."""
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    if proposed:
        content = (catalog.ESTATE / "price-v2.yaml").read_bytes().replace(b"info:", b"x-note: later\ninfo:", 1)
        version_changes.revise_contract(
            actor=catalog.person("paula"), reference="price-api@v2", content=content, file_name="price.yaml"
        )
    waiver = _for_the_till()
    assert waiver.subject_digest == version("price-api@v2").digest
    change = asked("version.retire", version("price-api@v2"))
    assert "retire.consumers" not in dict(rights.blocking_checks(change.pk))
    assert waiver_standings.standings([waiver], SYSTEM)[waiver.pk].lapsed == ""


def test_a_retirement_leaves_nobody_behind_whose_waiver_was_for_another_contract():
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    change = asked("version.retire", version("price-api@v2"))
    waiver = _for_the_till()
    assert "retire.consumers" not in dict(rights.blocking_checks(change.pk))
    other = ApiVersion.objects.exclude(api__slug="price-api").exclude(contract=None)[0].contract_id
    with beneath_guards():  # a change of the contract came first
        run(
            "update catalog_apiversion set contract_id = %s where label = 'v2' and api_id ="
            " (select id from catalog_api where slug = 'price-api')",
            other,
        )
    changes.refresh_moved()
    changes.follow("version", "price-api@v2", other, actor=None)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    assert change.subject_digest == other
    assert "retire.consumers" in dict(rights.blocking_checks(change.pk))
    settle_but(change, "retire.consumers")
    assert decided(change, "paula", "ada").state == "in_review"
    assert waiver.subject_digest != other


# -- what is told of it ------------------------------------------------------------------------------------------------


def over_http(house: make.House) -> dict[str, Any]:
    (told,) = signed_in(house.author).get("/api/v1/waivers").json()["results"]
    return {name: told[name] for name in ("subject_digest", "binds", "said", "holds", "why_not")}


def test_page_and_api_say_what_it_is_for_and_why_it_does_not_hold_any_more(change, house):
    waiver = granted(house)
    seen = {"subject_digest": change.subject_digest, "binds": "content", "said": ["It became required."]}
    assert over_http(house) == seen | {"holds": True, "why_not": ""}
    html = page(house.author, "governance:waivers")
    assert short(change.subject_digest) in html
    assert "“It became required.”" in html
    assert "No longer holds" not in html
    moves_on(change, house)
    why = f"price-feed is at {short(change.subject_digest)} now, so it settles nothing of that. Ask for a new one."
    assert over_http(house) == seen | {"subject_digest": waiver.subject_digest, "holds": False, "why_not": why}
    html = page(house.author, "governance:waivers")
    assert "No longer holds" in html
    assert why in html
    assert "Waivers in force" not in page(house.author, "governance:change", change.pk)


def test_it_is_told_when_the_check_says_something_else(change, house):
    granted(house)
    assert "Waivers in force" in page(house.author, "governance:change", change.pk)
    make.THINGS.failing["price-feed"] = [found("till", "shop")]
    checks.run_checks(change.pk)
    assert "says something else" in over_http(house)["why_not"]


def test_a_link_from_the_finding_asks_for_the_content_on_the_page(change, house):
    html = page(house.author, "governance:checks", change.pk)
    assert f"subject_digest={change.subject_digest}" in html


@pytest.mark.parametrize("state", ["proposed", "revoked"])
def test_one_that_is_not_in_force_says_so(change, house, state: str):
    waiver = granted(house)
    with beneath_guards():
        run("update governance_waiver set state = %s", state)
    assert over_http(house)["why_not"] == f"It is {state}."
    assert waiver_standings.standings([waiver], SYSTEM)[waiver.pk].lapsed == ""


def _for_the_till() -> Waiver:
    asked_for = waivers.propose(
        actor=catalog.person("piet"),
        rule="retire.live_consumer",
        pointer="/consumers/till",
        subject=Subject("version", "price-api@v2", ""),
        environment="production",
        reason="The tills move in two weeks.",
        expires_at=clock.now() + timedelta(days=20),
    )
    with beneath_guards():
        run(
            "update governance_waiver set state = 'granted', granted_at = now(),"
            " starts_at = starts_at - interval '1 minute'"
        )
    return Waiver.objects.get(pk=int(asked_for.subjects.get().subject_id))
