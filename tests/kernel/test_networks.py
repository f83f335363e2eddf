"""Where the product connects to: never to what stands for no system, and to the near networks only where a setting
says so."""

from __future__ import annotations

import pytest

from kernel.networks import Reach

EVERYWHERE = Reach.of("private loopback")
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::a9fe:a9fe",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
]
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"]
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]


@pytest.mark.parametrize("address", NEVER)
def test_addresses_of_no_system_are_reached_by_no_setting(address):
    for reach in (Reach(), EVERYWHERE, Reach.of("169.254.0.0/16 fe80::/10 0.0.0.0/0 ::/0")):
        assert "of no system" in reach.refusal(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_are_reached_where_a_setting_says_so(address):
    assert "private network" in Reach().refusal(address)
    assert "private network" in Reach.of("loopback").refusal(address)
    assert Reach.of("private").refusal(address) == ""


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine_is_reached_where_a_setting_says_so(address):
    assert "this machine" in Reach.of("private").refusal(address)
    assert Reach.of("loopback").refusal(address) == ""


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_reached(address):
    assert Reach().refusal(address) == ""


def test_single_networks_are_named_and_what_is_none_is_said():
    reach = Reach.of("10.1.0.0/16, 127.0.0.9")
    assert reach.refusal("10.1.2.3") == reach.refusal("127.0.0.9") == ""
    assert reach.refusal("10.2.0.1")
    assert reach.refusal("127.0.0.1")
    for wrong in ("internal", "10.1.2.3/16", "0x7f000001"):
        with pytest.raises(ValueError, match="neither private nor loopback"):
            Reach.of(wrong)
