"""What the gate advises is possible, and settles what it says: it is done, and the same pipeline asks again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from catalog.models import Api, Application, ProviderRight, RetailStore, SlaTier, Subscription, System
from governance.domain.subject import Subject
from kernel import clock
from kernel.models import User
from tests.governance import gate_estate, make
from tests.governance.gate_estate import FEED, NEXT, NOS, OLD, brings, digest, newest, record, running, subscribe
from tests.governance.test_gate_codes import ask

pytestmark = pytest.mark.django_db
EVERYDAY = 12

Question = dict[str, Any]
Doing = Callable[[Question, str], Question]
"""Does what the advice says; returns the question that is asked then."""


def asked_so(**more: Any) -> Doing:
    return lambda question, advice: question | more


def done(deed: Callable[[], object], **more: Any) -> Doing:
    def do(question: Question, advice: str) -> Question:
        deed()
        return question | more

    return do


def _meant(key: str) -> Doing:
    return lambda question, advice: question | {key: _group(r"Did you mean ([\w-]+)", advice)}


def _wait(question: Question, advice: str) -> Question:
    until = datetime.fromisoformat(_group(r"until ([\d-]+ [\d:]+) UTC", advice).replace(" ", "T") + "+00:00")
    return question | {"as_of": until.isoformat()}


def _group(pattern: str, advice: str) -> str:
    found = re.search(pattern, advice)
    assert found, advice
    return found[1]


def _moves_on(question: Question, advice: str) -> Question:
    to = _group(r"^Move to (\S+)\.$", advice)
    return question | {"consumes": [to]}


def _another_api() -> None:
    subscribe("till", "loyalty-api@v1")


def _approved(of: Callable[[], str], environment: str = "production") -> Callable[[], None]:
    """A change of its own for this content, decided by people."""

    def deed() -> None:
        author, owner = User.objects.get(username="otto"), User.objects.get(username="olga")
        subject = Subject("integration", FEED, of())
        change = make.in_review(author, subject, kind="integration.deploy", environment=environment)
        make.approve(change, owner, User.objects.get(username="ada"))

    return deed


def _subscription(**columns: Any) -> Callable[[], object]:
    return lambda: Subscription.objects.filter(application__key="web-shop", version__label="v2").update(**columns)


def _till_moves() -> None:
    subscribe("till", NEXT)
    running(NEXT)
    record(application="till", consumes=[NEXT])
    Subscription.objects.filter(application__key="till", version__label="v2").update(
        state="ended", valid_until=clock.now()
    )


def _granted() -> None:
    api = Api.objects.get(slug="price-api")
    ProviderRight.objects.create(api=api, application=Application.objects.get(key="web-shop"), reason="They may.")


def _tier_of(slug: str, like: str) -> Callable[[], object]:
    return lambda: Api.objects.filter(slug=slug).update(tier=Api.objects.get(slug=like).tier)


ADVICE: dict[str, Doing] = {
    "version.retired": _moves_on,
    "version.past_sunset": done(_another_api, consumes=["loyalty-api@v1"]),
    "subscription.missing": done(lambda: subscribe("web-shop", OLD)),
    "subscription.pending": done(_subscription(state="active", valid_from=clock.now() - timedelta(days=1))),
    "subscription.expired": done(_subscription(valid_until=None)),
    "contract.breaking_for_consumer": asked_so(provides=[OLD, NEXT]),
    "contract.uncompared": lambda q, _: q | {"consumes": [pinned()]},
    "contract.unpinned": lambda q, _: q | {"consumes": [pinned()]},
    "provider.unrecorded": done(lambda: record(application="price-service", environment="test", provides=[OLD])),
    "provider.missing": done(lambda: record(application="price-service", provides=[OLD])),
    "provider.not_allowed": done(_granted),
    "provider.withdrawn": asked_so(provides=[OLD]),
    "usage.undeclared": done(lambda: record(application="web-shop", consumes=["loyalty-api@v1", "price-api@v1"])),
    "order.producer_first": done(lambda: running(NEXT)),
    "order.consumers_first": done(_till_moves),
    "tier.dependency_weaker": done(_tier_of("loyalty-api", "price-api")),
    "tier.unstated": done(lambda: Api.objects.filter(slug="price-api").update(tier=SlaTier.objects.get(level=1))),
    "integration.unregistered": lambda q, _: q | brings(digest()),
    "approval.missing": done(_approved(lambda: digest(), "test")),
    "integration.not_allowed": asked_so(application="order-hub"),
    "approval.stale_digest": done(_approved(lambda: newest())),
    "approval.void": done(_approved(lambda: digest())),
    "approval.expired": done(_approved(lambda: digest())),
    "freeze.active": _wait,
    "freeze.scope_unknown": done(
        lambda: Api.objects.filter(slug="price-api").update(system=System.objects.get(key="price-engine"))
    ),
    "application.unknown": _meant("application"),
    "environment.unknown": _meant("environment"),
    "instance.unknown": done(lambda: RetailStore.objects.create(key="S1", name="S1")),
    "evidence.missing": done(
        lambda: Application.objects.filter(key="till").update(team=Application.objects.get(key="web-shop").team)
    ),
    "evidence.no_consumes": asked_so(consumes=["loyalty-api@v1"]),
    "evidence.nothing_declared": asked_so(consumes=[OLD]),
}
"""By the code of the answer. In this estate nothing else stands in the way, so each of them leads to a yes."""
BY_OTHERS = {
    "version.not_published": "a change publishes it: tests of changes",
    "version.unknown": "it has to be registered, published, provided and subscribed to",
    "version.unjudged": "a change publishes it: tests of changes",
    "approval.outside_window": "time",
    "approval.lost_right": "another person of the team decides: test_leaving",
    "approval.check_blocking": "the author mends what the check found",
    "approval.destination_moved": "a change of the destination: test_moved_destinations",
    "approval.unmet": "a code of a later release",
    "sor.violation": "another manifest: test_gate of the runtime",
    "sor.not_run": "an operator",
    "freeze.scope_unresolved": "a change of the freeze: test_freeze_scope",
    "freeze.not_compiled": "a release manager",
    "freeze.rows_missing": "an operator",
}


def pinned() -> dict[str, str]:
    return {"version": OLD, "contract_digest": gate_estate.version(OLD).contract.digest}


@pytest.mark.parametrize("no", [no for no in NOS if no.code in ADVICE], ids=lambda no: no.code)
def test_what_is_advised_is_done_and_the_answer_is_a_yes(no: gate_estate.No, monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    no.first(monkeypatch)
    client, question = gate_estate.client(), no.question()
    first = ask(client, question)
    advice = " ".join(first["flip"])
    again = ask(client, ADVICE[no.code](question, advice))
    assert (again["verdict"], [r["code"] for r in again["reasons"]]) == ("allow", []), (advice, again["flip"])


def test_each_code_has_its_advice_tried_or_says_who_does_it():
    assert set(ADVICE) | set(BY_OTHERS) == {no.code for no in NOS}
    assert not set(ADVICE) & set(BY_OTHERS)
