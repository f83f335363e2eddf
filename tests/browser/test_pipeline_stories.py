"""A pipeline connection as people see it: proposed, confirmed by somebody else, what was asked and answered, ended. The
witness is the journal of the emulated code host."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from governance.models import PipelineConnection
from tests.governance.pipelines import make
from tests.governance.pipelines.conftest import Forge, forge, forge_process, people  # noqa: F401 - the fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


def propose(page: Any, forge: Forge) -> None:
    page.get_by_label("Name", exact=True).fill("Retail at GitHub")
    page.get_by_label("Key", exact=True).fill("github-retail")
    page.get_by_label("Provider").select_option("github")
    page.get_by_label("Address of its API").fill(forge.url)
    page.get_by_label("Client ID of the GitHub App").fill("Iv1.retail")
    page.get_by_label("Secret of the webhook").fill("env:TILLGATE_PIPELINE_WEBHOOK")
    page.get_by_label("Private key or access token").fill("env:TILLGATE_PIPELINE_GITHUB")
    page.get_by_label("Owner").select_option(make.catalog_team())
    page.get_by_role("button", name="Propose").click()


def propose_mapping(page: Any) -> None:
    page.get_by_role("textbox", name="Repository").fill(make.REPOSITORY)
    page.get_by_role("spinbutton", name="Its number").fill(str(make.REPOSITORY_ID))
    page.get_by_label("Environment or branch").fill("production")
    page.get_by_role("textbox", name="Application").fill("till")
    page.get_by_role("textbox", name="Environment here").fill("production")
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("row", name=make.REPOSITORY)).to_be_visible()


def test_a_connection_is_proposed_confirmed_answers_and_ends(
    page: Any, sign_in: Any, axe: Any, people: make.Estate, forge: Forge
) -> None:
    sign_in(people.owner)
    page.goto("/pipelines/")
    expect(page.get_by_text("No pipeline is connected")).to_be_visible()
    axe()
    propose(page, forge)
    expect(page.get_by_role("heading", name="Retail at GitHub")).to_be_visible()
    expect(page.get_by_text("A second person confirms it")).to_be_visible()
    expect(page.get_by_role("button", name="Confirm")).to_be_disabled()
    axe()
    row = PipelineConnection.objects.get()
    assert make.send(row, make.github_payload(forge.url, run=forge.run())).status_code == 401, "it does not count yet"

    sign_in(people.rita)
    page.reload()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Connected")).to_be_visible()
    sign_in(people.owner)
    page.reload()
    propose_mapping(page)
    sign_in(people.rita)
    page.reload()
    page.get_by_role("row", name=make.REPOSITORY).get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("row", name=make.REPOSITORY)).to_contain_text("Counts")

    make.ask(people.robot)
    assert make.send(row, make.github_payload(forge.url, run=forge.run())).status_code == 202
    page.reload()
    asked = page.get_by_role("row", name=f"{make.REPOSITORY} → production")
    expect(asked).to_contain_text("To be answered")
    make.answer()
    assert forge.effects == ["deployment.approved"]
    page.reload()
    expect(asked).to_contain_text("Approved")
    assert (
        make.send(row, make.github_payload(forge.url, run=forge.run()), "somebody-elses-long-secret").status_code == 401
    )
    page.reload()
    expect(page.get_by_text("A webhook with a wrong signature last came")).to_be_visible()
    assert make.SECRET not in page.content()
    axe()
    asked.get_by_role("link").last.click()
    expect(page.get_by_text("Allow").first).to_be_visible()

    page.goto("/pipelines/github-retail/")
    page.get_by_role("button", name="End").first.click()
    expect(page.get_by_text("Ended", exact=True)).to_be_visible()
    assert make.send(row, make.github_payload(forge.url, run=forge.run())).status_code == 401
    axe()
