"""Networks: where this product may connect to, whatever name or spelling led there.

Some addresses are nobody's system: link-local ones, behind which the metadata of a cloud's machines and their
credentials are, and those that stand for many or for none. Nothing ever connects to them. What lies on this machine or
in a private network is reached where a setting says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("169.254.0.0/16", "fe80::/10"),  # link-local; metadata of AWS, Azure, Google, Oracle, OpenStack
        *("fd00:ec2::/32", "fd20:ce::254/128"),  # metadata of AWS and Google over IPv6
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),  # of Alibaba, Azure, Oracle
        *("0.0.0.0/8", "::/128"),  # this machine, by another name
        *("224.0.0.0/4", "ff00::/8", "240.0.0.0/4"),  # many, or none
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """How far calls of one kind go, beside the public Internet: `private loopback 10.1.0.0/16`."""

    private: bool = False
    loopback: bool = False
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> Reach:
        """Raises ValueError, whose text says what is none."""
        words = text.replace(",", " ").split()
        networks = []
        for word in words:
            if word in ("private", "loopback"):
                continue
            try:
                networks.append(ipaddress.ip_network(word))
            except ValueError:
                raise ValueError(
                    f"{word!r} is neither private nor loopback nor a network such as 10.1.0.0/16"
                ) from None
        return cls("private" in words, "loopback" in words, tuple(networks))

    def refusal(self, address: str) -> str:
        """Why nothing is connected to this address; empty where it may be."""
        for one in _meant(ipaddress.ip_address(address)):
            if any(one in network for network in _NEVER):
                return "is an address of no system (link-local, metadata, multicast), to which nothing connects"
            if any(one in network for network in self.networks):
                continue
            if one.is_loopback:
                if not self.loopback:
                    return "is on this machine, which no setting allows"
            elif not one.is_global and not self.private:
                return "is in a private network, which no setting allows"
        return ""


def _meant(address: Address) -> Iterator[Address]:
    """The address itself, or those of IPv4 that it carries: packets go there in the end."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    elif any(address in network for network in _NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    elif address in _COMPATIBLE and int(address) > 1:
        yield ipaddress.IPv4Address(int(address))
    else:
        yield address
