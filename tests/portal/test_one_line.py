"""A 503 is one line of the log: a warning, with the id of its request and its cause."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import OperationalError

from kernel import tokens
from kernel.errors import Unavailable
from kernel.sessions import SessionStore
from runtime.services import intake
from tests.portal.test_logs import Lines, lines  # noqa: F401 - a fixture
from tests.runtime.api.conftest import till  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
CAUSE = "server closed the connection unexpectedly"


def away(*_: Any, **__: Any) -> Any:
    raise OperationalError(CAUSE)


def loud(lines: Lines) -> list[dict[str, Any]]:
    found = map(json.loads, lines.json.getvalue().splitlines())
    return [one for one in found if one["level"] in ("warning", "error", "critical")]


@pytest.fixture(params=["page", "call"])
def unanswered(request: pytest.FixtureRequest, client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One request while the database is away."""
    monkeypatch.setattr(SessionStore, "_get_session_from_db", away)
    monkeypatch.setattr(tokens, "find", away)
    client.raise_request_exception = False
    headers = {"X-Request-Id": "till-7-42"}
    if request.param == "call":
        return lambda: client.get("/api/v1/runs", headers=headers | {"Authorization": "Bearer tg_x"})
    client.cookies["sessionid"] = "a" * 32
    return lambda: client.get("/catalog/", headers=headers)


def test_what_the_database_does_not_answer_is_one_warning_with_id_and_cause(unanswered: Any, lines: Lines) -> None:
    assert unanswered().status_code == 503
    (line,) = loud(lines)
    assert (line["logger"], line["level"], line["request_id"]) == ("tillgate.access", "warning", "till-7-42")
    assert CAUSE in line["cause"]
    assert f"503: {CAUSE}" in lines.text.getvalue()


def test_it_is_one_line_as_well_where_access_lines_are_switched_off(unanswered: Any, lines: Lines) -> None:
    logging.getLogger("tillgate.access").setLevel(logging.CRITICAL)
    assert unanswered().status_code == 503
    (line,) = loud(lines)
    assert (line["level"], line["request_id"]) == ("warning", "till-7-42")
    assert CAUSE in line["message"]


def test_a_till_whose_message_cannot_be_stored_is_one_warning_with_the_cause(
    till: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise Unavailable("intake.database", "The message could not be stored now.") from OperationalError("disk full")

    monkeypatch.setattr(intake, "accept", full)
    assert till({"items": [{}]}).status_code == 503
    (line,) = loud(lines)
    assert (line["logger"], line["level"], line["cause"]) == ("tillgate.access", "warning", "disk full")
