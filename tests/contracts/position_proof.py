"""A proof by witnesses for the positions of OpenAPI: one pair, its verdict, and a value that speaks against it."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from tests.contracts.contract_documents import OK, TODAY
from tests.contracts.position_meaning import Meaning, has_media, near, written
from tests.contracts.position_pairs import Pair, Position, Side, pair
from tillgate_contracts.compare import ComparisonPolicy, compare
from tillgate_contracts.reading import Document

MEDIA = ("application/json", "application/xml", "text/a")
QUIET = ("none", "compatible")
POLICIES = {model: ComparisonPolicy(content_model=model) for model in ("strict", "tolerant")}


class Outcome(NamedTuple):
    """`undecided`: the worst finding says that it cannot be told. `witness`: what one side sends and the other refuses,
    though nothing was said; None where there is none."""

    pair: Pair
    verdict: str
    undecided: bool
    witness: Any
    hurt: bool


def document(side: Side, position: Position) -> Document:
    """The OpenAPI document of one side."""
    operation: dict[str, Any] = {"responses": OK}
    content = {media: {"schema": side.schema} for media in side.media}
    if position.kind in ("request", "form", "multipart"):
        operation["requestBody"] = {"required": side.required, "content": content}
    elif position.kind == "response":
        operation["responses"] = {"200": {"description": "OK", "content": content}}
    elif position.kind == "answer-header":
        header = {"required": side.required, "schema": side.schema}
        operation["responses"] = {"200": {"description": "OK", "headers": {"X-Q": header}}}
    else:
        parameter: dict[str, Any] = {"name": "q", "in": position.kind, "schema": side.schema, "required": side.required}
        operation["parameters"] = [{**parameter, "style": position.style, "explode": bool(position.explode)}]
    path = "/p/{q}" if position.kind == "path" else "/p"
    return Document.from_value(
        {
            "openapi": side.version,
            "info": {"title": "t", "version": "1.0.0"},
            "paths": {path: {"post": operation}},
            "components": {"schemas": side.components},
        }
    )


def prove(seed: str, model: str, values: int) -> Outcome:
    """One pair. `model`: the content model. `values`: how many values are tried."""
    rng = random.Random(seed)
    made = pair(rng)
    report = compare(
        document(made.old, made.position), document(made.new, made.position), policy=POLICIES[model], as_of=TODAY
    )
    told = [item for item in report.findings if item.level != "info"]
    undecided = bool(told) and all("Cannot tell" in item.message for item in told if item.level == report.verdict)
    witness = hurt = None
    old, new = Meaning(made.old, made.position), Meaning(made.new, made.position)
    sender, receiver = (new, old) if made.position.outward else (old, new)
    for _ in range(values):
        wire = _wire(rng, made, old, new)
        if (
            sender.accepts(wire)
            and (model == "strict" or sender.accepts(wire, closed=True))
            and not receiver.accepts(wire)
        ):
            hurt = wire if wire is not None else "nothing sent"
            break
    if hurt is not None and report.verdict in QUIET:
        witness = hurt
    return Outcome(made, report.verdict, undecided, witness, hurt is not None)


def _wire(rng: random.Random, made: Pair, old: Meaning, new: Meaning) -> Any:
    if rng.random() < 0.03 and made.position.kind != "response":
        return None
    side = rng.choice((old, new))
    # Who asks says which media types it accepts, and knows those of the base.
    known = [media for media in MEDIA if not made.position.outward or has_media(made.old.media, media)]
    return written(near(rng, side, side.root), made.position, rng.choice(known or list(MEDIA)))
