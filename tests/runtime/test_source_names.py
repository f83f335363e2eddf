"""A release that knows messages by other names: what comes again would be sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from bench.order_server import order
from kernel.errors import Conflict, Invalid
from runtime.domain.manifest import load
from runtime.services import deployments, intake, integrations, source_names
from tests.runtime.test_services import FEED, approve, catalog, changed, deployed  # noqa: F401 - the fixture

pytestmark = pytest.mark.django_db(transaction=True)


def two_sources() -> dict[str, Any]:
    (first,) = changed()["sources"]
    (target,) = changed()["targets"]
    return {"sources": [first, first | {"name": "web"}], "targets": [target | {"source": first["name"]}]}


def test_a_second_source_is_refused_once_messages_have_names_without_a_source(catalog: None) -> None:
    deployed()
    integrations.register(changed(**two_sources()), actor=None)  # nothing has come in yet
    intake.accept(FEED, "production", [order(1)])
    with pytest.raises(Invalid) as refused:
        integrations.register(changed(**two_sources(), note="again"), actor=None)
    (found,) = refused.value.findings
    assert (found["pointer"], found["code"]) == ("/sources", "sources.names")
    assert "sent twice" in found["message"]


def test_a_release_that_was_registered_before_is_not_deployed_then(catalog: None) -> None:
    deployed()
    other = integrations.register(changed(**two_sources()), actor=None)
    intake.accept(FEED, "production", [order(1)])
    with pytest.raises(Conflict) as refused:
        deployments.deploy(FEED, approval=approve(other), actor=None)
    assert refused.value.code == "deployment.not_sound"
    assert [one["code"] for one in refused.value.data["findings"]] == ["sources.names"]


def test_a_source_that_is_renamed_alone_keeps_its_names(catalog: None) -> None:
    deployed()
    intake.accept(FEED, "production", [order(1)])
    (first,) = changed()["sources"]
    integrations.register(changed(sources=[first | {"name": "tills"}]), actor=None)


def named(*names: str) -> dict[str, Any]:
    (first,) = changed()["sources"]
    (target,) = changed()["targets"]
    return {"sources": [first | {"name": name} for name in names], "targets": [target | {"source": names[0]}]}


def refused(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as found:
        integrations.register(changed(**changes), actor=None)
    return [(one["code"], one["pointer"]) for one in found.value.findings]


def test_one_of_several_sources_is_not_renamed_once_messages_have_come_in(catalog: None) -> None:
    deployed(**named("tills", "web"))
    intake.accept(FEED, "production", [order(1)], source="tills")
    assert refused(**named("shops", "web")) == [("sources.names", "/sources")]
    integrations.register(changed(**named("tills", "web", "app")), actor=None)  # another one beside them


def test_the_place_of_the_key_stays_once_messages_have_come_in(catalog: None) -> None:
    deployed()
    intake.accept(FEED, "production", [order(1)])
    event = changed()["event"] | {"key": "/customer"}
    assert refused(event=event) == [("sources.names", "/event/key")]


@pytest.mark.parametrize("fields", [["no"], ["id", "store"], ["store", "id"]])
def test_the_fields_of_the_key_of_a_source_that_is_read_stay(catalog: None, fields: list[str]) -> None:
    release = deployed().release
    intake.accept(FEED, "production", [order(1)])
    now = load(with_key(release.manifest, fields))
    before = with_key(release.manifest, ["id"])
    found = list(source_names.differences(before, now, "production"))
    assert [one["pointer"] for one in found] == ["/sources/0/connection/settings/key_fields"]
    assert list(source_names.differences(before, load(before), "production")) == []


def with_key(manifest: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    (source,) = manifest["sources"]
    settings = {"path": "/orders", "key_fields": fields}
    return manifest | {"sources": [source | {"connection": {"protocol": "rest", "settings": settings}}]}
