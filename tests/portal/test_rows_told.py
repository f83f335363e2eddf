"""A table that says who may do what tells in the ledger what was written into it, whoever wrote it and however. What a
service has told already is not told twice."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from catalog.models import Team
from governance.services import webhooks
from kernel.models import AuditEntry, User
from runtime.ledger.connections import Connection
from runtime.models import Integration
from runtime.services import intake_grants, retention
from tests import serving_role
from tests.catalog import make as catalog_make
from tests.governance import make
from tests.portal.untold_tables import REASONS
from tests.runtime.conftest import ledger  # noqa: F401 - a fixture
from tests.runtime.make import Flow

TELLS = re.compile(
    r"kernel_tell|kernel_record|_on_record\(|_row_told\(|kernel_factor_told|exists \(select from kernel_auditentry"
)
_TABLES = """
select c.relname,
       coalesce(array_agg(p.prosrc) filter (where p.oid is not null and t.tgenabled in ('O', 'A')), '{}')
  from pg_class c
  left join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal
  left join pg_proc p on p.oid = t.tgfoid
 where c.relnamespace = current_schema()::regnamespace
   and c.relkind in ('r', 'p')
   and not c.relispartition
 group by c.relname"""


OURS = re.compile(r"(kernel|catalog|governance|runtime|portal|auth|django)_")
"""Tables of the product; targets of other tests may stand in the same database."""


@pytest.mark.django_db
def test_each_table_tells_or_says_why_it_need_not():
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        found = cursor.fetchall()
        ours = set(connection.introspection.django_table_names()) | {name for name, _ in found if OURS.match(name)}
    told = {table: any(TELLS.search(body) for body in bodies) for table, bodies in found if table in ours}
    assert len(told) > 100
    untold = {table for table, tells in told.items() if not tells}
    assert untold - set(REASONS) == set(), "give it a trigger that tells, or a reason in tests/portal/untold_tables.py"
    assert set(REASONS) - set(told) == set(), "there is no such table any more"
    assert {table for table in REASONS if told[table]} == set(), "a table that tells needs no reason"
    assert all(len(reason.split()) > 4 for reason in REASONS.values())


BY_HAND: dict[str, tuple[str, str, str]] = {
    "sight of an API for a person": (
        """insert into catalog_apiuserobjectpermission (user_id, permission_id, content_object_id)
           select u.id, p.id, a.id from kernel_user u, auth_permission p, catalog_api a
            where u.username = 'stan' and p.codename = 'view_api' and a.slug = 'price-api'""",
        "catalog.api_right_given",
        "stan",
    ),
    "an API to edit for a team": (
        """insert into catalog_apigroupobjectpermission (group_id, permission_id, content_object_id)
           select t.group_id, p.id, a.id from catalog_team t, auth_permission p, catalog_api a
            where t.key = 'loyalty' and p.codename = 'change_api' and a.slug = 'price-api'""",
        "catalog.api_right_given",
        "",
    ),
    "the owner's right to edit": (
        """delete from catalog_apigroupobjectpermission g using catalog_api a
            where a.id = g.content_object_id and a.slug = 'price-api' and g.group_id = a.owner_team_id""",
        "catalog.api_right_taken",
        "change_api",
    ),
    "the owner of an API": (
        "update catalog_api set owner_team_id = (select group_id from catalog_team where key = 'loyalty') "
        "where slug = 'price-api'",
        "catalog.api_changed",
        "loyalty",
    ),
    "a data class": (
        "update catalog_api set data_class = 'cardholder' where slug = 'price-api'",
        "catalog.api_changed",
        "cardholder",
    ),
    "the owner of a domain": (
        "update catalog_domain set owner_team_id = (select group_id from catalog_team where key = 'loyalty') "
        "where key = 'price'",
        "catalog.domain_changed",
        "loyalty",
    ),
    "the owner of a system": (
        "update catalog_system set owner_team_id = (select group_id from catalog_team where key = 'loyalty') "
        "where id = (select min(id) from catalog_system)",
        "catalog.system_changed",
        "loyalty",
    ),
    "the team of an application": (
        "update catalog_application set team_id = (select group_id from catalog_team where key = 'loyalty') "
        "where id = (select min(id) from catalog_application)",
        "catalog.application_changed",
        "loyalty",
    ),
    "a team that is retired": (
        "update catalog_team set retired_at = now() where key = 'loyalty'",
        "catalog.team_changed",
        "retired_at",
    ),
    "rules of a tier": (
        """update catalog_slatier set rules = '{"forged": 1}' where level = 1""",
        "catalog.tier_changed",
        "forged",
    ),
    "a subscription that is over": (
        "update catalog_subscription set valid_until = now() where id = (select min(id) from catalog_subscription)",
        "catalog.subscription_changed",
        "valid_until",
    ),
    "the owner of an integration": (
        "update runtime_integration set owner_team_id = (select group_id from catalog_team where key = 'loyalty')",
        "runtime.integration_changed",
        "loyalty",
    ),
    "the right to hand in messages": (
        """insert into runtime_intakegrant (integration_id, environment, account_id, granted_at)
           select i.id, 'production', u.id, now() from runtime_integration i, kernel_user u
            where u.username = 'stan'""",
        "runtime.intake_grant_made",
        "stan",
    ),
    "where webhooks come in": (
        """insert into runtime_hook (integration_id, environment, source, key, secret_ref, old_secret_ref, public_url,
             unsigned_why, fault)
           select i.id, 'production', 'shop', 'x', 'env:TILLGATE_WEBHOOK_MINE', '', '', '', ''
             from runtime_integration i""",
        "runtime.hook_made",
        "TILLGATE_WEBHOOK_MINE",
    ),
    "how long messages are kept": (
        """insert into runtime_retention (data_class, days, since, reason, set_at)
           values ('messages', 1, now() - interval '1 year', '', now())""",
        "runtime.retention_made",
        "days",
    ),
    "a webhook receiver": (
        """insert into governance_webhookendpoint (name, url, topics, salt, active, created_by_id, created_at)
           select 'x', 'https://x.example', '{governance.}', 's', true, u.id, now() from kernel_user u
            where u.username = 'rita'""",
        "governance.webhook_made",
        "https://x.example",
    ),
    "a pipeline connection": (
        """insert into governance_pipelineconnection (key, name, provider, api_url, app_id, webhook_secret_ref,
             old_webhook_secret_ref, credential_ref, owner_team_id, wait_minutes, at_the_end, tells_reasons,
             proposed_at, proposed_by_id, fault)
           select 'x', 'x', 'gitlab', 'https://x.example/api/v4', '', 'env:X', '', 'env:X', t.group_id, 10, 'allow',
                  false, now(), u.id, ''
             from catalog_team t, kernel_user u where t.key = 'loyalty' and u.username = 'rita'""",
        "governance.pipeline_made",
        "https://x.example/api/v4",
    ),
}


@pytest.fixture
def estate(db: None) -> None:
    catalog_make.estate()
    for name in ("stan", "rita"):
        User.objects.get_or_create(username=name)
    owner = Team.objects.get(key="pricing").group
    Integration.objects.create(key="prices", title="Prices", domain_key="price", owner_team=owner)
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; set constraints all deferred")


def by_hand(statement: str) -> list[tuple[str, str]]:
    """Verbs and what was told, by the role that serves, within the test's transaction."""
    last = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    role = serving_role.given()
    with connection.cursor() as cursor:
        cursor.execute(f"set local role {role}")
        cursor.execute(statement)
        assert cursor.rowcount > 0, "the statement found nothing to write"
        cursor.execute("set constraints all immediate; set constraints all deferred; reset role")
    return [(one.verb, str(one.after)) for one in AuditEntry.objects.filter(id__gt=last).order_by("id")]


