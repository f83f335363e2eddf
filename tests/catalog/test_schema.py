"""Our own OpenAPI schema, tried against the catalog's endpoints by schemathesis: never a 5xx, and every documented
answer as described.

SCHEMATHESIS_EXAMPLES sets how many cases an operation gets: 3 in the everyday run, 25 with `make fuzz-api`. The count
is printed. Writes are tried as they are generated and once more with `If-Match: *`, so that they reach what stands
behind the condition.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import requests
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.catalog import make

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))


def _operations() -> list[Any]:
    raw = json.loads(json.dumps(SchemaGenerator(patterns=_patterns()).get_schema(public=True), default=str))
    loaded = schemathesis.openapi.from_dict(raw)
    return [found.ok() for found in loaded.get_all_operations()]


def _patterns() -> list[Any]:
    from django.urls import include, path

    return [path("api/v1/", include("catalog.api.urls"))]


def test_the_schema_of_the_catalog_describes_every_address_with_an_example_for_every_body():
    operations = _operations()
    assert len(operations) >= 35
    for operation in operations:
        assert operation.definition.raw.get("summary"), operation.label


def test_every_operation_keeps_to_the_schema_and_never_fails():
    make.estate()
    client = make.client("ada")
    tried = 0

    operations = _operations()
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def attempt(case: Any) -> None:
            nonlocal tried
            tried += 1
            answer = _send(client, case)
            case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])
            if case.method in {"PUT", "PATCH", "DELETE"}:
                tried += 1
                again = _send(client, case, {"If-Match": "*"})
                case.validate_response(again, checks=[not_a_server_error, response_schema_conformance])

        attempt()
    print(f"\n{tried} cases on {len(operations)} operations of the catalog, {EXAMPLES} each")
    assert tried >= EXAMPLES * 20


def _send(client: Any, case: Any, headers: dict[str, str] | None = None) -> Any:
    """The case through Django's client, as an answer that schemathesis reads."""
    body = b"" if isinstance(case.body, NotSet) else json.dumps(case.body).encode()
    found = client.generic(
        case.method,
        case.formatted_path,
        data=body,
        content_type="application/json",
        query_params=dict(case.query or {}),
        headers=headers or {},
    )
    return Response(
        status_code=found.status_code,
        headers={name.lower(): [value] for name, value in found.headers.items()},
        content=found.content,
        request=requests.Request(case.method, f"http://testserver{case.formatted_path}").prepare(),
        elapsed=0.0,
        verify=False,
    )
