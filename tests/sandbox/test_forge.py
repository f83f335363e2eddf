"""The code host behaves as GitHub and GitLab say they do: it is the witness of what pipelines were answered."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.client import Sandbox

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)
RUN = {"repository": "retail/shop", "repository_id": 3, "run": 9, "environment": "production", "installation": 7}
REVIEW = "/repos/retail/shop/actions/runs/9/deployment_protection_rule"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("forge"), ports={"forge": 0}) as running:
        yield running


@pytest.fixture
def http(process: Sandbox) -> Iterator[httpx.Client]:
    process.forge.control(app={"id": "Iv1", "public_key": PUBLIC}, run=RUN)
    with httpx.Client(base_url=process.forge.url, trust_env=False) as client:
        yield client


def signed(key: object = KEY, *, issuer: str = "Iv1", begin: float = -60, end: float = 540) -> dict[str, str]:
    now = int(time.time())
    return {
        "Authorization": f"Bearer {jwt.encode({'iat': now + begin, 'exp': now + end, 'iss': issuer}, key, 'RS256')}"
    }


def token(http: httpx.Client, **more: object) -> dict[str, str]:
    body = {"repository_ids": [3], "permissions": {"deployments": "write"}, **more}
    given = http.post("/app/installations/7/access_tokens", json=body, headers=signed())
    assert given.status_code == 201
    return {"Authorization": f"Bearer {given.json()['token']}"}


def test_only_the_app_itself_gets_a_token(http: httpx.Client):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    unsigned = {"Authorization": f"Bearer {jwt.encode({'iss': 'Iv1'}, '', 'none')}"}
    wrong = [signed(other), signed(issuer="Iv2"), signed(end=-1), signed(end=900), unsigned, {}]
    answers = [http.post("/app/installations/7/access_tokens", json={}, headers=one).status_code for one in wrong]
    assert answers == [401] * 6
    foreign = http.post("/app/installations/7/access_tokens", json={"repository_ids": [4]}, headers=signed())
    assert foreign.status_code == 422
    assert http.post("/app/installations/8/access_tokens", json={}, headers=signed()).status_code == 404


def test_a_deployment_is_decided_once_and_stays_so_over_a_restart(process: Sandbox, http: httpx.Client):
    body = {"environment_name": "production", "comment": "x"}
    may_not = token(http, permissions={"deployments": "read"})
    assert http.post(REVIEW, json=body | {"state": "approved"}, headers=may_not).status_code == 403
    sent = token(http)
    reports = [http.post(REVIEW, json=body, headers=sent).status_code for _ in range(11)]
    assert reports == [204] * 10 + [422]
    assert http.post(REVIEW, json=body | {"state": "approved"}, headers=sent).status_code == 204
    process.restart()
    process.forge.control(app={"id": "Iv1", "public_key": PUBLIC}, run=RUN)
    with httpx.Client(base_url=process.forge.url, trust_env=False) as again:
        assert again.post(REVIEW, json=body | {"state": "rejected"}, headers=sent).status_code == 401, "tokens are gone"
        assert again.post(REVIEW, json=body | {"state": "rejected"}, headers=token(again)).status_code == 422
    effects = [entry.effect for entry in process.forge.journal()]
    assert effects.count("deployment.approved") == 1
    assert "deployment.rejected" not in effects


def test_a_check_is_about_the_head_of_its_merge_request(process: Sandbox, http: httpx.Client):
    process.forge.control(merge_request={"project": 6, "iid": 4, "sha": "a" * 40, "check": 1})
    path = "/api/v4/projects/6/merge_requests/4/status_check_responses"
    good = {"sha": "a" * 40, "external_status_check_id": 1, "status": "passed"}
    headers = {"PRIVATE-TOKEN": "glpat-sandbox"}
    asked = [good, good | {"sha": "b" * 40}, good | {"external_status_check_id": 2}, good | {"status": "ok"}]
    assert [http.post(path, json=one, headers=headers).status_code for one in asked] == [201, 409, 404, 400]
    assert http.post(path, json=good, headers={"PRIVATE-TOKEN": "other"}).status_code == 401


def test_a_limit_is_told_with_its_headers(process: Sandbox, http: httpx.Client):
    process.forge.control(limit={"status": 429, "headers": {"retry-after": "60"}})
    answer = http.post(REVIEW, json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert http.post(REVIEW, json={}).status_code == 401
