"""What is written about an API that its writer may not see is answered as if there were none of that name: manifests,
by the API and the page, and every field of every body that the OpenAPI document names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.db import transaction
from django.test import Client

from catalog.models import Team
from runtime.domain.manifest import parse
from runtime.models import Integration, Release
from tests.catalog import make as catalog
from tests.governance import hidden_estate as estate
from tests.governance.test_hidden_everywhere import unlike
from tests.portal.test_extreme_values import DOCUMENT, address, operations, resolved, sample

pytestmark = pytest.mark.django_db
READER = "stan"
NOWHERE = "sha256:" + "0" * 64
BODY = "/paths/~1accounts~1{number}~1redemptions/post/requestBody/content/application~1json/schema"
POST, PAGE = "/api/v1/integrations", "/runtime/integrations/register/"


@pytest.fixture(autouse=True)
def _estate() -> None:
    estate.build()


def without(answer: Any) -> str:
    """What was said, without what differs from call to call."""
    headers = [f"{k}: {answer.headers[k]}" for k in ("Location", "Content-Type") if k in answer.headers]
    text = estate.OF_A_CALL.sub("", answer.content.decode())
    text = re.sub(r'name="csrfmiddlewaretoken"[^>]*>|"X-CSRFTOKEN"\] = "\w+"', "", text)
    return "\n".join([str(answer.status_code), *headers, text])


def posted(manifest: dict[str, Any], *, to: str = POST, pin: bool = False, who: str = READER) -> str:
    client = catalog.client(who)
    client.raise_request_exception = False
    with transaction.atomic():
        if to == POST:
            answer = client.post(to, {"manifest": manifest, "pin_current": pin}, "application/json")
        else:
            answer = client.post(to, {"text": json.dumps(manifest)})
        transaction.set_rollback(True)
    assert answer.status_code < 500
    return without(answer)


def of_nothing(manifest: dict[str, Any]) -> dict[str, Any]:
    digest = str(estate.subject().digest)
    made: dict[str, Any] = json.loads(json.dumps(manifest).replace(estate.WORD, estate.ABSENT).replace(digest, NOWHERE))
    return made


def manifests() -> list[dict[str, Any]]:
    """Made so that each finding that could tell something is provoked."""
    digest = str(estate.subject().digest)
    field = {"to": estate.WORD, "from": "transaction", "type": "string", "required": True}
    fitting = {"mapping": "out", "version": "1", "fields": [field]}
    source = {"name": "in", "system": "pos", "api": estate.REFERENCE, "contract": digest, "schema": BODY}
    read = estate.manifest(api="price-api@v2", contract="sha256:" + "b" * 64)
    dated = read | {"event": read["event"] | {"valid": {"from": f"/{estate.WORD}"}}}
    dated["event"].pop("schema")
    return [
        estate.manifest(),
        estate.manifest(contract=digest),
        estate.manifest(contract=digest, schema="/nowhere"),
        estate.manifest(contract=digest, schema=BODY),
        estate.manifest(contract=digest, schema=BODY, system="loyalty-engine"),
        estate.manifest(contract=digest, schema=BODY, mapping=fitting),
        estate.manifest(contract="current", schema=BODY),
        estate.manifest(api=f"{estate.SLUG}@v0"),
        estate.manifest(api=f"{estate.SLUG}@v9"),
        estate.manifest(api="nothing@v1", contract=digest, schema=BODY),
        estate.manifest(api="price-api@v2", contract=digest, schema=BODY),
        read | {"sources": [source]},
        read | {"sources": [source | {"api": "price-api@v2"}]},
        dated | {"sources": [source]},
    ]


@pytest.mark.parametrize("number", range(14))
def test_a_manifest_is_judged_with_the_sight_of_who_registers_it(number: int) -> None:
    manifest = manifests()[number]
    for to, pin in ((POST, False), (POST, True), (PAGE, False)):
        answer, other = posted(manifest, to=to, pin=pin), posted(of_nothing(manifest), to=to, pin=pin)
        assert answer == estate.renamed(other), unlike(answer, estate.renamed(other))


def test_who_sees_the_api_is_told_everything_about_it() -> None:
    catalog.person("lea").groups.add(Team.objects.get(key="store-systems").group)
    told = posted(estate.manifest(contract=str(estate.subject().digest), schema=BODY), who="lea")
    assert "belongs to loyalty-engine" in told
    assert f"the target contract requires {estate.WORD}" in told
    told = posted(estate.manifest(api="price-api@v3"))
    assert "the catalog has no API version 'price-api@v3'" in told, "a draft is its team's alone"


def test_the_same_manifest_again_is_judged_anew_for_who_sends_it() -> None:
    manifest = estate.manifest()
    group = Team.objects.get(key="store-systems").group
    made = Integration.objects.create(key="stores-out", title="Stores out", domain_key="loyalty", owner_team=group)
    reading = parse(manifest)
    Release.objects.create(integration=made, digest=reading.digest, manifest=reading.data, tier=2)
    assert "the catalog has no API version" in posted(manifest)


# -- every body -------------------------------------------------------------------------------------------------------
def texts(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> Iterator[tuple[str | int, ...]]:
    """The places of texts in a body of this shape."""
    found = resolved(schema, document)
    for several in ("oneOf", "anyOf"):
        if several in found:
            found = resolved(found[several][0], document)
    if found.get("type") == "string" and "enum" not in found and "format" not in found:
        yield ()
    if depth < 4:
        for name, one in found.get("properties", {}).items():
            yield from ((name, *rest) for rest in texts(one, document, depth + 1))
        if found.get("type") == "array":
            yield from ((0, *rest) for rest in texts(found.get("items", {}), document, depth + 1))


def put(body: Any, place: tuple[str | int, ...], value: str) -> Any:
    if not place:
        return value
    first, *rest = place
    inner = put(body[first], tuple(rest), value)
    return [inner, *body[1:]] if isinstance(first, int) else body | {first: inner}


KNOWN = {
    "application": "till",
    "environment": "production",
    "owner_team": "store-systems",
    "team": "store-systems",
    "kind": "version.deprecate",
    "label": "v1",
    "domain": "loyalty",
    "system": "pos",
    "version": "price-api@v2",
    "api": "price-api",
}


def known(body: Any) -> Any:
    """Values that come further than an x."""
    if isinstance(body, dict):
        return {n: KNOWN[n] if n in KNOWN and isinstance(one, str) else known(one) for n, one in body.items()}
    return [known(one) for one in body] if isinstance(body, list) else body


def written() -> list[tuple[str, str, Any, tuple[str | int, ...]]]:
    document = yaml.load(DOCUMENT.read_text(encoding="utf-8"), yaml.CSafeLoader)
    made = []
    for method, path, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        given = [one for one in operation.get("parameters", []) if one["in"] in ("path", "query")]
        to = address(path.replace("{slug}", "self-checkout").replace("{label}", "v1"), given, {}, "")
        body = known(sample(content["schema"], document))
        made += [(method, to, body, place) for place in texts(content["schema"], document)]
    return made


def answered(client: Client, method: str, to: str, body: Any) -> str:
    with transaction.atomic():
        answer = client.generic(method.upper(), to, json.dumps(body), "application/json", headers={"If-Match": "*"})
        transaction.set_rollback(True)
    return re.sub(r'verdicts/\d+|sha256:[0-9a-f]{64}|"\w*id":\d+', "", without(answer))


# A name is taken for everybody, also by what is restricted: a slug names one API in contracts, records and lock files.
TOLD_ON_PURPOSE = {("post", "/api/v1/apis", ("slug",))}


@pytest.mark.thorough
def test_no_field_of_any_body_tells_what_is_hidden_from_what_is_not_there() -> None:
    client = catalog.client(READER)
    client.raise_request_exception = False
    digest = str(estate.subject().digest)
    assert len(written()) > 150
    found = []
    for method, to, body, place in written():
        for hidden, other in ((estate.REFERENCE, ""), (estate.SLUG, ""), (digest, NOWHERE)):
            nothing = other or hidden.replace(estate.WORD, estate.ABSENT)
            answer = answered(client, method, to, put(body, place, hidden))
            told = estate.renamed(answered(client, method, to, put(body, place, nothing)))
            if answer != told and (method, to, place) not in TOLD_ON_PURPOSE:
                found.append(f"{method} {to} {place} {hidden[:20]}: {unlike(answer, told)}")
    assert found == [], "\n".join(found)
