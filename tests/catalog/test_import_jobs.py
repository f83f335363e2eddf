"""Imports as jobs: asked for once, carried out by whoever takes them, resumed where they were ended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from kombu.exceptions import OperationalError

from catalog import tasks
from catalog.models import Api, ApiSearch, ImportFile, ImportRun
from catalog.services import importing, periodic_jobs, search_index
from catalog.services.importing import jobs
from catalog.services.importing.sources import ImportSource
from kernel import clock, outbox
from kernel.errors import Forbidden, Invalid
from kernel.models import AuditEntry, OutboxEvent
from tests.catalog import make

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
FILES = [ImportSource("a.csv", b"slug,name\none,One\ntwo,Two\nthree,Three\n"), ImportSource("b.json", b"{")]


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def ask(**more: object) -> ImportRun:
    return importing.request(FILES, actor=make.person("ada"), source="test", **more)  # type: ignore[arg-type]


def later(run: ImportRun, time: timedelta) -> None:
    """As if so much time had passed on the database's clock, which leases go by."""
    ImportRun.objects.filter(pk=run.pk).update(lease_until=F("lease_until") - time, created_at=F("created_at") - time)


def test_an_import_waits_for_a_worker_and_is_carried_to_its_end():
    run = ask()
    assert (run.state, run.files.count()) == ("waiting", 2)
    assert OutboxEvent.objects.get(topic="catalog.import_requested").payload == {"run_id": run.pk}
    done = importing.execute(run.pk)
    assert (done.state, done.total, done.done) == ("done", 4, 4)
    assert sorted(done.rows.values_list("outcome", flat=True)) == ["created", "created", "created", "refused"]
    assert not ImportFile.objects.exists()
    assert importing.execute(run.pk) is None
    assert AuditEntry.objects.filter(verb="catalog.estate_imported", subject_id=str(run.pk)).count() == 1


def test_a_broker_that_is_away_fails_no_import_and_no_event(monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object, **__: object) -> None:
        raise OperationalError("[Errno 111] Connection refused")

    monkeypatch.setattr(tasks.execute_import, "apply_async", refused)
    run = ask()
    outbox.dispatch()
    assert OutboxEvent.objects.get(topic="catalog.import_requested").done_at is not None
    later(run, jobs.PATIENCE)
    periodic_jobs.CatalogJobs().run_due()
    run.refresh_from_db()
    assert run.state == "waiting", "the scheduler carries no import"
    assert periodic_jobs.import_due() == 1
    run.refresh_from_db()
    assert run.state == "done"


def test_the_same_request_while_one_is_open_is_the_same_import():
    first = ask()
    assert ask().pk == first.pk
    assert ask(dry_run=True).pk != first.pk
    importing.execute(first.pk)
    again = importing.execute(ask().pk)
    assert again.pk != first.pk
    assert set(again.rows.exclude(outcome="refused").values_list("outcome", flat=True)) == {"unchanged"}


def test_a_dry_run_keeps_nothing_but_its_report():
    done = importing.execute(ask(dry_run=True).pk)
    assert done.rows.filter(outcome="created").count() == 3
    assert not Api.objects.filter(slug="one").exists()


def test_another_worker_goes_on_where_one_was_ended(monkeypatch):
    run = ask()
    take, seen = jobs.runs.take, []

    def ended(record, n, item, target):
        seen.append(n)
        if n == 3 and seen.count(3) == 1:
            raise KeyboardInterrupt
        take(record, n, item, target)

    monkeypatch.setattr(jobs.runs, "take", ended)
    with pytest.raises(KeyboardInterrupt):
        importing.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.done) == ("running", 2)
    assert importing.execute(run.pk) is None
    assert importing.due() == []
    with clock.frozen(clock.now() + timedelta(days=1)):
        assert importing.due() == [], "the clock of a host says nothing of a lease"
    later(run, jobs.LEASE + timedelta(seconds=1))
    assert importing.due() == [run.pk]
    assert importing.execute(run.pk).state == "done"
    assert seen == [1, 2, 3, 3, 4]
    assert run.rows.count() == 4


def test_a_worker_that_lost_its_lease_writes_nothing_more(monkeypatch):
    run = ask()
    take = jobs.runs.take

    def robbed(record, n, item, target):
        take(record, n, item, target)
        if n == 2:
            ImportRun.objects.filter(pk=run.pk).update(attempts=9)

    monkeypatch.setattr(jobs.runs, "take", robbed)
    assert importing.execute(run.pk) is None
    assert run.rows.count() == 1


def test_what_can_be_known_at_once_is_refused_at_once():
    with pytest.raises(Forbidden):
        importing.request(FILES, actor=make.person("piet"), source="x")
    with pytest.raises(Invalid):
        importing.request([], actor=make.person("ada"), source="x")
    with pytest.raises(Invalid):
        importing.request(FILES, actor=make.person("ada"), source="x", defaults={"owner_team": "nobody"})
    assert not ImportRun.objects.exists()


def test_the_api_answers_202_with_the_address_of_the_report():
    body = {"dry_run": False, "files": [{"name": f.name, "content": f.data.decode()} for f in FILES]}
    answer = make.client("ada").post("/api/v1/imports", body, content_type="application/json")
    assert answer.status_code == 202
    assert answer.json()["state"] == "waiting"
    importing.execute(answer.json()["id"])
    report = make.client("ada").get(answer.headers["Location"]).json()
    assert (report["state"], report["done"], len(report["rows"])) == ("done", 4, 4)


def test_duties_find_what_was_left_and_rebuild_the_search_once_a_day():
    run = ask()
    later(run, timedelta(minutes=1))
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        assert periodic_jobs.import_due() == 1
        assert periodic_jobs.CatalogJobs().run_due() == Api.objects.count()
        run.refresh_from_db()
        assert run.state == "done"
        assert periodic_jobs.CatalogJobs().run_due() == 0


def test_a_rebuild_changes_only_what_is_not_true_any_more():
    search_index.refresh_all()
    before = dict(ApiSearch.objects.values_list("slug", "changed_at"))
    ApiSearch.objects.filter(slug="price-api").update(purpose="Something false")
    ApiSearch.objects.filter(slug="loyalty-api").update(calls=7)
    search_index.refresh_all()
    after = {row.slug: row for row in ApiSearch.objects.all()}
    assert after["price-api"].purpose != "Something false"
    assert after["price-api"].changed_at > before["price-api"]
    assert after["loyalty-api"].calls is None
    assert after["loyalty-api"].changed_at == before["loyalty-api"]
