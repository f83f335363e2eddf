"""Pages through HTTP: what is seen by whom, how many statements a list costs, what a form says, and junk."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Api, ContractUpload, ImportRun, Subscription
from catalog.selectors import dependency_graph
from catalog.services import blueprint, importing, usage
from tests.catalog import make

pytestmark = pytest.mark.django_db
PAGES = [
    "/catalog/",
    "/catalog/?q=price&domain=price&sort=used",
    "/catalog/apis/price-api/",
    "/catalog/apis/price-api/definition/",
    "/catalog/apis/price-api/definition/?version=v1",
    "/catalog/apis/price-api/versions/",
    "/catalog/apis/price-api/versions/v2/",
    "/catalog/apis/price-api/versions/v2/rules/",
    "/catalog/apis/price-api/versions/v2/rules/?rule=operation-tagged",
    "/catalog/apis/price-api/compare/?from=v1&to=v2",
    "/catalog/apis/price-api/compare/?from=v1&to=v2&reading=tree",
    "/catalog/apis/price-api/compare/?from=v1&to=v2&reading=text",
    "/catalog/apis/price-api/consumers/?version=v2",
    "/catalog/apis/price-api/changes/",
    "/catalog/apis/price-api/integrations/",
    "/catalog/apis/price-api/subscribe/",
    "/catalog/subscriptions/",
    "/catalog/dependencies/?focus=price-api",
    "/catalog/dependencies/?q=price",
    "/catalog/dependencies/?column=process",
    "/catalog/scorecards/",
    "/catalog/scorecards/?team=pricing",
    "/catalog/campaigns/",
    "/catalog/campaigns/begin/",
    "/catalog/applications/",
    "/catalog/applications/?q=till&mine=1",
    "/catalog/applications/till/",
    "/catalog/applications/till/edit/",
    "/catalog/applications/add/",
    "/catalog/imports/",
    "/systems-of-record/",
    "/systems-of-record/?entity=price&group=offer&scope=region:islands&focus=price-api",
    "/teams/",
    "/teams/pricing/",
    "/catalog/register/",
]


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


@pytest.mark.parametrize("url", PAGES)
def test_every_page_answers_a_reader_and_sends_strangers_to_the_door(url, client):
    assert client.get(url).status_code == 302
    answer = make.client("stan").get(url)
    assert answer.status_code == 200, answer.content[:300]
    text = answer.content.decode()
    assert "style=" not in text
    assert " onclick" not in text


def statements(url: str, username: str = "ada") -> int:
    """Statements of the catalog's own; the frame around every page is counted elsewhere."""
    client = make.client(username)
    client.get(url)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(url).status_code == 200
    of_the_frame = ("governance_freezeinterval", 'FROM "governance_changerequest"')
    said = [q["sql"] for q in caught.captured_queries if not any(table in q["sql"] for table in of_the_frame)]
    return sum(1 for sql in said if "catalog_" in sql or "kernel_auditentry" in sql)


MOST = {
    "/catalog/": 5,
    "/catalog/?q=price": 6,
    "/catalog/apis/price-api/": 18,
    "/catalog/apis/price-api/versions/": 8,
    "/catalog/apis/price-api/consumers/": 9,
    "/systems-of-record/": 18,
    "/catalog/dependencies/": 5,
    "/catalog/scorecards/": 6,
    "/catalog/applications/": 5,
    "/catalog/applications/till/": 5,
    "/catalog/campaigns/": 6,
    "/teams/": 3,
    "/catalog/subscriptions/": 4,
    "/api/v1/apis": 2,
    "/api/v1/subscriptions": 2,
    "/api/v1/dependencies": 2,
}


def test_a_page_costs_a_fixed_number_of_statements_however_long_its_list_is():
    few = {url: statements(url) for url in MOST}
    document = make.blueprint()
    for n in range(12):
        document["apis"].append(
            {
                "slug": f"more-{n}",
                "name": f"More price {n}",
                "purpose": "price",
                "owner_team": "pricing",
                "tier": 1,
                "layer": "process",
                "system": "erp",
                "versions": [{"label": "v1", "contract": "loyalty-v1.yaml", "state": "published"}],
            }
        )
        document["applications"].append({"key": f"app-{n}", "name": f"App {n}", "team": "pricing"})
        document["subscriptions"].append(
            {"application": f"app-{n}", "version": "price-api@v2", "environment": "production", "from": "2026-01-01"}
        )
        document["dependencies"].append({"api": f"more-{n}", "needs": "price-api"})
    blueprint.apply(document, actor=None, base_dir=make.ESTATE)
    assert {url: statements(url) for url in MOST} == few
    assert {url: n for url, n in few.items() if n > MOST[url]} == {}


