"""What the pages of the runtime say of what happened, and how many queries they take."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from kernel import clock
from kernel.viewer import Viewer
from runtime.models import DroppedCount, Message, Progress, RetentionPolicy, Rewind, Run, VendorState
from runtime.selectors import (
    daily_totals,
    dead_letter_detail,
    dead_letters,
    flows,
    gates,
    infrastructure,
    integrations,
    replays,
    retention,
    runs,
    schedules,
    stores,
    traces,
    vendors,
)
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


# -- what the pages say ------------------------------------------------------------------------------------------------
def test_today_says_in_a_sentence_what_was_posted_and_what_waits(day):
    found = {flow.key: flow for flow in flows.today(Viewer.of(day.people.rita), "production")}
    assert found["sales.journal"].sentence.startswith("Sales → S/4HANA Cloud: ")
    assert "3 messages wait for a person, oldest 12 min" in found["sales.journal"].sentence
    assert "posted today" in found["sales.journal"].sentence
    assert found["prices.stores"].headline == "4 of 6 stores"
    assert found["prices.stores"].late


def test_delivered_today_counts_batches_and_what_went_through_after_all(day):
    before = {flow.key: flow.delivered for flow in flows.today(Viewer.of(day.people.rita), "production")}
    day.sales.attempt(day.places[5], "journal", "confirmed", "", reference="JE-1")
    after = {flow.key: flow.delivered for flow in flows.today(Viewer.of(day.people.rita), "production")}
    assert after["sales.journal"] == before["sales.journal"] + 1
    assert after["sales.earn"] == before["sales.earn"]


def test_today_says_of_a_worker_only_what_is_known(client, day):
    client.force_login(day.people.rita)
    text = client.get(reverse("runtime:today")).text
    assert "no claim yet" not in text  # sales were delivered
    assert text.count("started <time") == 3


def test_a_closed_condition_of_the_gate_is_named_by_a_noun_and_its_system_by_its_name(day):
    VendorState.objects.filter(system_key="s4").update(not_before=clock.now() + timedelta(minutes=5))
    found = gates.states([day.sales.subscriptions["journal", ""].pk, day.prices.subscriptions["stores", "0590"].pk])
    titles = {condition.title for state in found.values() for condition in state.conditions}
    assert titles == {
        "Approval of this digest",
        "Addresses of its systems",
        "Deployment and pauses",
        "Sunsets of what it uses",
        "Systems of record",
        "Freeze windows",
        "Circuit breaker",
        "Quota",
    }
    says = " ".join(state.says for state in found.values())
    assert "S/4HANA Cloud asked to wait until " in says
    assert "Circuit breaker of Store POS estate, 0590 open after 5 failures" in says
    assert re.search(r"until \w{3} \d\d:\d\d UTC\.", says)


def test_a_number_beside_a_heading_says_what_it_counts(client, day):
    client.force_login(day.people.rita)
    text = client.get(reverse("runtime:reconciliation-flow", args=["sales"])).text
    title = text.split('<div class="title-row">')[1].split('<div class="actions">')[0]
    assert re.search(r"\d[\d,]* messages?<", title)


def test_a_retention_that_begins_later_is_not_said_to_be_in_force(client, day):
    client.force_login(day.people.rita)
    text = client.get(reverse("runtime:retention")).text
    assert "In force since" not in text
    assert "In force from" in text


def test_a_void_approval_stops_the_flow_and_the_page_says_why(client, day):
    scene.void(day.sales.approval, "the mapping changed")
    client.force_login(day.people.sofia)
    assert "held safely: The approval by change" in client.get(reverse("runtime:today")).text
    page = client.get(reverse("runtime:integration", args=["sales"]))
    assert "is void: the mapping changed" in page.text
    assert "Gate closed" in page.text


def test_a_broken_store_queues_and_the_others_go_on(day):
    found = {store.name: store for store in stores.fleet(Viewer.of(day.people.rita), "production")}
    assert found["0590"].worst.operating_state.delivery == "held"
    assert found["0590"].worst.mode == "local_with_caps", "what the manifest declares"
    assert found["0206"].worst.mode == "local_with_caps", "41 minutes behind where its tier allows 15"
    assert found["0101"].worst.mode == "normal"
    assert "next attempt in 2 min" in found["0590"].worst.why
    assert found["0101"].normal
    assert found["0206"].waiting == 15


def test_an_open_breaker_past_its_time_is_half_open(day):
    VendorState.objects.filter(instance="0590").update(open_until="2020-01-01T00:00:00Z")
    row = next(v for v in vendors.listed(Viewer.of(day.people.rita), "production") if v.instance == "0590")
    assert row.breaker_tone.word == "Half open"


def test_a_run_counts_what_became_of_its_own_messages_only(day):
    found = runs.progress(Viewer.of(day.people.rita), day.run.pk)
    assert (found.total, found.read, found.rejected) == (80, 43, 2)
    assert found.refused == 3
    assert found.unknown == 1
    assert (
        found.delivered + found.refused + found.unknown + found.retrying + sum(s.waiting for s in found.shares)
        == found.total
    )
    earlier = runs.progress(Viewer.of(day.people.rita), day.run.pk - 1)
    assert (earlier.delivered, earlier.total, earlier.live, earlier.percent) == (120, 120, False, 100)


def test_a_run_that_reads_without_knowing_how_much_shows_no_made_up_share(day):
    found = runs.progress(Viewer.of(day.people.rita), day.run.pk)
    assert found.percent is None
    Run.objects.filter(pk=day.run.pk).update(expected=86)
    assert 0 < runs.progress(Viewer.of(day.people.rita), day.run.pk).percent < 50


def test_the_moving_part_of_a_run_stops_asking_when_all_is_settled(client, day):
    client.force_login(day.people.rita)
    live = client.get(reverse("runtime:run", args=[day.run.pk]), headers={"HX-Request": "true"})
    assert 'hx-trigger="every 2s"' in live.text
    assert "<html" not in live.text
    done = client.get(reverse("runtime:run", args=[day.run.pk - 1]), headers={"HX-Request": "true"})
    assert "hx-trigger" not in done.text


def test_today_and_the_recovery_page_say_that_the_database_went_back_and_what_is_missing(client, day):
    assert "Recovery mode" not in (client.force_login(day.people.sofia) or client.get(reverse("runtime:today"))).text
    Rewind.objects.create(reason="timeline", after="timeline 2", window_until=clock.now())
    Progress.objects.filter(subscription__target="journal").update(ask_until=1 << 62)
    assert "Recovery mode" in client.get(reverse("runtime:today")).text
    page = client.get(reverse("runtime:recovery"))
    assert "a standby was promoted" in page.text
    assert "to ask about" in page.text
    assert "Missing numbers of tills" in page.text


def test_a_day_that_retention_dropped_is_not_a_day_on_which_nothing_came(client, day):
    client.force_login(day.people.rita)
    stream = day.sales.stream.pk
    DroppedCount.objects.create(data_class="messages", stream_id=stream, day="2019-03-10", number=1234)
    for name, arguments in (("reconciliation", []), ("reconciliation-flow", ["sales"])):
        answer = client.get(reverse(f"runtime:{name}", args=arguments), {"day": "2019-03-10", "by": "arrival"})
        assert "1,234" in answer.text, name
        assert "no longer kept" in answer.text.lower(), name


def test_a_small_table_is_counted_whatever_the_statistics_say(day):
    kept = {one.data_class: one.rows for one in retention.classes()}
    assert kept["messages"] == Message.objects.count()
    assert kept["runs"] >= Run.objects.count() > 0


def test_a_policy_is_set_on_its_page_and_a_shorter_one_waits_a_week(client, day):
    client.force_login(day.people.rita)
    address = reverse("runtime:retention")
    assert client.post(address, {"data_class": "events", "days": "3", "reason": "x"}).status_code == 422
    assert client.post(address, {"data_class": "events", "days": "60", "reason": "less"}).status_code == 302
    made = RetentionPolicy.objects.get(data_class="events", days=60)
    assert made.since > clock.now() + timedelta(days=6)
    assert "60 days" in client.get(address).text
    client.force_login(day.people.petra)
    assert client.post(address, {"data_class": "events", "days": "60", "reason": "x"}).status_code == 403


def test_letters_of_one_reason_stand_together_and_the_oldest_group_first(day):
    found = dead_letters.groups(Viewer.of(day.people.sofia), "production")
    assert [(group.kind, group.count) for group in found] == [
        ("rejected", 1),
        ("parked", 1),
        ("parked", 3),
        ("conflict", 1),
    ]
    assert dead_letters.count_all(Viewer.of(day.people.sofia)) == 6
    assert dead_letters.count_all(Viewer.of(day.people.petra)) == 0


def test_a_conflict_shows_what_differs_from_the_one_that_is_held(client, day):
    client.force_login(day.people.sofia)
    page = client.get(reverse("runtime:conflict", args=[day.conflict.pk]))
    assert "/total" in page.text
    assert "24.95" in page.text
    assert "23.95" in page.text


def test_a_message_is_found_by_key_and_by_correlation_id(day):
    viewer = Viewer.of(day.people.sofia)
    by_key = traces.search(viewer, day.letters[0].key)
    by_id = traces.search(viewer, day.sales.correlation(day.places[0]))
    assert by_key == by_id
    assert len(by_id) == 1
    steps = traces.trace(by_id[0]).steps
    assert [step.says for step in steps if step.until is None] == ["Waits for a person", "Confirmed"] or len(steps) >= 5
    wrong_salt = "f" * 16 + day.sales.correlation(day.places[0])[16:]
    assert traces.search(viewer, wrong_salt) == []


def test_money_is_shown_with_every_digit_that_was_stored():
    assert dead_letter_detail.pretty('{"total": 23.950, "big": 12345678901234567890.10, "none": null}') == (
        '{\n  "total": 23.950,\n  "big": 12345678901234567890.10,\n  "none": null\n}'
    )
    assert dead_letter_detail.pretty("not json") == "not json"


def test_the_mapping_panel_says_what_a_new_release_does_differently(client, day):
    changed = {**scene.SALES, "targets": [dict(target) for target in scene.SALES["targets"]]}
    changed["targets"][0] = {
        **changed["targets"][0],
        "mapping": {
            **changed["targets"][0]["mapping"],
            "lookups": {"tax-map": {"version": "15", "values": {"R1": "V1", "R7": "V7"}}},
        },
    }
    release = day.sales.register(changed)
    client.force_login(day.people.sofia)
    page = client.get(reverse("runtime:deploy-panel", args=["sales"]) + f"?digest={release.digest}")
    assert "has version 15; it was 14" in page.text
    assert "&#x27;R7&#x27; is new" in page.text


def test_fields_that_no_target_reads_are_listed_with_how_often_they_are_there(client, day):
    day.sales.put(*[scene.sale(n, weather="rain", brand=None) for n in range(500, 600)])
    client.force_login(day.people.sofia)
    page = client.get(reverse("runtime:integration-view", args=["sales", "mapping"]))
    assert "Unused fields" in page.text
    assert "in the newest 200 messages" in page.text
    rows = [
        " ".join(row.split()) for row in re.findall(r'<th scope="row"><span class="mono">(.*?)</tr>', page.text, re.S)
    ]
    listed = {row.partition("<")[0]: row for row in rows}
    assert "50 %" in listed["weather"]
    assert not {"transaction", "total", "lines[].price", "brand"} & set(listed)


def test_an_api_page_neither_names_nor_counts_users_that_the_viewer_may_not_see(client, day):
    from runtime.models import Pin

    Pin.objects.create(
        release=day.sales.release,
        role="target journal",
        reference="s4-sales@v1",
        version_id=1,
        contract_digest="sha256:" + "a" * 64,
    )
    address = reverse("runtime:integrations-of-api", args=["s4-sales"])
    client.force_login(day.people.sofia)
    assert "s4-sales@v1" in client.get(address).text
    client.force_login(day.people.petra)
    said = client.get(address).text
    assert "s4-sales@v1" not in said
    assert "No deployed integration that you may see uses this API." in said


# -- queries -----------------------------------------------------------------------------------------------------------
def test_lists_take_the_same_number_of_queries_however_long_they_are(day, django_assert_num_queries):
    viewer = Viewer.of(day.people.rita)
    for number in range(3):
        more = {**scene.PRICES, "integration": f"more-{number}", "title": f"More {number}"}
        site = scene.Site(more, Group.objects.get(name="Pricing"))
        site.put(*[{"sku": f"Q{n}"} for n in range(5)], key="sku")
    for count, read in (
        (9, lambda: flows.today(viewer, "production")),
        (9, lambda: stores.fleet(viewer, "production")),
        (1, lambda: integrations.listed(viewer, "production")),
        (5, lambda: dead_letters.groups(viewer, "production")),
        (1, lambda: runs.latest(viewer)),
        (2, lambda: vendors.listed(viewer, "production")),
        (1, lambda: schedules.listed(viewer)),
        (2, lambda: replays.listed(viewer, "production")),
        (4, lambda: daily_totals.overview(viewer, "production", daily_totals.today())),
        (2, lambda: replays.choices(viewer, "production")),
        (6, lambda: infrastructure.state(viewer, "production")),
        (4, lambda: runs.progress(viewer, day.run.pk)),
        (1, lambda: dead_letters.count_all(viewer)),
        (8, lambda: integrations.detail(viewer, "sales", "production")),
    ):
        with django_assert_num_queries(count):
            read()
