"""The people of a campaign: set the catalog up, deploy, revoke, pause, freeze; and what they allowed when."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import psycopg
import yaml

from kernel.postgresql import errors
from tests import sealed
from tests.faults import offers
from tests.faults.harness import Installation
from tests.faults.load import DEMO, KEY_KEPT, PRICES, SALES, TABLE, manifests
from tests.faults.offers import OFFERS, OfferSource

T = TypeVar("T")
TILLS = "campaign-tills"  # the account with which tills hand in over HTTP
RECORD = f"""
create table if not exists campaign_grant (
  subscription bigint, lane int, token bigint, release bigint, ask_only boolean,
  at timestamptz, late float8, intent bigint
);
create or replace function campaign_grant() returns trigger language plpgsql as $$
begin
  insert into campaign_grant
  select new.subscription_id,
         new.lane,
         new.token,
         coalesce(case when new.token = old.token then new.intent_release end, d.release_id),
         new.ask_only,
         clock_timestamp(),
         case when new.token > old.token and old.owner is not null then extract(epoch from clock_timestamp()
           - greatest(old.lease_until, old.not_before, v.open_until, v.not_before)) end, new.intent
    from runtime_subscription s
    join runtime_deployment d on d.id = s.deployment_id
    join runtime_vendorstate v on v.id = s.vendor_id
   where s.id = new.subscription_id;
  return null;
end $$;
create or replace trigger campaign_grant after update on runtime_progress for each row
  when (new.token > old.token or (new.intent is not null and new.intent is distinct from old.intent))
  execute function campaign_grant();