def test_drafts_and_restricted_apis_look_like_nothing_to_others():
    stan = make.client("stan")
    for url in (
        "/catalog/apis/loyalty-api/",
        "/catalog/apis/price-api/versions/v3/",
        "/catalog/apis/price-api/definition/?version=v3",
        "/catalog/apis/nothing/",
    ):
        assert stan.get(url).status_code == 404
    assert "v3" not in make.shown(stan.get("/catalog/apis/price-api/versions/"))
    piet = make.client("piet")
    assert piet.get("/catalog/apis/price-api/versions/v3/").status_code == 200
    assert make.client("lea").get("/catalog/apis/loyalty-api/").status_code == 200


def test_a_version_page_says_the_same_dates_by_header():
    answer = make.client("stan").get("/catalog/apis/price-api/versions/v1/")
    assert answer.headers["Deprecation"] == "@1748736000"
    assert answer.headers["Sunset"] == "Tue, 31 Mar 2026 00:00:00 GMT"
    assert "successor-version" in answer.headers["Link"]


def test_the_overview_measures_promises_and_says_unknown_where_nothing_was_reported():
    text = make.client("stan").get("/catalog/apis/price-api/").content.decode()
    assert "no usage data" in text
    assert "no outage reported" in text
    usage.report(
        actor=None,
        batch_id="b",
        rows=[
            {
                "application": "till",
                "version": "price-api@v2",
                "environment": "production",
                "calls": 10000,
                "errors": 2,
                "p95_ms": 134,
                "staleness_s": 60,
                "outage_s": 1200,
            }
        ],
    )
    text = make.client("stan").get("/catalog/apis/price-api/").content.decode()
    assert "99.980 %" in text
    assert "Missed" in text
    assert "Kept" in text
    assert "20 min" in text
    assert "1 min" in text


def test_an_api_is_registered_from_a_file_in_two_steps_without_script():
    piet = make.client("piet")
    contract = make.contract("loyalty-v1.yaml").replace(b"Loyalty points", b"Vouchers")
    answer = piet.post(
        "/catalog/register/", {"step": "read", "contract": SimpleUploadedFile("vouchers.yaml", contract)}
    )
    assert answer.status_code == 200
    assert answer.context["proposal"].title == "Vouchers"
    upload = ContractUpload.objects.get()
    form = {
        "step": "save",
        "upload": upload.pk,
        "slug": "vouchers",
        "name": "Vouchers",
        "label": "v1",
        "owner_team": "",
        "tier": "",
    }
    refused = piet.post("/catalog/register/", form)
    assert refused.status_code == 422
    assert "Choose who answers for it" in refused.content.decode()
    assert not Api.objects.filter(slug="vouchers").exists()
    saved = piet.post(
        "/catalog/register/", form | {"owner_team": "pricing", "tier": "1", "how_loyalty-account": "command"}
    )
    assert saved.url == "/catalog/apis/vouchers/"
    assert Api.objects.get(slug="vouchers").entity_uses.get().access == "command"
    assert make.client("lea").post("/catalog/register/", form).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\x00\x01",
        b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        b"a: &a [*a]",
        b"openapi: 9.9.9",
    ],
)
def test_a_broken_file_is_explained_and_nothing_is_kept(content):
    answer = make.client("piet").post(
        "/catalog/register/", {"step": "read", "contract": SimpleUploadedFile("x.yaml", content), "text": ""}
    )
    assert answer.status_code == 422
    assert "Nothing was saved" in answer.content.decode()
    assert not ContractUpload.objects.exists()


