"""Signed statements of the gate, and `tillgate verify`, which finds each one that was tampered with."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from governance.domain import statement_keys
from governance.models import Approval, Verdict
from governance.services import approvals, freezes
from kernel import clock
from kernel.digest import digest_bytes
from portal.demo_keys import statement_key
from tests.governance import make
from tests.governance.stated import (
    ABOUT,
    OURS,
    THEIRS,
    URL,
    asked,
    fetch,
    payload,
    private,
    public,
    signing,
    verify,
    write,
)

pytestmark = pytest.mark.django_db
__all__ = ["signing"]


# -- what a statement says -----------------------------------------------------------------------------------------
def test_a_verdict_becomes_a_verification_summary_that_verifies_offline(client: Client, capsys):
    row = asked(client)
    made = payload()
    assert (made["_type"], made["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/verification_summary/v1",
    )
    assert made["predicate"]["verificationResult"] == "PASSED"
    assert made["predicate"]["verifier"] == {"id": URL}
    assert made["predicate"]["tillgate"]["audience"] == "argo"
    assert "sha256:" + made["subject"][0]["digest"]["sha256"] == digest_bytes(row.answer.encode())
    assert verify() == 0
    assert f"verdict {row.pk} for argo" in capsys.readouterr().out
    assert verify("--subject", digest_bytes(row.answer.encode()), about=[]) == 0
    Path("answer.json").write_text(row.answer)
    assert verify("--subject-file", "answer.json", about=[]) == 0


@pytest.mark.parametrize(("consumes", "code"), [("price-api@v1", 1), ("nobody@v9", 2)])
def test_a_no_is_a_genuine_statement_too_and_ends_with_its_word(client: Client, consumes: str, code: int):
    asked(client, consumes)
    assert payload()["predicate"]["verificationResult"] == "FAILED"
    assert payload()["predicate"]["verifiedLevels"] == ["FAILED"]
    assert verify() == code


def test_a_statement_names_what_the_application_brings(client: Client):
    digest = "sha256:" + "a" * 64
    asked(client, integrations=[{"key": "sales", "digest": digest}])
    assert verify("--subject", digest, about=[]) == 1
    assert verify("--subject", "sha256:" + "b" * 64, about=[]) == 4


def test_an_approval_is_stated_as_it_holds_now(client: Client):
    house = make.house()
    make.approved(house)
    row = Approval.objects.get()
    address = f"/api/v1/approvals/{row.pk}/statement?audience=argo"
    fetch(client, address)
    about = ["--subject", row.digest, "--environment", row.environment]
    assert payload()["predicate"]["tillgate"]["kind"] == "approval"
    assert verify(about=about) == 0
    approvals.void(row.pk, actor=None, reason="The subject changed.")
    fetch(client, address)
    assert "approval.void" in payload()["predicate"]["tillgate"]["codes"]
    assert verify(about=about) == 1


# -- for whom, about what, until when ------------------------------------------------------------------------------
@pytest.mark.parametrize("audience", ["", " ", "a" * 201, "a%0Ab", "%20argo"])
def test_a_statement_without_an_audience_is_refused(client: Client, audience: str):
    row = asked(client)
    answer = client.get(f"/api/v1/gate/verdicts/{row.pk}/statement?audience={audience}")
    assert (answer.status_code, answer.json()["code"]) == (422, "statement.audience")
    assert client.get(f"/api/v1/gate/verdicts/{row.pk}/statement").status_code == 422
    twice = client.get(f"/api/v1/gate/verdicts/{row.pk}/statement?audience=argo&audience=jenkins")
    assert (twice.status_code, twice.json()["code"]) == (422, "statement.audience")


def test_what_is_not_there_or_may_not_be_read_gives_no_statement(client: Client):
    row = asked(client)
    assert client.get("/api/v1/gate/verdicts/999999/statement?audience=a").status_code == 404
    assert client.get("/api/v1/approvals/999999/statement?audience=a").status_code == 404
    assert Client().get(f"/api/v1/gate/verdicts/{row.pk}/statement?audience=a").status_code in (401, 403)


def test_a_statement_for_others_about_others_or_out_of_its_time_is_4(client: Client):
    row = asked(client)
    assert verify(audience="jenkins") == 4
    assert verify("--verifier", "https://elsewhere.example") == 4
    assert verify("--verifier", URL) == 0
    for index in (1, 3, 5):
        other = [*ABOUT[:index], "other", *ABOUT[index + 1 :]]
        assert verify(about=other) == 4
    assert verify("--instance", "store-1") == 4
    times = {timedelta(minutes=-6): 4, timedelta(0): 0, timedelta(minutes=14): 0, timedelta(minutes=15): 4}
    for offset, code in times.items():
        assert verify("--at", (row.at + offset).isoformat(), "--what-if") == code


def test_as_of_another_time_nothing_passes_unless_that_is_said(client: Client, capsys):
    row = asked(client)
    then = (row.at - timedelta(days=1)).isoformat()
    assert verify("--at", then) == 3
    assert "--what-if" in capsys.readouterr().err
    assert verify("--at", row.at.isoformat()) == 0, "that is now"


@pytest.mark.parametrize("option", ["--audience", "--keys", "--verifier", "--application", "--instance", "--at"])
def test_an_option_that_is_said_twice_is_3(client: Client, option: str, capsys):
    asked(client)
    assert verify(option, "argo", option, "other") == 3
    assert f"{option} is said twice" in capsys.readouterr().err


def test_an_allow_by_no_policy_does_not_pass_and_newer_rules_are_told(client: Client, monkeypatch, capsys):
    change: dict[str, Any] = {}
    monkeypatch.setattr("governance.services.statements.loads", lambda data: json.loads(data) | change)
    change["policy_digest"] = None
    asked(client)
    assert verify() == 4
    assert "by no policy" in capsys.readouterr().err
    change.clear()
    change["engine"] = 99
    asked(client)
    assert verify() == 0
    assert "engine 99" in capsys.readouterr().err


def test_a_statement_is_of_use_no_longer_than_the_waiver_that_carries_it(client: Client, monkeypatch):
    ends = (clock.now() + timedelta(minutes=2)).isoformat()
    change: dict[str, Any] = {"waivers": [{"id": 1, "expires_at": ends}]}
    monkeypatch.setattr("governance.services.statements.loads", lambda data: json.loads(data) | change)
    asked(client)
    own = payload()["predicate"]["tillgate"]
    assert datetime.fromisoformat(own["expires"]) - datetime.fromisoformat(ends) < timedelta(milliseconds=1)


def test_a_statement_about_one_store_is_none_about_all_of_them(client: Client, capsys):
    row = asked(client, instance="store-1")
    word = {"allow": 0, "deny": 1, "unknown": 2}[row.word]
    assert verify() == 4
    assert "--instance" in capsys.readouterr().err
    assert verify("--instance", "") == 4
    assert verify("--subject", digest_bytes(row.answer.encode()), about=[]) == 4
    assert verify("--instance", "store-1") == word
    asked(client)
    assert verify("--instance", "") == verify() == 0


def test_a_verdict_that_does_not_stand_any_more_is_not_signed_again(client: Client):
    row = asked(client)
    address = f"/api/v1/gate/verdicts/{row.pk}/statement?audience=argo"
    fetch(client, address)
    day = {"kind": "once", "zone": "UTC", "from": f"{row.at:%Y-%m-%dT%H:%M}"}
    freezes.plan(actor=None, name="Peak", calendar=day | {"until": f"{row.at + timedelta(hours=2):%Y-%m-%dT%H:%M}"})
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (409, "statement.not_standing")
    assert "changed" in answer.json()["detail"]
    again = client.post(
        "/api/v1/gate/verdicts", json.dumps(row.question | {"consumes": ["price-api@v2"]}), "application/json"
    )
    fetch(client, f"/api/v1/gate/verdicts/{again.headers['Verdict-Id']}/statement?audience=argo")
    assert verify() == 1


def test_a_statement_is_no_younger_than_its_verdict(client: Client):
    row = asked(client)
    own = payload()["predicate"]["tillgate"]
    assert datetime.fromisoformat(own["expires"]) - row.at <= timedelta(minutes=15)
    assert abs(datetime.fromisoformat(own["not_before"]) - row.at) < timedelta(seconds=1)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--subject", "abc"],
        ["--subject", ""],
        ["--subject-file", "/no/such/file"],
        ["--at", "yesterday"],
        ["--version", ""],
        ["--keys", "/no/such/file"],
    ],
)
def test_a_wrong_command_line_is_3(client: Client, wrong: list[str]):
    asked(client)
    assert verify(*wrong) == 3


def test_a_statement_about_nothing_named_is_3(client: Client, capsys):
    asked(client)
    assert verify(about=[]) == 3
    assert verify(about=ABOUT[:4]) == 3
    assert "proves nothing" in capsys.readouterr().err


# -- tampered with -------------------------------------------------------------------------------------------------
def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*at, key))
    else:
        yield at


def flipped(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return ("b" if value[:1] == "a" else "a") + value[1:]
    return "something" if not value else None


def changed(document: Any, at: tuple[Any, ...]) -> Iterator[Any]:
    """The document with the value there flipped, with it gone, and with one more beside it."""
    for how in ("flip", "drop", "more"):
        made = copy.deepcopy(document)
        inner = made
        for key in at[:-1]:
            inner = inner[key]
        if how == "flip":
            inner[at[-1]] = flipped(inner[at[-1]])
        elif how == "drop":
            del inner[at[-1]]
        elif isinstance(inner, dict):
            inner["more"] = "x"
        else:
            inner.append(copy.deepcopy(inner[0]))
        yield made


def test_every_field_of_the_statement_that_is_changed_is_found(client: Client):
    asked(client, consumes="price-api@v1", integrations=[{"key": "sales", "digest": "sha256:" + "a" * 64}])
    envelope, statement, tried = json.loads(Path("statement.json").read_text()), payload(), 0
    assert verify() == 1
    for at in leaves(statement):
        for made in changed(statement, at):
            data = base64.b64encode(json.dumps(made, sort_keys=True, separators=(",", ":")).encode()).decode()
            write("statement.json", {**envelope, "payload": data})
            assert verify() == 4, at
            tried += 1
    assert tried > 100


def test_every_field_of_the_envelope_that_is_changed_is_found(client: Client):
    asked(client)
    envelope = json.loads(Path("statement.json").read_text())
    for at in leaves(envelope):
        for made in changed(envelope, at):
            write("statement.json", made)
            assert verify() == 4, at


def test_every_byte_of_the_signature_and_of_the_payload_counts(client: Client):
    asked(client)
    envelope = json.loads(Path("statement.json").read_text())
    for name in ("payload", "sig"):
        text = envelope["payload"] if name == "payload" else envelope["signatures"][0]["sig"]
        for index in range(0, len(text), 1 if name == "sig" else 29):
            other = text[:index] + ("B" if text[index] != "B" else "C") + text[index + 1 :]
            made = copy.deepcopy(envelope)
            if name == "payload":
                made["payload"] = other
            else:
                made["signatures"][0]["sig"] = other
            write("statement.json", made)
            assert verify() == 4, (name, index)


def test_keys_that_are_changed_or_of_somebody_else_prove_nothing(client: Client, settings):
    asked(client)
    keys = json.loads(Path("keys.json").read_text())
    for at in leaves(keys):
        for made in list(changed(keys, at))[:2]:
            write("keys.json", made)
            assert verify() == 4, at
    settings.STATEMENT_KEYS = private(THEIRS)
    Path("keys.json").write_bytes(Client().get("/.well-known/tillgate-keys.json").content)
    assert verify() == 4


def test_a_statement_of_another_key_under_the_same_name_is_found(client: Client, settings):
    asked(client)
    theirs = statement_keys.read(private(THEIRS))[1][0]
    keys = json.loads(Path("keys.json").read_text())
    keys["keys"][0]["keyval"] = theirs.keyval
    write("keys.json", keys)
    assert verify() == 4


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"payload":1,"payload":1}', "{{{", '{"signatures":[{}]}'])
def test_what_is_no_statement_at_all_is_4(client: Client, text: str):
    asked(client)
    Path("statement.json").write_text(text)
    assert verify() == 4


# -- keys ----------------------------------------------------------------------------------------------------------
def test_after_a_rotation_statements_of_before_still_pass_until_their_key_is_withdrawn(client: Client, settings):
    asked(client)
    settings.STATEMENT_KEYS = private(THEIRS) + public(OURS)
    Path("keys.json").write_bytes(Client().get("/.well-known/tillgate-keys.json").content)
    assert verify() == 0
    row = asked(client)
    assert verify() == 0
    settings.STATEMENT_KEYS = private(THEIRS)
    fetch(client, f"/api/v1/gate/verdicts/{row.pk}/statement?audience=argo")
    assert verify() == 0


def test_the_published_keys_hold_no_secret_and_anybody_may_read_them(client: Client):
    answer = Client().get("/.well-known/tillgate-keys.json")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    secret = OURS.private_bytes_raw().hex()
    assert secret not in answer.content.decode()
    assert [key["keytype"] for key in answer.json()["keys"]] == ["ed25519"]
    assert Client().post("/.well-known/tillgate-keys.json").status_code == 405


def test_without_a_key_nothing_is_signed_and_it_is_said(client: Client, settings):
    row = asked(client)
    settings.STATEMENT_KEYS = ""
    answer = client.get(f"/api/v1/gate/verdicts/{row.pk}/statement?audience=argo")
    assert (answer.status_code, answer.json()["code"]) == (503, "statement.no_key")
    assert Client().get("/.well-known/tillgate-keys.json").json()["keys"] == []


@pytest.mark.parametrize(
    "text",
    [
        "x",
        public(OURS),
        private(OURS) + private(OURS),
        private(OURS)[:40] + private(OURS)[50:],
        private(OURS) + "-----BEGIN X-----\n-----END X-----",
    ],
    ids=["no PEM", "public first", "twice", "cut", "another kind"],
)
def test_keys_that_cannot_be_used_are_told_without_their_content(text: str):
    said = statement_keys.wrong(text)
    assert said
    assert "BEGIN" not in said
    assert statement_keys.wrong(private(OURS) + public(THEIRS)) is None


def test_a_private_installation_makes_its_key_once(tmp_path: Path):
    path = statement_key(tmp_path)
    made = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert statement_keys.wrong(made) is None
    assert statement_key(tmp_path).read_text() == made


def test_a_what_if_gets_no_statement(client: Client):
    row = asked(client)
    hypothetical = json.loads(row.answer) | {"hypothetical": True}
    made = Verdict.objects.create(
        as_of=row.as_of,
        word="allow",
        application="till",
        version="7.1",
        environment="production",
        question=row.question,
        evidence={},
        answer=json.dumps(hypothetical),
        input_digest=row.input_digest,
        asked_by=row.asked_by,
    )
    answer = client.get(f"/api/v1/gate/verdicts/{made.pk}/statement?audience=argo")
    assert (answer.status_code, answer.json()["code"]) == (409, "statement.hypothetical")


def test_without_the_library_verify_says_what_to_install(client: Client, monkeypatch, capsys):
    asked(client)
    monkeypatch.setattr("tillgate.verifying.LIBRARY", "no_such_library")
    assert verify() == 3
    assert "tillgate[verify]" in capsys.readouterr().err
