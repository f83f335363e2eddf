"""A working day in the database: two deployed integrations with messages, deliveries, letters, runs and vendors in
every state.

Approvals are written below governance's triggers, progress below the ledger: the journeys test the way here, the page
tests need the state.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from kernel import clock
from runtime.domain import manifest as manifests
from runtime.domain.correlation import correlation_id, lane_of
from runtime.models import (
    ConflictCase,
    Delivery,
    Deployment,
    EntityWrite,
    Firing,
    Head,
    Integration,
    Lane,
    Progress,
    QuarantinedMessage,
    ReadAgain,
    RejectedMessage,
    Release,
    Replay,
    Run,
    RunSpan,
    Schedule,
    Stream,
    StreamSource,
    TargetSubscription,
    VendorState,
    Worker,
)
from runtime.services import replays
from tests import kept_rows, sealed
from tests.runtime.scene_estate import People, estate
from tests.runtime.scene_manifests import PRICES, SALES

_numbers = itertools.count(5_000_000)
SALT = 0x0123_4567_89AB_CDEF


def approve(key: str, digest: str, environment: str = "production") -> int:
    """A sealed approval, without its change request."""
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute(sealed.APPROVAL, sealed.parameters(next(_numbers), key, digest, environment))
        made = cursor.fetchone()[0]
        cursor.execute("set session_replication_role = origin")
        cursor.execute(sealed.BIND, [made])
    return int(made)


def systems_moved() -> None:
    """Where systems answer now counts as approved, without the way there."""
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute(
            "update runtime_approveddestination set digest = runtime_destination_now(system_key, environment)"
        )
        cursor.execute("set session_replication_role = origin")


def void(approval_id: int, reason: str = "the mapping changed") -> None:
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute(
            "update governance_approval set voided_at = clock_timestamp(), void_reason = %s where id = %s",
            [reason, approval_id],
        )
        cursor.execute("set session_replication_role = origin")


class Site:
    """One integration, deployed. `put` fills the log, `pass_to` moves a target on, `park` makes a letter."""

    def __init__(
        self, manifest: dict[str, Any], group: Group, *, deploy: bool = True, environment: str = "production"
    ) -> None:
        self.group, self.environment = group, environment
        self.integration = Integration.objects.create(
            key=manifest["integration"], title=manifest["title"], domain_key=manifest["domain"], owner_team=group
        )
        self.release = self.register(manifest)
        self.streams: dict[str, Stream] = {}
        self.next: dict[int, int] = {}
        self.deployment: Deployment | None = None
        if deploy:
            self.deploy(self.release)

    def register(self, manifest: dict[str, Any]) -> Release:
        reading = manifests.parse(manifest)
        release = Release.objects.create(
            integration=self.integration, digest=reading.digest, manifest=reading.data, tier=reading.manifest.tier
        )
        EntityWrite.objects.bulk_create(
            EntityWrite(
                release=release,
                target=target.name,
                entity=write.entity,
                kind=write.kind,
                attribute_group=write.attribute_group,
                source_system=reading.manifest.source_of(target).system,
                target_system=target.system,
            )
            for target in reading.manifest.targets
            for write in target.writes
        )
        return release

    def deploy(self, release: Release) -> None:
        self.approval = approve(self.integration.key, release.digest, self.environment)
        self.deployment = Deployment.objects.create(
            integration=self.integration, release=release, environment=self.environment, approval_id=self.approval
        )
        manifest = manifests.load(release.manifest)
        self.stream = Stream.objects.create(
            integration=self.integration,
            environment=self.environment,
            lanes=manifest.lanes,
            immutable=manifest.event.meaning == "fact",
            salt=SALT,
        )
        for lane in range(manifest.lanes):
            Lane.objects.create(stream=self.stream, lane=lane)
            self.next[lane] = 1
        StreamSource.objects.bulk_create(StreamSource(stream=self.stream, name=one.name) for one in manifest.sources)
        self.subscriptions: dict[tuple[str, str], TargetSubscription] = {}
        for target in manifest.targets:
            for instance in target.instances or [""]:
                vendor, _ = VendorState.objects.get_or_create(
                    system_key=target.system, instance=instance, environment=self.environment
                )
                made = TargetSubscription.objects.create(
                    stream=self.stream,
                    target=target.name,
                    instance=instance,
                    deployment=self.deployment,
                    vendor=vendor,
                    kind="vendor",
                    idempotency=target.idempotency,
                    coalesce=target.coalesce,
                    batch=target.batch,
                    tier=manifest.tier,
                )
                self.subscriptions[target.name, instance] = made
        Progress.objects.bulk_create(
            Progress(subscription=made, lane=lane)
            for made in self.subscriptions.values()
            for lane in range(manifest.lanes)
        )
        Schedule.objects.create(
            integration=self.integration,
            environment=self.environment,
            expression="every 15m",
            zone="Europe/Berlin",
            next_due_at=clock.now() + timedelta(minutes=7),
        )

    def put(
        self, *payloads: dict[str, Any], key: str = "transaction", at: datetime | None = None, run: Run | None = None
    ) -> list[tuple[int, int]]:
        """Append payloads; their places `(lane, position)`."""
        places: list[tuple[int, int]] = []
        rows, spans = [], {}
        for payload in payloads:
            name = str(payload[key])
            lane = lane_of(name, self.stream.lanes)
            position, self.next[lane] = self.next[lane], self.next[lane] + 1
            places.append((lane, position))
            spans.setdefault(lane, []).append(position)
            rows.append(
                (
                    self.stream.pk,
                    lane,
                    position,
                    at or clock.now(),
                    name,
                    0,
                    self.release.pk,
                    run.pk if run else None,
                    json.dumps(payload),
                )
            )
        with connection.cursor() as cursor:
            cursor.executemany(
                """insert into runtime_message (stream_id, lane, position, received_at, key, previous, version,
                   release_id, run_id, payload)
                   values (%s, %s, %s, %s, %s, %s, 0, %s, %s, %s)""",
                rows,
            )
        Head.objects.bulk_create(
            [
                Head(pk=(self.stream.pk, row[4]), hash=index, version=0, position=row[2])
                for index, row in enumerate(rows)
            ],
            ignore_conflicts=True,
        )
        for lane, following in self.next.items():
            Lane.objects.filter(stream=self.stream, lane=lane).update(next=following)
        if run is not None:
            RunSpan.objects.bulk_create(
                RunSpan(run=run, lane=lane, first=min(taken), last=max(taken)) for lane, taken in spans.items()
            )
        return places

    def pass_to(
        self, target: str, instance: str = "", *, share: float = 1.0, at: datetime | None = None, superseded: int = 0
    ) -> None:
        """The target has passed this share of every lane, with one batch of evidence each."""
        subscription = self.subscriptions[target, instance]
        before = dict(Progress.objects.filter(subscription=subscription).values_list("lane", "position"))
        reached = {lane: max(int((following - 1) * share), before[lane]) for lane, following in self.next.items()}
        moved = [lane for lane in reached if reached[lane] > before[lane]]
        for lane in moved:
            Progress.objects.filter(subscription=subscription, lane=lane).update(position=reached[lane])
        Delivery.objects.bulk_create(
            Delivery(
                subscription=subscription,
                lane=lane,
                first=before[lane] + 1,
                last=reached[lane],
                token=1,
                release=self.release,
                at=at or clock.now(),
                outcome="answered",
                confirmed=reached[lane] - before[lane] - superseded,
                superseded=superseded,
            )
            for lane in moved
        )

    def park(
        self,
        place: tuple[int, int],
        target: str,
        *,
        state: str = "dead",
        reason: str,
        reason_class: str = "refused",
        key: str = "k",
        fingerprint: str = "3e91aa00bb11cc22",
        at: datetime | None = None,
        instance: str = "",
    ) -> QuarantinedMessage:
        lane, position = place
        return QuarantinedMessage.objects.create(
            subscription=self.subscriptions[target, instance],
            lane=lane,
            position=position,
            key=key,
            state=state,
            reason_class=reason_class,
            reason=reason,
            fingerprint=fingerprint,
            attempt=2,
            first_seen_at=at or clock.now(),
        )

    def attempt(
        self, place: tuple[int, int], target: str, outcome: str, detail: str, *, reference: str | None = None
    ) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """insert into runtime_attempt (subscription_id, lane, first, last, token, release_id, outcome,
                   detail, reference)
                   values (%s, %s, %s, %s, 1, %s, %s, %s, %s)""",
                [
                    self.subscriptions[target, ""].pk,
                    place[0],
                    place[1],
                    place[1],
                    self.release.pk,
                    outcome,
                    detail,
                    reference,
                ],
            )

    def correlation(self, place: tuple[int, int]) -> str:
        return correlation_id(self.stream.salt, self.stream.pk, *place)

    def run(self, **more: Any) -> Run:
        values = {"kind": "intake", "trigger": "intake", "state": "running", "read": 0, "accepted": 0} | more
        return Run.objects.create(
            integration=self.integration,
            deployment=self.deployment,
            stream=self.stream,
            source=self.first_source if values["kind"] == "collect" else "",
            **values,
        )

    @property
    def first_source(self) -> str:
        return str(self.release.manifest["sources"][0]["name"])


def sale(number: int, **more: Any) -> dict[str, Any]:
    return {
        "transaction": f"0187-07-20261118-{number:06d}",
        "business_date": "2026-11-18",
        "total": 23.95,
        "tax_class": "R1",
        "member": f"m{number}",
        "lines": [{"quantity": 1, "price": 23.95}],
        **more,
    }


@dataclass(slots=True)
class Day:
    people: People
    sales: Site
    prices: Site
    run: Run
    letters: list[QuarantinedMessage]
    places: list[tuple[int, int]]
    rejected: RejectedMessage
    conflict: ConflictCase
    replay: Replay
    reading: ReadAgain


def today(now: datetime, *, minutes: int) -> datetime:
    """So many minutes ago, and not before midnight: what a test counts by day came on the day on which it runs."""
    return max(
        now - timedelta(minutes=minutes), timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    )


@kept_rows.once(seconds=10)
def day() -> Day:
    """Sales with three refused at the ERP, one of unknown outcome; prices with a broken store; something of every
    kind."""
    people = estate()
    now = clock.now()
    sales = Site(SALES, people.groups["sales-finance"])
    done = sales.run(
        state="succeeded",
        ended_at=now - timedelta(minutes=40),
        read=60,
        accepted=60,
        started_at=now - timedelta(minutes=50),
    )
    sales.put(*[sale(n) for n in range(60)], at=today(now, minutes=45), run=done)
    for target in ("journal", "earn"):
        sales.pass_to(target, at=today(now, minutes=42))
    run = sales.run(read=43, accepted=40, unchanged=1, rejected_count=2, started_at=now - timedelta(minutes=14))
    places = sales.put(
        *[sale(n, tax_class="R7" if n % 13 == 0 else "R1") for n in range(100, 140)], at=today(now, minutes=13), run=run
    )
    sales.pass_to("journal", share=0.8, at=today(now, minutes=3))
    sales.pass_to("earn", at=today(now, minutes=4))
    refusal = "ERP answered 400: tax code R7 not found in company code 1010"
    letters = [
        sales.park(
            place,
            "journal",
            reason=refusal,
            key=sale(100 + n)["transaction"],
            at=now - timedelta(minutes=12, seconds=-n),
        )
        for n, place in enumerate(places[:3])
    ]
    for place in places[:3]:
        sales.attempt(place, "journal", "unknown", "no answer within 5 s")
        sales.attempt(place, "journal", "dead", refusal)
    letters.append(
        sales.park(
            places[4],
            "earn",
            state="unknown",
            reason="sent, and no answer",
            reason_class="unknown",
            fingerprint="a07c00000000aaaa",
            key=sale(104)["transaction"],
            at=now - timedelta(hours=2),
        )
    )
    sales.park(places[5], "journal", state="retry", reason="busy", reason_class="not_now", fingerprint="", key="k5")
    rejected = RejectedMessage.objects.create(
        stream=sales.stream,
        run=run,
        key="0187-07-20261118-000900",
        digest="d" * 32,
        reason_class="contract",
        fingerprint="9b18000000000000",
        reason="/total: -3 is less than the minimum of 0",
        raw='{"transaction": "0187-07-20261118-000900", "total": -3}',
        at=now - timedelta(hours=26),
    )
    conflict = ConflictCase.objects.create(
        stream=sales.stream,
        key=sale(1)["transaction"],
        held_position=_position_of(sales, sale(1)["transaction"]),
        hash=7,
        payload=sale(1, total=24.95),
    )
    prices = Site(PRICES, people.groups["pricing"])
    StreamSource.objects.filter(stream=prices.stream).update(read_at=now - timedelta(minutes=1))
    prices.put(*[{"sku": f"P{n}", "price": 9.99} for n in range(30)], key="sku", at=today(now, minutes=41))
    for instance in ("0101", "0102", "0103", "0187"):
        prices.pass_to("stores", instance, at=today(now, minutes=40), superseded=1)
    prices.pass_to("stores", "0206", share=0.5, at=today(now, minutes=41))
    VendorState.objects.filter(system_key="pos", instance="0590").update(
        breaker="open",
        failures=5,
        openings=2,
        open_until=now + timedelta(minutes=2),
        last_error="connection refused",
        last_error_at=now,
    )
    VendorState.objects.filter(system_key="s4").update(
        rate=10, burst=20, allowance=20, budget=36_000, spent=25_600, spent_on=now.date(), last_success_at=now
    )
    for number in range(3):
        Worker.objects.create(
            name=f"runtime-{number}", kind="worker", beat_at=now - timedelta(seconds=90 if number == 2 else 2)
        )
    schedule = Schedule.objects.get(integration=prices.integration)
    Firing.objects.create(schedule=schedule, due_at=now - timedelta(minutes=8))
    replay = replays.plan(
        sales.subscriptions["journal", ""].pk,
        since=now - timedelta(hours=1),
        pace=5.0,
        actor=people.sofia,
        reason="the ERP was restored from a backup",
    )
    return Day(people, sales, prices, run, letters, places, rejected, conflict, replay, planned_reading(sales))


def planned_reading(site: Site) -> ReadAgain:
    """A plan to read the source of a site again, of which nothing is read yet."""
    return ReadAgain.objects.create(
        stream=site.stream, messages=3, reason="rows were missing", digest=f"sha256:{'e' * 64}"
    )


def _position_of(site: Site, key: str) -> int:
    return int(Head.objects.get(pk=(site.stream.pk, key)).position)