def test_a_subscription_is_asked_for_and_decided_on_pages():
    stan = make.client("stan")
    answer = stan.post(
        "/catalog/apis/price-api/subscribe/",
        {"application": "till", "version": "price-api@v2", "environment": "test", "justification": "Prices"},
    )
    assert answer.url == "/catalog/subscriptions/"
    row = Subscription.objects.get(state="requested")
    assert stan.post(f"/catalog/subscriptions/{row.pk}/", {"decision": "approve"}).status_code == 403
    piet = make.client("piet")
    assert b"Till programme" in piet.get("/catalog/subscriptions/").content
    assert piet.post(f"/catalog/subscriptions/{row.pk}/", {"decision": "refuse", "note": ""}).status_code == 422
    assert (
        piet.post(f"/catalog/subscriptions/{row.pk}/", {"decision": "approve", "valid_until": "2099-01-01"}).url
        == "/catalog/subscriptions/"
    )
    row.refresh_from_db()
    assert (row.state, row.decided_by.username) == ("active", "piet")


def test_an_owner_edits_and_a_stranger_is_told_why_not():
    url = "/catalog/apis/price-api/edit/"
    form = {
        "name": "Price API",
        "owner_team": "pricing",
        "domain": "price",
        "tier": "0",
        "purpose": "Another sentence.",
        "visibility": "internal",
    }
    assert make.client("piet").post(url, form).status_code == 302
    assert Api.objects.get(slug="price-api").purpose == "Another sentence."
    refused = make.client("stan").post(url, form | {"purpose": "Mine."})
    assert refused.status_code == 422
    assert "Only Pricing team may change" in refused.content.decode()
    assert b"Changing a stated tier" in make.client("piet").post(url, form | {"tier": "2"}).content


def test_the_map_proposes_a_move_and_the_graph_says_what_breaks():
    text = make.client("piet").get("/systems-of-record/?entity=price&group=base").content.decode()
    assert "kind=boundary.move&amp;subject=price%2Fbase" in text
    assert "1 without a record" in text
    assert "Self-checkout" in make.client("stan").get("/catalog/dependencies/?focus=price-api").content.decode()


def test_a_graph_that_does_not_fit_names_what_is_left_out_and_lists_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dependency_graph, "MAX_PER_COLUMN", 6)
    document = make.blueprint()
    for n in range(12):
        document["apis"].append(
            {
                "slug": f"more-{n}",
                "name": f"More {n}",
                "purpose": "p",
                "owner_team": "pricing",
                "tier": 1,
                "layer": "experience",
                "versions": [{"label": "v1", "contract": "loyalty-v1.yaml", "state": "published"}],
            }
        )
        document["dependencies"].append({"api": f"more-{n}", "needs": "price-api"})
    blueprint.apply(document, actor=None, base_dir=make.ESTATE)
    stan = make.client("stan")
    drawn = stan.get("/catalog/dependencies/")
    (title, key, n) = drawn.context["graph"].left_out[0]
    assert (title, key) == ("Experience", "experience")
    assert f"and {n} more" in make.shown(drawn)
    rows = stan.get("/catalog/dependencies/?column=experience").context["page"].paginator.count
    assert rows == 6 + n
    few = stan.get("/catalog/dependencies/?q=more+11")
    assert (few.context["graph"].matched, few.context["graph"].left_out) == (1, ())
    assert {box.node.key for box in few.context["drawing"].boxes} == {"more-11", "price-api"}


def test_an_upload_of_files_is_imported_by_architects_only():
    files = {"files": [SimpleUploadedFile("apis.csv", b"slug,name\nfrom-csv,From CSV\n")], "dry_run": ""}
    answer = make.client("ada").post("/catalog/imports/", files)
    assert answer.status_code == 302
    waiting = make.shown(make.client("ada").get(answer.url))
    assert "Waiting for a worker" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    importing.execute(ImportRun.objects.get().pk)
    done = make.shown(make.client("ada").get(answer.url))
    assert "from-csv" in done
    assert "hx-trigger" not in done.partition('id="import"')[2].partition(">")[0]
    files = {"files": [SimpleUploadedFile("apis.csv", b"slug,name\nother,Other\n")]}
    assert make.client("piet").post("/catalog/imports/", files).status_code == 403
    assert not Api.objects.filter(slug="other").exists()


