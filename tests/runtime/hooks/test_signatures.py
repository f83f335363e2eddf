"""Signatures of webhooks: the examples that vendors and standards publish, and each kind of call that is not signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.http.request import HttpHeaders

from kernel.errors import Invalid
from runtime.connectors.webhook_settings import webhook_settings
from runtime.connectors.webhook_signatures import NotSigned, SentCall, key_of, verify
from runtime.profiles import profile
from sandbox import hook_signing
from sandbox.hook_signing import VENDORS, Event, secret_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URL = "https://hooks.example.com/hooks/orders-1"
PROFILED = ("shopify", "square", "adyen", "klaviyo", "commercetools", "stripe", "voucherify", "bigcommerce")
SETTINGS = {**{name: profile(name).webhook["signature"] for name in PROFILED}, "standard": {"kind": "standard"}}


def judge(signature, secrets, body, headers, *, url=URL, now=NOW):
    """As a call comes in through WSGI."""
    made = webhook_settings({"signature": signature}).signature
    lines = HttpHeaders({f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()})
    verify(made, [key_of(one, made.key_form) for one in secrets], SentCall(lines, body, url, now))


PUBLISHED = {
    "GitHub, Validating webhook deliveries": (
        {"kind": "hmac", "header": "X-Hub-Signature-256", "encoding": "hex", "prefix": "sha256="},
        "It's a Secret to Everybody",
        b"Hello, World!",
        {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        {},
    ),
    "Square, Verify and validate an event notification": (
        SETTINGS["square"],
        "asdf1234",
        b'{"hello":"world"}',
        {"x-square-hmacsha256-signature": "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og="},
        {"url": "https://example.com/webhook"},
    ),
    "Standard Webhooks, reference libraries": (
        {"kind": "standard"},
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,AAAA v2,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        {"now": datetime.fromtimestamp(1614265330 + 299, UTC)},
    ),
    "Adyen, API libraries": (
        {"kind": "adyen"},
        "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        json.dumps(
            {
                "notificationItems": [
                    {
                        "NotificationRequestItem": {
                            "additionalData": {"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
                            "amount": {"value": 1130, "currency": "EUR"},
                            "pspReference": "7914073381342284",
                            "eventCode": "AUTHORISATION",
                            "merchantAccountCode": "TestMerchant",
                            "merchantReference": "TestPayment-1407325143704",
                            "success": "true",
                        }
                    }
                ]
            }
        ).encode(),
        {},
        {},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_believed_and_with_one_bit_changed_is_not(name):
    signature, secret, body, headers, more = PUBLISHED[name]
    judge(signature, [secret], body, headers, **more)
    other = body.replace(b"o", b"0", 1) if b"o" in body else body.replace(b"2", b"3", 1)
    other = other.replace(b"1130", b"1131")
    with pytest.raises(NotSigned):
        judge(signature, [secret], other, headers, **more)


def sent(vendor: str, *, secret: str = "", url: str = URL, now: datetime = NOW):
    event = Event("evt-1", "store/order/updated", {"id": "o-1", "total": 12.5}, NOW.timestamp(), number=1)
    return VENDORS[vendor](event, secret or secret_of(vendor, "a"), url, now.timestamp())


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_vendor_is_believed_by_the_present_secret_and_by_the_one_before(vendor):
    body, headers = sent(vendor)
    new, old = secret_of(vendor, "a"), secret_of(vendor, "b")
    judge(SETTINGS[vendor], [new], body, headers)
    judge(SETTINGS[vendor], [old, new], body, headers)
    with pytest.raises(NotSigned):
        judge(SETTINGS[vendor], [old], body, headers)
    with pytest.raises(NotSigned):
        judge(SETTINGS[vendor], [], body, headers)


@pytest.mark.parametrize("vendor", sorted(set(VENDORS) - {"adyen"}))
def test_without_its_header_and_with_rubbish_in_it_nothing_is_believed(vendor):
    body, headers = sent(vendor)
    with pytest.raises(NotSigned, match=r"header|signed time"):
        judge(SETTINGS[vendor], [secret_of(vendor, "a")], body, {})
    for rubbish in ("", "x", "=" * 88, "é", "v1,", "t=,v1=", "Bearer ", "t=9" + "9" * 30 + ",v1=00", "0" * 64):
        with pytest.raises(NotSigned):
            judge(SETTINGS[vendor], [secret_of(vendor, "a")], body, dict.fromkeys(headers, rubbish))


@pytest.mark.parametrize("vendor", sorted(set(VENDORS) - {"adyen", "bigcommerce", "commercetools"}))
def test_every_byte_of_the_body_is_signed(vendor):
    body, headers = sent(vendor)
    for other in (body + b" ", body[:-1], body.replace(b"12.5", b"92.5")):
        with pytest.raises(NotSigned):
            judge(SETTINGS[vendor], [secret_of(vendor, "a")], other, headers)


@pytest.mark.parametrize("vendor", ["stripe", "standard", "klaviyo"])
@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_call_of_another_time_is_stale_and_its_time_cannot_be_changed(vendor, late):
    body, headers = sent(vendor)
    judge(SETTINGS[vendor], [secret_of(vendor, "a")], body, headers, now=NOW + timedelta(seconds=299))
    with pytest.raises(NotSigned, match="more than 300 s"):
        judge(SETTINGS[vendor], [secret_of(vendor, "a")], body, headers, now=NOW + late)
    old, new = str(int(NOW.timestamp())), str(int((NOW + late).timestamp()))
    moved = {name: value.replace(old, new) for name, value in headers.items()}
    with pytest.raises(NotSigned, match="another secret"):
        judge(SETTINGS[vendor], [secret_of(vendor, "a")], body, moved, now=NOW + late)


def test_a_call_to_another_address_is_not_believed_where_the_address_is_signed():
    body, headers = sent("square", url="https://hooks.example.com/hooks/of-another-shop")
    with pytest.raises(NotSigned):
        judge(SETTINGS["square"], [secret_of("square", "a")], body, headers)


def test_one_item_without_a_signature_is_no_reason_to_believe_the_others():
    body, _ = sent("adyen")
    document = json.loads(body)
    bare = {"NotificationRequestItem": {"pspReference": "1", "eventCode": "REFUND", "success": "true"}}
    document["notificationItems"].append(bare)
    for other in (document, {"notificationItems": []}, {"notificationItems": "x"}, {}, [], {"notificationItems": [7]}):
        with pytest.raises(NotSigned):
            judge(SETTINGS["adyen"], [secret_of("adyen", "a")], json.dumps(other).encode(), {})


def test_a_second_item_that_was_changed_is_no_reason_to_believe_the_first():
    document, other = json.loads(sent("adyen")[0]), json.loads(sent("adyen")[0])
    other["notificationItems"][0]["NotificationRequestItem"]["amount"]["value"] = 999
    document["notificationItems"] += other["notificationItems"]
    with pytest.raises(NotSigned, match="other content"):
        judge(SETTINGS["adyen"], [secret_of("adyen", "a")], json.dumps(document).encode(), {})


def test_a_name_twice_in_an_item_is_not_believed_for_it_is_not_clear_what_was_signed():
    body, _ = sent("adyen")
    twice = body.replace(b'"success": "true"', b'"success": "true", "pspReference": "evt-1"')
    with pytest.raises(NotSigned):
        judge(SETTINGS["adyen"], [secret_of("adyen", "a")], twice, {})


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"signature": {"kind": "hmac", "header": "X", "over": ["url"]}}, "/signature/over"),
        ({"signature": {"kind": "hmac", "header": "X", "over": ["body", "query"]}}, "/signature/over/1"),
        ({"signature": {"kind": "hmac", "header": "X", "time": "X-Time"}}, "/signature/time"),
        ({"signature": {"kind": "hmac", "header": "X Y"}}, "/signature/header"),
        ({"signature": {"kind": "none"}}, "/signature/kind"),
        ({"signature": {"kind": "standard"}, "id": "a["}, "/id"),
        ({"signature": {"kind": "standard"}, "items": "map(&a, b)"}, "/items"),
        ({"signature": {"kind": "standard"}, "add": {"a b": "c"}}, "/add/a b"),
        ({"signature": {"kind": "standard"}, "answer": "ok\r\nX: y"}, "/answer"),
        ({"signature": {"kind": "standard"}, "secret": "x"}, "/secret"),
        ({}, ""),
    ],
)
def test_settings_that_would_believe_too_much_are_refused_with_their_place(settings, pointer):
    with pytest.raises(Invalid) as refused:
        webhook_settings(settings)
    assert refused.value.findings[0]["pointer"] == pointer


def test_what_profiles_say_of_webhooks_can_be_read():
    from runtime.profiles import profiles

    with_hooks = [name for name, one in profiles().items() if one.webhook]
    assert set(PROFILED) <= set(with_hooks)
    for name in with_hooks:
        webhook_settings(profile(name).webhook)
    assert hook_signing.VENDORS
