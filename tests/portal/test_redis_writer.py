"""A person who can write to Redis runs nothing in our processes, and makes no page say what is not so."""

from __future__ import annotations

import ast
import base64
import json
import os
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery.contrib.testing import worker as celery_worker
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from kernel import audit, clock
from portal import ledger
from portal.celery import app
from tests.portal import make

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


class Planted:
    """Loading its pickle makes a folder: the proof that somebody's code ran here."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return (os.mkdir, (str(self.proof),))


@pytest.fixture
def store():
    with redis.Redis.from_url(settings.REDIS_URL) as made:
        made.flushdb()
        yield made
        made.flushdb()


@pytest.fixture
def reader(client: Client) -> Client:
    with make.untold():
        client.force_login(make.person("reader"))
    return client


def written(subject: str = "1") -> None:
    with transaction.atomic():
        audit.record("kernel.tested", "system", subject, actor=None)


def test_a_pickle_at_any_key_of_the_product_runs_nothing(store, reader: Client, tmp_path: Path):
    written()
    reader.get("/ledger/")
    Client().post("/sign-in/", {"username": "nobody", "password": "wrong"})
    proof = tmp_path / "ran"
    kinds = {key: store.type(key) for key in store.scan_iter()}
    assert kinds, "the product keeps something there"
    for key in kinds:
        store.set(key, pickle.dumps(Planted(proof)))
    assert reader.get("/ledger/").context["chain"].tone.word == "Intact", "verified anew"
    assert Client().post("/sign-in/", {"username": "nobody", "password": "wrong"}).status_code == 422
    assert cache.get("anything") is None
    store.set(cache.make_key("anything"), pickle.dumps(Planted(proof)))
    assert cache.get("anything") is None, "what is no JSON counts as not there"
    assert not proof.exists()


@pytest.mark.thorough
def test_a_pickled_task_in_a_queue_runs_nothing(store, tmp_path: Path):
    proof = tmp_path / "ran"
    message = {
        "body": base64.b64encode(pickle.dumps(Planted(proof))).decode(),
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
        "headers": {"task": "runtime.wake", "id": "1", "lang": "py"},
        "properties": {
            "delivery_mode": 2,
            "delivery_tag": "1",
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": "tier2"},
        },
    }
    store.lpush("tier2", json.dumps(message))
    with celery_worker.start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=10):
        while store.llen("tier2"):  # taken at once: a poll of the broker
            pass
    assert not proof.exists()


def test_the_badge_of_the_ledger_cannot_be_written_in_redis(store, reader: Client):
    written()
    assert reader.get("/ledger/").context["chain"].tone.word == "Intact"
    kept = cache.get(ledger._CACHE_KEY)
    forged = {"tone": ["ok", "Intact", "check"], "says": "All is well.", "entries": 1, "head": "x", "checked_at": None}
    cache.set(ledger._CACHE_KEY, forged)
    assert "All is well." not in reader.get("/ledger/").text
    cache.set(ledger._CACHE_KEY, signing.dumps(forged, key="another", salt=ledger._CACHE_KEY))
    assert "All is well." not in reader.get("/ledger/").text
    cache.set(ledger._CACHE_KEY, kept)
    assert ledger._recall() is not None, "our own one counts"
    with clock.frozen(clock.now() + timedelta(minutes=6)):
        assert ledger._recall() is None, "and no longer than five minutes, however long somebody keeps it there"


def test_sessions_and_messages_of_celery_are_json():
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert app.conf.accept_content == ["json"]
    assert app.conf.result_accept_content in (None, ["json"])
    assert not app.conf.worker_enable_remote_control, "nobody commands a worker through the broker"


def test_only_a_pipe_to_our_own_child_carries_pickles():
    using = {
        str(file.relative_to(ROOT))
        for room in ("kernel", "catalog", "governance", "runtime", "portal", "contracts", "cli")
        for file in (ROOT / room).rglob("*.py")
        if any(
            (isinstance(node, ast.Import) and any(n.name in _UNSAFE for n in node.names))
            or (isinstance(node, ast.ImportFrom) and node.module in _UNSAFE)
            for node in ast.walk(ast.parse(file.read_text()))
        )
    }
    assert using == {"runtime/worker/forked_trial.py"}


_UNSAFE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
