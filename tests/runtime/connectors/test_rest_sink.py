"""The REST sink against three emulators: sales posting (natural keys), loyalty (kept keys), store servers
(versions)."""

import itertools
import json

import pytest
from msgspec.structs import replace

from kernel.errors import Invalid
from runtime.connectors.protocols import OutboundMessage, Refused, Retriable, Unknown
from runtime.connectors.registry import open_decision, open_sink
from runtime.profiles import profile
from tests.runtime.connectors.conformance import SinkConformance, call
from tests.runtime.connectors.server import Server

NUMBER = itertools.count(1)


class TestSalesPosting(SinkConformance):
    @pytest.fixture
    def make(self, calm):
        return lambda: open_sink("rest", profile("retail-sales").connection({"base_url": calm.erp.url}))

    @pytest.fixture
    def circumstances(self, calm):
        return call({"user": "TILLGATE", "password": "sandbox"})

    @pytest.fixture
    def wrong(self):
        return call({"user": "TILLGATE", "password": "not-the-password"})

    @pytest.fixture
    def fault(self, calm):
        return calm.erp.fault

    @pytest.fixture
    def item(self):
        def make_item(quantity="1"):
            key = f"1001/1/2026-03-02/{next(NUMBER)}"
            sale = {
                "store": "1001",
                "till": "1",
                "total": "2.50",
                "lines": [{"item": "TG11", "quantity": quantity, "amount": "2.50"}],
            }
            return OutboundMessage(key, key, json.dumps(sale).encode(), correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item):
        return item(quantity="0")

    @pytest.fixture
    def journal(self, calm):
        return lambda items: [e for e in calm.erp.journal() if e.key in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal):
        return lambda items: [len(journal([i])) for i in items]

    def test_a_cut_in_the_middle_of_a_batch_leaves_every_item_unknown_until_asked(
        self, sink, circumstances, item, fault, effects
    ):
        items = [item() for _ in range(5)]
        fault("cut_prefix", items=2, next=1)
        assert [o.status for o in sink.write(items, call=circumstances)] == ["unknown"] * 5
        found = sink.ask([i.key for i in items], call=circumstances)
        assert [found[i.key] is not None for i in items] == [True, True, False, False, False]
        missing = [i for i in items if found[i.key] is None]
        assert [o.status for o in sink.write(missing, call=circumstances)] == ["confirmed"] * 3
        assert effects(items) == [1] * 5

    def test_the_same_key_with_other_content_is_refused_for_good(self, sink, circumstances, item):
        one = item()
        sink.write([one], call=circumstances)
        other = replace(one, body=one.body.replace(b"2.50", b"9.99"))
        outcome = sink.write([other], call=circumstances)[0]
        assert (outcome.status, outcome.retriable) == ("refused", False)


class TestLoyalty(SinkConformance):
    @pytest.fixture
    def make(self, calm):
        path = "/v1/loyalty_programs/club/transactions:batch"
        settings = {"base_url": calm.loyalty.url, "path": path, "lookup": {"path": path.replace(":batch", ":lookup")}}
        return lambda: open_sink("rest", profile("loyalty").connection(settings))

    @pytest.fixture
    def circumstances(self, calm):
        return call({"key": "sandbox"})

    @pytest.fixture
    def wrong(self):
        return call({"key": "not-the-key-at-all"})

    @pytest.fixture
    def fault(self, calm):
        return calm.loyalty.fault

    @pytest.fixture
    def item(self):
        def make_item(points="5"):
            key = f"earn-{next(NUMBER)}"
            body = {"profileId": "member-1", "type": "earn", "points": points, "reference": key}
            return OutboundMessage(key, key, json.dumps(body).encode(), correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item):
        return item(points="-1")

    @pytest.fixture
    def journal(self, calm):
        return lambda items: [e for e in calm.loyalty.journal() if e.key in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal):
        return lambda items: [len(journal([i])) for i in items]


