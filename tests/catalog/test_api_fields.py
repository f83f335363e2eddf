"""Every field of the one list reaches every place that is made from it; docs/how-to/add-a-field.md promises so."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog.domain.api_fields import API_FIELDS, ApiField, names_in
from catalog.models import Api
from catalog.selectors import api_values
from catalog.services import audit_snapshots, blueprint, importing
from catalog.services.importing.sources import ImportSource
from catalog.services.importing.tables import COLUMNS
from catalog.web.forms import ApiForm
from kernel.viewer import Viewer
from tests.catalog import make

pytestmark = pytest.mark.django_db
GIVEN: dict[str, Any] = {
    "name": "Shelf labels",
    "purpose": "Prices on the labels of every shelf.",
    "domain": "loyalty",
    "owner_team": "pricing",
    "layer": "experience",
    "style": "soap",
    "tier": 2,
    "data_class": "cardholder",
    "visibility": "restricted",
    "system": "pos",
    "aliases": ["ESL", "Electronic labels"],
    "if_it_fails": "Old prices stay on the shelf.",
    "documentation_url": "https://docs.example.test/labels",
    "status_url": "https://status.example.test/labels",
}
SHOWN = {
    "domain": "Loyalty",
    "owner_team": "Pricing team",
    "layer": "Experience",
    "style": "SOAP",
    "tier": "Tier 2, Operations",
    "data_class": "Cardholder",
    "visibility": "Owner team and subscribers only",
    "system": "Tills",
    "aliases": "ESL, Electronic labels",
}


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def test_the_example_states_every_field():
    assert set(GIVEN) == {field.key for field in API_FIELDS}


@pytest.mark.parametrize("field", API_FIELDS, ids=lambda field: field.key)
def test_a_text_of_the_greatest_length_fits_its_column(field: ApiField):
    longest = getattr(Api._meta.get_field(field.key), "max_length", None)
    assert field.kind not in ("text", "url") or longest is None or longest == field.limit


def test_a_blueprint_an_answer_and_the_audit_log_hold_every_field():
    document = {"blueprint": 1, "apis": [{"slug": "labels", **GIVEN}]}
    blueprint.apply(document, actor=None)
    api = Api.objects.get(slug="labels")
    answered = make.client("piet").get("/api/v1/apis/labels").json()
    assert {key: answered[key] for key in GIVEN} == GIVEN
    snapshot = audit_snapshots.of_api(api)
    assert {key: snapshot[key] for key in GIVEN} == GIVEN


def test_the_interface_takes_every_field():
    body = {**GIVEN, "slug": "labels", "content": make.contract("loyalty-v1.yaml").decode()}
    made = make.client("piet").post("/api/v1/apis", body, "application/json")
    assert made.status_code == 201, made.content
    assert {key: made.json()[key] for key in GIVEN} == GIVEN


def test_a_csv_takes_every_field():
    cells = {key: "; ".join(value) if isinstance(value, list) else str(value) for key, value in GIVEN.items()}
    quoted = ",".join(f'"{cell}"' for cell in cells.values())
    text = f"slug,{','.join(cells)}\nlabels,{quoted}\n"
    importing.run([ImportSource("apis.csv", text.encode())], actor=None, source="a test")
    assert set(GIVEN) < set(COLUMNS)
    assert api_values.plain_values(Api.objects.get(slug="labels")) == GIVEN


def test_the_form_takes_every_field_and_starts_with_what_is_stored():
    piet = make.client("piet")
    form = {**GIVEN, "aliases": "ESL, Electronic labels", "tier": "0"}
    assert piet.post("/catalog/apis/price-api/edit/", form).status_code == 302
    api = Api.objects.get(slug="price-api")
    assert api_values.plain_values(api) == {**GIVEN, "tier": 0}
    shown = ApiForm(initial=api_values.form_values(api), viewer=Viewer.of(make.person("piet")), registering=False)
    again = ApiForm(
        {name: shown[name].value() for name in shown.fields}, viewer=Viewer.of(make.person("piet")), registering=False
    )
    assert again.is_valid()
    assert again.values() == {**GIVEN, "tier": "0"}


def test_the_pages_show_every_field():
    piet = make.client("piet")
    piet.post("/catalog/apis/price-api/edit/", {**GIVEN, "aliases": "ESL, Electronic labels", "tier": "0"})
    overview = make.shown(piet.get("/catalog/apis/price-api/"))
    words = {**GIVEN, **SHOWN, "tier": "Tier 0, Checkout"}
    assert [key for key, value in words.items() if str(value) not in overview] == []
    assert f'href="{GIVEN["status_url"]}"' in overview
    for form in (make.shown(piet.get("/catalog/apis/price-api/edit/")), _registration(piet)):
        assert [key for key in GIVEN if f'name="{key}"' not in form] == []


def _registration(client: Client) -> str:
    upload = SimpleUploadedFile("gift-cards.yaml", make.contract("loyalty-v1.yaml").replace(b"Loyalty", b"Gift card"))
    return make.shown(client.post("/catalog/register/", {"step": "read", "contract": upload}))


def test_names_are_separated_by_commas_or_semicolons():
    assert names_in(" ESL, Electronic labels;;PLU ,") == ["ESL", "Electronic labels", "PLU"]
