"""The ledger page: filter, pages, chain badge, export."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from kernel import audit
from kernel.models import AuditEntry, AuditLink
from portal import ledger
from tests.portal import make

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/ledger/"


@pytest.fixture
def reader(client):
    ledger.forget_chain_state()
    with make.untold():
        made = make.person("reader")
    client.force_login(made)
    return client


def write(verb: str = "kernel.tested", subject: str = "1", **more) -> AuditEntry:
    with transaction.atomic():
        return audit.record(verb, more.pop("kind", "system"), subject, actor=more.pop("actor", None), **more)


def ids(answer) -> list[int]:
    return [row["entry"].pk for row in answer.context["entries"]]


def test_entries_stand_newest_first_with_what_changed(reader):
    write(
        "governance.change_approved",
        before={"state": "open"},
        after={"state": "approved", "by": "ann"},
        reason="fine <for> me",
    )
    answer = reader.get(PATH)
    row = answer.context["entries"][0]
    assert (row["event"], row["position"]) == ("change approved", 1)
    assert [(found["pointer"], found["old"], found["new"]) for found in row["differences"]] == [
        ("/by", "null", "ann"),
        ("/state", "open", "approved"),
    ]
    assert "fine &lt;for&gt; me" in answer.text


def test_each_filter_narrows_and_they_combine(reader):
    with make.untold():
        ann = make.person("ann")
    approved = write("governance.change_approved", "7", kind="policy", actor=ann)
    opened = write("governance.change_opened", "7", kind="policy")
    other = write("kernel.token_issued", "9", kind="token")
    assert ids(reader.get(PATH)) == [other.pk, opened.pk, approved.pk]
    assert ids(reader.get(PATH, {"verb": "governance."})) == [opened.pk, approved.pk]
    assert ids(reader.get(PATH, {"actor": "ANN"})) == [approved.pk]
    assert ids(reader.get(PATH, {"kind": "policy", "subject": "7", "actor": "system"})) == [opened.pk]
    assert ids(reader.get(PATH, {"subject": "8"})) == []


def test_days_are_whole_days(reader):
    made = write()
    today = datetime.now(UTC).date()
    assert ids(reader.get(PATH, {"since": today.isoformat(), "until": today.isoformat()})) == [made.pk]
    assert ids(reader.get(PATH, {"since": (today + timedelta(days=1)).isoformat()})) == []
    assert ids(reader.get(PATH, {"until": (today - timedelta(days=1)).isoformat()})) == []


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"before": "x"},
        {"before": "-1"},
        {"before": "9" * 30},
        {"since": "2026-02-02", "until": "2026-02-01"},
        {"kind": "x" * 61},
    ],
)
def test_a_filter_that_cannot_be_read_says_so(reader, query):
    write()
    answer = reader.get(PATH, query)
    assert answer.status_code == 200
    assert "The filter cannot be read" in answer.text
    assert reader.get(f"{PATH}export.csv", query).status_code == 422


def test_pages_neither_repeat_nor_lose_an_entry(reader, monkeypatch):
    monkeypatch.setattr(ledger, "PAGE", 2)
    written = [write(subject=str(n)).pk for n in range(5)]
    seen, query = [], ""
    while True:
        answer = reader.get(PATH + query)
        seen += ids(answer)
        if not answer.context["older"]:
            break
        write("kernel.later")
        query = "?" + answer.context["older"]
    assert seen == written[::-1]


def test_the_badge_holds_until_an_entry_is_altered(reader):
    for number in range(3):
        write(subject=str(number), after={"price": "1.00"})
    assert reader.get(PATH).context["chain"].tone.word == "Intact"
    with connection.cursor() as cursor:
        cursor.execute(
            "set session_replication_role = replica;"
            "update kernel_auditentry set after = '{}' where subject_id = '1';"
            "set session_replication_role = origin"
        )
    assert reader.get(PATH).context["chain"].tone.word == "Intact", (
        "within five minutes the last answer stands, with its time"
    )
    ledger.forget_chain_state()
    chain = reader.get(PATH).context["chain"]
    assert (chain.tone.word, "position 2" in chain.says) == ("Altered", True)


def test_an_empty_ledger_says_so(reader):
    answer = reader.get(PATH)
    assert answer.context["chain"].tone.word == "Empty"
    assert "No entries yet" in answer.text


def test_csv_and_json_hold_the_chosen_entries_oldest_first_with_their_links(reader):
    write("kernel.other")
    first, second = write(after={"n": 1}), write(reason="=1+1")
    text = b"".join(reader.get(f"{PATH}export.json", {"verb": "kernel.tested"}).streaming_content).decode()
    rows = json.loads(text)
    assert [row["position"] for row in rows] == [2, 3]
    assert rows[0]["after"] == {"n": 1}
    assert rows[1]["previous_hash"] == rows[0]["hash"] == AuditLink.objects.get(entry=first).hash
    answer = reader.get(f"{PATH}export.csv", {"verb": "kernel.tested"})
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [int(line["position"]) for line in lines] == [2, 3]
    assert lines[1]["reason"] == "'=1+1", "a spreadsheet must not run it"
    assert second.reason == "=1+1"


def test_an_empty_export_is_still_json(reader):
    assert json.loads(b"".join(reader.get(f"{PATH}export.json").streaming_content)) == []


def test_the_page_costs_a_fixed_number_of_queries(reader, django_assert_max_num_queries):
    for number in range(20):
        write(subject=str(number))
    reader.get(PATH)
    with django_assert_max_num_queries(13):  # one of them: which alerts may be seen
        reader.get(PATH)


def test_a_fragment_holds_the_entries_alone(reader):
    write()
    answer = reader.get(PATH, headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert "Tested" in answer.text


@pytest.mark.parametrize("file", ["", "export.csv", "export.json"])
@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_the_first_and_the_last_day_of_the_calendar_are_days_like_others(reader, file, day):
    write(subject="there")
    for name in ("since", "until"):
        answer = reader.get(f"{PATH}{file}", {name: day})
        assert answer.status_code == 200
        shown = b"".join(answer.streaming_content) if file else answer.content
        assert (b"there" in shown) == ((name, day[0]) in (("since", "0"), ("until", "9")))
