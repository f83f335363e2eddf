"""What is only good for the demo is named, one line each, with what to set; nothing else is."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal import started_with
from portal.guard import acceptance, judgement, looks, rules
from portal.guard.setup import GuardAnswers, Setup
from tests.portal.guard_setup import GOOD, SEEN

TODAY = date(2026, 11, 30)
DEMO = replace(GOOD, demo=True, allowed_hosts=("localhost", "127.0.0.1", "[::1]"), secret_key="a", https=False)
THIS_MACHINE = (
    *("localhost", "LOCALHOST.", "shop.localhost", "localhost.localdomain", "127.0.0.2", "127.1", "2130706433"),
    *("0x7f.1", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
)
DIRECT = {"user": "tillgate_serving", "password": "postgres", "dbname": "tillgate"}
BAD: dict[str, list[dict[str, object]]] = {
    "debug": [{"debug": True}],
    "hosts": [
        {"allowed_hosts": ("*",)},
        {"allowed_hosts": ("tillgate.example.com", "*.example.com")},
        {"allowed_hosts": ("localhost", "127.0.0.1")},
        {"allowed_hosts": (".example.org",)},
        {"allowed_hosts": (".com",)},
    ],
    "secret_key": [
        {"secret_key": key}
        for key in ("", "a", "not-a-secret-only-for-tools", "django-insecure-" + "x1Y2z3W4" * 8, "ab" * 40, "k" * 49)
    ],
    "secret_key_fallbacks": [
        {"fallback_keys": keys} for keys in (("secret",), (GOOD.secret_key, "k" * 60), ("0123456789" * 4,))
    ],
    "public_url": [
        {"stated": frozenset({"EMAIL_HOST"})},
        {"public_url": "http://tillgate.example.com"},
        {"public_url": "https://127.0.0.1:8000"},
        *({"public_url": f"https://{host}"} for host in THIS_MACHINE),
    ],
    "https": [{"https": False}],
    "proxy": [
        {"behind_proxy": False},
        {"proxies": False},
        *({"proxy_networks": one} for one in (("0.0.0.0/0", "::/0"), ("0.0.0.0/1", "128.0.0.0/1"), ("2000::/3",))),
    ],
    "demo_mode": [{"demo": True}],
    "database_password": [
        {"databases": {"DATABASE_URL": {"user": "tillgate", "password": word, "dbname": "shop"}}}
        for word in ("postgres", "Tillgate", "shop", "short-one")
    ]
    + [{"databases": GOOD.databases | {"DATABASE_DIRECT_URL": DIRECT}}],
    "redis": [
        {"redis_url": "redis://redis:6379/0"},
        {"redis_url": "redis://:guest@redis:6379/0"},
        {"broker_url": "amqp://guest:guest@mq:5672//"},
        {"broker_url": "redis://redis:6379/1"},
    ],
    "witness": [{"witness_file": "/app/.state/witness/heads.jsonl"}, {"witness_file": ""}],
    "mail": [{"mail": f"django.core.mail.backends.{name}.EmailBackend"} for name in ("console", "filebased", "dummy")]
    + [{"mail": "portal.mail_files.EmailBackend"}, {"stated": frozenset({"PUBLIC_URL"})}],
    "statement_keys": [{"statement_keys": False}],
    "second_factor": [{"second_factor": frozenset()}, {"second_factor": frozenset({"administrators"})}],
}
SEEN_BAD: dict[str, list[dict[str, object]]] = {
    "demo_data": [{"made_for_demo": True}],
    "demo_accounts": [{"demo_accounts": ("ada", "rita")}],
    "database_role": [{"roles": {name: ("it is a superuser",)}} for name in ("DATABASE_URL", "DATABASE_DIRECT_URL")],
    "redis": [{"open_redis": (name,)} for name in ("REDIS_URL", "BROKER_URL")],
}


def found(setup: Setup, seen: GuardAnswers) -> list[str]:
    return [one.id for one in rules.judge(setup, seen)]


def test_a_set_up_for_production_is_not_spoken_of():
    assert found(GOOD, SEEN) == []
    wide = replace(GOOD, allowed_hosts=(".example.com",), redis_url="unix:///run/redis.sock", broker_url="")
    assert found(wide, GuardAnswers(made_for_demo=False)) == []
    assert found(replace(GOOD, witness_elsewhere=True, witness_file=""), SEEN) == []
    assert found(replace(GOOD, databases={"DATABASE_URL": {"user": "tillgate"}}), SEEN) == [], (
        "a password may come by another way"
    )


@pytest.mark.parametrize(("name", "bad"), [(name, one) for name, each in BAD.items() for one in each])
def test_what_is_only_good_for_the_demo_is_named(name: str, bad: dict[str, object]):
    assert found(replace(GOOD, **bad), SEEN) == [name]


@pytest.mark.parametrize(("name", "bad"), [(name, one) for name, each in SEEN_BAD.items() for one in each])
def test_what_database_and_redis_are_is_named(name: str, bad: dict[str, object]):
    assert found(GOOD, replace(SEEN, **bad)) == [name]


def test_every_rule_is_tried_and_says_what_to_set():
    assert {*BAD, *SEEN_BAD} == rules.IDS
    for rule in rules.RULES:
        assert len(rule.advice) > 10
        assert "\n" not in rule.advice


def test_everything_is_said_at_once_and_no_secret_with_it():
    bad = replace(
        DEMO,
        demo=False,
        debug=True,
        redis_url="redis://:guest@r/0",
        databases={"DATABASE_URL": {"password": "short-one"}},
    )
    said = rules.judge(bad, SEEN)
    assert len(said) >= 6
    text = "\n".join(map(str, said))
    assert text.count("\n") == len(said) - 1
    assert not any(word in text for word in ("short-one", ":guest@", bad.redis_url))


def test_in_the_demo_nothing_refuses_and_nothing_is_warned_of():
    mine = judgement.of(
        DEMO, replace(SEEN, made_for_demo=True, roles={"DATABASE_URL": ("it is a superuser",)}), {}, TODAY
    )
    assert (mine.demo, mine.refusals, mine.warnings) == (True, (), ())


@pytest.mark.parametrize(
    ("setup", "made_for_demo"),
    [
        (DEMO, False),
        (replace(DEMO, allowed_hosts=("localhost", "shop.example.com")), True),
        (replace(DEMO, bound="0.0.0.0"), True),
        (replace(DEMO, bound="10.1.2.3"), True),
    ],
)
def test_the_demo_is_no_demo_in_a_strange_database_or_where_others_reach_it(setup: Setup, made_for_demo: bool):
    mine = judgement.of(setup, replace(SEEN, made_for_demo=made_for_demo), {}, TODAY)
    assert not mine.demo
    assert {"demo_mode", "secret_key", "https"} <= {one.id for one in mine.refusals}


def test_one_thing_is_accepted_to_its_last_day_and_no_other():
    bad = replace(GOOD, debug=True, https=False)
    accepts = {"debug": TODAY}
    today = judgement.of(bad, SEEN, accepts, TODAY)
    assert [one.id for one in today.refusals] == ["https"]
    assert [(one.id, until) for one, until in today.accepted] == [("debug", TODAY)]
    tomorrow = judgement.of(bad, SEEN, accepts, TODAY + timedelta(days=1))
    assert {one.id for one in tomorrow.refusals} == {"debug", "https"}


def test_what_is_accepted_is_read_from_one_setting():
    assert acceptance.read("redis:2026-12-31, mail:2026-12-01", TODAY) == {
        "redis": date(2026, 12, 31),
        "mail": date(2026, 12, 1),
    }
    assert acceptance.read("", TODAY) == {}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("all:2026-12-31", "names findings of the guard"),
        ("second_factor:2026-12-31", "names findings of the guard"),
        ("redis", "gives each its last day, as in redis:2026-12-30"),
        ("redis:tomorrow", "gives each its last day"),
        ("redis:2027-12-31", "ends within 90 days"),
        ("redis:2026-12-31,redis:2026-12-30", "names redis twice"),
    ],
)
def test_an_acceptance_without_name_or_end_is_refused(text: str, word: str):
    with pytest.raises(ValueError, match=word):
        acceptance.read(text, TODAY)


def test_a_wrong_acceptance_is_one_line_before_anything_starts():
    assert (started_with.wrong({"GUARD_ACCEPTS": "redis"}) or "").startswith("GUARD_ACCEPTS gives each its last day")


def test_the_settings_of_this_process_are_read():
    mine = looks.setup()
    assert mine.allowed_hosts
    assert mine.redis_url.startswith("redis://:")
    assert looks.redis_open("redis://127.0.0.1:1/0") is None
    assert looks.redis_open("unix:///nowhere") is False
    assert looks.redis_open(mine.redis_url) is False


def test_own_networks_of_proxies_are_fine():
    own = ("10.0.0.0/8", "fc00::/7", "192.0.2.1/32", "2001:db8::/32")
    assert found(replace(GOOD, proxy_networks=own), SEEN) == []


@pytest.mark.parametrize(
    "file", ["{state}/witness/heads.jsonl", "{state}/../{name}/heads.jsonl", "/dev/null", "link/h"]
)
def test_a_witness_below_the_state_is_seen_by_whatever_path(
    file: str, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "link").symlink_to(state)
    monkeypatch.chdir(tmp_path)
    settings.STATE_DIR, settings.WITNESS_FILE = state, file.format(state="state", name="state")
    mine = looks.setup()
    assert "witness" in found(replace(GOOD, witness_file=mine.witness_file, state_dir=mine.state_dir), SEEN)
    settings.WITNESS_FILE = "elsewhere/heads.jsonl"
    mine = looks.setup()
    assert found(replace(GOOD, witness_file=mine.witness_file, state_dir=mine.state_dir), SEEN) == []


def test_a_syslog_that_nobody_hears_is_no_witness(tmp_path: Path):
    assert not any(map(looks.syslog_keeps, ("", "unix:///dev/null", f"unix://{tmp_path}/nothing")))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "log"))
        assert looks.syslog_keeps(f"unix://{tmp_path}/log")
    assert looks.syslog_keeps("udp://logs.example.com:514")
