"""What editors are told of webhooks."""

from __future__ import annotations

import jsonschema_rs
import pytest

from runtime.connectors.settings_schema import webhook_schema
from runtime.profiles import profiles
from runtime.selectors import manifest_schema


@pytest.mark.parametrize("name", [name for name, one in profiles().items() if one.webhook])
def test_what_profiles_say_of_webhooks_fits_the_schema(name):
    jsonschema_rs.validator_for(webhook_schema()).validate(dict(profiles()[name].webhook))


@pytest.mark.parametrize(
    "settings",
    [
        {"signature": {"kind": "rsa"}},
        {"signature": {"kind": "standard"}, "secret": "x"},
        {"signature": {"kind": "hmac", "header": "X", "over": []}},
        {"signature": {"kind": "standard"}, "ids_kept": 0},
    ],
)
def test_what_cannot_be_meant_does_not_fit(settings):
    assert not jsonschema_rs.validator_for(webhook_schema()).is_valid(settings)


def test_editors_complete_the_settings_of_webhooks_and_know_their_profiles():
    made = manifest_schema.for_editors()
    webhook = made["properties"]["sources"]["items"]["properties"]["webhook"]["properties"]
    assert {"shopify", "stripe", "adyen"} <= set(webhook["profile"]["enum"])
    assert "erp" not in webhook["profile"]["enum"]
    assert made["$defs"]["webhook"]["properties"]["ids_kept"]["description"]
