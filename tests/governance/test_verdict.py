"""G1 and G2: no piece of evidence can be taken away from an allow; the same evidence gives the same bytes."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.models import ApiVersion
from governance.domain.question import normalise
from governance.domain.verdict import VerdictInput, answer_bytes, decide
from kernel.digest import digest_of
from kernel.errors import Invalid
from tests.governance.evidence_cases import NOW, allowed, counted, freeze

DELETIONS_AT_LEAST = 10_000
SITUATIONS = 75


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every node below the root, inner ones included."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def test_deleting_any_piece_of_evidence_never_leaves_an_allow():
    """Each node of each evidence is taken out in turn, once as a missing key and once as null, and put back."""
    tried = 0
    for seed in range(SITUATIONS):
        question, evidence = allowed(seed)
        assert decide(question, evidence)["verdict"] == "allow", seed
        for path in list(places(evidence)):
            node: Any = evidence
            for key in path[:-1]:
                node = node[key]
            kept = node[path[-1]]
            node.pop(path[-1])
            assert decide(question, evidence)["verdict"] != "allow", (seed, path)
            node.insert(path[-1], kept) if isinstance(node, list) else node.__setitem__(path[-1], kept)
            node[path[-1]] = None
            assert decide(question, evidence)["verdict"] != "allow", (seed, path)
            node[path[-1]] = kept
            tried += 2
        assert decide(question, evidence)["verdict"] == "allow", "everything was put back"
    assert tried >= DELETIONS_AT_LEAST, tried


NUMBERS_OF_ROWS = ("change", "id")  # said in the answer, and judged by nobody
FREE_TEXTS = (
    "purpose",
    "reason",
    "why",
    "name",
    "owner_team",
    "successor",
    "policy_digest",
    "pointer",
    "application",
    "environment",
    "approval_fix",
    "opened_by",
    "confirmed_by",
)


@pytest.mark.thorough
def test_the_wrong_kind_of_value_is_as_good_as_none():
    for seed in range(12):
        question, evidence = allowed(seed)
        for path in places(evidence):
            for value in (7, "", "surprise", [], {}, {"total": 0}):
                broken = copy.deepcopy(evidence)
                node: Any = broken
                for key in path[:-1]:
                    node = node[key]
                if path[-2:-1] == ("items",) and "runs" in path and value == "surprise":
                    continue
                if path[-2:] == ("dependencies", "items") and value == {"total": 0}:
                    continue  # the right kind: a dependency of that name, of the most critical tier
                written_freely = path[-1] in FREE_TEXTS or "dimensions" in path
                free_text = (written_freely and value == "surprise") or path[-1] in NUMBERS_OF_ROWS
                if type(node[path[-1]]) is type(value) and (node[path[-1]] == value or free_text):
                    continue
                node[path[-1]] = value
                if decide(question, broken)["verdict"] == "allow":
                    assert path[-1] == "total" or value == node[path[-1]], (path, value)
                    pytest.fail(f"{path} = {value!r} was taken for evidence")


def origins(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    """The pieces of this evidence that say where a version comes from."""
    return [one for part in ("consumed", "provided") for one in evidence[part]["items"].values()]


@pytest.mark.parametrize("origin", ["unknown", "x", "Registered", "registered ", "review", "none"])
def test_an_origin_that_is_no_word_of_the_catalog_is_as_good_as_none(origin: str):
    tried = 0
    for seed in range(40):
        question, evidence = allowed(seed)
        for one in origins(evidence):
            kept, one["origin"] = one["origin"], origin
            answer = decide(question, evidence)
            assert answer["verdict"] == "unknown", (seed, origin)
            (reason,) = [reason for reason in answer["reasons"] if reason["waived_by"] is None]
            assert reason["code"] == "evidence.missing"
            assert reason["pointer"].endswith("/origin")
            assert decide(question, evidence, engine=5)["verdict"] == "allow", "what engine 5 said stays"
            one["origin"] = kept
            tried += 1
    assert tried >= 40


def test_each_origin_of_the_catalog_is_a_word_of_the_judge():
    for origin in ApiVersion.Origin.values:
        for seed in range(10):
            question, evidence = allowed(seed)
            for one in origins(evidence):
                one["origin"] = origin
            assert decide(question, evidence)["verdict"] == "allow", origin


def test_verdicts_are_the_same_bytes_in_another_process_with_another_hash_seed():
    cases = [allowed(seed) for seed in range(40)]
    for _, evidence in cases[::3]:
        evidence["freezes"] = counted({"1": freeze("changes", "Close", NOW + timedelta(days=1))}) | {"all_there": True}
    here = [answer_bytes(decide(q, e)).decode() for q, e in cases]
    script = (
        "import json,sys\nfrom governance.domain.verdict import VerdictInput, answer_bytes, decide\n"
        "print(json.dumps([answer_bytes(decide(q, e)).decode() for q, e in json.load(sys.stdin)]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "77"},
        check=True,
        cwd=".",
    )
    assert json.loads(run.stdout) == here


@pytest.mark.parametrize(("engine", "kept"), [(1, 24), (2, 41)])
def test_verdicts_stored_by_the_first_release_of_an_engine_come_out_the_same_byte_for_byte(engine: int, kept: int):
    """These bytes never change: a rule that judges the same evidence differently is a new engine, and the old one
    stays."""
    stored = json.loads((Path(__file__).parent / f"verdicts_engine_{engine}.json").read_text())
    assert len(stored) == kept
    for case in stored:
        assert answer_bytes(decide(case["question"], case["evidence"], engine=engine)).decode() == case["answer"]
    assert {json.loads(case["answer"])["verdict"] for case in stored} == {"allow", "deny", "unknown"}
    with pytest.raises(ValueError, match="no engine 7"):
        decide(stored[0]["question"], stored[0]["evidence"], engine=7)


def test_deny_beats_unknown_and_names_what_would_flip_it():
    question, evidence = allowed(3)
    reference = question["consumes"][0]["ref"]
    member = evidence["consumed"]["items"][reference]
    member |= {
        "state": "deprecated",
        "deprecated_at": (NOW - timedelta(days=90)).isoformat(),
        "sunset_at": NOW.isoformat(),
        "successor": "api-0@v9",
    }
    del evidence["policy_digest"]
    answer = decide(question, evidence)
    assert answer["verdict"] == "deny"
    assert answer["reasons"][0]["code"] == "version.past_sunset"
    assert "Move to api-0@v9." in answer["flip"]
    assert {reason["word"] for reason in answer["reasons"]} == {"deny", "unknown"}


def test_one_second_before_its_sunset_a_version_is_still_allowed():
    question, evidence = allowed(3)
    member = evidence["consumed"]["items"][question["consumes"][0]["ref"]]
    member |= {
        "state": "deprecated",
        "deprecated_at": (NOW - timedelta(days=90)).isoformat(),
        "sunset_at": (NOW + timedelta(seconds=1)).isoformat(),
    }
    answer = decide(question, evidence)
    assert answer["verdict"] == "allow"
    assert [warning["code"] for warning in answer["warnings"]].count("version.deprecated") >= 1


def test_an_imported_version_is_unknown_and_only_reported_until_its_date():
    question, evidence = allowed(3)
    member = evidence["consumed"]["items"][question["consumes"][0]["ref"]]
    member |= {"origin": "imported", "judged": False, "enforced_from": (NOW + timedelta(days=30)).isoformat()}
    answer = decide(question, evidence)
    assert (answer["verdict"], answer["enforcing"]) == ("unknown", False)
    member["enforced_from"] = NOW.isoformat()
    answer = decide(question, evidence)
    assert (answer["verdict"], answer["enforcing"]) == ("unknown", True)


def test_a_waiver_sets_aside_exactly_its_rule_and_shows_in_the_answer():
    question, evidence = allowed(3)
    reference = question["consumes"][0]["ref"]
    evidence["consumed"]["items"][reference]["subscription"] = "none"
    waiver = {
        "rule": "subscription.missing",
        "subject": reference,
        "pointer": f"/consumed/items/{reference}",
        "application": question["application"],
        "environment": question["environment"],
        "reason": "moving",
        "starts_at": NOW.isoformat(),
        "expires_at": (NOW + timedelta(days=1)).isoformat(),
    }
    evidence["waivers"] = counted({})
    assert decide(question, evidence)["verdict"] == "deny"
    evidence["waivers"] = counted({"12": waiver})
    answer = decide(question, evidence)
    assert answer["verdict"] == "allow"
    assert answer["waivers"][0]["id"] == 12
    assert answer["reasons"][0]["waived_by"] == 12
    evidence["waivers"] = counted({"12": waiver | {"expires_at": NOW.isoformat()}})
    assert decide(question, evidence)["verdict"] == "deny"
    for part in ("rule", "subject", "pointer", "application", "environment"):
        evidence["waivers"] = counted({"12": waiver | {part: "another@v1"}})
        assert decide(question, evidence)["verdict"] == "deny", part


@pytest.mark.parametrize(
    "code",
    [
        "order.producer_first",
        "order.consumers_first",
        "contract.breaking_for_consumer",
        "provider.not_allowed",
        "provider.withdrawn",
        "tier.dependency_weaker",
        "sor.violation",
        "approval.missing",
    ],
)
def test_each_wrong_thing_has_its_own_code(code: str):
    question, evidence = allowed(3)
    question["provides"] = [{"ref": "own-0@v2", "contract_digest": ""}]
    question["integrations"] = [{"ref": "job-0", "digest": "sha256:" + "a" * 64}]
    own = evidence["consumed"]["items"][question["consumes"][0]["ref"]] | {
        "right": "owner",
        "contract": "unpinned",
        "tier": 1,
        "relation": "full",
        "dependencies": counted({}),
        "consumers": counted({}),
    }
    job = {
        "registered": True,
        "owner_team": "integration",
        "right": "owner",
        "approval": "valid",
        "approval_code": "none",
        "approval_fix": "none",
        "origin": "review",
        "break_glass": "none",
        "checks": counted({"integration.direction": {"status": "passed", "why": "none", "violations": counted([])}}),
    }
    user = {"verdict": "compatible", "ready": True, "last_seen": "never", "agreed": "none"}
    consumed = evidence["consumed"]["items"][question["consumes"][0]["ref"]]
    match code:
        case "order.producer_first":
            consumed |= {"provider": "older", "runs": counted(["own-9@v1"]), "relation": "forward"}
        case "order.consumers_first":
            own |= {"relation": "backward", "consumers": counted({"till": user | {"ready": False}})}
        case "contract.breaking_for_consumer":
            own |= {"consumers": counted({"till": user | {"verdict": "breaking"}})}
        case "provider.not_allowed":
            own |= {"right": "none"}
        case "provider.withdrawn":
            gone = {"provided": "no_more", "consumers": counted({"till": {"last_seen": "never"}})}
            evidence["withdrawn"] = counted({"gone-0@v1": gone})
        case "tier.dependency_weaker":
            own |= {"dependencies": counted({"stock-api": 2})}
        case "sor.violation":
            job["checks"]["items"]["integration.direction"] |= {
                "status": "failed",
                "violations": counted(["price is written to its record"]),
            }
        case "approval.missing":
            job |= {"approval": "missing", "approval_code": "approval.missing"}
    evidence |= {"provided": counted({"own-0@v2": own}), "integrations": counted({"job-0": job})}
    answer = decide(question, evidence)
    assert answer["verdict"] == "deny"
    assert [reason["code"] for reason in answer["reasons"]] == [code]


def test_saying_nothing_about_what_is_consumed_is_unknown():
    question, evidence = allowed(3)
    question["consumes"] = None
    evidence["consumed"] = counted({})
    answer = decide(question, evidence)
    assert answer["verdict"] == "unknown"
    assert "evidence.no_consumes" in [reason["code"] for reason in answer["reasons"]]


def test_a_malformed_question_gets_every_finding_at_once():
    with pytest.raises(Invalid) as caught:
        normalise(
            {
                "application": "",
                "version": "1",
                "environment": 5,
                "consumes": ["price-api", "a@b", "a@b"],
                "integrations": [{"key": "x"}],
                "colour": 1,
            }
        )
    assert [found["pointer"] for found in caught.value.findings] == [
        "/colour",
        "/application",
        "/environment",
        "/consumes/0",
        "/consumes/2",
        "/integrations/0",
    ]


@pytest.mark.parametrize("said", [{}, {"a": '\u00e9 \u2028 \\ " /'}, {"b": [1, None, {"c": 0.5}], "a": {}}])
def test_the_digest_of_what_is_written_once_is_that_of_both_documents(said: dict[str, Any]):
    question, evidence = {"question": said}, {"evidence": said}
    assert VerdictInput.of(question, evidence).digest == digest_of({"question": question, "evidence": evidence})
