"""Profiles: data that opens connectors."""

import pytest

from kernel.errors import Invalid
from runtime.connectors import registry
from runtime.profiles import profile, profiles, read


def test_every_profile_is_complete_and_opens_its_connector(tmp_path):
    assert len(profiles()) >= 15
    for name, one in profiles().items():
        place = (
            {"root": str(tmp_path)} if one.protocol in ("poslog", "file_drop") else {"base_url": "http://127.0.0.1:1"}
        )
        settings = one.connection(place)
        openers = (
            [registry.open_sink]
            if not settings.get("key_fields") and "root" not in settings and one.protocol != "query"
            else [registry.open_source]
        )
        for opener in openers:
            opener(one.protocol, settings).close()
        assert one.idempotency in "KNLU", name
        assert one.limits, f"{name} says nothing about limits"


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(Invalid, match="s4hana-cloud") as unknown:
        profile("s4hana_cloud")
    assert unknown.value.code == "vendor.unknown_profile"


def test_a_manifest_overrides_a_profile_without_changing_it():
    one = profile("retail-sales")
    made = one.connection({"base_url": "http://erp", "batch": {"reference": "number"}})
    assert made["batch"]["reference"] == "number"
    assert made["batch"]["confirmed"] == ["posted", "duplicate"]
    assert one.settings["batch"]["reference"] == "document"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not TOML"),
        ('titel = "x"', "Did you mean 'title'"),
        ('title = 1\nvendor = "v"', "must be of type str"),
        ('title = "x"', "is missing"),
    ],
)
def test_a_broken_profile_is_refused_with_its_file_name(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(Invalid, match=r"mine\.toml") as broken:
        read(path)
    assert message in str(broken.value)


def test_evidence_is_one_of_four_marks(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'title="t"\nvendor="v"\nprotocol="rest"\nbase_url="u"\nchecked_on=2026-01-01\n'
        'evidence="X"\n[settings]\nidempotency="Q"'
    )
    with pytest.raises(Invalid) as broken:
        read(path)
    assert {f["pointer"] for f in broken.value.findings} == {"/evidence", "/settings/idempotency"}


def test_a_protocol_that_does_not_exist_names_the_nearest():
    with pytest.raises(Invalid, match="Did you mean odata_v4 or odata_v2"):
        registry.open_source("odata_v3", {})
    with pytest.raises(Invalid, match="cannot write"):
        registry.open_sink("poslog", {})


def test_settings_collect_every_finding_with_its_place():
    with pytest.raises(Invalid) as wrong:
        registry.open_sink("rest", {"base_url": 1, "pth": "x", "paging": {"strategy": "next", "siz": 1}})
    assert {f["pointer"] for f in wrong.value.findings} == {"/pth", "/paging/siz", "/base_url"}
