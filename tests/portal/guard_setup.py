"""A set-up that is fit for production, from which each test takes one thing away."""

from __future__ import annotations

from portal.guard.setup import GuardAnswers, Setup

GOOD = Setup(
    allowed_hosts=("tillgate.example.com", "web"),
    secret_key="9f1Kq7Zr0bXv3Lm8Tn5Wc2Jd6Hg4Sy1Pa0Eu7Io3Rt8Qw5Uz2Bk6Nf",
    public_url="https://tillgate.example.com",
    https=True,
    behind_proxy=True,
    proxies=True,
    mail="django.core.mail.backends.smtp.EmailBackend",
    witness_file="/witness/heads.jsonl",
    state_dir="/app/.state",
    statement_keys=True,
    databases={"DATABASE_URL": {"user": "tillgate_serving", "password": "x8Vq2Lr9Tz4Wn7", "dbname": "tillgate"}},
    redis_url="redis://:k3Jd8Sm2Pq9Xw5@redis:6379/0",
    broker_url="redis://:k3Jd8Sm2Pq9Xw5@redis:6379/0",
    second_factor=frozenset({"administrators", "deciders"}),
    stated=frozenset({"PUBLIC_URL", "EMAIL_HOST"}),
)
SEEN = GuardAnswers(made_for_demo=False, demo_accounts=(), roles={}, open_redis=())
