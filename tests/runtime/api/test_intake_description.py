"""Every answer of the intake is one that its OpenAPI description has."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from kernel.errors import Unavailable
from runtime.services import intake

pytestmark = pytest.mark.django_db(transaction=True)
DESCRIPTION = yaml.load(Path("docs/reference/openapi.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
ANSWERS = DESCRIPTION["paths"]["/api/v1/intake/{key}/"]["post"]["responses"]


def test_every_answer_is_described(till, monkeypatch):
    answers = [
        till(b'{"items": [{"id": "a"}]}'),
        till(b'{"items": [{"id": "a", "total": 2}]}'),
        till(b'{"items": [{"id": "b"}, {"total": 1}]}'),
        till(b"[]"),
        till(b""),
        till(b"<POSLog", "application/xml"),
        till(b"a,b", "text/csv"),
        till(b'{"items": [' + b" " * (12 * 1024 * 1024) + b"]}"),
        till(b'{"items": [], "source": "nobody"}'),
        till(b'{"items": [{"id": "a"}], "source": "nobody"}'),
        till(b'{"items": []}', Authorization="Bearer tg_gone"),
    ]

    def gone(*args: object) -> None:
        raise Unavailable("intake.database", "The message could not be stored now; send it again.")

    monkeypatch.setattr(intake, "_store", gone)
    answers.append(till(b'{"items": [{"id": "z"}]}'))
    assert {answer.status_code for answer in answers} == {202, 400, 401, 404, 409, 413, 415, 422, 503}
    for answer in answers:
        described = ANSWERS[str(answer.status_code)]["content"]
        media = answer.headers["Content-Type"].partition(";")[0]
        reference = described[media]["schema"]["$ref"]
        schema = {"$ref": reference, "components": DESCRIPTION["components"]}
        jsonschema_rs.validator_for(schema).validate(answer.json())
