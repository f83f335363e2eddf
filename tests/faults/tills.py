"""How a till of the campaign hands its batches in: by the product's service, or over HTTP as a client that gets no
answer and tries again.

A client over HTTP waits a while for its answer, and after a time-out, a cut, a restart of the server or a 5xx it tries
again: with the same batch, with the batch cut otherwise, or together with the batch before it. Only 202 is an
acknowledgement; what is there already is in it as `duplicate`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx

Batch = tuple[str, list[dict[str, Any]]]
TIMEOUT = 3.0
NOT_NOW = (408, 425, 429, 500, 502, 503, 504)


class NoAnswer(Exception):
    """The till does not know whether its messages are stored."""


class Way(Protocol):
    """One way to hand messages in. Raises NoAnswer, and AssertionError for an answer that must not be."""

    def push(self, integration: str, items: Sequence[dict[str, Any]]) -> None: ...


class Direct:
    """The product's service in this process."""

    def push(self, integration: str, items: Sequence[dict[str, Any]]) -> None:
        from django.db import Error, connection

        from kernel.errors import Unavailable
        from kernel.postgresql import errors
        from runtime.services import intake

        try:
            receipts = intake.accept(integration, "production", items)
        except (Unavailable, Error) as error:  # to a till both are no answer
            if isinstance(error, Error) and not errors.unavailable(error):
                raise
            connection.close()
            raise NoAnswer(str(error)) from None
        if any(receipt.status in ("refused", "conflict") for receipt in receipts):
            raise AssertionError(f"{integration}: {receipts[:3]}")


class OverHttp:
    """The product's web server. `answers` gets a line for every call: its status, or `none`; when it
    began and when it ended."""

    def __init__(self, url: str, token: str, answers: Path) -> None:
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT, trust_env=False
        )
        self.answers = answers.open("a", buffering=1)

    def push(self, integration: str, items: Sequence[dict[str, Any]]) -> None:
        path, self._began = f"/api/v1/intake/{integration}/", time.time()
        try:
            answer = self.client.post(path, params={"environment": "production"}, json={"items": list(items)})
        except httpx.TransportError as error:
            self._note("none")
            raise NoAnswer(type(error).__name__) from None
        self._note(str(answer.status_code))
        if answer.status_code in NOT_NOW:
            raise NoAnswer(str(answer.status_code))
        if answer.status_code != 202:
            raise AssertionError(f"{integration}: {answer.status_code} {answer.text[:600]}")
        said = answer.json()
        if len(said["receipts"]) != len(items) or said["refused"] or said["conflict"]:
            raise AssertionError(f"{integration}: 202 with {answer.text[:600]}")

    def close(self) -> None:
        self.client.close()
        self.answers.close()

    def _note(self, word: str) -> None:
        self.answers.write(f"{word} {self._began:.3f} {time.time():.3f}\n")


def hand_in(way: Way, batches: Sequence[Batch], draws: random.Random, *, again: bool = True) -> None:
    """Push until every message was acknowledged; `again` False: give up at the first batch without an answer."""
    last: Batch | None = None
    for batch in batches:
        parts = [batch]
        while parts:
            try:
                way.push(*parts[0])
                parts.pop(0)
            except NoAnswer:
                if not again:
                    return
                time.sleep(draws.uniform(0.05, 0.3))
                if isinstance(way, OverHttp):
                    parts = [*_cut_otherwise(parts[0], last, draws), *parts[1:]]
        last = batch


def _cut_otherwise(batch: Batch, last: Batch | None, draws: random.Random) -> Iterator[Batch]:
    """The batch as it is, or in two parts, or one by one, or together with the one before it."""
    integration, items = batch
    match draws.randrange(5):
        case 0 if len(items) > 1:
            where = draws.randrange(1, len(items))
            yield integration, items[:where]
            yield integration, items[where:]
        case 1:
            yield from ((integration, [item]) for item in items)
        case 2 if last is not None and last[0] == integration:
            earlier = {item["id"] for item in items}
            yield integration, [*(item for item in last[1] if item["id"] not in earlier), *items]
        case _:
            yield batch
