"""Signing in and out, and the navigation of every page."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.portal import make

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str, password: str = make.PASSWORD, **more: str):
    return client.post("/sign-in/", {"username": name, "password": password, **more})


def test_a_person_signs_in_and_lands_on_the_page_that_was_asked_for(client):
    make.person("ann")
    asked = client.get("/ledger/")
    assert (asked.status_code, asked.url) == (302, "/sign-in/?next=/ledger/")
    assert sign_in(client, "ann", next="/ledger/").url == "/ledger/"
    assert client.get("/ledger/").status_code == 200


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", "/\\elsewhere.example"]
)
def test_next_never_leads_to_another_host(client, target):
    make.person("ann")
    assert sign_in(client, "ann", next=target).url == "/"


def test_a_wrong_password_is_refused_without_saying_whether_the_name_exists(client):
    make.person("ann")
    wrong, unknown = sign_in(client, "ann", "no"), sign_in(client, "nobody", "no")
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    notice = "Wrong name or password"
    assert notice in wrong.text
    assert notice in unknown.text


def test_signing_out_needs_a_post(client):
    client.force_login(make.person("ann"))
    assert client.get("/sign-out/").status_code == 405
    assert client.get("/styleguide/").status_code == 200
    assert client.post("/sign-out/").url == "/sign-in/"
    assert client.get("/styleguide/").status_code == 302


def test_a_form_that_was_sent_without_a_session_leads_back_to_the_page_that_holds_it(client):
    here = "http://testserver/settings/account/?part=2"
    for referer, way in (
        (here, "/sign-in/?next=/settings/account/%3Fpart%3D2"),
        ("http://elsewhere.example/", "/sign-in/"),
        ("", "/sign-in/"),
    ):
        assert client.post("/settings/account/password/", headers={"referer": referer}).url == way


@pytest.mark.parametrize("path", ["/settings/account/password/", "/changes/1/comment/", "/runtime/replays/1/act/"])
def test_an_address_that_only_takes_forms_answers_with_a_page_that_says_so(client, path: str):
    client.force_login(make.person("ann"))
    answer = client.get(path)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "takes a form" in answer.text
    assert "Go to the inbox" in answer.text
    assert client.get(path, headers={"accept": "application/json"}).json()["code"] == "page.method"


def test_a_closed_account_does_not_get_in(client):
    make.person("ann", is_active=False)
    assert sign_in(client, "ann").status_code == 422


def test_a_page_without_a_sign_in_shows_nothing_but_the_door(client):
    answer = client.get("/no-such-page/")
    assert answer.status_code == 404
    assert "Main" not in answer.text
    assert "nav" not in answer.text.split("<body", 1)[1].split("</svg>", 1)[1]


def test_a_missing_page_says_what_to_do_and_gives_the_request_number(client):
    client.force_login(make.person("ann"))
    answer = client.get("/no-such-page/", headers={"X-Request-Id": "abc123"})
    assert answer.status_code == 404
    assert "There is nothing at /no-such-page/" in answer.text
    assert "abc123" in answer.text
    assert "Go to the inbox" in answer.text


def test_an_expired_form_is_refused_with_a_page(client):
    strict = Client(enforce_csrf_checks=True)
    strict.get("/sign-in/")
    answer = strict.post("/sign-in/", {"username": "ann", "password": "x"})
    assert answer.status_code == 403
    assert "older than your session" in answer.text


def test_a_failure_inside_shows_a_page_without_the_database(client, monkeypatch):
    client.force_login(make.person("ann"))
    client.raise_request_exception = False

    def fail() -> dict:
        raise ZeroDivisionError

    monkeypatch.setattr("portal.styleguide.samples", fail)
    answer = client.get("/styleguide/")
    assert answer.status_code == 500
    assert "This did not work" in answer.text


def test_the_navigation_marks_the_page_and_its_links_lead_somewhere(client):
    client.force_login(make.person("ann"))
    navigation = client.get("/ledger/").context["navigation"]
    links = [link for group in navigation.groups for link in group.links]
    assert [link.label for link in links if link.current] == ["Ledger"]
    for link in links:
        assert client.get(link.url).status_code in (200, 302), link.url


def test_every_page_forbids_inline_style_and_script_and_holds_none(client):
    client.force_login(make.person("ann"))
    for path in ("/styleguide/", "/ledger/", "/settings/tokens/"):
        answer = client.get(path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert " style=" not in answer.text
        assert "<style" not in answer.text
        assert not [word for word in (" onclick=", " onload=", " onchange=", " onsubmit=") if word in answer.text]
        assert "<script>" not in answer.text


def test_the_administration_has_no_door_of_its_own(client):
    assert client.get("/admin/").url == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/").url == "/sign-in/?next=/admin/"
    assert client.post("/admin/login/", {"username": "ann", "password": "x"}).status_code == 302
    client.force_login(make.person("ann"))
    assert client.get("/admin/login/").status_code == 403
    client.force_login(make.person("root", is_staff=True, is_superuser=True))
    assert client.get("/admin/").status_code == 200
