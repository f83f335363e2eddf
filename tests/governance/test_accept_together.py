"""Breaking findings of one rule at several places are accepted together: all in one way, or none."""

from __future__ import annotations

import pytest
from django.urls import reverse

from governance.models import BreakAcceptance, ChangeRequest
from governance.services import acceptances
from governance.web import change_pages, told_differences
from kernel.errors import Invalid
from tests.governance import make
from tests.governance.visits import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def change(house: make.House) -> ChangeRequest:
    make.THINGS.failing["price-feed"] = [make.breaking(f"/{name}", consumers=["till"]) for name in "abc"]
    return make.in_review(house.author, make.thing(consumers=[make.consumer("till")]))


def test_several_places_are_accepted_in_one_way(house: make.House, change: ChangeRequest):
    made = acceptances.accept_breaks(
        change,
        actor=house.architect,
        rule="thing.sound",
        pointers=["/a", "/b", "/c", "/a"],
        kind="benign",
        reason="Nobody reads it.",
    )
    assert [one.pointer for one in made] == ["/a", "/b", "/c"]
    assert BreakAcceptance.objects.filter(change=change).count() == 3


def test_one_unknown_place_refuses_all(house: make.House, change: ChangeRequest):
    with pytest.raises(Invalid, match="No failed check"):
        acceptances.accept_breaks(
            change,
            actor=house.architect,
            rule="thing.sound",
            pointers=["/a", "/nowhere"],
            kind="benign",
            reason="Nobody reads it.",
        )
    assert not BreakAcceptance.objects.filter(change=change).exists()


def test_too_many_places_are_refused(house: make.House, change: ChangeRequest):
    with pytest.raises(Invalid, match="at most 500"):
        acceptances.accept_breaks(
            change,
            actor=house.architect,
            rule="thing.sound",
            pointers=[f"/{n}" for n in range(501)],
            kind="benign",
            reason="Nobody reads it.",
        )


def test_the_page_accepts_what_the_form_names(house: make.House, change: ChangeRequest):
    form = {
        "rule": "thing.sound",
        "pointer": ["/a", "/b"],
        "kind": "benign",
        "reason": "Nobody reads it.",
        "subject": "",
    }
    answer = signed_in(house.architect).post(reverse("governance:accept", args=[change.pk]), form, follow=True)
    assert "Accepted 2 findings." in answer.content.decode()
    assert {one.pointer for one in BreakAcceptance.objects.filter(change=change)} == {"/a", "/b"}


def stored(n: int, level: str = "error", **more: object) -> dict[str, object]:
    return {
        "rule": "contract.request-property-removed-and-refused",
        "level": level,
        "pointer": f"/components/schemas/Gift/properties/p{n}",
        "message": f"`Gift` no longer has the property `p{n}`.",
        "breaking": True,
        "operations": ["POST /gifts"],
        "about": "version gift@v2",
        "open": True,
        "accepted": None,
        **more,
    }


def test_the_checks_page_tells_differences_of_one_schema_together():
    found = [stored(n) for n in range(4)] + [stored(9, accepted=object())]
    (group,) = change_pages._check_groups("contract.comparison", found)
    assert group["say"].startswith("`Gift`: 5 optional properties removed and unknown ones refused: `p0`")
    assert group["operations"] == ("POST /gifts",)
    assert len(group["waiting"]) == 4
    assert group["accept_label"] == "Accept the other 4"


def test_findings_of_other_checks_stay_as_they_are():
    assert [one["say"] for one in change_pages._check_groups("contract.lint", [stored(1), stored(2)])] == ["", ""]


def test_differences_stored_before_are_grouped_by_their_pointers():
    old = [{key: stored(n)[key] for key in ("rule", "level", "pointer", "message")} for n in range(2)]
    (one,) = told_differences.grouped(old, prefix="contract.")
    assert (one.component, one.count) == ("Gift", 2)
