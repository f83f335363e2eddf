"""Retry policies: every pause is pinned, in Python and in SQL, and the page names each policy with its values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection

from governance.services import pipeline_reviews, webhook_delivery
from kernel import outbox, sign_in_limits
from kernel.retry import PAUSE_SQL, RetryPolicy
from portal import process_supervisor, stillness
from portal.front import application as front
from runtime.domain import retry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "retries.md"
MODULES = {
    "runtime/domain/retry.py": retry,
    "kernel/outbox.py": outbox,
    "kernel/sign_in_limits.py": sign_in_limits,
    "governance/services/webhook_delivery.py": webhook_delivery,
    "governance/services/pipeline_reviews.py": pipeline_reviews,
    "portal/process_supervisor.py": process_supervisor,
    "portal/stillness.py": stillness,
    "portal/front/application.py": front,
}
POLICIES = {
    (place, name): value
    for place, module in MODULES.items()
    for name, value in vars(module).items()
    if isinstance(value, RetryPolicy)
}
PAUSES = {
    ("runtime/domain/retry.py", "CIRCUIT_BREAKER"): [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
    ("runtime/domain/retry.py", "CONNECTION_FAULT"): [10, 20, 40, 80, 160, 300, 300],
    ("runtime/domain/retry.py", "MESSAGE"): [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
    ("runtime/domain/retry.py", "WORKER_FAILURE"): [0.5, 1, 2, 4, 8, 16, 30, 30],
    ("runtime/domain/retry.py", "SEND_ROUNDS"): [0, 0, 0],
    ("runtime/domain/retry.py", "VENDOR_UNAVAILABLE"): [0.5, 0.5],
    ("runtime/domain/retry.py", "UNDECIDED_PROBE"): [30, 30],
    ("runtime/domain/retry.py", "QUOTA_EMPTY"): [0.2, 0.2],
    ("runtime/domain/retry.py", "MESSAGE_NOT_NOW"): [1, 1],
    ("runtime/domain/retry.py", "UNANSWERED_BATCH"): [0.5, 0.5],
    ("runtime/domain/retry.py", "UNANSWERED"): [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300],
    ("runtime/domain/retry.py", "ACCEPTED"): [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900],
    ("runtime/domain/retry.py", "UNSETTLED"): [0.5, 0.5],
    ("runtime/domain/retry.py", "CANNOT_ASK"): [30, 30],
    ("runtime/domain/retry.py", "MISCONFIGURED"): [1, 1],
    ("runtime/domain/retry.py", "SOURCE_PAGE"): [0.2, 0.8, 3.2],
    ("runtime/domain/retry.py", "TARGET_UNDER_WAY"): [0.2, 0.2],
    ("runtime/domain/retry.py", "LOCKED_OUT"): [1, 1],
    ("runtime/domain/retry.py", "DATABASE_LOST"): [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5],
    ("runtime/domain/retry.py", "PARTITION"): [0.2, 0.8, 3.2],
    ("kernel/sign_in_limits.py", "SIGN_IN_PAUSE"): [60, 120, 240, 480, 900, 900],
    ("kernel/sign_in_limits.py", "CODE_PAUSE"): [60, 120, 240, 480, 960, 1920, 3600, 3600],
    ("kernel/sign_in_limits.py", "ADDRESS_PAUSE"): [10, 10],
    ("kernel/outbox.py", "OUTBOX_RETRY"): [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600],
    ("governance/services/webhook_delivery.py", "WEBHOOK_RETRY"): [
        5,
        10,
        20,
        40,
        80,
        160,
        320,
        640,
        1280,
        2560,
        5120,
        10240,
        20480,
        21600,
    ],
    ("governance/services/pipeline_reviews.py", "PIPELINE_CALL"): [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900],
    ("governance/services/pipeline_reviews.py", "PIPELINE_WAIT"): [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600],
    ("portal/front/application.py", "HELD"): [0.2, 0.3, 0.45, 0.6, 0.6],
    ("portal/stillness.py", "REPLACED_STILL"): [30, 60, 120, 240, 480, 600, 600],
    ("portal/process_supervisor.py", "RESTART"): [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30],
}
ATTEMPTS = {
    ("runtime/domain/retry.py", "CIRCUIT_BREAKER"): 3,
    ("runtime/domain/retry.py", "SEND_ROUNDS"): 3,
    ("runtime/domain/retry.py", "UNANSWERED_BATCH"): 3,
    ("runtime/domain/retry.py", "UNANSWERED"): 8,
    ("runtime/domain/retry.py", "ACCEPTED"): 100,
    ("runtime/domain/retry.py", "SOURCE_PAGE"): 4,
    ("runtime/domain/retry.py", "PARTITION"): 4,
    ("kernel/outbox.py", "OUTBOX_RETRY"): 12,
    ("governance/services/webhook_delivery.py", "WEBHOOK_RETRY"): 12,
    ("governance/services/pipeline_reviews.py", "PIPELINE_CALL"): 14,
}


def test_every_policy_pauses_as_pinned():
    pauses = {name: [policy.pause(n) for n in range(len(PAUSES[name]))] for name, policy in POLICIES.items()}
    assert {name: [round(pause, 9) for pause in found] for name, found in pauses.items()} == PAUSES
    assert {name: policy.attempts for name, policy in POLICIES.items() if policy.attempts is not None} == ATTEMPTS
    assert all(policy.jitter == 0 for policy in POLICIES.values())


def test_a_large_count_neither_overflows_nor_passes_the_ceiling():
    assert retry.CIRCUIT_BREAKER.pause(10**9) == 300
    assert retry.MESSAGE.pause(10**9) == 300


def test_jitter_lengthens_a_pause_by_its_share_at_most():
    policy = RetryPolicy(base=1.0, factor=1.0, jitter=0.5)
    pauses = [policy.pause() for _ in range(200)]
    assert all(1.0 <= pause <= 1.5 for pause in pauses)
    assert len(set(pauses)) > 1


def test_attempts_end_with_the_last_one():
    policy = RetryPolicy(base=1.0, attempts=3)
    assert [policy.exhausted(n) for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert not retry.MESSAGE.exhausted(10**6)


@pytest.mark.django_db
@pytest.mark.parametrize("name", [("kernel/outbox.py", "OUTBOX_RETRY"), ("runtime/domain/retry.py", "CIRCUIT_BREAKER")])
def test_the_formula_in_sql_gives_the_same_pauses(name: tuple[str, str]):
    policy = POLICIES[name]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {PAUSE_SQL.format(count='n')} from generate_series(0, 100) n order by n", policy.parameters()
        )
        assert [row[0] for row in cursor.fetchall()] == [policy.pause(n) for n in range(101)]


def test_the_page_has_a_row_for_every_policy_with_its_values():
    row = r"^\| `(\w+)` \| `([\w/.]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|"
    rows = re.findall(row, PAGE.read_text(), re.M)
    listed = {(place, name): tuple(value.strip() for value in values) for name, place, *values in rows}
    assert listed == {name: tuple(map(_shown, _values(policy))) for name, policy in POLICIES.items()}


def _values(policy: RetryPolicy) -> tuple[float | None, ...]:
    ceiling = None if policy.ceiling == float("inf") else policy.ceiling
    return policy.base, policy.factor, ceiling, policy.attempts


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
