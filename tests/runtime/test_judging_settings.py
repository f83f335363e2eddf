"""Which settings of a connection judge or ask only: a release that changes nothing else sends the same once more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtime.connectors import registry
from runtime.domain.manifest import Connection, ManifestTarget
from runtime.worker.same_again import ONLY_JUDGE_OR_ASK, _elsewhere


def target(protocol: str, **settings: Any) -> ManifestTarget:
    return ManifestTarget("t", "s", {}, [], "K", connection=Connection(protocol, None, {"path": "/a", **settings}))


def test_each_name_is_a_setting_of_a_connector_that_writes() -> None:
    known = set[str]()
    for protocol in registry.names():
        if "sink" in registry.roles(protocol):
            known |= {one.encode_name for one in msgspec.structs.fields(registry.settings_type(protocol, "sink"))}
    assert known >= ONLY_JUDGE_OR_ASK


@pytest.mark.parametrize(
    ("protocol", "name", "same"),
    [
        ("graphql", "codes", True),
        ("graphql", "user_errors", True),
        ("graphql", "mutation", False),
        ("graphql", "key_variable", False),
        ("job", "phases", True),
        ("job", "results", True),
        ("job", "submit", False),
        ("job", "upload", False),
        ("soap", "log", True),
        ("soap", "wsdl", False),
        ("soap", "message_id", False),
    ],
)
def test_what_judges_or_asks_only_may_be_another_one(protocol: str, name: str, same: bool) -> None:
    found = _elsewhere(target(protocol), target(protocol, **{name: "changed"}))
    assert (found == "") == same
    assert same or name in found
