"""Authorities: one spelling, and whatever is spelled in a way that not everybody reads alike is none."""

from __future__ import annotations

import pytest

from kernel import authorities
from kernel.authorities import NoAuthority


@pytest.mark.parametrize(
    ("given", "authority"),
    [
        ("login.example.com", "https://login.example.com"),
        ("LOGIN.example.com.:443", "https://login.example.com"),
        ("login.example.com:8443", "https://login.example.com:8443"),
        ("https://login.example.com/", "https://login.example.com"),
        ("http://10.1.2.3:8000", "http://10.1.2.3:8000"),
        ("http://[FD00:0::1]:80", "http://[fd00::1]"),
        ("bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_a_host_has_one_spelling(given, authority):
    assert str(authorities.of_further_host(given)) == authority


@pytest.mark.parametrize(
    "given",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "1.2.3.4.5",
        "",
        "user:word@login.example.com",
        "login.example.com/path",
        "login.example.com?x",
        "login.example.com\\@evil.example",
        "login.example.com evil.example",
        "ftp://login.example.com",
        "login..example.com",
        "a" * 64 + ".example",
        "[fe80::1%eth0]",
        "login.example.com:99999",
        "*.example.com",
        "<region>.example.com",
    ],
)
def test_what_is_no_plain_host_is_refused_and_nothing_else_breaks(given):
    with pytest.raises(NoAuthority):
        authorities.of_further_host(given)


@pytest.mark.parametrize(
    ("given", "authority"),
    [
        ("sftp://Files.example.com/outbound", "sftp://files.example.com"),
        ("sftp://10.1.2.3:2222", "sftp://10.1.2.3:2222"),
        ("postgresql://till.example.com:5432/pos", "postgresql://till.example.com"),
        ("https://erp.example.com", "https://erp.example.com"),
    ],
)
def test_a_system_may_answer_by_other_protocols_than_http(given, authority):
    assert str(authorities.of_address(given)) == authority
    if not given.startswith("http"):
        with pytest.raises(NoAuthority):
            authorities.of_url(given)


@pytest.mark.parametrize(
    "given", ["ftp://files.example.com", "sftp://till:word@files.example.com", "sftp://", "sftp:x"]
)
def test_other_addresses_are_those_of_no_system(given):
    with pytest.raises(NoAuthority):
        authorities.of_address(given)
