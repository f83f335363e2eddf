"""What the product says while it is under attack, compared with what is so: how fresh stores are, and the counts of its
pages and its API with each other.

Counts are compared within one snapshot of the database (repeatable read), so that no tolerance is needed: the pages'
own selectors and the API's answers, all of them about the same moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction
from django.test import Client

from kernel.viewer import SYSTEM
from runtime.models import Integration
from runtime.selectors import daily_totals, dead_letters, flows, infrastructure, runs, stores, vendors
from runtime.services import daily_accounts

ENVIRONMENT = "production"
READABLE = 6_000  # messages of a day up to which each of them is looked at by itself
FIELDS = ("delivered", "superseded", "skipped", "declined", "dead", "unknown", "retrying", "behind", "waiting")

# Read anew from the tables, and by no selector of the product.
_GROUND = """
select i.key || ' ' || s.target as flow,
       sum(x.total)::bigint as total, sum(x.waiting)::bigint as waiting, sum(x.dead)::bigint as dead,
       sum(x.unknown)::bigint as unknown, sum(x.moving)::bigint as moving, sum(x.confirmed)::bigint as confirmed
  from runtime_subscription s
  join runtime_stream q on q.id = s.stream_id
  join runtime_integration i on i.id = q.integration_id
 cross join lateral (
       select (select sum(l.next - 1) from runtime_lane l where l.stream_id = q.id) as total,
              (select sum(l.next - 1 - p.position)
                 from runtime_progress p
                 join runtime_lane l on l.stream_id = q.id and l.lane = p.lane
                where p.subscription_id = s.id) as waiting,
              (select count(*) from runtime_quarantine h where h.subscription_id = s.id and h.state = 'dead') as dead,
              (select count(*)
                 from runtime_quarantine h
                where h.subscription_id = s.id and h.state = 'unknown') as unknown,
              (select count(*)
                 from runtime_quarantine h
                where h.subscription_id = s.id and h.state not in ('dead', 'unknown')) as moving,
              (select coalesce(sum(d.confirmed), 0) from runtime_delivery d where d.subscription_id = s.id)
              + (select count(*)
                   from runtime_attempt a
                  where a.subscription_id = s.id and a.outcome = 'confirmed') as confirmed) x
 where s.open and s.replay_of_id is null and i.key = any(%s)
 group by 1"""


def too_fresh(told: Iterable[dict[str, Any]], integration: str, seen_whole_at: float | None) -> Iterator[str]:
    """Of the API's stores those that are told to be fresher than anybody can know: the source was seen whole at
    `seen_whole_at` (seconds since 1970) for the last time, None for never."""
    for store in told:
        for flow in store["flows"]:
            if flow["integration"] != integration:
                continue
            where = f"store {store['name']} {integration}"
            good, looked = _seconds(flow["good_until"]), _seconds(flow["looked_at"])
            as_of = None if good is None or flow["allowed_age_s"] is None else good - flow["allowed_age_s"]
            for what, said in (("good_until speaks of a look", as_of), ("looked_at is", looked)):
                if said is not None and (seen_whole_at is None or said > seen_whole_at):
                    after = "never" if seen_whole_at is None else f"{said - seen_whole_at:.3f} s before that"
                    yield f"{where}: {what} {said:.3f}; the source was last seen whole {after}"


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def disagreements(integrations: list[str], token: str = "") -> list[str]:
    """What does not agree at this moment. Raises OperationalError while the database does not answer."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
        found = compare(integrations, token)
        transaction.set_rollback(True)
    return found


def compare(integrations: list[str], token: str = "") -> list[str]:
    """What does not agree of what this transaction sees."""
    return list(_Moment(integrations, token).compare())


