"""The whole road with production settings: migrated by an owner who is no superuser, served by a role that owns
nothing, behind TLS, with nothing accepted; people sign in, an author registers and asks, six approve, it is deployed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.guard.rules import REFUSING
from tests.portal.production import PASSWORD, Production, good, until

pytestmark = pytest.mark.thorough
PEOPLE = ("ivy", "ida", "petra", "paul", "stan", "ada", "rita")
PREPARE = f"""
import yaml
from django.contrib.auth.hashers import make_password
from kernel.models import User
from governance.services import policies
User.objects.filter(username__in={PEOPLE!r}).update(password=make_password({PASSWORD!r}))
policies.install(level="organisation", document=yaml.safe_load(open("deploy/demo/policy.yaml")), actor=None)
from runtime.services import integrations
import json
made = integrations.pinned(yaml.safe_load(open("deploy/demo/integrations/products-and-prices.yaml")))
print("MANIFEST " + json.dumps(made, default=str))
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    made = Production(tmp_path_factory.mktemp("production"))
    try:
        made.start_servers()
        yield made
    finally:
        made.close()


def test_from_an_empty_database_to_a_deployed_integration(production: Production, tmp_path: Path):
    wrong = production.manage("check", "--deploy", GUARD_ACCEPTS="")
    assert "tillgate.guard.database_role" not in wrong.stderr
    migrated = production.manage("migrate", "--noinput", "-v0", DATABASE_OWNER_URL=production.address(production.owner))
    assert migrated.returncode == 0, migrated.stderr
    assert production.manage("collectstatic", "--noinput", "-v0").returncode == 0
    checked = production.manage("check", "--deploy")
    assert not [name for name in REFUSING if f"tillgate.guard.{name})" in checked.stderr], checked.stderr
    assert production.manage("database_roles", "--check").returncode == 0
    estate = Path("deploy/demo/retailer.yaml").read_text()
    for name in ("SANDBOX_ERP_URL", "SANDBOX_STORES_URL", "SANDBOX_LOYALTY_URL"):
        estate = estate.replace("${" + name + "}", "http://127.0.0.1:9")
    folder = tmp_path / "estate"
    folder.mkdir()
    shutil.copytree("deploy/demo/contracts", folder / "contracts")
    (folder / "retailer.yaml").write_text(estate)
    applied = production.manage("apply_blueprint", str(folder / "retailer.yaml"))
    assert applied.returncode == 0, applied.stderr
    prepared = production.manage("shell", "-v0", given=PREPARE)
    assert prepared.returncode == 0, prepared.stderr
    line = next(line for line in prepared.stdout.splitlines() if "MANIFEST " in line)
    manifest = json.loads(line.partition("MANIFEST ")[2])
    production.start()

    with production.signed_in("ivy") as ivy:
        assert "Strict-Transport-Security" in ivy.get("/inbox/").headers
        assert all(cookie.secure for cookie in ivy.cookies.jar)
        release = good(ivy.post("/api/v1/integrations", json={"manifest": manifest}))
        digest = release.get("digest") or release["release"]["digest"]
        deploy = {"digest": digest, "environment": "production"}
        subject = {"kind": "integration", "id": "products-and-prices", "digest": digest}
        change = good(
            ivy.post(
                "/api/v1/changes",
                json={
                    "kind": "integration.deploy",
                    "subjects": [subject],
                    "environment": "production",
                    "title": "Deploy products and prices",
                    "justification": "It replaces the script.",
                    "rollback_plan": "Pause the integration.",
                    "planned_from": "2020-01-01T00:00:00Z",
                    "planned_until": "2099-01-01T00:00:00Z",
                },
            )
        )
        at = f"/api/v1/changes/{change['id']}"
        good(ivy.post(f"{at}/submit"))
        until(lambda: judged(good(ivy.get(f"{at}/checks"))))
        own = ivy.post(f"{at}/decisions", json={"outcome": "approve", **digests(good(ivy.get(at)))})
        assert own.status_code == 403
        refused = ivy.post("/api/v1/integrations/products-and-prices/deployments", json=deploy)
        assert refused.status_code in (403, 409), refused.text

    for name in PEOPLE[1:]:
        with production.signed_in(name) as person:
            good(person.post(f"{at}/decisions", json={"outcome": "approve", **digests(good(person.get(at)))}))
    with production.signed_in("ivy") as ivy:
        assert good(ivy.get(at))["state"] == "approved"
        good(ivy.post("/api/v1/integrations/products-and-prices/deployments", json=deploy))
        gate = good(ivy.get("/api/v1/integrations/products-and-prices/gate?environment=production"))
        assert [one["permitted"] for one in gate] == [True] * len(gate), gate
    until((production.folder / "elsewhere" / "heads.jsonl").exists)
    verified = production.manage("verify_ledger")
    assert "The chain holds" in verified.stdout, verified.stdout + verified.stderr


def judged(checks: list) -> bool:
    return bool(checks) and not [one for one in checks if one["status"] in ("pending", "running")]


def digests(change: dict) -> dict[str, str]:
    return {name: change[name] for name in ("subject_digest", "diff_digest", "impact_digest", "policy_digest")}


def test_each_key_and_password_is_changed_while_people_stay_signed_in(production: Production):
    """As docs/how-to/secure.md says: one after the other, each with its restart."""
    with production.signed_in("ida") as ida:
        production.change_secret_key()
        production.restart()
        assert ida.get("/inbox/").status_code == 200, "a session of the key before"
        production.change_statement_key()
        production.restart()
        heads = production.heads()
        with production.signed_in("ivy"):  # the ledger moves, so its head is signed anew
            pass
        until(lambda: production.heads() > heads)
        verified = production.manage("verify_ledger")
        assert "The chain holds" in verified.stdout, verified.stdout + verified.stderr
        production.change_redis_password()
        assert ida.get("/inbox/").status_code == 200, "pages go on without Redis"
        assert "degraded" in ida.get("/health/ready").text
        production.restart()
        assert "degraded" not in ida.get("/health/ready").text
        production.change_serving_password()
        production.restart()
        assert ida.get("/inbox/").status_code == 200
    with production.signed_in("ivy") as ivy:
        assert ivy.get("/runtime/").status_code == 200
    production.fallbacks = ""
    production.restart()
    with production.signed_in("ivy") as ivy:
        assert ivy.get("/inbox/").status_code == 200


def test_a_closed_account_is_out_at_once_however_it_was_closed(production: Production):
    with production.signed_in("paul") as paul:
        assert paul.get("/inbox/").status_code == 200
        with production.as_superuser() as conn:
            conn.execute("update kernel_user set is_active = false where username = 'paul'")
        assert paul.get("/inbox/").status_code == 302
        found = conn_rows(production, "select written_by from kernel_auditentry where verb = 'kernel.account_closed'")
    assert [row[0].split()[0] for row in found] == ["postgres"], "the entry names the role that did it"


def conn_rows(production: Production, statement: str) -> list:
    with production.as_superuser() as conn:
        return conn.execute(statement).fetchall()
