"""Policies: additive rules, levels that only tighten, slots with reasons."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.domain.policy import SLOT_KEYS, ChangeProfile, digest_of_levels, requirements_of, validate
from governance.domain.slots import InvolvedTeams, SlotTeam, derive
from kernel.errors import Invalid

ORGANISATION = {
    "approval_days": 30,
    "rules": [
        {"id": "owner", "why": "The owner of the thing agrees.", "slots": {"owner": 1}},
        {
            "id": "critical",
            "why": "Checkout depends on it.",
            "when": {"tiers": [0, 1]},
            "slots": {"architect": 1, "release_manager": 1},
        },
        {
            "id": "personal",
            "why": "Personal data.",
            "when": {"data_classes": ["personal", "cardholder"]},
            "slots": {"security": 1},
            "checks": ["data.personal"],
        },
    ],
}
QUIET = ChangeProfile("version.publish", "production", 3, "internal", ("price",), 0, 0)


def slots(profile: ChangeProfile, *levels: tuple[str, dict]) -> dict[str, int]:
    return {
        slot.key: slot.count for slot in requirements_of(levels or (("organisation", ORGANISATION),), profile).slots
    }


def test_a_quiet_change_needs_only_its_owner():
    assert slots(QUIET) == {"owner": 1}


def test_what_is_unknown_asks_more_people_not_fewer():
    unknown = ChangeProfile("version.publish", "production", None, None, (), None, None)
    assert slots(unknown) == {"owner": 1, "architect": 1, "security": 1, "release_manager": 1}


def test_explain_names_the_rules_that_matched_and_those_that_did_not():
    asked = requirements_of((("organisation", ORGANISATION),), QUIET)
    assert asked.matched == ("organisation/owner",)
    assert {row["rule"]: row["matched"] for row in asked.explain} == {
        "owner": True,
        "critical": False,
        "personal": False,
    }
    assert asked.slots[0].why == ("The owner of the thing agrees.",)


conditions = st.fixed_dictionaries(
    {},
    optional={
        "tiers": st.lists(st.integers(0, 3), min_size=1, max_size=3),
        "environments": st.lists(st.sampled_from(["test", "production"]), min_size=1),
        "data_classes": st.lists(st.sampled_from(["public", "personal"]), min_size=1),
        "consumers_at_least": st.integers(0, 5),
        "breaking": st.just(True),
    },
)
rules = st.lists(
    st.fixed_dictionaries(
        {
            "why": st.just("because"),
            "when": conditions,
            "slots": st.dictionaries(st.sampled_from(SLOT_KEYS), st.integers(1, 3), min_size=1),
        }
    ),
    min_size=1,
    max_size=4,
).map(lambda found: [rule | {"id": f"r{index}"} for index, rule in enumerate(found)])
profiles = st.builds(
    ChangeProfile,
    st.just("version.publish"),
    st.sampled_from(["test", "production"]),
    st.none() | st.integers(0, 3),
    st.none() | st.sampled_from(["public", "personal"]),
    st.just(()),
    st.none() | st.integers(0, 6),
    st.none() | st.integers(0, 2),
)


@settings(max_examples=150, deadline=None)
@given(rules, rules, profiles)
def test_a_lower_level_can_only_tighten(upper: list, lower: list, profile: ChangeProfile):
    alone = slots(profile, ("organisation", {"rules": upper}))
    both = slots(profile, ("organisation", {"rules": upper}), ("team:price", {"rules": lower}))
    assert all(both.get(key, 0) >= count for key, count in alone.items())


def test_a_lower_level_that_states_a_longer_approval_is_refused():
    with pytest.raises(Invalid) as caught:
        validate({"approval_days": 60, "rules": ORGANISATION["rules"]}, above=ORGANISATION)
    assert caught.value.findings[0]["pointer"] == "/approval_days"
    validate({"approval_days": 7, "rules": ORGANISATION["rules"]}, above=ORGANISATION)


def test_a_policy_without_rules_or_with_a_word_that_nobody_knows_is_refused_with_every_finding():
    with pytest.raises(Invalid):
        validate({"rules": []})
    with pytest.raises(Invalid) as caught:
        validate(
            {
                "rules": [
                    {"id": "a", "why": "", "skip": True, "when": {"mood": ["good"]}, "slots": {"king": 1, "owner": 0}}
                ],
                "remove": [],
            }
        )
    assert {found["pointer"] for found in caught.value.findings} == {
        "/remove",
        "/rules/0/why",
        "/rules/0/skip",
        "/rules/0/when/mood",
        "/rules/0/slots/king",
        "/rules/0/slots/owner",
    }


def test_two_demands_on_one_team_are_one_slot_with_the_larger_count_and_both_reasons():
    document = {
        "rules": [
            {"id": "a", "why": "It is theirs.", "slots": {"owner": 1}},
            {"id": "b", "why": "They own the record.", "slots": {"owner_of_record": 2}},
        ]
    }
    asked = requirements_of((("organisation", document),), QUIET)
    price = SlotTeam(4, "price", "Price")
    specs = derive(asked.slots, InvolvedTeams(owners=(price,), record_owners=(price,), by_key={}))
    assert [(spec.key, spec.count, spec.group_ids, spec.why) for spec in specs] == [
        ("team:price", 2, (4,), ("It is theirs.", "They own the record."))
    ]


def test_a_slot_that_nobody_can_fill_stays_and_keeps_the_change_shut():
    specs = derive(requirements_of((("organisation", ORGANISATION),), QUIET).slots, InvolvedTeams(by_key={}))
    assert [(spec.key, spec.group_ids) for spec in specs] == [("owner", ())]


def test_the_digest_of_levels_needs_the_organisation():
    assert digest_of_levels({"team:price": "sha256:" + "a" * 64}) == ""
    assert digest_of_levels({"organisation": "sha256:" + "a" * 64}).startswith("sha256:")