class TestStoreServer(SinkConformance):
    @pytest.fixture
    def store(self):
        return "1"

    @pytest.fixture
    def make(self, calm, store):
        path = f"/stores/{store}/v1/prices"
        settings = {"base_url": calm.stores.url, "path": path, "lookup": {"path": f"{path}:lookup"}}
        return lambda: open_sink("rest", profile("store-server").connection(settings))

    @pytest.fixture
    def circumstances(self, calm):
        return call()

    @pytest.fixture
    def wrong(self):
        return None

    @pytest.fixture
    def fault(self, calm):
        return calm.stores.fault

    @pytest.fixture
    def item(self):
        def make_item(price="2.50", version=3):
            name = f"P{next(NUMBER)}"
            body = {"id": name, "version": version, "price": price, "currency": "EUR"}
            return OutboundMessage(f"{name}@{version}", name, json.dumps(body).encode(), correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item):
        return item(price="-1")

    @pytest.fixture
    def journal(self, calm, store):
        def entries(items):
            wanted = {f"{store}/price/{i.key}" for i in items}
            return [e for e in calm.stores.journal() if e.key in wanted]

        return entries

    @pytest.fixture
    def effects(self, journal):
        return lambda items: [len(journal([i])) for i in items]

    def test_an_older_version_is_confirmed_and_changes_nothing(self, sink, circumstances, item, effects):
        new = item(version=9)
        old = replace(new, key=new.key.replace("@9", "@8"), body=new.body.replace(b'"version": 9', b'"version": 8'))
        outcomes = sink.write([new], call=circumstances) + sink.write([old], call=circumstances)
        assert [(o.status, o.code) for o in outcomes] == [("confirmed", "applied"), ("confirmed", "stale")]
        assert effects([new, old]) == [1, 0]

    def test_a_newer_version_held_answers_for_the_older(self, sink, circumstances, item):
        one = item(version=5)
        sink.write([one], call=circumstances)
        older, newer = one.key.replace("@5", "@4"), one.key.replace("@5", "@6")
        assert sink.ask([older, newer], call=circumstances) == {older: one.key, newer: None}

    def test_a_store_that_is_offline_is_retriable_or_unknown_and_nothing_arrives(
        self, calm, sink, store, circumstances, item, effects
    ):
        one = item()
        calm.stores.control(offline=[store])
        try:
            assert [o.status for o in sink.write([one], call=circumstances)] == ["unknown"]
        except Retriable:
            pass
        finally:
            calm.stores.control(offline=False)
        assert effects([one]) == [0]
        assert [o.status for o in sink.write([one], call=circumstances)] == ["confirmed"]


def single(server, **more):
    return open_sink(
        "rest",
        {"base_url": server.url, "path": "pay", "idempotency": "K", "idempotency_header": "Idempotency-Key", **more},
    )


def items(count=1):
    return [OutboundMessage(f"k{n}", f"i{n}", b'{"amount":"1.00"}', correlation_id="c") for n in range(count)]


def test_the_key_goes_into_the_header_and_stays_the_same_over_attempts():
    with Server(lambda seen: (201, {}, {"id": 7})) as server:
        sink = single(server)
        sink.write(items(), call=call())
        sink.write(items(), call=call())
        sink.close()
        assert [s.headers["idempotency-key"] for s in server.seen] == ["i0", "i0"]


def test_the_key_goes_into_the_body_without_touching_the_rest_of_it():
    with Server(lambda seen: (200, {}, {"id": 7})) as server:
        sink = single(server, idempotency_header=None, idempotency_field="idempotency_key", correlation_field="ref")
        sink.write(
            [
                OutboundMessage("k", "i", b' {"amount":1.50,"x":{}} '),
                OutboundMessage("k", "i", b"{}", correlation_id="c"),
            ],
            call=call(),
        )
        sink.close()
        assert server.seen[0].body == b'{"idempotency_key":"i","amount":1.50,"x":{}} '
        assert server.seen[1].json() == {"idempotency_key": "i", "ref": "c"}


def test_after_busy_the_rest_of_the_batch_is_not_sent_and_comes_back_retriable():
    answers = iter([(201, {}, {"id": 1}), (429, {"Retry-After": "4"}, {}), (500, {}, {})])
    with Server(lambda seen: next(answers)) as server:
        sink = single(server)
        outcomes = sink.write(items(3), call=call())
        sink.close()
        assert len(server.seen) == 2
    assert [(o.status, o.retry_after) for o in outcomes] == [("confirmed", None), ("refused", 4.0), ("refused", 4.0)]


def test_server_errors_after_a_write_are_unknown_and_client_errors_are_refused():
    for status, expected in ((500, "unknown"), (502, "unknown"), (504, "unknown"), (400, "refused"), (422, "refused")):
        with Server(lambda seen, s=status: (s, {}, {"code": "E1", "message": "no"})) as server:
            sink = single(server)
            assert [o.status for o in sink.write(items(), call=call())] == [expected], status
            sink.close()


def test_a_conflict_that_means_wait_is_retriable_where_the_profile_says_so():
    with Server(lambda seen: (409, {"Retry-After": "2"}, {"message": "session is open"})) as server:
        sink = single(server, busy_status=[409])
        outcome = sink.write(items(), call=call())[0]
        sink.close()
    assert (outcome.retriable, outcome.retry_after) == (True, 2.0)