class _Moment:
    """Everything that is said at one moment."""

    def __init__(self, integrations: list[str], token: str) -> None:
        self.integrations, self.token = integrations, token
        self.flows = {(f.integration, f.target): f for f in flows.today(SYSTEM, ENVIRONMENT)}
        self.days = {one.integration: one for one in daily_totals.overview(SYSTEM, ENVIRONMENT, daily_totals.today())}

    def compare(self) -> Iterator[str]:
        yield from self._with_the_tables()
        yield from self._flows_with_the_day()
        yield from self._engine()
        yield from self._stores()
        yield from self._runs()
        for key in self.integrations:
            if key in self.days and self.days[key].logged <= READABLE:
                yield from self._reconciliation(key)
        if self.token:
            yield from self._api()

    def _differ(self, what: str, one: Any, other: Any) -> Iterator[str]:
        if one != other:
            yield f"{what}: {one} and {other}"

    def _with_the_tables(self) -> Iterator[str]:
        """The page Today and the daily totals with what the tables hold."""
        with connection.cursor() as cursor:
            cursor.execute(_GROUND, [self.integrations])
            ground = {row[0]: tuple(map(int, row[1:])) for row in cursor.fetchall()}
        for (integration, target), flow in self.flows.items():
            if integration not in self.integrations:
                continue
            held = flow.backlog
            moving = held.retrying + held.behind
            said = (held.waiting, held.dead, held.unknown, moving, flow.delivered)
            total, *counted = ground[f"{integration} {target}"]
            yield from self._differ(f"today and tables, {integration} {target}", said, tuple(counted))
            line = self._line(integration, target)
            yield from self._differ(f"day and tables, {integration} {target}", line.total if line else None, total)

    def _line(self, integration: str, target: str) -> daily_totals.TargetLine | None:
        day = self.days.get(integration)
        return next((line for line in day.targets if line.target == target), None) if day else None

    def _flows_with_the_day(self) -> Iterator[str]:
        for (integration, target), flow in self.flows.items():
            line = self._line(integration, target)
            if line is None or integration not in self.integrations:
                continue
            held = flow.backlog
            yield from self._differ(
                f"today and day, {integration} {target}",
                (flow.delivered, held.dead, held.unknown, held.on_the_way),
                (line.delivered, line.dead, line.unknown, line.on_the_way),
            )
            ended = line.delivered + line.superseded + line.skipped + line.declined + line.closed
            everything = ended + line.with_a_person + line.on_the_way
            yield from self._differ(f"the sum of a day, {integration} {target}", everything, line.total)
        for key, day in self.days.items():
            if key in self.integrations and day.difference:
                yield f"runs of {key} say {day.accepted} accepted, the log has {day.from_runs} of them"

    def _engine(self) -> Iterator[str]:
        """Infrastructure, target systems, dead letters."""
        unknown = sum(flow.backlog.unknown for flow in self.flows.values())
        listed = vendors.listed(SYSTEM, ENVIRONMENT)
        engine = infrastructure.state(SYSTEM, ENVIRONMENT)
        yield from self._differ("unknown by Today, engine", unknown, engine.unknown)
        yield from self._differ("unknown by Today, target systems", unknown, sum(one.unknown for one in listed))
        waits = Counter[str]()
        for group in dead_letters.groups(SYSTEM, ENVIRONMENT):
            waits[group.integration] += group.count
        by_today = Counter[str]()
        for flow in self.flows.values():
            by_today[flow.integration] += flow.for_person
        for key in self.integrations:
            yield from self._differ(f"with a person by Today, dead letters, {key}", by_today[key], waits[key])

    def _stores(self) -> Iterator[str]:
        """What stores are told adds up to their flow."""
        waiting, person = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for store in stores.fleet(SYSTEM, ENVIRONMENT):
            for one in store.flows:
                waiting[one.flow.integration, one.flow.target] += one.backlog.on_the_way
                person[one.flow.integration, one.flow.target] += one.backlog.for_person
        for name, flow in self.flows.items():
            if flow.fleet and name[0] in self.integrations:
                told = (waiting[name], person[name])
                yield from self._differ(
                    f"stores and Today, {name}", told, (flow.backlog.on_the_way, flow.backlog.for_person)
                )

    def _runs(self) -> Iterator[str]:
        for row in runs.latest(SYSTEM, environment=ENVIRONMENT, limit=3):
            run = runs.progress(SYSTEM, row.id)
            assert run is not None
            mine, listed = ((one.read, one.accepted, one.rejected) for one in (run, row))
            yield from self._differ(f"run {row.id} and the list", mine, listed)
            for share in run.shares:
                ended = share.delivered + share.superseded + share.skipped + share.declined + share.closed
                everything = ended + share.with_a_person + share.on_the_way
                yield from self._differ(f"the sum of run {row.id} at {share.target}", everything, share.total)

    def _reconciliation(self, key: str) -> Iterator[str]:
        """Message by message, with the totals of the day."""
        account = daily_accounts.account(
            Integration.objects.get(key=key), ENVIRONMENT, daily_totals.today(), by="arrival"
        )
        if not account.complete:
            return
        by_target: dict[str, Counter[str]] = {}
        for line in account.lines:
            tally = by_target.setdefault(line.target, Counter())
            for state, total in line.tally.by_state.items():
                tally[state] += total.count
        for target, tally in by_target.items():
            line = self._line(key, target)
            if line is None or line.instances > 1:  # of a fleet, only the newest state of a key is looked at
                continue
            mine = (tally["delivered"], tally["dead"], tally["unknown"], tally["retrying"], tally["behind"])
            days = (line.delivered, line.dead, line.unknown, line.retrying, line.behind)
            yield from self._differ(f"reconciliation and day, {key} {target}", mine, days)

    def _api(self) -> Iterator[str]:
        head = {"Authorization": f"Bearer {self.token}", "Host": "localhost"}
        client = Client(headers=head, raise_request_exception=False)
        asked = [client.get(f"/api/v1/{name}", {"environment": ENVIRONMENT}) for name in ("reconciliation", "stores")]
        if any(answer.status_code == 503 for answer in asked):
            raise OperationalError("the database is gone")
        if wrong := [
            f"{answer.request['PATH_INFO']}: {answer.status_code}" for answer in asked if answer.status_code != 200
        ]:
            yield f"the API answers {wrong}"
            return
        for flow in asked[0].json():
            for line in flow["targets"]:
                mine = self._line(flow["integration"], line["target"])
                if mine is not None and flow["integration"] in self.integrations:
                    said = tuple(line["not_meant" if name == "skipped" else name] for name in FIELDS)
                    yield from self._differ(
                        f"API and day, {flow['integration']} {line['target']}",
                        said,
                        tuple(getattr(mine, name) for name in FIELDS),
                    )
        for store in asked[1].json():
            for one in store["flows"]:
                here = self.flows[one["integration"], one["target"]]
                for held in [backlog for name, backlog, _ in here.instances if name == store["name"]]:
                    said = (one["waiting"], one["for_person"])
                    yield from self._differ(f"API's store {store['name']}", said, (held.waiting, held.for_person))
