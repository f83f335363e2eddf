"""Alerts: one for each cause, told once and over once, and measurements that stop are heard of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from catalog.models import SlaTier
from governance.models import Notice, WebhookDelivery, WebhookEndpoint
from kernel import clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid
from kernel.models import OutboxEvent, User
from kernel.viewer import Viewer
from runtime.domain import alert_rules
from runtime.domain import service_levels as rules
from runtime.domain.objectives import AVAILABILITY, LATENCY
from runtime.models import (
    Alert,
    AlertEntry,
    AlertRule,
    AlertSignal,
    Deployment,
    IndicatorPeriod,
    ObjectivePolicy,
    ServiceIndicator,
    VendorState,
)
from runtime.selectors import alerts as selectors
from runtime.services import alert_settings, alerting, measuring, standings
from tests import kept_rows
from tests.runtime import scene

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def begun() -> tuple[scene.People, scene.Site]:
    return _begun_at(start())()


@pytest.fixture
def house(begun: tuple[scene.People, scene.Site]) -> scene.People:
    return begun[0]


@pytest.fixture
def sales(begun: tuple[scene.People, scene.Site]) -> scene.Site:
    return begun[1]


@functools.cache
def _begun_at(begin: datetime) -> Callable[..., tuple[scene.People, scene.Site]]:
    """One for each period in which tests begin: their moments are counted from it."""
    return kept_rows.once(_measured_site)


def _measured_site() -> tuple[scene.People, scene.Site]:
    """Deployed and measured for the first time; `loyalty` has answered for three days."""
    people = scene.estate()
    for tier in SlaTier.objects.all():
        tier.rules |= {"availability": "99.9"}
        tier.save()
    site = scene.Site(scene.SALES, people.groups["sales-finance"])
    measuring.measure(at=start())
    answered_for(timedelta(days=3))
    if not AlertRule.objects.exists():
        first_rules()
    return people, site


def start() -> datetime:
    return rules.period_of(clock.now()) - timedelta(hours=4)


def first_rules() -> None:
    """As the migration makes them."""
    for name, condition, factor, long, short, wait, severity in (
        ("Fast burn", "burn", 14.4, 60, 5, 0, "page"),
        ("Burn", "burn", 6.0, 360, 30, 0, "page"),
        ("Slow burn", "burn", 1.0, 4320, 360, 0, "ticket"),
        ("No longer measured", "unmeasured", 0.0, 60, 5, 15, "ticket"),
    ):
        AlertRule.objects.create(
            name=name, condition=condition, factor=factor, long=long, short=short, for_minutes=wait, severity=severity
        )


def answered_for(span: timedelta) -> None:
    one = ServiceIndicator.objects.get(kind=AVAILABILITY, system_key="loyalty")
    count = int(span / rules.PERIOD)
    IndicatorPeriod.objects.bulk_create(
        IndicatorPeriod(
            pk=(one.pk, start() - number * rules.PERIOD), minutes=31, looked=5, counted=5, good=5, allowed=0.005
        )
        for number in range(1, count)
    )


def minute(at: datetime) -> None:
    """One minute of the scheduler."""
    measuring.measure(at=at)
    standings.evaluate(at=at)
    alerting.attend(at=at)


def minutes(first: datetime, count: int) -> datetime:
    for number in range(count):
        minute(first + number * MINUTE)
    return first + count * MINUTE


def loyalty(breaker: str) -> None:
    VendorState.objects.filter(system_key="loyalty").update(
        breaker=breaker, open_until=clock.now() + timedelta(hours=1)
    )


def told() -> list[str]:
    while outbox.dispatch():
        pass
    return list(
        OutboxEvent.objects.filter(topic__startswith="runtime.alert").order_by("id").values_list("topic", flat=True)
    )


def outage(first: datetime, length: int = 10, *, look: bool = True) -> datetime:
    """The vendor was down for so many minutes, which is seen at the end of them; then it answers again."""
    one = ServiceIndicator.objects.get(kind=AVAILABILITY, system_key="loyalty")
    for number in range(length):
        at = first + number * MINUTE
        period, _ = IndicatorPeriod.objects.get_or_create(pk=(one.pk, rules.period_of(at)))
        period.minutes |= 1 << (at.minute % 5)
        for name in ("looked", "counted"):
            setattr(period, name, getattr(period, name) + 1)
        period.allowed += 0.001
        period.save()
    if look:
        loyalty("open")
        minute(first + length * MINUTE)
        loyalty("closed")
    return first + (length + 1) * MINUTE


def answering_again(first: datetime) -> datetime:
    """Long enough for every window to forget the outage."""
    minute(first + 5 * MINUTE)
    minute(first + 85 * MINUTE)
    return first + 90 * MINUTE


def test_a_vendor_that_is_down_for_ten_minutes_is_told_once_and_over_once(sales: scene.Site) -> None:
    loyalty("open")
    at = minutes(start() + MINUTE, 10)
    loyalty("closed")
    answering_again(at)
    assert told() == ["runtime.alert_opened", "runtime.alert_resolved"]
    alert = Alert.objects.get()
    assert (alert.kind, alert.system_key, alert.severity, alert.state) == ("vendor", "loyalty", "page", "resolved")
    assert "Availability of Loyalty engine in production burns its error budget" in alert.title
    history = list(alert.entries.values_list("verb", flat=True))
    assert (history[0], history[-1]) == ("opened", "resolved")
    assert history.count("told") == 1


def test_one_call_that_fails_wakes_nobody(sales: scene.Site) -> None:
    loyalty("open")
    minute(start() + MINUTE)
    loyalty("closed")
    minutes(start() + 2 * MINUTE, 3)
    assert not Alert.objects.exists()


def test_the_late_messages_behind_a_vendor_that_is_down_are_no_second_alert(sales: scene.Site) -> None:
    at = start() + MINUTE
    sales.put(*[scene.sale(n) for n in range(30)], at=at)
    outage(at, 5)
    signals = AlertSignal.objects.exclude(alert=None)
    assert {one.indicator.kind for one in signals.select_related("indicator")} >= {AVAILABILITY, LATENCY}
    assert Alert.objects.filter(state="open", kind="vendor").count() == 1
    of_loyalty = Alert.objects.filter(state="open", kind="flow", system_key="loyalty")
    assert not of_loyalty.exists()


def test_an_alert_of_a_flow_becomes_a_part_of_that_of_its_system(sales: scene.Site) -> None:
    at = start() + MINUTE
    sales.put(*[scene.sale(n) for n in range(30)], at=at)
    minute(at)
    minute(at + 2 * MINUTE)
    earn = Alert.objects.get(kind="flow", target="earn")
    outage(at + 3 * MINUTE, 5)
    earn.refresh_from_db()
    assert earn.state == "joined"
    assert Alert.objects.filter(state="open", system_key="loyalty").get().kind == "vendor"


def test_the_owners_hear_of_it_by_inbox_and_e_mail_and_the_first_notice_is_read_when_it_is_over(
    sales: scene.Site, house: scene.People
) -> None:
    User.objects.filter(username="sofia").update(email="sofia@example.com")
    at = outage(start() + MINUTE)
    told()
    notice = Notice.objects.get(kind="alert", person=house.sofia)
    assert notice.text.startswith("Alert: Availability of Loyalty engine")
    assert [message.to for message in mail.outbox] == [["sofia@example.com"]]
    answering_again(at)
    told()
    notice.refresh_from_db()
    assert notice.read_at is not None
    assert Notice.objects.get(kind="alert", person=house.sofia, read_at=None).text.startswith("Resolved: ")


def test_a_flow_whose_owners_are_nobody_is_told_to_those_who_run_the_installation(
    sales: scene.Site, house: scene.People
) -> None:
    house.groups["sales-finance"].user_set.clear()
    outage(start() + MINUTE)
    told()
    assert set(Notice.objects.filter(kind="alert").values_list("person__username", flat=True)) == {"rita"}


def test_receivers_of_webhooks_get_it_signed_and_retried_as_everything_else_where_a_rule_says_so(
    sales: scene.Site, house: scene.People
) -> None:
    about = {"url": "https://pager.example.com/", "topics": ["runtime.*"], "salt": "s"}
    WebhookEndpoint.objects.create(name="pager", created_by=house.rita, **about)
    AlertRule.objects.update(webhook=False)
    at = outage(start() + MINUTE)
    told()
    assert not WebhookDelivery.objects.filter(topic__startswith="runtime.alert").exists()
    at = answering_again(at)
    AlertRule.objects.update(webhook=True)
    outage(at)
    told()
    delivery = WebhookDelivery.objects.get(topic="runtime.alert_opened")
    assert '"severity":"page"' in delivery.body.replace(" ", "")


def test_measurements_that_stop_are_one_alert_and_not_one_for_each_indicator(sales: scene.Site) -> None:
    at = minutes(start() + MINUTE, 2)
    alerting.attend(at=at + 30 * MINUTE)
    (alert,) = Alert.objects.filter(state="open")
    assert (alert.kind, alert.cause) == ("measuring", "measuring")
    assert "Measuring has stopped for" in alert.title
    minute(at + 31 * MINUTE)
    minute(at + 42 * MINUTE)
    assert Alert.objects.get(pk=alert.pk).state == "resolved"


def test_a_paused_flow_raises_no_alert(sales: scene.Site) -> None:
    Deployment.objects.update(paused=True)
    at = start() + MINUTE
    sales.put(*[scene.sale(n) for n in range(30)], at=at)
    minutes(at, 4)
    assert not Alert.objects.filter(kind="flow").exists()


def test_a_clock_that_was_ahead_leaves_no_alert_behind_that_never_ends(sales: scene.Site) -> None:
    at = outage(start() + MINUTE)
    AlertSignal.objects.update(last_at=at + timedelta(days=1), since=at)
    answering_again(at)
    assert Alert.objects.get().state == "resolved"


def test_what_is_silenced_is_kept_and_told_when_the_silence_ends_and_it_is_still_open(
    sales: scene.Site, house: scene.People
) -> None:
    at = start() + MINUTE
    with clock.frozen(at):
        made = alert_settings.silence(
            {"system_key": "loyalty"}, until=at + timedelta(hours=1), reason="they upgrade", actor=house.rita
        )
    at = outage(at)
    assert told() == []
    assert list(Alert.objects.get().entries.values_list("verb", flat=True)) == ["opened", "silent"]
    with clock.frozen(at):
        alert_settings.end_silence(made.pk, actor=house.rita)
    minute(at)
    assert told() == ["runtime.alert_opened"]


def test_an_acknowledged_alert_says_who_and_why_and_is_told_again_when_that_ends(
    sales: scene.Site, house: scene.People
) -> None:
    at = outage(start() + MINUTE, 5)
    alert = Alert.objects.get()
    with clock.frozen(at):
        alert_settings.acknowledge(alert.pk, until=at + 5 * MINUTE, reason="calling them", actor=house.sofia)
    minute(at + 3 * MINUTE)
    assert told() == ["runtime.alert_opened"]
    minute(at + 6 * MINUTE)
    assert told() == ["runtime.alert_opened", "runtime.alert_opened"]
    entry = alert.entries.get(verb=AlertEntry.Verb.ACKNOWLEDGED)
    assert (entry.by, entry.text) == (house.sofia, "calling them")


def test_a_stranger_neither_sees_nor_acknowledges_nor_silences(sales: scene.Site, house: scene.People) -> None:
    outage(start() + MINUTE)
    alert = Alert.objects.get()
    assert selectors.alert(Viewer.of(house.zoe), alert.pk) is None
    assert selectors.alert(Viewer.of(house.petra), alert.pk) is None, "pricing calls another system"
    assert selectors.alert(Viewer.of(house.sam), alert.pk) is not None, "security sees everything"
    with pytest.raises(Forbidden):
        alert_settings.acknowledge(alert.pk, until=None, reason="mine", actor=house.sam)
    with pytest.raises(Forbidden):
        alert_settings.silence({}, until=clock.now() + MINUTE, reason="all of it", actor=house.sofia)
    assert list(selectors.alerts(Viewer())) == []


def test_an_alert_that_is_over_cannot_be_acknowledged(sales: scene.Site, house: scene.People) -> None:
    answering_again(outage(start() + MINUTE))
    with pytest.raises(Conflict, match="over already"):
        alert_settings.acknowledge(Alert.objects.get().pk, until=None, reason="late", actor=house.sofia)


def rule(**more: Any) -> dict[str, Any]:
    made = {"name": "mine", "condition": "burn", "factor": 2.0, "long": 60, "short": 5, "severity": "ticket"}
    return made | {"at_least": 2.0, "for_minutes": 0} | more


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"condition": "moon"}, "/condition"),
        ({"factor": 0}, "/factor"),
        ({"short": 60}, "/short"),
        ({"long": 61}, "/long"),
        ({"condition": "unmeasured", "for_minutes": 1}, "/for_minutes"),
        ({"condition": "budget", "below": 0}, "/below"),
        ({"severity": "loud"}, "/severity"),
        ({"teams": ["nobody"]}, "/teams"),
        ({"target": "earn"}, "/integration"),
        ({"system_key": "moon"}, "/system_key"),
        ({"name": " "}, "/name"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_by_field(
    house: scene.People, given: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        alert_settings.make_rule(rule(**given), actor=house.rita)
    assert pointer in {one["pointer"] for one in refused.value.findings or []}


def test_operators_of_an_integration_make_rules_for_it_and_not_for_everybody(
    sales: scene.Site, house: scene.People
) -> None:
    assert alert_settings.make_rule(rule(integration="sales"), actor=house.sofia).integration_id
    with pytest.raises(Forbidden):
        alert_settings.make_rule(rule(name="all"), actor=house.sofia)
    mine = AlertRule.objects.get(name="mine")
    with pytest.raises(Forbidden):
        alert_settings.change_rule(mine.pk, {"integration": ""}, actor=house.sofia)
    with pytest.raises(Conflict):
        alert_settings.make_rule(rule(integration="sales"), actor=house.sofia)


def test_a_rule_that_is_switched_off_ends_what_fired_by_it(sales: scene.Site, house: scene.People) -> None:
    at = outage(start() + MINUTE)
    for one in AlertRule.objects.all():
        alert_settings.change_rule(one.pk, {"enabled": False}, actor=house.rita)
    minute(at)
    assert Alert.objects.get().state == "resolved"


def test_a_condition_has_to_hold_for_as_long_as_the_rule_says(sales: scene.Site) -> None:
    AlertRule.objects.filter(condition="burn").update(for_minutes=10)
    at = outage(start() + MINUTE, 5)
    loyalty("open")
    minute(at + 6 * MINUTE)
    assert not Alert.objects.exists()
    minute(at + 11 * MINUTE)
    assert Alert.objects.exists()


def test_little_budget_left_is_a_rule_as_well(sales: scene.Site) -> None:
    AlertRule.objects.all().delete()
    AlertRule.objects.create(name="budget", condition="budget", below=50, severity="info")
    outage(start() + MINUTE, 6)
    assert "error budget" in Alert.objects.get(kind="vendor").title


def test_what_cannot_be_known_begins_no_alert_and_ends_none() -> None:
    one = alert_rules.RuleFacts(1, "r", alert_rules.ObjectiveScope(""), "burn", "page", 14.4, 60, 5)
    scope = alert_rules.ObjectiveScope(AVAILABILITY, system="x", environment="production", tier=1)
    unseen = alert_rules.Watched(1, scope, None, "X", False, None, None)
    assert alert_rules.holds(one, unseen, clock.now()) is None


@pytest.fixture(autouse=True)
def clean_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of these tests has called a vendor."""
    monkeypatch.setattr(measuring, "_answers", dict)


def test_a_tightening_is_the_operators_and_a_loosening_is_not(sales: scene.Site, house: scene.People) -> None:
    from runtime.domain.objectives import ObjectiveScope
    from runtime.services import objectives

    scope = ObjectiveScope(LATENCY, integration="sales", target="earn")
    objectives.set_policy(scope, Decimal("99.99"), 60, actor=house.sofia, reason="tighter")
    with pytest.raises(Forbidden, match="only tighten"):
        objectives.set_policy(scope, Decimal(60), 86_400, actor=house.sofia, reason="easier")
    with pytest.raises(Invalid):
        objectives.set_policy(scope, Decimal(100), 60, actor=house.rita, reason="perfect")
    assert ObjectivePolicy.objects.count() == 1
    for wrong in ("ledger", "ern"):
        unknown = ObjectiveScope(LATENCY, integration="sales", target=wrong)
        with pytest.raises(Invalid, match=f"no target of sales; its targets: .*earn.*{wrong}"):
            objectives.set_policy(unknown, Decimal("99.99"), 60, actor=house.rita, reason="typo")
    assert ObjectivePolicy.objects.count() == 1
    objectives.set_policy(unknown, None, None, actor=house.rita, reason="one of before is given back")
