"""Tokens of systems in the database: one worker renews for all, and what a vendor gives is kept before it is used."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.test import override_settings

from runtime.connectors.held_tokens import HeldToken
from runtime.connectors.protocols import Retriable
from runtime.ledger.connections import connected
from runtime.models import SharedToken
from runtime.services import shared_tokens
from runtime.services.shared_tokens import SharedTokens

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "a" * 64


def give(access: str, refresh: str = "", lifetime: float = 3600.0) -> Any:
    return lambda held: HeldToken.of(access, lifetime, refresh)


def test_a_token_of_one_worker_is_that_of_all_and_stands_in_the_database_sealed() -> None:
    made = SharedTokens().renewed(NAME, "", give("very-secret-access", "very-secret-refresh"))
    assert SharedTokens().held(NAME) == made
    stored = SharedToken.objects.get(name=NAME)
    assert "very-secret" not in stored.sealed
    assert stored.claimed_until is None
    assert SharedTokens().held("b" * 64) is None


def test_a_sealed_token_is_bound_to_its_name() -> None:
    SharedTokens().renewed(NAME, "", give("one"))
    SharedToken.objects.create(name="b" * 64, sealed=SharedToken.objects.get(name=NAME).sealed)
    assert SharedTokens().held("b" * 64) is None


def test_with_another_key_it_is_as_if_there_were_no_token() -> None:
    SharedTokens().renewed(NAME, "", give("one"))
    with override_settings(SECRET_KEY="another key that is long enough for this", SECRET_KEY_FALLBACKS=[]):
        assert SharedTokens().held(NAME) is None
        assert SharedTokens().renewed(NAME, "", give("two")).access == "two"


def test_of_many_workers_that_find_a_token_refused_one_renews_it() -> None:
    SharedTokens().renewed(NAME, "", give("old", "r0"))
    asked, found, all_there = [], [], threading.Barrier(5)

    def fetch(held: HeldToken | None) -> HeldToken:
        assert held is not None
        asked.append(held.refresh)
        return HeldToken.of("new", 3600, "r1")

    def worker() -> None:
        all_there.wait(10)
        found.append(SharedTokens().renewed(NAME, "old", fetch).access)

    threads = [threading.Thread(target=worker) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert found == ["new"] * 5
    assert asked == ["r0"]


def test_a_token_renewed_between_a_workers_look_and_its_claim_is_not_renewed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SharedTokens().renewed(NAME, "", give("old", "r0"))
    claim = shared_tokens._claim

    def late_claim(conn: Any, name: str) -> bool:
        monkeypatch.setattr(shared_tokens, "_claim", claim)
        assert SharedTokens().renewed(NAME, "old", give("new", "r1")).access == "new"
        return claim(conn, name)

    monkeypatch.setattr(shared_tokens, "_claim", late_claim)
    assert SharedTokens().renewed(NAME, "old", give("a second grant")).access == "new"
    assert SharedToken.objects.get(name=NAME).claimed_until is None


def test_while_one_renews_the_others_use_the_token_that_is_still_valid() -> None:
    SharedTokens().renewed(NAME, "", give("old", lifetime=0.0))
    valid = HeldToken("old", 0.0, HeldToken.of("x", 3600).ends_at)
    shared_tokens._store(NAME, valid)
    with connected() as conn:
        assert shared_tokens._claim(conn, NAME)
    assert SharedTokens().renewed(NAME, "", give("nobody asks")).access == "old"


def test_where_no_token_serves_a_worker_waits_and_then_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_tokens, "WAIT", 0.3)
    with connected() as conn:
        assert shared_tokens._claim(conn, NAME)
    with pytest.raises(Retriable, match="another worker"):
        SharedTokens().renewed(NAME, "", give("nobody asks"))


def test_a_worker_that_was_killed_while_it_renewed_keeps_the_others_for_a_minute_alone() -> None:
    with connected() as conn:
        assert shared_tokens._claim(conn, NAME)
        conn.execute("update runtime_sharedtoken set claimed_until = now() - interval '1 second'")
    assert SharedTokens().renewed(NAME, "", give("new")).access == "new"


def test_a_grant_that_fails_leaves_the_token_to_the_next_one_at_once() -> None:
    SharedTokens().renewed(NAME, "", give("old", "r0"))

    def refuse(held: HeldToken | None) -> HeldToken:
        raise Retriable("the server of tokens is away")

    with pytest.raises(Retriable, match="away"):
        SharedTokens().renewed(NAME, "old", refuse)
    held = SharedTokens().held(NAME)
    assert held is not None
    assert held.refresh == "r0"
    assert SharedTokens().renewed(NAME, "old", give("new")).access == "new"


def test_a_token_that_cannot_be_kept_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_tokens, "_PAUSE", 0.0)

    def fetch(held: HeldToken | None) -> HeldToken:
        with connected() as conn:
            conn.execute("alter table runtime_sharedtoken rename to runtime_sharedtoken_away")
        return HeldToken.of("new", 3600, "r1")

    try:
        with pytest.raises(Retriable, match="cannot be kept"):
            SharedTokens().renewed(NAME, "", fetch)
    finally:
        with connected() as conn:
            conn.execute("alter table runtime_sharedtoken_away rename to runtime_sharedtoken")


def test_what_nobody_has_renewed_for_long_goes() -> None:
    SharedTokens().renewed(NAME, "", give("one"))
    with connected() as conn:
        conn.execute("update runtime_sharedtoken set updated_at = now() - interval '401 days'")
    SharedTokens().renewed("b" * 64, "", give("two"))
    assert list(SharedToken.objects.values_list("name", flat=True)) == ["b" * 64]
