"""Builders: a small retailer with teams, people, an environment, a policy, and a change kind whose subjects live in a
dictionary."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group

from catalog.models import Environment, Team
from governance.domain import kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, passed
from governance.domain.subject import AffectedConsumer, Subject, SubjectFacts
from governance.models import ChangeRequest
from governance.services import changes, checks, policies, reviews
from kernel import clock
from kernel.digest import digest_of
from kernel.models import User
from tests import kept_rows

ROLES = ("architects", "security", "release-managers")
POLICY: dict[str, Any] = {
    "approval_days": 30,
    "review_days": 5,
    "rights_rest_hours": 0,  # people are made in the midst of tests
    "rules": [
        {"id": "owner", "why": "The owner agrees.", "slots": {"owner": 1}},
        {
            "id": "architect",
            "why": "Somebody looks at the whole.",
            "when": {"tiers": [0, 1, 2]},
            "slots": {"architect": 1},
        },
        {
            "id": "personal",
            "why": "Personal data.",
            "when": {"data_classes": ["personal", "cardholder"]},
            "slots": {"security": 1},
        },
    ],
}


@dataclass
class Things:
    """The subjects of the kind `test.thing` and what their owning room would say about them."""

    known: dict[str, SubjectFacts] = field(default_factory=dict)
    failing: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    applied: list[kinds.ApprovedSubject] = field(default_factory=list)

    def facts(self, subject: Subject) -> SubjectFacts | None:
        return self.known.get(subject.id)

    def check(self, context: CheckContext) -> CheckOutcome:
        findings = self.failing.get(context.subject.id)
        return failed("It breaks.", findings, ["Do not break it."]) if findings else passed("Nothing breaks.")


THINGS = Things()


def register_thing() -> None:
    kinds.register(
        kinds.ChangeKind(
            key="test.thing",
            label="Change a thing",
            facts=THINGS.facts,
            checks=(Check("thing.sound", "The thing is sound", THINGS.check),),
            apply=THINGS.applied.append,
            subject_kind="thing",
        )
    )


def quiet(key: str, named: Collection[str], outcome: CheckOutcome | None = None) -> None:
    """These checks of a kind pass from now on, or say this; `conftest.py` puts the kinds back after the test."""
    said = outcome or passed("settled by the test")

    def calm(check: Check) -> Check:
        return replace(check, run=lambda context: said) if check.id in named else check

    entry = kinds.kind(key)
    kinds.register(replace(entry, checks=tuple(map(calm, entry.checks)), offered=tuple(map(calm, entry.offered))))


def breaking(pointer: str = "/price", *, consumers: Sequence[str] = ()) -> dict[str, Any]:
    return finding("thing.sound", pointer, "It became required.", breaking=True, consumers=list(consumers))


def team(key: str, *, kind: str = "domain") -> Team:
    found = Team.objects.filter(key=key).first()
    if found:
        return found
    group = Group.objects.create(name=key)
    return Team.objects.create(group=group, key=key, name=key.replace("-", " ").title(), kind=kind)


def person(name: str, *teams: str, kind: str = "person") -> User:
    user, _ = User.objects.get_or_create(
        username=name, defaults={"first_name": name.title(), "kind": kind, "email": f"{name}@example.com"}
    )
    if not user.has_usable_password() or not user.password:
        user.set_password("a-long-password")
        user.save()
    for key in teams:
        user.groups.add(team(key).group)
    return user


@dataclass
class House:
    """Who works here."""

    author: User
    owner: User
    architect: User
    security: User
    releaser: User
    stranger: User


def house() -> House:
    """Teams, people, environments and an active policy of the organisation."""
    THINGS.known.clear()
    THINGS.failing.clear()
    THINGS.applied.clear()
    register_thing()
    return _people_and_policy()


@kept_rows.once
def _people_and_policy() -> House:
    for key in ROLES:
        team(key, kind="role")
    for position, key in enumerate(("test", "staging", "production")):
        Environment.objects.get_or_create(key=key, defaults={"name": key.title(), "position": position})
    made = House(
        author=person("ada", "price"),
        owner=person("olaf", "price"),
        architect=person("archie", "architects"),
        security=person("sue", "security"),
        releaser=person("rita", "release-managers"),
        stranger=person("stan", "stores"),
    )
    policies.install(level="organisation", document=POLICY, actor=None)
    return made


def thing(
    name: str = "price-feed",
    *,
    content: Any = None,
    old: Any = None,
    tier: int | None = 2,
    data_class: str | None = "internal",
    owners: Sequence[str] = ("price",),
    consumers: Sequence[AffectedConsumer] | None = (),
    contributors: Sequence[User] = (),
    domain: str | None = "price",
) -> Subject:
    """Make (or change) a thing and give its subject."""
    document = content if content is not None else {"fields": ["sku", "amount"]}
    digest = digest_of({"thing": name, "document": document})
    THINGS.known[name] = SubjectFacts(
        title=name.replace("-", " ").title(),
        digest=digest,
        tier=tier,
        data_class=data_class,
        owner_team_ids=tuple(team(key).pk for key in owners),
        consumers_affected=tuple(consumers) if consumers is not None else None,
        domain_key=domain,
        contributor_ids=tuple(user.pk for user in contributors),
        old=old,
        new=document,
        url=f"/things/{name}/",
    )
    return Subject("thing", name, digest)


def consumer(application: str, *, team_key: str = "stores") -> AffectedConsumer:
    return AffectedConsumer(
        application, application.title(), team(team_key).pk, team_key, "production", last_seen_at=clock.now()
    )


def draft(author: User, *subjects: Subject, **more: Any) -> ChangeRequest:
    more = {
        "kind": "test.thing",
        "environment": "production",
        "title": "Add a currency",
        "justification": "Border stores sell in two currencies.",
        "rollback_plan": "Deploy the previous digest again.",
        "planned_from": clock.now() - timedelta(hours=1),
        "planned_until": clock.now() + timedelta(days=7),
    } | more
    return changes.open_change(author=author, subjects=list(subjects) or [thing()], **more)


def in_review(author: User, *subjects: Subject, checked: bool = True, **more: Any) -> ChangeRequest:
    """Submitted, and its checks have run."""
    change = changes.submit(draft(author, *subjects, **more), actor=author)
    if checked:
        checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def approve(change: ChangeRequest, *people: User) -> ChangeRequest:
    for actor in people:
        change.refresh_from_db()
        reviews.approve(change, actor=actor, seen=reviews.Seen.of(change))
    change.refresh_from_db()
    return change


def approved(made: House, *subjects: Subject, **more: Any) -> ChangeRequest:
    return approve(in_review(made.author, *subjects, **more), made.owner, made.architect)
