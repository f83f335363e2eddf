"""Screenshots of a running Tillgate: every page wide, narrow and dark, into `.screens/`.

    python -m tests.browser.screens [--url http://127.0.0.1:8000] [--user NAME --password WORD] [part-of-a-name …]
    python -m tests.browser.screens --readme     the three pictures of README.md, into docs/images/, of a fresh demo

A page with an id in its address is found by the first link on another page that matches, so that no id is written here.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from tests.browser.chromium import chromium, launched

# (name, path) or (name, page that holds a link, regular expression of the link's path)
PAGES: list[tuple[str, ...]] = [
    ("sign-in", "/sign-in/"),
    ("inbox", "/inbox/"),
    ("change", "/changes/", r"/changes/\d+/"),
    ("differences", "/changes/", r"/changes/\d+/", "differences/"),
    ("checks", "/changes/", r"/changes/\d+/", "checks/"),
    ("impact", "/changes/", r"/changes/\d+/", "impact/"),
    ("evidence", "/changes/", r"/changes/\d+/", "evidence/"),
    ("changes", "/changes/"),
    ("new-change", "/changes/new/"),
    ("away", "/away/"),
    ("policies", "/policies/"),
    ("policy", "/policies/", r"/policies/\d+/"),
    ("freezes", "/freezes/"),
    ("waivers", "/waivers/"),
    ("break-glass", "/break-glass/"),
    ("webhooks", "/webhooks/"),
    ("pipelines", "/pipelines/"),
    ("pipeline", "/pipelines/", r"/pipelines/[^/]+/"),
    ("catalog", "/catalog/"),
    ("api", "/catalog/apis/price-api/"),
    ("api-versions", "/catalog/apis/price-api/versions/"),
    ("api-compare", "/catalog/apis/price-api/compare/"),
    ("api-rules", "/catalog/apis/price-api/versions/v2/rules/"),
    ("api-definition", "/catalog/apis/price-api/definition/"),
    ("consumers", "/catalog/apis/price-api/consumers/"),
    ("applications", "/catalog/applications/"),
    ("campaigns", "/catalog/campaigns/"),
    ("scorecards", "/catalog/scorecards/"),
    ("imports", "/catalog/imports/"),
    ("teams", "/teams/"),
    ("systems", "/catalog/systems/"),
    ("system", "/catalog/systems/s4/"),
    ("connectors", "/runtime/connectors/"),
    ("add-system", "/catalog/systems/add/"),
    ("edit-system", "/catalog/systems/s4/edit/"),
    ("entities", "/catalog/entities/"),
    ("add-entity", "/catalog/entities/add/"),
    ("propose-record", "/systems-of-record/propose/"),
    ("endpoint", "/catalog/systems/s4/production/"),
    ("new-destination", "/changes/new/?kind=system.destination&subject=s4/production&environment=production"),
    ("records", "/systems-of-record/"),
    ("dependencies", "/catalog/dependencies/"),
    ("register", "/catalog/register/"),
    ("styleguide", "/styleguide/"),
    ("tokens", "/settings/tokens/"),
    ("ledger", "/ledger/"),
    ("person", "/ledger/", r"/people/\d+/"),
    ("account", "/settings/account/"),
    ("installation", "/settings/installation/"),
    ("account-confirm", "/settings/account/confirm/"),
    ("account-app", "/settings/account/app/"),
    ("account-passkey", "/settings/account/passkey/"),
    ("runtime-today", "/runtime/"),
    ("runtime-integrations", "/runtime/integrations/"),
    ("runtime-register", "/runtime/integrations/register/"),
    ("runtime-job", "/runtime/integrations/sales/"),
    ("runtime-job-intake", "/runtime/integrations/sales/intake/"),
    ("runtime-read-again", "/runtime/integrations/products-and-prices/read-again/"),
    ("runtime-reading", "/runtime/integrations/products-and-prices/read-again/", r"/runtime/readings/\d+/"),
    ("runtime-job-releases", "/runtime/integrations/sales/releases/"),
    ("runtime-runs", "/runtime/runs/"),
    ("runtime-run", "/runtime/runs/", r"/runtime/runs/\d+/"),
    ("runtime-dead-letters", "/runtime/dead-letters/"),
    ("runtime-dead-letter", "/runtime/dead-letters/", r"/runtime/dead-letters/[a-z]+/.+/"),
    ("runtime-asked-about", "/runtime/dead-letters/", r"\?.*group=asked.*"),
    ("runtime-rejected", "/runtime/dead-letters/", r"/runtime/dead-letters/rejected/\d+/"),
    ("runtime-traces", "/runtime/trace/"),
    ("runtime-trace", "/runtime/dead-letters/", r"/runtime/trace/\?q=.+"),
    ("runtime-stores", "/runtime/stores/"),
    ("runtime-vendors", "/runtime/vendors/"),
    ("runtime-vendor", "/runtime/vendors/", r"/runtime/vendors/\d+/"),
    ("runtime-schedules", "/runtime/schedules/"),
    ("runtime-schedule", "/runtime/schedules/", r"/runtime/schedules/\d+/"),
    ("runtime-retention", "/runtime/retention/"),
    ("runtime-retention-due", "/runtime/retention/?show=due"),
    ("runtime-service-levels", "/runtime/service-levels/"),
    ("runtime-levels-of-api", "/catalog/apis/store-prices/"),
    ("runtime-levels-of-flow", "/runtime/integrations/products-and-prices/"),
    ("runtime-service-level", "/runtime/service-levels/", r"/runtime/service-levels/\d+/"),
    ("runtime-alerts", "/runtime/alerts/"),
    ("runtime-alert", "/runtime/alerts/", r"/runtime/alerts/\d+/"),
    ("runtime-alert-rules", "/runtime/alerts/rules/"),
    ("runtime-alert-rule", "/runtime/alerts/rules/", r"/runtime/alerts/rules/\d+/"),
    ("runtime-replays", "/runtime/replays/"),
    ("runtime-replay", "/runtime/replays/", r"/runtime/replays/\d+/"),
    ("runtime-reconciliation", "/runtime/reconciliation/"),
    ("runtime-flow-reconciled", "/runtime/reconciliation/", r"/runtime/reconciliation/[^/]+/"),
    ("runtime-recovery", "/runtime/recovery/"),
    ("not-found", "/no-such-page/"),
]
# Pages that only somebody else may see, of the people of the demo, who have one password.
SEEN_BY = {"installation": "admin"}
SHAPES: tuple[tuple[str, int, str], ...] = (("wide", 1440, "light"), ("narrow", 390, "light"), ("dark", 1440, "dark"))
# Of a fresh demo the release manager sees a change that waits for approvals, two flows that run, and an API in use.
README: tuple[tuple[str, ...], ...] = (
    ("change", "/changes/", r"/changes/\d+/"),
    ("runtime", "/runtime/"),
    ("catalog", "/catalog/apis/price-api/"),
)
FOLDER = Path(__file__).resolve().parent.parent.parent / ".screens"


def sign_in(page: Any, user: str, password: str) -> None:
    page.goto("/sign-in/")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("main button[type=submit]")
    page.wait_for_load_state("networkidle")
    if page.url.rstrip("/").endswith("/sign-in"):
        sys.exit(f"{user} was not let in: {page.inner_text('main')}")


def resolve(page: Any, entry: tuple[str, ...]) -> str | None:
    """The path of an entry; one that is found by a link has the first link that matches, and maybe a part behind it."""
    if len(entry) == 2:
        return entry[1]
    page.goto(entry[1])
    for link in page.query_selector_all("main a[href]"):
        address = str(link.get_attribute("href"))
        if re.fullmatch(entry[2], address) or re.fullmatch(entry[2], address.partition("?")[0]):
            return urljoin(entry[1], address) + "".join(entry[3:])
    return None


def take(url: str, user: str, password: str, wanted: list[str]) -> int:
    """Take the pictures; the number of pages that answered an error, reported an error or were wider than the
    window."""
    FOLDER.mkdir(exist_ok=True)
    bad = 0
    with launched() as browser:
        for shape, width, scheme in SHAPES:
            context = browser.new_context(
                base_url=url, viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            complaints: list[str] = []
            page.on(
                "console", lambda event, kept=complaints: kept.append(event.text) if event.type == "error" else None
            )
            page.on("pageerror", lambda error, kept=complaints: kept.append(str(error)))
            signed_in = ""
            for entry in PAGES:
                if wanted and not any(word in entry[0] for word in wanted):
                    continue
                person = SEEN_BY.get(entry[0], user)
                if entry[0] != "sign-in" and signed_in != person:
                    context.clear_cookies()
                    sign_in(page, person, password)
                    signed_in = person
                path = resolve(page, entry)
                if path is None:
                    print(f"  {entry[0]:<20} no link like {entry[2]} on {entry[1]}")
                    continue
                complaints.clear()
                answer = page.goto(path)
                page.wait_for_load_state("load")
                status = answer.status if answer else 0
                overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                page.screenshot(path=FOLDER / f"{entry[0]}-{shape}.png", full_page=True)
                wrong = [text for text in complaints if "Failed to load resource" not in text]
                fine = (status < 400 or entry[0] == "not-found") and not wrong and overflow <= 0
                bad += not fine
                remarks = ([f"wider by {overflow} px"] if overflow > 0 else []) + [text[:160] for text in wrong[:2]]
                print(
                    f"{'  ' if fine else '! '}{entry[0]:<20} {shape:<7} {status} {path} {'; '.join(remarks)}".rstrip()
                )
            context.close()
    return bad


def take_readme(url: str, password: str) -> None:
    """The pictures of README.md: the window only, as the release manager of a fresh demo sees it."""
    images = FOLDER.parent / "docs" / "images"
    with launched() as browser:
        page = browser.new_context(
            base_url=url, viewport={"width": 1280, "height": 860}, color_scheme="light", reduced_motion="reduce"
        ).new_page()
        sign_in(page, "rita", password)
        for entry in README:
            page.goto(resolve(page, entry) or sys.exit(f"no link like {entry[2]} on {entry[1]}"))
            page.wait_for_load_state("load")
            page.screenshot(path=images / f"{entry[0]}.png")
            print(f"  {images / entry[0]}.png")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screens", description=__doc__)
    parser.add_argument("names", nargs="*", help="only pages whose name contains one of these")
    parser.add_argument("--url", default=os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--user", default=os.environ.get("SCREENS_USER", "ada"))
    parser.add_argument("--password", default=os.environ.get("SCREENS_PASSWORD", "tillgate-demo"))
    parser.add_argument("--readme", action="store_true", help="only the three pictures of README.md")
    arguments = parser.parse_args()
    if chromium() is None:
        sys.exit("No Chromium: set CHROMIUM_PATH or install one.")
    if arguments.readme:
        return take_readme(arguments.url, arguments.password)
    bad = take(arguments.url, arguments.user, arguments.password, arguments.names)
    print(f"{FOLDER}: {bad} of the pages above need a look." if bad else f"{FOLDER}: all well.")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