def test_a_status_that_nobody_declared_is_unknown():
    batch = {"items": "items", "results": "results", "confirmed": ["ok"], "refused": ["bad"]}
    with Server(
        lambda seen: (
            200,
            {},
            {"results": [{"status": "ok", "id": 1}, {"status": "maybe"}, {"status": "bad", "message": "m"}]},
        )
    ) as server:
        sink = single(server, batch=batch)
        assert [o.status for o in sink.write(items(3), call=call())] == ["confirmed", "unknown", "refused"]
        assert [o.status for o in sink.write(items(2), call=call())] == ["unknown", "unknown"], (
            "the number of results does not fit"
        )
        sink.close()


def test_results_are_matched_by_key_where_the_vendor_gives_one():
    batch = {"results": "results", "key": "key", "confirmed": ["ok"]}
    with Server(
        lambda seen: (
            200,
            {},
            {"results": [{"key": "k1", "status": "ok", "id": "B"}, {"key": "k0", "status": "ok", "id": "A"}]},
        )
    ) as server:
        sink = single(server, batch=batch)
        assert [(o.key, o.reference, o.status) for o in sink.write(items(3), call=call())] == [
            ("k0", "A", "confirmed"),
            ("k1", "B", "confirmed"),
            ("k2", None, "unknown"),
        ]
        sink.close()


def test_no_lookup_means_that_a_person_decides():
    with Server(lambda seen: (200, {}, {})) as server:
        sink = single(server)
        with pytest.raises(Refused, match="decided by a person"):
            sink.ask(["k"], call=call())
        sink.close()


def test_classes_need_what_they_promise():
    with pytest.raises(Invalid, match="idempotency_header"):
        open_sink("rest", {"base_url": "http://x", "path": "p", "idempotency": "K"})
    with pytest.raises(Invalid, match="lookup"):
        open_sink("rest", {"base_url": "http://x", "path": "p", "idempotency": "L"})


def test_an_oauth_token_is_kept_and_fetched_anew_when_it_is_refused():
    tokens = iter(["one", "two"])

    def answer(seen):
        if seen.path == "/token":
            return 200, {}, {"access_token": next(tokens), "expires_in": 3600}
        return (
            (201, {}, {"id": 1})
            if seen.headers["authorization"] != "Bearer one" or len(server.seen) < 4
            else (401, {}, {})
        )

    with Server(answer) as server:
        auth = {"kind": "oauth2_client_credentials", "token_url": f"{server.url}/token", "scope": "s"}
        sink = single(server, auth=auth)
        good = call({"client_id": "me", "client_secret": "very-secret"})
        for _ in range(3):
            assert sink.write(items(), call=good)[0].status == "confirmed"
        sink.close()
        assert [s.path for s in server.seen] == ["/token", "/pay", "/pay", "/pay", "/token", "/pay"]
        assert b"very-secret" in server.seen[0].body


def test_a_decision_is_asked_once():
    with Server(lambda seen: (503, {"Retry-After": "1"}, {})) as server:
        decision = open_decision("rest", {"base_url": server.url, "path": "/tax"})
        with pytest.raises(Unknown):
            decision.decide(b"{}", call=call())
        assert len(server.seen) == 1
        server.answer = lambda seen: (200, {}, {"tax": "1.90"})
        assert json.loads(decision.decide(b'{"q":1}', call=call())) == {"tax": "1.90"}
        decision.close()


def test_a_vendor_that_has_forgotten_the_key_is_asked_by_the_business_reference(calm):
    sink = open_sink(
        "rest",
        profile("loyalty").connection(
            {
                "base_url": calm.loyalty.url,
                "path": "/v1/loyalty_programs/main/transactions:batch",
                "lookup": {"path": "/v1/loyalty_programs/main/transactions:lookup"},
            }
        ),
    )
    number = next(NUMBER)
    body = {"profileId": f"M-{number}", "type": "earn", "points": "2", "reference": f"R-{number}"}
    one = OutboundMessage(f"k-{number}", f"k-{number}", json.dumps(body).encode())
    there = call({"key": "sandbox"})
    assert [o.status for o in sink.write([one], call=there)] == ["confirmed"]
    calm.loyalty.control(advance_seconds=90_000)
    assert sink.ask([one.key], call=there) == {one.key: None}, "after a day the key is forgotten"
    found = sink.ask([f"R-{number}", "R-never"], call=there, by="reference")
    sink.close()
    assert found[f"R-{number}"]
    assert found["R-never"] is None
    assert sink.business_reference == "{reference}"
