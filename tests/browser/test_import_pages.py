"""Imports as an architect works with them: a folder with its paths, what is gone, retired after a dry run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import expect

from catalog.models import ImportRun, System
from catalog.services import importing
from catalog.services.importing import nightly
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI, entity, take
from tests.catalog.test_import_sources import archive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


@pytest.fixture(autouse=True)
def _estate(live_server: Any) -> None:
    make.build()


def shots(page: Any, name: str) -> None:
    folder = os.environ.get("SHOTS")
    if not folder:
        return
    for shape, width, scheme in (("wide", 1280, "light"), ("narrow", 390, "light"), ("dark", 1280, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=f"{folder}/{name}-{shape}.png", full_page=True)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{name} {shape}: wider by {wider}"
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


def test_a_folder_is_imported_with_its_paths(page: Any, sign_in: Any, axe: Any, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    (folder / "openapi").mkdir(parents=True)
    definition = {"$text": "./openapi/p.json"}
    (folder / "catalog-info.yaml").write_text(
        yaml.safe_dump(entity("API", "price-feed", lifecycle="production", definition=definition))
    )
    (folder / "openapi" / "p.json").write_text(OPENAPI % ("Price", "p"))
    sign_in(make.person("ada"))
    page.goto("/catalog/imports/")
    page.get_by_label("Or a folder").set_input_files(str(folder))
    page.get_by_label("Source", exact=True).fill("shop")
    page.get_by_role("checkbox", name="Only show").uncheck()
    axe()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Waiting for a worker. The files are kept")).to_be_visible()
    importing.execute(ImportRun.objects.get().pk)
    expect(page.get_by_text("price-feed@1")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("did not come along")).to_have_count(0)


def test_what_is_gone_is_retired_after_a_dry_run(page: Any, sign_in: Any, axe: Any, tmp_path: Path) -> None:
    everything = [
        entity("System", "tills", title="Tills", description="In every store", links=[{"url": "https://x.example/"}]),
        entity("System", "old-tills", title="Old tills", annotations={"example.org/cost-center": "4711"}),
        entity("API", "sales", lifecycle="production", definition=OPENAPI % ("Sales", "s")),
        entity("API", "stays", title="Stays", lifecycle="production", definition=OPENAPI % ("Stays", "t")),
    ]
    take(*everything, source="shop")
    run = take(
        everything[0],
        entity("API", "stays", title="Stays", lifecycle="deprecated", definition=OPENAPI % ("Stays", "t")),
        source="shop",
    )
    (tmp_path / "catalog-info.yaml").write_text(yaml.safe_dump(everything[0]))
    nightly.set_schedule(
        "shop", kind="folder", location=str(tmp_path), hour=2, apply="clean", team="", defaults={}, actor=None
    )
    sign_in(make.person("ada"))
    page.goto("/catalog/imports/")
    axe()
    shots(page, "imports")
    page.get_by_role("link", name="2 no longer named").click()
    axe()
    shots(page, "gone")
    page.get_by_role("checkbox", name="system:default/old-tills").check()
    page.get_by_role("checkbox", name="api:default/sales").check()
    page.get_by_role("button", name="Retire").click()
    expect(page.get_by_text("Would be retired").first).to_be_visible()
    axe()
    shots(page, "leaving-dry")
    assert System.objects.get(key="old-tills").retired_at is None
    page.get_by_role("button", name="Retire them").click()
    expect(page.get_by_text("This was a dry run")).to_have_count(0)
    assert System.objects.get(key="old-tills").retired_at
    axe()
    shots(page, "leaving")
    page.goto(f"/catalog/imports/{run.pk}/?outcome=differs")
    expect(page.get_by_text("a state moves by a decision")).to_be_visible()
    axe()
    shots(page, "differs")
    for name, url in (("api", "/catalog/apis/sales/"), ("system", "/catalog/systems/tills/")):
        page.goto(url)
        expect(page.get_by_role("heading", name="From its source")).to_be_visible()
        axe()
        shots(page, name)


def test_versions_are_published_by_choice_and_what_of_an_archive_is_not_read_is_told(
    page: Any, sign_in: Any, axe: Any
) -> None:
    files = {"shop/orders.json": OPENAPI % ("Orders", "o"), "shop/old.zip": "PK", "shop/README.md": "x"}
    ada = make.person("ada")
    sign_in(ada)
    page.goto("/catalog/imports/")
    sent = {"name": "shop.zip", "mimeType": "application/zip", "buffer": archive(files)}
    page.locator("#files").set_input_files(sent)
    page.get_by_label("New versions that say no state").select_option(label="are published")
    page.get_by_role("checkbox", name="Only show").uncheck()
    shots(page, "published-choice")
    page.get_by_role("button", name="Import").click()
    importing.execute(ImportRun.objects.get().pk)
    expect(page.get_by_text("is an archive in an archive")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("README.md")).to_be_visible()
    axe()
    shots(page, "published-report")
    page.goto("/catalog/apis/orders/")
    expect(page.get_by_text("Published").first).to_be_visible()
    page.goto(f"/people/{ada.pk}/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    axe()
    shots(page, "person")