create table if not exists {TABLE} (
  id text primary key, version bigint, price numeric, currency text, _position bigint not null
)
"""


class People:
    """Decisions through the product's own services; each is noted with its time, and `permits` says what was allowed
    when."""

    def __init__(self, installation: Installation, *, deadline: float) -> None:
        self.installation, self.deadline = installation, deadline
        self.build = 0
        self.permits: dict[int, list[list[float]]] = defaultdict(list)
        self.builds: dict[int, int] = {}  # release id → build
        self.approvals: list[int] = []
        self.deployments: list[int] = []
        self.frozen: list[int] = []
        self.batch = 20
        self.token = self.eyes = ""
        self.source: OfferSource | None = None
        self.vendors: frozenset[str] = frozenset()  # what they do wrong in the rounds to come
        self.effects: Counter[str] = Counter()  # of the sales' targets, by the journals of all rounds so far
        self.meanwhile: Callable[[], None] = lambda: None
        """What is to be done while they wait for the database, which would else not come again."""
        self._conn: Any = None

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Over the connection that is never broken on purpose; waits through restarts."""

        def run() -> list[Any]:
            from runtime.ledger import connections

            if self._conn is None or self._conn.closed:
                self._conn = connections.connect(name="tillgate-campaign")
            cursor = self._conn.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        return self._persistently(run)

    def _persistently(self, run: Callable[[], T]) -> T:
        from django.db import Error, connection

        ends = time.monotonic() + 120
        while True:
            try:
                return run()
            except (psycopg.Error, Error) as error:
                if time.monotonic() > ends or not errors.unavailable(error):
                    raise
                if self._conn is not None:
                    self._conn.close()
                    self._conn = None
                connection.close()
                self.meanwhile()
                time.sleep(0.1)

    def leave(self) -> None:
        if self._conn is not None:
            self._conn.close()

    def move_in(self) -> None:
        """The demo retailer's catalog with the proxies' addresses, the copy's table, and the record of every grant."""
        from catalog.services import blueprint

        text = (DEMO / "retailer.yaml").read_text()
        for name, value in self.installation.vendors.environment().items():
            text = text.replace("${" + name + "}", value)
        blueprint.apply(yaml.safe_load(text), actor=None, base_dir=DEMO)
        if self.source is not None:
            (self.installation.folder / "offer.json").write_text(json.dumps(offers.CONTRACT))
            blueprint.apply(offers.blueprint(self.source.url), actor=None, base_dir=self.installation.folder)
        self.token = self._persistently(self._till_token)
        self.eyes = self._persistently(self._eyes)
        for statement in RECORD.split(";\ncreate "):
            self.sql(statement if statement.lstrip().startswith("create") else "create " + statement)

    def _till_token(self) -> str:
        """A service account that may do nothing but hand in what is granted to it."""
        from kernel import tokens
        from kernel.models import User

        account, _ = User.objects.get_or_create(username=TILLS, defaults={"kind": User.Kind.SERVICE})
        return tokens.issue(actor=None, user=account, name="campaign", scopes=["intake:write"])[1]

    def _eyes(self) -> str:
        """An account that sees everything and may change nothing."""
        from kernel import tokens
        from kernel.models import User

        values = {"kind": User.Kind.SERVICE, "is_superuser": True}
        account, _ = User.objects.get_or_create(username="campaign-eyes", defaults=values)
        return tokens.issue(actor=None, user=account, name="campaign", scopes=["runtime:read"])[1]

    def deploy(self) -> None:
        """A new build of both integrations, approved and deployed while the old one may be at work. A try that fails
        may have deployed one of them: the build may act from the first try on."""
        opened = time.time()
        self._persistently(lambda: self._deploy(opened))

    def _deploy(self, opened: float) -> None:
        from governance.domain.subject import Subject
        from governance.services import approvals
        from runtime.ledger import connections
        from runtime.services import deployments, intake_grants, integrations
        from tests.runtime import make

        build = self.build + 1
        authority = str(self.installation.vendors.certificates.authority)
        made, ids = [], []
        given = manifests(build, deadline=self.deadline, batch=self.batch, authority=authority)
        if self.source is not None:
            given[OFFERS] = offers.manifest(given[PRICES]["targets"][0], build)
        for key, manifest in given.items():
            release = integrations.register(integrations.pinned(manifest), actor=None)
            if key != OFFERS:
                intake_grants.grant(release.integration, "production", account=TILLS, actor=None)
            with connections.connected(name="tillgate-campaign") as conn:
                ids.append(make.approval(conn, subject_id=key, digest=release.digest))
            approval = approvals.require(Subject("integration", key, release.digest), release.digest, "production")
            made.append(deployments.deploy(key, approval=approval, actor=None).pk)
            self.builds[release.pk] = build
        if "forgotten" in self.vendors:
            self.sql("update runtime_subscription set key_kept = %s where target = 'loyalty-points'", KEY_KEPT)
        self._close()
        self.build, self.approvals, self.deployments = build, ids, made
        if not self.frozen:
            self.permits[build].append([opened, float("inf")])
        self.installation.history.note("deploy", build=build)

    def _close(self) -> None:
        for span in self.permits[self.build]:
            span[1] = min(span[1], time.time())

    def void(self) -> None:
        for approval in self.approvals:
            self.sql(
                """with past_the_guards as (select set_config('session_replication_role', 'replica', true))
                   update governance_approval set voided_at = clock_timestamp() from past_the_guards where id = %s""",
                approval,
            )
        self._close()
        self.installation.history.note("void", build=self.build)

    def pause(self) -> None:
        for deployment in self.deployments:
            self.sql("update runtime_deployment set paused = true, pause_reason = 'campaign' where id = %s", deployment)
        self._close()
        self.installation.history.note("pause", build=self.build)

    def resume(self) -> None:
        self.permits[self.build].append([time.time(), float("inf")])
        for deployment in self.deployments:
            self.sql("update runtime_deployment set paused = false, pause_reason = '' where id = %s", deployment)
        self.installation.history.note("resume", build=self.build)

    def freeze(self) -> None:
        window = self.sql(
            "insert into governance_freezewindow (name, reason, strictness, calendar, compiled_until) "
            "values ('campaign', '', 'work', '{}', clock_timestamp() + interval '2 d') "
            "returning id"
        )[0][0]
        self.sql(
            "insert into governance_freezeinterval (freeze_id, period) "
            "values (%s, tstzrange(clock_timestamp() - interval '2 d', clock_timestamp() + interval '2 d'))",
            window,
        )
        self.frozen.append(window)
        self._close()
        self.installation.history.note("freeze", build=self.build)

    def thaw(self) -> None:
        self.permits[self.build].append([time.time(), float("inf")])
        for window in self.frozen:
            self.sql(sealed.END_FREEZE, window)
        self.frozen.clear()
        self.installation.history.note("thaw", build=self.build)

    def permitted(self, build: int, at: float, *, before: float, after: float) -> bool:
        return any(begin - before <= at <= end + after for begin, end in self.permits[build])

    def counted(self) -> dict[str, int]:
        """What the page of daily totals calls delivered today, by target of the sales."""
        from kernel.viewer import SYSTEM
        from runtime.selectors import daily_totals

        def read() -> dict[str, int]:
            flows = daily_totals.overview(SYSTEM, "production", daily_totals.today())
            sales = [line for flow in flows if flow.integration == SALES for line in flow.targets]
            return {line.target: line.delivered for line in sales}

        return self._persistently(read)

    def read_offers(self) -> None:
        """Somebody starts a run. Raises OperationalError while the database does not answer."""
        from kernel.errors import Conflict, NotFound
        from runtime.services import runs

        with contextlib.suppress(Conflict, NotFound):
            runs.start(OFFERS, "production", trigger="schedule")

    def offers_read(self, since: float) -> bool:
        """Whether a run that began later has read the source to its end, and none is at work."""
        return bool(
            self.sql(
                """select exists (select from runtime_run r join runtime_integration i on i.id = r.integration_id
                                   where i.key = %s and r.state = 'succeeded' and r.started_at > to_timestamp(%s))
                      and not exists (select from runtime_run where state = 'running')""",
                OFFERS,
                since,
            )[0][0]
        )

    def dates_come(self) -> bool:
        """Whether no state waits for a date."""
        return bool(self.sql("select not exists (select from runtime_validitymoment where fired_at is null)")[0][0])

    def offers_waiting(self, prefix: str) -> dict[tuple[str, str], list[Any]]:
        """By store and item what stands in quarantine."""
        found: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for store, item, *more in self.sql(
            """select s.instance, m.payload ->> 'id', q.state, q.reason_class, q.reason
                 from runtime_quarantine q join runtime_subscription s on s.id = q.subscription_id
                      join runtime_message m on m.stream_id = s.stream_id and m.lane = q.lane
                                            and m.position = q.position
                where s.target = 'store-offers' and m.payload ->> 'id' like %s""",
            prefix + "%",
        ):
            found[store, item].append(more)
        return found

    def at_rest(self, besides: Iterable[str] = ()) -> bool:
        """Everything stored has ended somewhere: nothing to take, no open call, nothing parked that would still move;
        `besides` names sales that may go on being tried."""
        return bool(
            self.sql(
                """
            select not exists (select from runtime_progress p join runtime_subscription s on s.id = p.subscription_id
                                 join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
                                 where p.position < l.next - 1 or p.intent is not null)
               and not exists (select from runtime_quarantine q where q.state in ('retry', 'sending', 'behind')
                                  and not (q.key = any(%s))
                                  and not exists (select
                                                    from runtime_quarantine e
                                                   where e.subscription_id = q.subscription_id
                                                     and e.key = q.key
                                                     and e.position < q.position
                                                     and e.state in ('dead', 'unknown')))""",
                list(besides),
            )[0][0]
        )
