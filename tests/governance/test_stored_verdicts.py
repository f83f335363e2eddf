"""G2: verdicts that engine 2 and later ones stored come out the same on every later release, byte for byte.

`STORE_VERDICTS=yes` writes the file of the present engine anew, from the stories of `gate_estate`: only before that
engine is released. After that the bytes never change, and a rule that judges the same evidence differently is a new
engine. `test_verdict.py` has the generated ones.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from governance.domain.verdict import ENGINE, answer_bytes, decide
from governance.models import Verdict
from tests.governance import gate_estate
from tests.governance.gate_estate import NOS, YES

HERE = Path(__file__).parent
STORED = sorted(HERE.glob("verdicts_engine_*_codes.json"))


def _asked(question: dict[str, Any]) -> dict[str, Any]:
    body = {"version": "2", "environment": "production", "consumes": []} | question
    answer = gate_estate.client().post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    row = Verdict.objects.get(pk=answer["Verdict-Id"])
    return {"question": row.question, "evidence": row.evidence, "answer": row.answer}


@pytest.mark.django_db
@pytest.mark.skipif(os.environ.get("STORE_VERDICTS") != "yes", reason="writes the file, before a release only")
def test_the_verdicts_are_written_anew(monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    made = [_asked(question()) for question in YES]
    for no in NOS:
        with transaction.atomic(), monkeypatch.context() as patch:
            no.first(patch)
            made.append(_asked(no.question()))
            transaction.set_rollback(True)
    (HERE / f"verdicts_engine_{ENGINE}_codes.json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_verdicts_come_out_the_same_byte_for_byte(path: Path):
    engine = int(path.stem.split("_")[2])
    stored = json.loads(path.read_text())
    assert len(stored) >= 40
    for case in stored:
        answer = answer_bytes(decide(case["question"], case["evidence"], engine=engine)).decode()
        assert answer == case["answer"], case["question"]
        assert json.loads(answer)["engine"] == engine


@pytest.mark.parametrize(("engine", "count"), [(2, 40), (3, 42), (4, 43), (5, 44), (6, 44)])
def test_each_code_of_an_engine_is_among_its_stored_verdicts(engine: int, count: int):
    stored = json.loads((HERE / f"verdicts_engine_{engine}_codes.json").read_text())
    answers = [json.loads(case["answer"]) for case in stored]
    codes = {reason["code"] for answer in answers for reason in answer["reasons"]}
    assert len(codes) == count
    assert codes <= {no.code for no in NOS}
    assert {answer["verdict"] for answer in answers} == {"allow", "deny", "unknown"}