@pytest.mark.parametrize("what", BY_HAND)
def test_what_is_written_by_hand_is_told(estate: None, what: str):
    statement, verb, word = BY_HAND[what]
    told = by_hand(statement)
    assert [one for one, _ in told] == [verb]
    assert word in told[0][1]
    assert AuditEntry.objects.latest("id").actor_id is None, "nobody said who acts"


def told_since(last: int) -> list[str]:
    return list(AuditEntry.objects.filter(id__gt=last).order_by("id").values_list("verb", flat=True))


def newest() -> int:
    return AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0


@pytest.mark.django_db(transaction=True)
def test_what_a_service_tells_is_told_once():
    house = make.house()
    flow = Integration.objects.create(key="prices", title="Prices", owner_team=make.team("price").group)
    last = newest()
    webhooks.register(name="Chat", url="https://1.1.1.1/", topics=["governance.*"], actor=house.releaser)
    assert told_since(last) == ["governance.webhook_registered"]
    last = newest()
    retention.set_policy("messages", 400, integration="prices", actor=None, reason="audit")
    retention.set_policy("messages", None, integration="prices", actor=None, reason="for ever")
    assert told_since(last) == ["runtime.retention_set", "runtime.retention_set"]
    last = newest()
    grant = intake_grants.grant(flow, "production", account=house.owner.username, actor=None)
    intake_grants.revoke(grant.pk, flow, actor=None)
    assert told_since(last) == ["runtime.intake_granted", "runtime.intake_revoked"]


@pytest.mark.django_db(transaction=True)
def test_the_checks_of_a_change_are_one_entry_and_one_by_hand_is_another():
    house = make.house()
    change = make.in_review(house.author)
    told = AuditEntry.objects.filter(verb="governance.change_checks_told", subject_id=str(change.pk))
    assert [one.after["results"] for one in told] == [dict(change.check_results.values_list("check_id", "status"))]
    with serving_role.connected() as session:
        session.execute("update governance_checkresult set status = 'failed', findings = '[]' where position = 0")
        session.execute(
            "with told as (select kernel_record(null, 'x', 'governance.change_checks_told', 'change', %s, null, "
            "'{\"results\": {}}', '', '')) update governance_checkresult set status = 'passed' from told "
            "where position = 0",
            [str(change.pk)],
        )
    said = [set(one.after["results"].values()) for one in told.order_by("id")]
    assert said[1] >= {"failed"}
    assert said[2] == set(), "a made-up entry is there, and beside it what is so"
    assert said[3] == {"passed"}
    assert "tillgate_test_serving" in told.latest("id").written_by


@pytest.mark.django_db(transaction=True)
def test_a_deployment_that_is_paused_or_ended_by_hand_is_told_and_no_other_verb_passes_for_it(ledger: Connection):
    flow = Flow(ledger)
    last = newest()
    with serving_role.connected() as session:
        session.execute("update runtime_deployment set paused = true, pause_reason = 'x'")
        session.execute(
            "with told as (select kernel_record(null, 'x', 'runtime.paused', 'integration', i.key, null, "
            "jsonb_build_object('environment', d.environment), '', '') from runtime_integration i "
            "join runtime_deployment d on d.integration_id = i.id) "
            "update runtime_deployment set paused = false from told"
        )
        session.execute("update runtime_deployment set active = false, ended_at = now()")
    assert told_since(last) == [
        "runtime.deployment_paused",
        "runtime.paused",
        "runtime.deployment_resumed",
        "runtime.deployment_ended",
    ]
    assert flow
