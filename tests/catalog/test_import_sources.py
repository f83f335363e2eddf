"""Imports that name their source: by page, API and command, for every kind of file; folders and archives by page."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from catalog.models import Api, ImportedThing, ImportRun
from catalog.services import importing
from catalog.services.importing import archives
from catalog.services.importing.sources import ImportSource
from kernel.errors import Invalid
from kernel.models import AuditEntry
from tests.catalog import make
from tests.catalog.test_import_again import entity, outcomes, told

pytestmark = pytest.mark.django_db
OPENAPI = '{"openapi": "3.0.0", "info": {"title": "%s", "version": "%s"}, "paths": {"/x": {"get": {"responses": {}}}}}'


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def run(files: dict[str, str | bytes], *, source: str = "", dry_run: bool = False) -> ImportRun:
    given = [ImportSource(n, d.encode() if isinstance(d, str) else d) for n, d in files.items()]
    return importing.run(given, actor=None, source="test", source_key=source, dry_run=dry_run)


def archive(files: dict[str, str], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return made.getvalue()


def test_contract_files_and_csv_lines_remember_their_source():
    run({"shop/orders-v1.json": OPENAPI % ("Orders", "1"), "apis.csv": "slug,name\nbasket,Basket\n"}, source="shop")
    things = {t.ref: (t.key, t.source) for t in ImportedThing.objects.all()}
    assert things == {"slug:shop-orders": ("shop-orders", "shop"), "slug:basket": ("basket", "shop")}
    rows = told(run({"apis.csv": "slug,name\nbasket,Basket\n"}, source="shop"))
    assert rows == [("unchanged", "basket", ""), ("unchanged", "shop-orders", "import.gone")]


def test_another_source_adds_no_version_and_no_field_to_an_api():
    run({"petstore.json": OPENAPI % ("Ours", "1")}, source="a")
    for source in ("b", ""):
        row = run({"petstore.json": OPENAPI % ("Theirs", "2")}, source=source).rows.get()
        assert (row.outcome, row.code) == ("refused", "import.other_source")
    row = run({"apis.csv": "slug,name\npetstore,Theirs\n"}, source="b").rows.get()
    assert (row.outcome, row.code) == ("refused", "import.other_source")
    assert Api.objects.get(slug="petstore").name == "Ours"


def test_a_csv_without_a_source_may_complete_what_a_source_brought_and_says_so():
    run({"orders.json": OPENAPI % ("Orders", "1")}, source="a")
    row = run({"owners.csv": "slug,owner_team\norders,pricing\n"}).rows.get()
    assert (row.outcome, row.code) == ("changed", "import.noticed")
    assert "source 'a'" in row.message
    assert Api.objects.get(slug="orders").owner_team.key == "pricing"
    assert outcomes(run({"orders.json": OPENAPI % ("Orders", "1")}, source="a")) == ["unchanged"]
    assert Api.objects.get(slug="orders").owner_team.key == "pricing"


def test_what_people_changed_of_a_csv_or_a_contract_stays_while_the_source_says_the_same():
    files = {"orders.json": OPENAPI % ("Orders", "1"), "apis.csv": "slug,name\nbasket,Basket\n"}
    run(files, source="shop")
    Api.objects.filter(slug__in=["orders", "basket"]).update(name="Ours")
    assert outcomes(run(files, source="shop")) == ["unchanged", "unchanged"]
    assert set(Api.objects.filter(slug__in=["orders", "basket"]).values_list("name", flat=True)) == {"Ours"}
    files["apis.csv"] = "slug,name\nbasket,Theirs\n"
    assert sorted(outcomes(run(files, source="shop"))) == ["changed", "unchanged"]
    assert Api.objects.get(slug="basket").name == "Theirs"


def test_versions_with_different_titles_do_not_rename_the_api_back_and_forth():
    files = {f"orders-v{n}.json": OPENAPI % (f"Orders {n}", str(n)) for n in (1, 2)}
    run(files, source="shop")
    assert Api.objects.get(slug="orders").name == "Orders 2"
    entries = AuditEntry.objects.count()
    assert outcomes(run(files, source="shop")) == ["unchanged"] * 2
    assert AuditEntry.objects.count() == entries + 1


def test_a_file_of_an_unread_format_does_not_hide_what_is_gone():
    run({"orders.json": OPENAPI % ("Orders", "1")}, source="a")
    rows = told(run({"x.proto": "syntax = 'proto3';"}, source="a"))
    assert ("unchanged", "orders", "import.gone") in rows


def test_the_page_names_the_source():
    client = make.client("ada")
    page = make.shown(client.get("/catalog/imports/"))
    assert 'name="source"' in page
    sent = {"files": SimpleUploadedFile("orders.json", (OPENAPI % ("Orders", "1")).encode()), "source": "shop"}
    answer = client.post("/catalog/imports/", sent | {"dry_run": ""})
    made = ImportRun.objects.get()
    assert answer.status_code == 302
    assert made.source_key == "shop"
    importing.execute(made.pk)
    assert ImportedThing.objects.get().source == "shop"
    assert "shop" in make.shown(client.get(answer.headers["Location"]))


def test_the_api_names_the_source():
    body: dict[str, Any] = {"dry_run": False, "source_name": "shop"}
    body["files"] = [{"name": "orders.json", "content": OPENAPI % ("Orders", "1")}]
    answer = make.client("ada").post("/api/v1/imports", body, content_type="application/json")
    assert answer.status_code == 202
    assert answer.json()["source_name"] == "shop"
    importing.execute(answer.json()["id"])
    assert ImportedThing.objects.get().source == "shop"


def test_the_same_files_of_another_source_are_another_import():
    files = [ImportSource("a.csv", b"slug\na\n")]
    asked = [
        importing.request(files, actor=make.person("ada"), source="x", source_key=key).pk for key in ("a", "b", "a")
    ]
    assert asked[0] == asked[2] != asked[1]


ESTATE = {
    "repo-main/catalog-info.yaml": json.dumps(
        entity("API", "price-api", lifecycle="experimental", definition={"$text": "./openapi/p.json"})
    ),
    "repo-main/openapi/p.json": OPENAPI % ("Price", "1"),
    "repo-main/orders/openapi.json": json.dumps(
        {
            "openapi": "3.0.0",
            "info": {"title": "Orders", "version": "1"},
            "paths": {
                "/o": {
                    "get": {
                        "responses": {
                            "200": {
                                "description": "",
                                "content": {"application/json": {"schema": {"$ref": "./order.json#/Order"}}},
                            }
                        }
                    }
                }
            },
        }
    ),
    "repo-main/orders/order.json": '{"Order": {"type": "object", "properties": {"id": {"type": "string"}}}}',
    "repo-main/.github/x.json": "{}",
    "repo-main/logo.png": "x",
}


def test_an_archive_is_read_as_the_folder_that_it_holds():
    client = make.client("ada")
    client.post("/catalog/imports/", {"files": SimpleUploadedFile("repo.zip", archive(ESTATE)), "source": "shop"})
    made = importing.execute(ImportRun.objects.get().pk)
    assert made is not None
    found = {r.source: (r.outcome, r.reference) for r in made.rows.all()}
    assert found["catalog-info.yaml"] == ("created", "price-api@1")
    assert found["orders/openapi.json"] == ("created", "orders@1")
    assert "orders/order.json" not in {s for s, (o, _) in found.items() if o != "refused"}
    assert not any(name.startswith((".github", "repo-main")) or name.endswith(".png") for name in found)


def test_a_folder_chosen_in_the_browser_keeps_its_paths():
    client = make.client("ada")
    assert "webkitdirectory" in make.shown(client.get("/catalog/imports/"))
    files = {name: text for name, text in ESTATE.items() if not name.endswith((".png", "x.json"))}
    sent = [SimpleUploadedFile(name.rpartition("/")[2], text.encode()) for name, text in files.items()]
    client.post("/catalog/imports/", {"folder": sent, "folder_paths": json.dumps(list(files)), "source": "shop"})
    made = importing.execute(ImportRun.objects.get().pk)
    assert made is not None
    found = {r.source: (r.outcome, r.reference) for r in made.rows.all()}
    assert found["catalog-info.yaml"] == ("created", "price-api@1")
    assert found["orders/openapi.json"] == ("created", "orders@1")


@pytest.mark.parametrize("paths", ["", "[", "[1]", '["a/../../etc/x.json", "b"]', '["only one"]', "{}"])
def test_paths_that_say_nothing_leave_the_names_of_the_files(paths):
    sent = [SimpleUploadedFile(f"{n}.csv", b"slug\na\n") for n in "ab"]
    make.client("ada").post("/catalog/imports/", {"folder": sent, "folder_paths": paths})
    assert {f.name for f in ImportRun.objects.get().files.all()} <= {"a.csv", "b.csv", "etc/x.json", "b"}


BROKEN = {
    "no archive": b"PK\x03\x04 nothing",
    "cut": archive(ESTATE)[:-40],
    "nothing to read in it": archive({"a.png": "x"}),
    "much in little": archive({f"{n}.json": " " * 9_000_000 for n in range(9)}),
    "packed in a way that may take all memory": archive({"a.csv": "slug\na\n"}, method=zipfile.ZIP_LZMA),
    "a damaged member": archive({"a.csv": "slug\na\n"}, method=zipfile.ZIP_STORED).replace(b"slug\na", b"slug\nb", 1),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_an_archive_that_cannot_be_used_is_refused_at_once(data):
    with pytest.raises(Invalid) as refused:
        importing.request([ImportSource("x.zip", data)], actor=make.person("ada"), source="x")
    assert "x.zip" in refused.value.message
    assert not ImportRun.objects.exists()
    answer = make.client("ada").post("/catalog/imports/", {"files": SimpleUploadedFile("x.zip", data)})
    assert answer.status_code == 422


def test_an_encrypted_archive_is_refused_in_words():
    data = bytearray(archive({"a.csv": "slug\na\n"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    with pytest.raises(Invalid, match="password"):
        importing.request([ImportSource("x.zip", bytes(data))], actor=make.person("ada"), source="x")


def flagged(data: bytes, name: str) -> bytes:
    """The archive with one of its files marked as encrypted."""
    made = bytearray(data)
    for mark, flags, named in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = -1
        while (at := made.find(mark, at + 1)) >= 0:
            if made[at + named :].startswith(name.encode()):
                made[at + flags] |= 1
    return bytes(made)


def test_a_file_of_an_archive_that_cannot_be_read_is_named_and_the_others_come_in():
    files = {f"repo/{name}.json": OPENAPI % (name, "1") for name in ("good", "locked", "torn", "huge")}
    files |= {"repo/older.zip": "PK", "repo/README.md": "x", "repo/.github/flow.yaml": "on: push", "repo/logo.png": "x"}
    files |= {"__MACOSX/repo/._good.json": "x", "repo/.DS_Store": "x"}
    data = archive(files, method=zipfile.ZIP_STORED).replace(b'"title": "torn"', b'"title": "t0rn"', 1)
    answer = make.client("ada").post(
        "/catalog/imports/",
        {"files": SimpleUploadedFile("repo.zip", flagged(data, "repo/locked.json")), "source": "shop"},
    )
    assert answer.status_code == 302
    made = importing.execute(ImportRun.objects.get().pk)
    assert made is not None
    rows = {r.source: (r.outcome, r.code, r.message) for r in made.rows.all()}
    assert rows["good.json"][0] == rows["huge.json"][0] == "created"
    for name, word in (("locked.json", "password"), ("torn.json", "damaged"), ("older.zip", "archive in an archive")):
        assert rows[name][:2] == ("refused", "import.unreadable"), name
        assert word in rows[name][2]
        assert name in rows[name][2]
    outcome, code, message = rows["repo.zip, other files"]
    assert (outcome, code) == ("unchanged", "import.not_here")
    assert "3 files are" in message
    assert all(name in message for name in ("README.md", "logo.png", ".github/flow.yaml"))
    assert len(rows) == 6


def test_two_files_of_one_path_in_an_archive_are_told_and_the_first_counts():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        zipped.writestr("prices.json", OPENAPI % ("Prices", "1"))
        zipped.writestr("../prices.json", OPENAPI % ("Others", "2"))
    run = importing.run(archives.opened([ImportSource("x.zip", made.getvalue())]), actor=None, source="t")
    assert [(r.outcome, r.reference, r.code) for r in run.rows.all()] == [
        ("created", "prices@1", ""),
        ("refused", "", "import.unreadable"),
    ]
    assert "stands twice in the archive" in run.rows.get(outcome="refused").message


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("a.json"))
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("repo.tar.gz", gzip.compress(b"x", mtime=0), "packed by gzip"),
        ("repo.json", archive({"a.json": "{}"}), "zip archive"),
        ("repo.tar", tar(), "tar archive"),
        ("catalog-info.yaml", bz2.compress(b"x"), "packed by bzip2"),
        ("apis.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", "older Office"),
        ("apis.csv", archive({"xl/workbook.xml": "x"}), "save a sheet as CSV"),
        ("orders.yaml", b"%PDF-1.7 x", "PDF"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(name: str, data: bytes, said: str):
    run = importing.run([ImportSource(name, data), ImportSource("ok.csv", b"slug\nfine\n")], actor=None, source="t")
    rows = {r.source: (r.outcome, r.code, r.message) for r in run.rows.all()}
    assert rows[name][:2] == ("refused", "import.unreadable")
    assert said in rows[name][2]
    assert rows["ok.csv, line 2"][0] == "created"


def test_an_archive_with_a_file_that_cannot_be_read_lists_nothing_as_no_longer_named():
    run({"good.json": OPENAPI % ("Good", "1"), "gone.json": OPENAPI % ("Gone", "1")}, source="shop")
    whole = {"good.json": OPENAPI % ("Good", "1")}
    torn = flagged(archive(whole | {"locked.json": "{}"}), "locked.json")
    for data, codes in ((torn, ["", "import.unreadable"]), (archive(whole), ["", "import.gone"])):
        sources = archives.opened([ImportSource("repo.zip", data)])
        made = importing.run(sources, actor=None, source="t", source_key="shop")
        assert sorted(r.code for r in made.rows.all()) == codes


def test_the_command_reads_an_archive(tmp_path):
    (tmp_path / "repo.zip").write_bytes(archive(ESTATE))
    made = importing.run(importing.read_sources(tmp_path / "repo.zip"), actor=None, source="t")
    assert ("created", "orders@1") in {(r.outcome, r.reference) for r in made.rows.all()}


@pytest.mark.parametrize(("files", "status"), [(150, 302), (250, 400)])
def test_a_folder_of_two_hundred_files_is_taken(files, status):
    sent = [SimpleUploadedFile(f"{n}.csv", b"slug\na\n") for n in range(files)]
    answer = make.client("ada").post("/catalog/imports/", {"folder": sent, "folder_paths": ""})
    assert answer.status_code == status
    assert "200" in make.shown(answer) or status == 302


def test_a_state_that_a_csv_says_anew_needs_a_decision():
    files = {"apis.csv": "slug,contract,label,state\norders,o.json,v1,published\n", "o.json": OPENAPI % ("Orders", "1")}
    run(files, source="shop")
    files["apis.csv"] = files["apis.csv"].replace("published", "deprecated")
    row = run(files, source="shop").rows.get()
    assert (row.outcome, row.code) == ("unchanged", "import.differs")
    assert "decision" in row.message
    files["apis.csv"] = files["apis.csv"].replace("deprecated", "")
    assert run(files, source="shop").rows.get().code == ""
