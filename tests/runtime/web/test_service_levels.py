"""The board, one indicator, alerts and rules as people and programs see them, and what strangers do not see."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from catalog.models import SlaTier
from kernel import clock
from runtime.domain import service_levels as rules
from runtime.domain.objectives import AVAILABILITY, FRESHNESS, LATENCY
from runtime.models import Alert, AlertRule, AlertSilence, ObjectivePolicy, ServiceIndicator, VendorState
from runtime.services import alerting, measuring, standings
from tests import kept_rows
from tests.runtime import scene
from tests.runtime.api.test_api import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return measured_day()


@kept_rows.once(seconds=10)
def measured_day() -> scene.Day:
    """A working day, measured in its last minutes; the loyalty engine is down and an alert is open."""
    made = scene.day()
    for tier in SlaTier.objects.all():
        tier.rules |= {"availability": "99.9"}
        tier.save()
    AlertRule.objects.all().delete()
    AlertRule.objects.create(name="Fast burn", condition="burn", factor=14.4, long=60, short=5, severity="page")
    later = clock.now() + timedelta(hours=1)
    VendorState.objects.filter(system_key="loyalty").update(breaker="open", open_until=later)
    now = clock.now()
    for back in range(3, -1, -1):
        measuring.measure(at=now - timedelta(minutes=back))
    standings.evaluate(at=now)
    alerting.attend(at=now)
    return made


def test_the_board_shows_the_worst_first_and_says_why_something_is_unknown(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    page = client.get(reverse("runtime:service-levels"))
    text = page.text
    assert page.status_code == 200
    assert text.index("Missed") < text.index("Unknown")
    assert "its source promises no sign of life" in text
    assert "Loyalty engine" in text
    assert "<script>" not in text.split("<main")[1]


def test_what_nobody_has_evaluated_for_a_while_is_unknown_and_never_still_met(client: Any, day: scene.Day) -> None:
    ServiceIndicator.objects.update(evaluated_at=clock.now() - timedelta(hours=1))
    client.force_login(day.people.rita)
    text = client.get(reverse("runtime:service-levels")).text
    assert "not measured since" in text
    assert "Missed" not in text.split("<main")[1]


def test_the_board_costs_the_same_queries_however_many_flows_there_are(
    client: Any, day: scene.Day, django_assert_max_num_queries: Any
) -> None:
    client.force_login(day.people.rita)
    with django_assert_max_num_queries(24):
        client.get(reverse("runtime:service-levels"))


def test_somebody_of_another_team_sees_neither_levels_nor_alerts_of_it(client: Any, day: scene.Day) -> None:
    mine = ServiceIndicator.objects.get(kind=LATENCY, target="earn")
    alert = Alert.objects.get(system_key="loyalty")
    client.force_login(day.people.petra)
    assert "Loyalty engine" not in client.get(reverse("runtime:service-levels")).text.split("<main")[1]
    assert client.get(reverse("runtime:service-level", args=[mine.pk])).status_code == 404
    assert client.get(reverse("runtime:alert", args=[alert.pk])).status_code == 404
    client.force_login(day.people.zoe)
    assert "Nothing is measured here yet" in client.get(reverse("runtime:service-levels")).text
    for kind in ("runtime-api:service-levels", "runtime-api:alerts"):
        assert client.get(reverse(kind), headers=bearer(day.people.zoe)).json() == []


def test_one_indicator_shows_windows_history_and_takes_a_tighter_objective_of_its_operators(
    client: Any, day: scene.Day
) -> None:
    one = ServiceIndicator.objects.get(kind=LATENCY, target="earn")
    address = reverse("runtime:service-level", args=[one.pk])
    client.force_login(day.people.sofia)
    text = client.get(address).text
    assert "28 days" in text
    assert "Last month" in text
    assert "95 % of the messages" in text or "% of the messages" in text
    looser = client.post(address, {"share": "60", "limit_s": "90000", "reason": "easier"})
    assert looser.status_code == 403
    refused = client.post(address, {"share": "100", "limit_s": "60", "reason": "perfect"})
    assert refused.status_code == 422
    assert "there is no error budget" in refused.text
    assert client.post(address, {"reason": "nothing said"}).status_code == 422
    done = client.post(address, {"share": "99.9", "limit_s": "30", "reason": "tighter"})
    assert done.status_code == 302
    assert ObjectivePolicy.objects.get().share == Decimal("99.9")
    client.post(address, {"give_back": "on", "reason": "as before"})
    assert client.get(address).status_code == 200


def test_the_page_of_an_integration_and_of_an_api_show_what_is_measured(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.sofia)
    text = client.get(reverse("runtime:integration", args=["sales"])).text
    assert "Service levels" in text
    assert "Latency, tier" in text
    fragment = client.get(reverse("runtime:service-levels-of-api", args=["no-such-api"])).text
    assert "nothing is measured" in fragment


def test_an_alert_names_its_system_and_says_how_urgently_it_was_told(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    alert = Alert.objects.get(system_key="loyalty")
    alert.entries.create(verb="told", text="page", at=clock.now())
    text = client.get(reverse("runtime:alert", args=[alert.pk])).text
    assert ">Loyalty engine</a>" in text
    assert "Told with severity “page”" in " ".join(text.split())


def test_an_alert_is_looked_at_and_acknowledged(client: Any, day: scene.Day) -> None:
    alert = Alert.objects.get(system_key="loyalty")
    client.force_login(day.people.sofia)
    assert alert.title in client.get(reverse("runtime:alerts")).text
    page = client.get(reverse("runtime:alert", args=[alert.pk])).text
    assert "Fast burn" in page
    address = reverse("runtime:alert-acknowledge", args=[alert.pk])
    assert client.post(address, {"hours": "4", "reason": ""}).status_code == 422
    assert client.post(address, {"hours": "4", "reason": "on the phone"}).status_code == 302
    assert "on the phone" in client.get(reverse("runtime:alert", args=[alert.pk])).text
    client.force_login(day.people.sam)
    assert client.post(address, {"hours": "4", "reason": "me too"}).status_code == 403


def test_rules_are_made_changed_and_removed_by_page(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    address = reverse("runtime:alert-rules")
    assert client.get(address).status_code == 200
    given = {"name": "Prices", "kind": FRESHNESS, "condition": "budget", "below": "20", "severity": "ticket"}
    assert client.post(address, given | {"below": ""}).status_code == 422
    assert client.post(address, given | {"inbox": "on", "enabled": "on"}).status_code == 302
    made = AlertRule.objects.get(name="Prices")
    assert (made.kind, made.below, made.email) == (FRESHNESS, 20.0, False)
    assert client.post(address, given).status_code == 422, "the name is taken"
    one = reverse("runtime:alert-rule", args=[made.pk])
    assert client.get(one).status_code == 200
    assert client.post(one, given | {"integration": "moon"}).status_code == 422
    assert client.post(one, given | {"severity": "page"}).status_code == 302
    client.force_login(day.people.sofia)
    assert client.post(one, {"act": "remove"}).status_code == 403
    client.force_login(day.people.rita)
    assert client.post(one, {"act": "remove"}).status_code == 302
    assert not AlertRule.objects.filter(name="Prices").exists()


def test_each_condition_of_a_rule_is_a_sentence(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    said = []
    for condition, more in (
        ("burn", {}),
        ("budget", {"below": 20.0}),
        ("unmeasured", {}),
        ("refused", {"at_least": 5}),
    ):
        given = {"long": 60, "short": 5, "factor": 6.0, "for_minutes": 15 if condition == "unmeasured" else 0} | more
        made = AlertRule.objects.create(name=condition, condition=condition, severity="ticket", **given)
        text = client.get(reverse("runtime:alert-rule", args=[made.pk])).text
        said.append(text.split('<p class="lead">')[1].split("</p>")[0])
    assert said == [
        "It holds when an indicator burns 6 times too fast over 1 h and 5 min, at least 2 bad.",
        "It holds when an indicator has less than 20 % of its error budget left.",
        "It holds when an indicator has not been measured for 15 min.",
        "It holds when at least 5 calls were refused within 1 h, and one was heard of within 5 min.",
    ]


def test_the_form_of_a_rule_shows_numbers_as_people_write_them_and_none_that_do_not_count(
    client: Any, day: scene.Day
) -> None:
    client.force_login(day.people.rita)
    numbers = {"factor": 0.0, "below": 0.0, "at_least": 5.0, "for_minutes": 0}
    made = AlertRule.objects.create(name="Refused", condition="refused", severity="ticket", **numbers)
    shown = client.get(reverse("runtime:alert-rule", args=[made.pk])).context["form"]
    assert [str(shown[name].value()) for name in numbers] == ["", "", "5", "0"]
    again = {name: shown[name].value() for name in shown.fields if shown[name].value() not in (None, False)}
    assert client.post(reverse("runtime:alert-rule", args=[made.pk]), again).status_code == 302
    made.refresh_from_db()
    assert {name: getattr(made, name) for name in numbers} == numbers


def test_of_a_month_before_anything_was_measured_everything_is_unknown(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    one = ServiceIndicator.objects.filter(system_key="loyalty").first()
    text = client.get(reverse("runtime:service-level", args=[one.pk])).text
    row = text.split("Last month")[1].split("</tr>")[0]
    assert "nothing" not in row
    assert row.count("unknown") == 5


def test_a_silence_is_set_and_ended_by_page(client: Any, day: scene.Day) -> None:
    client.force_login(day.people.sofia)
    address = reverse("runtime:silence")
    assert client.post(address, {"hours": "4", "reason": "everything"}).status_code == 403
    assert client.post(address, {"hours": "4", "reason": "x", "integration": "moon"}).status_code == 422
    assert client.post(address, {"hours": "4", "reason": "move", "integration": "sales"}).status_code == 302
    made = AlertSilence.objects.get()
    assert "move" in client.get(reverse("runtime:alerts")).text
    assert client.post(address, {"hours": "4", "reason": "again", "integration": "sales"}).status_code == 422
    change = reverse("runtime:silence-change", args=[made.pk])
    assert "It lasts until" in client.get(change).text
    assert client.post(change, {"hours": "1", "reason": " "}).status_code == 422
    assert client.post(change, {"hours": "1", "reason": "moved"}).status_code == 302
    until = made.until
    made.refresh_from_db()
    assert (made.until < until, made.reason) == (True, "moved")
    assert client.post(reverse("runtime:silence-end", args=[made.pk])).status_code == 302
    made.refresh_from_db()
    assert made.ended_at is not None


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        ({"integration": "sale"}, "/integration", "Did you mean 'sales'?"),
        ({"integration": "sales", "target": "ern"}, "/target", "Did you mean 'earn'?"),
        ({"integration": "sales", "target": "moon"}, "/target", "its targets: "),
        ({"system_key": "loyalti"}, "/system_key", "Did you mean 'loyalty'?"),
        ({"environment": "productio"}, "/environment", "Did you mean 'production'?"),
        ({"kind": "latenci"}, "/kind", "one of "),
    ],
)
@pytest.mark.parametrize("what", ["silence", "rule"])
def test_what_names_nothing_is_refused_with_what_is_written_alike(
    client: Any, day: scene.Day, given: dict[str, str], pointer: str, said: str, what: str
) -> None:
    more: dict[str, Any] = {"until": (clock.now() + timedelta(hours=2)).isoformat(), "reason": "move"}
    if what == "rule":
        more = {"name": "api", "condition": "budget", "below": 10, "severity": "info"}
    address = reverse(f"runtime-api:alert-{what}s")
    answer = client.post(address, more | given, content_type="application/json", headers=bearer(day.people.rita))
    assert answer.status_code == 422
    found = [one for one in answer.json()["findings"] if one["pointer"] == pointer]
    assert said in found[0]["message"]


def test_the_same_silence_twice_is_one_and_another_end_is_a_change_of_it(client: Any, day: scene.Day) -> None:
    put = {"content_type": "application/json", "headers": bearer(day.people.rita)}
    address, until = reverse("runtime-api:alert-silences"), clock.now() + timedelta(hours=2)
    body = {"integration": "sales", "target": "earn", "until": until.isoformat(), "reason": "move"}
    first, second = (client.post(address, body, **put) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    later = body | {"until": (until + timedelta(hours=1)).isoformat()}
    refused = client.post(address, later, **put)
    assert (refused.status_code, refused.json()["code"], refused.json()["silence"]) == (
        409,
        "silence.exists",
        first.json()["id"],
    )
    one = reverse("runtime-api:alert-silence", args=[first.json()["id"]])
    change = {"until": later["until"], "reason": "longer"}
    assert client.patch(one, change, **put).json()["reason"] == "longer"
    assert client.patch(one, change | {"until": clock.now().isoformat()}, **put).status_code == 422
    assert client.delete(one, headers=put["headers"]).status_code == 204
    assert client.patch(one, change, **put).json()["code"] == "silence.ended"
    assert client.post(address, body, **put).status_code == 201


def test_the_api_shows_levels_alerts_rules_and_silences_and_changes_them(client: Any, day: scene.Day) -> None:
    headers = bearer(day.people.rita)
    levels = client.get(reverse("runtime-api:service-levels"), headers=headers).json()
    down = next(one for one in levels if (one["kind"], one["system"]) == (AVAILABILITY, "loyalty"))
    assert (down["state"], down["burning"]) == (rules.MISSED, True)
    unknown = next(one for one in levels if one["state"] == rules.UNKNOWN)
    assert unknown["why"]
    assert client.get(reverse("runtime-api:service-level", args=[down["id"]]), headers=headers).status_code == 200
    assert client.get(reverse("runtime-api:service-level", args=[2**62]), headers=headers).status_code == 404
    (alert,) = [
        one
        for one in client.get(reverse("runtime-api:alerts"), {"state": "open"}, headers=headers).json()
        if one["system"] == "loyalty"
    ]
    detail = client.get(reverse("runtime-api:alert", args=[alert["id"]]), headers=headers).json()
    assert detail["seen"]
    assert detail["entries"][0]["verb"] == "opened"
    put = {"content_type": "application/json", "headers": headers}
    address = reverse("runtime-api:alert-acknowledge", args=[alert["id"]])
    assert client.post(address, {"reason": "calling"}, **put).status_code == 200
    rule = {"name": "api", "condition": "budget", "below": 10, "severity": "info"}
    made = client.post(reverse("runtime-api:alert-rules"), rule, **put)
    assert made.status_code == 201
    one = reverse("runtime-api:alert-rule", args=[made.json()["id"]])
    assert client.put(one, rule | {"below": 0}, **put).status_code == 422
    assert client.put(one, rule | {"below": 30}, **put).json()["below"] == 30
    assert client.delete(one, headers=headers).status_code == 204
    until = (clock.now() + timedelta(hours=2)).isoformat()
    quiet = client.post(reverse("runtime-api:alert-silences"), {"until": until, "reason": "move"}, **put)
    assert quiet.status_code == 201
    ended = reverse("runtime-api:alert-silence", args=[quiet.json()["id"]])
    assert client.delete(ended, headers=headers).status_code == 204
    objective = {
        "kind": LATENCY,
        "integration": "sales",
        "target": "earn",
        "share": "99.5",
        "limit_s": 20,
        "reason": "x",
    }
    assert client.put(reverse("runtime-api:objectives"), objective, **put).status_code == 200
    assert client.put(reverse("runtime-api:objectives"), objective | {"share": "NaN"}, **put).status_code in (400, 422)


def test_the_command_shows_levels_reports_a_month_and_sets_objectives(day: scene.Day) -> None:
    assert "Availability Loyalty engine" in " ".join(told("service_levels").split())
    assert "unknown" in told("service_levels", report=f"{clock.now():%Y-%m}")
    with pytest.raises(CommandError, match="year-month"):
        told("service_levels", report="October")
    with pytest.raises(CommandError, match="Say which"):
        told("service_levels", kind=LATENCY)
    with pytest.raises(CommandError, match="give a reason"):
        told("service_levels", kind=AVAILABILITY, system="loyalty", share="99")
    assert "Set." in told("service_levels", kind=AVAILABILITY, system="loyalty", share="99", reason="as agreed")


def told(name: str, **options: Any) -> str:
    out = StringIO()
    call_command(name, stdout=out, **options)
    return out.getvalue()