def test_the_report_of_an_import_is_shown_to_who_began_it_and_to_architects_as_by_the_api():
    files = {"files": [SimpleUploadedFile("hidden.csv", b"slug,name\nquokka,Quokka\n")], "dry_run": ""}
    page = make.client("ada").post("/catalog/imports/", files).url
    importing.execute(ImportRun.objects.get().pk)
    api = f"/api/v1/imports/{ImportRun.objects.get().pk}"
    for reader, status in (("ada", 200), ("piet", 403), ("stan", 403)):
        client = make.client(reader)
        shown, told, listed = client.get(page), client.get(api), make.shown(client.get("/catalog/imports/"))
        assert (shown.status_code, told.status_code) == (status, status), reader
        assert ("quokka" in make.shown(shown)) == (status == 200), reader
        assert ("hidden.csv" in listed) == (status == 200), reader
    assert make.client("piet").get("/catalog/imports/999999/").status_code == 404


@pytest.mark.parametrize(
    ("dry_run", "word", "kept"), [(True, "Would be created", "Nothing was saved"), (False, "Created", "stays, 2 of 3")]
)
def test_the_report_of_an_import_says_created_only_of_what_is_there(dry_run: bool, word: str, kept: str):
    ada = make.person("ada")
    state = {"state": "failed", "error": "The disk is full.", "done": 2, "total": 3}
    run = ImportRun.objects.create(source="estate.csv", dry_run=dry_run, actor=ada, **state)
    run.rows.create(position=1, source="estate.csv, line 2", reference="till-api", outcome="created")
    report = make.shown(make.client("ada").get(f"/catalog/imports/{run.pk}/")).split('id="import"')[1]
    assert f"</svg>{word}</span>" in report
    assert kept in report


def test_a_report_that_is_not_shown_whole_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("catalog.web.imports.SHOWN", 1)
    state = {"state": "done", "done": 2, "total": 2}
    run = ImportRun.objects.create(source="estate.csv", dry_run=False, actor=make.person("ada"), **state)
    for number in (1, 2):
        run.rows.create(position=number, source=f"estate.csv, line {number}", outcome="created")
    assert "1 of 2 shown" in make.shown(make.client("ada").get(f"/catalog/imports/{run.pk}/"))


_JUNK = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "0", "-1", "9" * 25, "\x00", "'", "%00", "a" * 300, "None", "../..", "<b>", "v2@", "١"]),
)
_PARAMETERS = [
    "q",
    "domain",
    "state",
    "sort",
    "page",
    "from",
    "to",
    "reading",
    "show",
    "version",
    "rule",
    "contract",
    "scope",
    "entity",
    "group",
    "focus",
    "team",
    "outcome",
    "environment",
    "at",
]
_PATHS = [p.partition("?")[0] for p in PAGES] + [
    "/api/v1/apis",
    "/api/v1/search",
    "/api/v1/systems-of-record",
    "/api/v1/dependencies",
    "/api/v1/subscriptions",
    "/.well-known/api-catalog",
    "/catalog/changes.atom",
    "/api/v1/apis/price-api/versions/v2/comparison",
    "/api/v1/apis/price-api/versions/v2/lint",
    "/api/v1/apis/price-api/versions/v2/consumers",
]


@pytest.mark.thorough
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(_PATHS), junk=st.dictionaries(st.sampled_from(_PARAMETERS), _JUNK, max_size=4))
def test_no_query_string_ever_makes_an_error_of_ours(path, junk):
    assert make.client("stan").get(path, junk).status_code < 500


_FORMS = [
    "/catalog/register/",
    "/catalog/searches/",
    "/catalog/apis/price-api/edit/",
    "/catalog/apis/price-api/subscribe/",
    "/catalog/apis/price-api/versions/add/",
    "/catalog/imports/",
    "/catalog/campaigns/begin/",
    "/catalog/applications/add/",
    "/catalog/applications/till/edit/",
]
_FIELDS = [
    "step",
    "upload",
    "text",
    "slug",
    "name",
    "label",
    "owner_team",
    "tier",
    "domain",
    "query",
    "forget",
    "application",
    "version",
    "environment",
    "valid_until",
    "justification",
    "notes",
    "dry_run",
    "purpose",
]


@pytest.mark.thorough
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(_FORMS), junk=st.dictionaries(st.sampled_from(_FIELDS), _JUNK, max_size=6))
def test_no_form_ever_makes_an_error_of_ours(path, junk):
    assert make.client("piet").post(path, junk).status_code < 500
