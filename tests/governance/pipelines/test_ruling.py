"""What follows from verdicts for a pipeline: plain values, no database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.domain import question as questions
from governance.domain.pipelines import addresses, github, ruling, signatures
from governance.domain.pipelines.ruling import AskedVerdict, Ruling
from kernel.errors import Invalid

ALLOW: dict[str, Any] = {
    "verdict": "allow",
    "enforcing": True,
    "hypothetical": False,
    "application": "till",
    "version": "abc",
    "environment": "production",
    "reasons": [],
}


def asked(**more: Any) -> AskedVerdict:
    return AskedVerdict(1, "https://tillgate.example/gate/verdicts/1/", ALLOW | more, "till", "abc", "production")


def without(name: str) -> AskedVerdict:
    document = {key: value for key, value in ALLOW.items() if key != name}
    return AskedVerdict(1, "", document, "till", "abc", "production")


def test_only_an_allow_of_now_that_enforces_and_is_about_this_passes():
    assert asked().word == "passed"
    odd = [{"verdict": word} for word in ("unknown", "Allow", "allowed", "", None, True, ["allow"], 1)] + [
        {"enforcing": word} for word in (False, None, "true", 1)
    ]
    odd += [{"hypothetical": word} for word in (True, None, "false", 0)]
    odd += [{name: "other"} for name in ("application", "version", "environment")]
    assert {asked(**more).word for more in odd} == {"pending"}
    assert {without(name).word for name in ALLOW if name != "reasons"} == {"pending"}
    assert asked(verdict="deny").word == "failed"
    assert asked(verdict="deny", enforcing=False).word == "failed"


@given(st.lists(st.sampled_from(["passed", "failed", "pending"]), max_size=6))
def test_the_worst_of_several_counts_and_nothing_is_no_yes(words: list[str]):
    made = ruling.together([Ruling(word, word) for word in words])
    expected = "failed" if "failed" in words else "passed" if words and set(words) == {"passed"} else "pending"
    assert made.word == expected
    of_verdicts = {"passed": asked(), "failed": asked(verdict="deny"), "pending": asked(verdict="unknown")}
    assert ruling.of_verdicts([of_verdicts[word] for word in words]).word == expected


def test_an_estate_that_only_reports_says_so_and_is_no_yes():
    made = ruling.of_verdicts([asked(verdict="unknown", enforcing=False)])
    assert made.word == "pending"
    assert "only reports here so far" in made.comment()
    assert "only reports" not in ruling.of_verdicts([asked(verdict="unknown")]).comment()


@given(st.text(max_size=300))
def test_words_of_others_are_code_in_one_line(text: str):
    made = ruling.code(text)
    assert made.startswith("`")
    assert made.endswith("`")
    assert made.count("`") == 2
    assert "\n" not in made


def test_a_comment_fits_and_names_the_page_before_the_reasons():
    reasons = [
        {"code": "version.retired", "message": "@everyone [x](https://evil.example) <img>" * 9, "waived_by": None}
    ] * 3 + [{"code": f"x.{n}", "message": "m", "waived_by": None} for n in range(9)]
    comment = ruling.of_verdicts([asked(verdict="deny", reasons=reasons)]).comment()
    body = github.answer_body("production", "failed", comment)
    assert body["state"] == "rejected"
    assert len(body["comment"]) <= github.LONGEST_COMMENT
    assert "gate/verdicts/1/" in body["comment"]
    assert "more, on the page of the verdict" in comment
    assert "state" not in github.answer_body("production", "pending", comment)


def test_a_waived_reason_is_none():
    reasons = [{"code": "version.retired", "message": "old", "waived_by": 7}]
    assert "version.retired" not in ruling.of_verdicts([asked(verdict="unknown", reasons=reasons)]).comment()


REF = st.from_regex(r"[a-z]{1,9}@v[0-9]", fullmatch=True)
DIGEST = st.sampled_from(["", "sha256:" + "a" * 64])
VERSIONS = st.lists(st.builds(lambda ref, digest: (ref, digest), REF, DIGEST), max_size=4, unique_by=lambda one: one[0])


@given(st.none() | VERSIONS, VERSIONS, st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), max_size=3, unique=True))
def test_a_stored_question_is_asked_again_as_it_was(consumes, provides, integrations):
    def written(entries):
        return [{"version": ref, **({"contract_digest": digest} if digest else {})} for ref, digest in entries]

    question = questions.normalise(
        {
            "application": "till",
            "version": "abc",
            "environment": "production",
            "instance": "s1",
            "consumes": None if consumes is None else written(consumes),
            "provides": written(provides),
            "integrations": [{"key": key, "digest": "sha256:" + "b" * 64} for key in integrations],
        }
    )
    assert questions.normalise(questions.as_asked(question)) == question


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ("github", "http://api.github.com"),
        ("github", "ftp://api.github.com"),
        ("github", "https://"),
        ("github", "https://user@api.github.com"),
        ("github", "https://api.github.com?x=1"),
        ("github", "https://api.github.com#x"),
        ("github", "https://api.github.com/../x y"),
        ("github", "https://ghe.example.com/.."),
        ("github", "https://ghe.example.com/api/../../v3"),
        ("github", "https://ghe.example.com/./api"),
        ("gitlab", "https://gitlab.example.com/x/../api/v4"),
        ("github", "https://ghe..example.com"),
        ("github", "https://ghe example.com"),
        ("github", "https://ghe.example.com\\.evil.example"),
        ("github", "https://[::1"),
        ("github", "https://api.github.com:99999"),
        ("gitlab", "https://gitlab.example.com"),
        ("gitlab", "https://gitlab.example.com/api/v3"),
    ],
)
def test_only_plain_https_addresses_are_answered_to(provider: str, text: str):
    with pytest.raises(Invalid):
        addresses.api_url(text, provider)


def test_an_address_is_kept_in_one_form():
    assert addresses.api_url(" https://API.github.com/ ", "github") == "https://api.github.com"
    assert addresses.api_url("https://ghe.example.com:8443/api/v3..1/.x", "github").endswith(":8443/api/v3..1/.x")
    assert addresses.api_url("http://127.0.0.1:9/api/v4/", "gitlab") == "http://127.0.0.1:9/api/v4"


def test_a_signature_of_github_is_the_documented_one():
    """The example of docs.github.com, *Validating webhook deliveries*."""
    made = signatures.of("github", "It's a Secret to Everybody", b"Hello, World!")
    assert made == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signatures.matches("github", ["It's a Secret to Everybody"], b"Hello, World!", made)
    assert not signatures.matches("github", ["", "short"], b"x", signatures.of("github", "", b"x"))
