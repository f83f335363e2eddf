"""Webhooks at the front: a body of up to 1 MB without a token, and no end of calls that are not signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from portal.front import guesses
from portal.front.application import MOST_HOOK_BYTES
from tests.portal.test_front import Call, front, run

LARGE = b"x" * (900 * 1024)


def answering(status: str) -> Callable[..., Iterable[bytes]]:
    def answers(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start("200 OK" if environ["PATH_INFO"].endswith("good") else status, [("Content-Type", "text/plain")])
        return [b""]

    return answers


def of_nobody(*_given: str) -> None:
    return None


def test_a_large_webhook_needs_no_token_and_what_is_larger_is_refused_before_it_is_read():
    made = front(answering("401 Unauthorized"), limit=12 * 1024 * 1024, identify=of_nobody, seconds=5.0)
    assert run(Call("/hooks/good", LARGE).on(made)).status == 200
    refused = run(Call("/hooks/good", b"", content_length=str(MOST_HOOK_BYTES + 1)).on(made))
    assert (refused.status, json.loads(refused.body)["code"]) == (413, "request.too_large")
    assert run(Call("/api/v1/gate/x", LARGE).on(made)).status == 401, "elsewhere a token is asked for first"


def test_calls_to_places_that_have_taken_none_are_held_up_and_those_of_a_known_one_are_not():
    made = front(answering("401 Unauthorized"))
    assert run(Call("/hooks/good", b"{}").on(made)).status == 200
    statuses = [run(Call(f"/hooks/guess-{n}", b"{}").on(made)).status for n in range(guesses.FREE + 5)]
    assert set(statuses[: guesses.FREE]) == {401}
    assert statuses[-1] == 429
    held = run(Call("/hooks/guess", b"{}").on(made))
    assert (held.status, int(held.header("retry-after") or 0) >= 1) == (429, True)
    assert run(Call("/hooks/good", b"{}").on(made)).status == 200, "the vendor's own calls go on"
    assert run(Call("/api/v1/gate/verdicts", b"{}").on(made)).status == 401, "calls without a token are no guesses"
