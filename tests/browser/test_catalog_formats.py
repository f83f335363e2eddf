"""GraphQL and WSDL contracts in a real browser: the page of an API and the comparison of two versions."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from tests.catalog import make
from tests.contracts.labelled_pairs import WSDL
from tests.contracts.test_read_graphql import SHOP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
GRAPHQL_2 = SHOP.replace(b'old: String @deprecated(reason: "use lines")', b"").replace(b"by: In)", b"by: In, at: Int!)")
WSDL_2 = WSDL.replace('soapAction="urn:place"', 'soapAction="urn:order"').replace(
    '<xs:element name="number" type="xs:string"/>', '<xs:element name="number" type="xs:string" minOccurs="0"/>'
)


@pytest.fixture(autouse=True)
def _estate(live_server: Any) -> None:
    make.build()
    files = [
        ("shop/graph-v1.graphql", SHOP),
        ("shop/graph-v2.graphql", GRAPHQL_2),
        ("shop/soap-v1.wsdl", WSDL.encode()),
        ("shop/soap-v2.wsdl", WSDL_2.encode()),
    ]
    importing.run(
        [ImportSource(name, data) for name, data in files], actor=None, source="estate", defaults={"state": "published"}
    )


@pytest.mark.parametrize(
    ("slug", "operation", "types", "sentence"),
    [
        ("shop-graph", "QUERY order", "(id: ID!, by: In) → Order", "was added, and it is required"),
        ("shop-soap", "CALL OrderPort/place", "(Place) → Placed", "The action of place is urn:order"),
    ],
)
def test_operations_show_their_types_and_the_comparison_says_what_breaks(
    page: Any, sign_in: Any, axe: Any, slug: str, operation: str, types: str, sentence: str
) -> None:
    sign_in(make.person("stan"))
    page.goto(f"/catalog/apis/{slug}/definition/?version=v1")
    expect(page.get_by_text(operation)).to_be_visible()
    expect(page.get_by_text(types)).to_be_visible()
    axe()
    _picture(page, f"{slug}-definition")
    page.goto(f"/catalog/apis/{slug}/compare/?from=v1&to=v2")
    expect(page.get_by_text(sentence).first).to_be_visible()
    axe()
    _picture(page, f"{slug}-compare")
    for reading in ("As a tree", "As text"):
        page.get_by_role("link", name=reading).click()
        expect(page.get_by_role("heading", name=reading)).to_be_visible()
        axe()
        _picture(page, f"{slug}-{reading[-4:]}")


def _picture(page: Any, name: str) -> None:
    folder = os.environ.get("SCREENS")
    if folder:
        for width, dark in ((1280, False), (390, False), (1280, True)):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.screenshot(path=f"{folder}/{name}-{width}{'-dark' if dark else ''}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
