"""Whoever may not see an API is answered as if it were not there: every address of the product says the same in an
estate with it and in one without."""

from __future__ import annotations

import re
from itertools import product

import pytest
from django.db import transaction
from django.test import Client

from tests.catalog import make as catalog
from tests.governance import hidden_estate, twin_estates

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
LIMIT = 8  # addresses of one pattern

_COUNTED = "changed|created|kept|unchanged"  # of a blueprint as a whole: the ledger tells everybody how much it was
_NUMBERED = "id|_by|change|verdict|record|approval|number|subscription|group|tier|system|domain|freeze|waiver"
_NAMED = "no run|no dependency|entry|change|verdict|waiver|case|answer|approval|import|freeze"
# What differs between two estates that were made at different moments, with other numbers.
_PASSING = (
    (re.compile(r"(?s)<svg class=\"barcode\".*?</svg>"), "<barcode>"),
    (re.compile(r'"X-CSRFTOKEN"\] = "\w+"'), "<token>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00|\+0000| UTC)?"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d*:?\+?(00)?Z?"), "<time>"),
    (re.compile(r"\b\d+ (seconds?|minutes?|min|s) ago\b|\bjust now\b|\bin \d+ (seconds?|minutes?|min|s)\b"), "<ago>"),
    (re.compile(r"[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,16}\b"), "<digest>"),
    (re.compile(rf'("\w*(?:{_NUMBERED}|{_COUNTED})"+): ?"*\d+"*'), r"\1: <number>"),
    (re.compile(r"&quot;(\w*id|changed|created|kept|unchanged)&quot;: (&quot;)?\d+(&quot;)?"), "<number>"),
    (re.compile(r"(?<=/)\d+(?=[/\"'?&#<\s])"), "<number>"),
    (re.compile(r",(\w+),\d+,"), r",\1,<number>,"),
    (re.compile(r"^\d+,", re.MULTILINE), "<number>,"),
    (re.compile(rf"(?i)\b({_NAMED})s? #?\d+"), r"\1 <number>"),
    (re.compile(r"<(span|dd)>\d+</(span|dd)>|why-\w+-\d+"), "<number>"),
    (re.compile(r"#[a-z]*\d+|evt_\d+|\b(before|after|subject|value|seq)=\"?\d+\"?"), "<number>"),
    (re.compile(r"(id|labelledby|for)=\"[a-z-]*\d+(-\d+)?\""), "<number>"),
    (re.compile(r">\s*\d+\s*</(li|span class=\"mono\"|option|code)>"), "><number><"),
    (re.compile(r"<span class=\"mono\">\d+</span>"), "<number>"),
)
# How many rows each table has on the disk, what every process has counted, and secrets that are new at each call.
OF_THE_INSTALLATION = ("metrics", "static", "runtime/retention", "settings/account/app", "settings/account/passkey")
ASKED = [
    "/api/v1/search?q=api",
    "/api/v1/search?q=loyalty",
    "/api/v1/search?q=quokkabank",
    "/api/v1/search?q=quokkabamk",
    "/api/v1/apis?q=api",
    "/api/v1/apis?domain=loyalty",
    "/api/v1/apis?system=loyalty-engine",
    "/api/v1/apis?owner_team=loyalty",
    "/api/v1/dependencies?target_api__slug=price-api",
    "/catalog/?q=api",
    "/catalog/?domain=loyalty",
    "/catalog/?q=points",
    "/search/?q=quokkabank",
    "/ledger/?subject=quokkabank-api",
    "/ledger/?verb=catalog.version_deprecated",
    "/catalog/dependencies/?focus=price-api",
    "/changes/?state=in_review",
    "/catalog/subscriptions/?environment=production",
    "/.well-known/api-catalog",
]


def plain(text: str) -> str:
    text = hidden_estate.OF_A_CALL.sub("", text)
    for pattern, word in _PASSING:
        text = pattern.sub(word, text)
    return text


def said(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code < 500, path
    headers = [f"{k}: {answer.headers[k]}" for k in ("Link", "Location", "Content-Type") if k in answer.headers]
    text = b"".join(answer).decode("utf-8", "replace")  # type: ignore[arg-type]
    return plain("\n".join([str(answer.status_code), *headers, text]))


def paths(values: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Each address as it is called, the same name in both worlds, and as it is asked here."""
    found = [(path, path) for path in ASKED]
    for name, path, parameters in hidden_estate.patterns():
        if name in ("sign-out", "live", "ready") or path.startswith(OF_THE_INSTALLATION):
            continue
        choices = [list(enumerate(values.get(parameter, ["1"]))) for parameter in parameters]
        for chosen in list(product(*choices))[:LIMIT]:
            places = {parameter: value for parameter, (_, value) in zip(parameters, chosen, strict=True)}
            named = [f"{p} {n}" for p, (n, _) in zip(parameters, chosen, strict=True)]
            found.append((f"{path} {' '.join(named)}", f"/{path.format(**places)}"))
    return found


def world(*, hidden: bool) -> dict[str, str]:
    """By address, what the reader is answered."""
    with transaction.atomic():
        twin_estates.build(hidden=hidden)
        client = catalog.client(twin_estates.READER)
        found = {name: said(client, path) for name, path in paths(twin_estates.numbers())}
        transaction.set_rollback(True)
    return found


def first_difference(one: str, other: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"…{one[max(at - 80, 0) : at + 60]!r} without: …{other[max(at - 80, 0) : at + 60]!r}"


def test_every_address_answers_with_a_hidden_api_as_without_it():
    one, other = world(hidden=True), world(hidden=False)
    assert sorted(one) == sorted(other), "somebody sees more or fewer things"
    assert len(one) > 300
    differing = [name for name in one if one[name] != other[name]]
    told = "\n".join(f"{name}: {first_difference(one[name], other[name])}" for name in differing)
    assert differing == [], told
