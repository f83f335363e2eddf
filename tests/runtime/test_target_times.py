"""Where a target's settle time and the life of its keys come from, and what a replay of forgotten keys is answered."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.errors import Conflict, Invalid
from runtime.domain import manifest as manifests
from runtime.domain.vendor_times import DEFAULT_KEY_KEPT, DEFAULT_SETTLE, key_protects_for
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.models import TargetSubscription
from runtime.services import replays, target_times
from tests.runtime.make import Flow

REST = {"path": "/orders", "method": "POST", "idempotency": "K", "idempotency_header": "Idempotency-Key"}
LOOKUP = {"path": "/orders:lookup", "references": "references", "business_reference": "{number}"}


def manifest(**target: Any) -> manifests.Manifest:
    return manifests.load(data(**target))


def data(**target: Any) -> dict[str, Any]:
    plain = {
        "name": "store",
        "system": "shop",
        "mapping": {"mapping": "m", "version": "1", "fields": []},
        "writes": [],
        "idempotency": "K",
        "connection": {"protocol": "rest", "settings": REST},
        "ask_by": "idempotency_key",
    }
    return {
        "integration": "i",
        "title": "I",
        "domain": "sales",
        "owner": "o",
        "tier": 2,
        "sources": [{"name": "s", "system": "pos"}],
        "event": {"name": "sale", "meaning": "fact", "key": "/id"},
        "targets": [plain | target],
    }


def test_a_new_target_of_class_k_says_how_long_its_vendor_keeps_keys() -> None:
    (found,) = target_times.missing_key_kept(manifest())
    assert (found["pointer"], found["code"]) == ("/targets/0/key_kept", "key_kept.missing")
    assert target_times.missing_key_kept(manifest(key_kept=DEFAULT_KEY_KEPT)) == []
    by_profile = {"protocol": "rest", "profile": "adyen"}
    assert target_times.missing_key_kept(manifest(connection=by_profile)) == []
    assert target_times.missing_key_kept(manifest(idempotency="N")) == []


def test_the_manifest_goes_before_the_profile_and_the_profile_before_the_product() -> None:
    loyalty = {"protocol": "rest", "profile": "loyalty"}
    times = target_times.held_by_subscription
    assert times(manifest(connection=loyalty).targets[0]) == {"settle": 5.0, "key_kept": 86_400.0, "deadline": 5.0}
    own = manifest(connection=loyalty, settle=7.0, key_kept=600.0, deadline=40.0).targets[0]
    assert times(own) == {"settle": 7.0, "key_kept": 600.0, "deadline": 40.0}
    assert times(manifest(deadline=50.0).targets[0]) == {"settle": 100.0, "key_kept": None, "deadline": 50.0}
    assert DEFAULT_SETTLE == 30.0


def test_where_older_states_change_nothing_nothing_waits_unless_the_manifest_says_so() -> None:
    def settle(versioned: bool = True, **target: Any) -> float | None:
        lookup = {"path": "/prices:lookup", "versioned": versioned}
        connection = {"protocol": "rest", "settings": {"path": "/prices", "method": "PUT", "lookup": lookup}}
        one = manifest(**{"connection": connection, "idempotency": "N", **target}).targets[0]
        return target_times.held_by_subscription(one)["settle"]

    assert settle() == 0.0
    assert settle(versioned=False) == 30.0
    assert settle(settle=12.0) == 12.0
    assert settle(idempotency="L") == 30.0, "a second one of these is a second effect"
    by_profile = {"protocol": "rest", "profile": "store-server"}
    assert settle(connection=by_profile) == 0.0


def test_only_a_target_that_relies_on_keys_says_how_long_they_are_kept() -> None:
    connected = {"api": "shop@v1", "contract": "sha256:" + "a" * 64, "key_kept": 600.0, "idempotency": "N"}
    with pytest.raises(Invalid) as refused:
        manifests.parse(data(**connected, writes=[{"entity": "sale", "kind": "command"}]))
    assert "/targets/0/key_kept" in {one["pointer"] for one in refused.value.data["findings"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("lookup", "refused"), [(None, 3), (LOOKUP, 0)])
def test_a_replay_of_forgotten_keys_is_refused_unless_a_business_reference_can_tell(
    ledger: Connection, lookup: Any, refused: int
) -> None:
    flow = Flow(ledger, lanes=1)
    settings = REST | ({"lookup": lookup} if lookup else {})
    flow.deploy(data(connection={"protocol": "rest", "settings": settings}) | {"integration": flow.key})
    made = flow.subscribe(idempotency="K", key_kept=600.0)
    append(ledger, flow.ref, [flow.item(f"k{i}") for i in range(5)])
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute(
            "update runtime_message set received_at = received_at - make_interval(secs => %s) where position <= 3",
            (key_protects_for(600.0, 5.0, 0.0) + 1.0,),
        )
    target = TargetSubscription.objects.select_related("deployment__release").get(pk=made)
    assert replays.forgotten(target, {0: (1, 5)}) == refused
    if refused:
        with pytest.raises(Conflict, match="for 3 of these messages"):
            replays.open_replay(made, spans={0: (1, 5)}, dry=False, pace=None, actor=None, reason="again")
    else:
        assert replays.open_replay(made, spans={0: (1, 5)}, dry=False, pace=None, actor=None, reason="again").key_kept
