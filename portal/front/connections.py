"""Which connections a web process keeps. granian counts a connection for as long as it is open, whatever it does, and
closes none that has never sent anything. So those that have not asked, that are too many of one address, or that do
nothing while places get rare, are closed from here.

See docs/reference/time-limits.md and decision 26.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import resource
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

from kernel import measures
from portal.front.proxies import Proxies

log = logging.getLogger(__name__)
PLACES = 8192  # of one process: granian's --backpressure; the next connection waits in the kernel
KEPT_FREE = 1024  # of them, for who comes next: health, too
PER_ADDRESS = 1024
FIRST_SECONDS = 10.0  # for the first request of a connection to have all its headers
IDLE_SECONDS = 60.0  # after the last answer; HTTP/1 connections end after 30 s, by granian itself
LOOK_SECONDS = 0.5
SAID_SECONDS = 60.0
OPEN = measures.gauge("web_connections", "Connections that clients have open to web processes.")
CLOSED = measures.counter(
    "web_closed_connections",
    "Connections that were closed: silent (no request in time), idle, address (too many of one), crowd (places rare).",
    ["reason"],
)


class Peer(NamedTuple):
    """The other end of a connection."""

    host: str
    port: int


class OpenSocket(NamedTuple):
    """`inode` is another one for each connection, however numbers and ports are used again."""

    file: int
    inode: int


def files() -> list[int]:
    """What this process has open."""
    return [int(name) for name in os.listdir("/dev/fd")]


def places() -> int:
    """How many connections there can be: files are limited, too."""
    return min(PLACES, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)


def per_address_of(given: str, *, proxies: Proxies) -> int:
    """WEB_CONNECTIONS_PER_ADDRESS; unless it is set, there is no limit behind a proxy, whose address all share."""
    if given and not re.fullmatch(r"0|[1-9]\d{0,5}", given):
        raise ImproperlyConfigured(f"WEB_CONNECTIONS_PER_ADDRESS: {given!r} is not a number from 0 (no limit).")
    return int(given) if given else 0 if proxies else PER_ADDRESS


def peer_of(address: object) -> Peer | None:
    """From what the web server or the kernel says; None where there is no address (a Unix socket)."""
    if not isinstance(address, tuple | list) or len(address) < 2 or not address[1]:
        return None
    return Peer(str(address[0]).removeprefix("::ffff:"), int(address[1]))


@dataclass(slots=True)
class Connections:
    """Requests are told by the event loop; `look` is called by one thread."""

    per_address: int = PER_ADDRESS
    """0: no limit, because a proxy stands in front."""
    most: int = field(default_factory=lambda: max(1, places() - min(KEPT_FREE, places() // 8)))
    busy: Counter[Peer] = field(default_factory=Counter)
    asked: dict[Peer, float] = field(default_factory=dict)
    _since: dict[int, float] = field(default_factory=dict)
    _peers: dict[int, Peer | None] = field(default_factory=dict)
    _said: float = float("-inf")

    def begins(self, peer: Peer | None) -> None:
        if peer is not None:
            self.busy[peer] += 1

    def ends(self, peer: Peer | None) -> None:
        if peer is None:
            return
        self.asked[peer] = time.monotonic()
        self.busy[peer] -= 1
        if not self.busy[peer]:
            del self.busy[peer]

    def look(self, now: float) -> dict[Peer, str]:
        """Close what is to be closed, and answer whose, and why."""
        asked = list(self.asked)  # before the look at what is open: who is in this list and not open has gone
        present = self._present(now)
        OPEN.set(len(present))
        for peer in asked:
            if peer not in present:
                self.asked.pop(peer, None)
        chosen = self.chosen({peer: self._since[one.inode] for peer, one in present.items()}, now)
        for peer, reason in chosen.items():
            _shut(present[peer].file, peer)
            CLOSED.labels(reason).inc()
        if chosen and now - self._said >= SAID_SECONDS:
            self._said = now
            (host, count), *_ = Counter(peer.host for peer in chosen).most_common(1)
            log.warning("connections closed: %s; most are of %s (%d)", dict(Counter(chosen.values())), host, count)
        return chosen

    def chosen(self, present: Mapping[Peer, float], now: float) -> dict[Peer, str]:
        """Which of these, that are open since these moments, are to be closed. Who has no request under way goes
        first, and of those who has done nothing for longest."""
        found: dict[Peer, str] = {}
        for peer, since in present.items():
            if peer in self.busy:
                continue
            last = self.asked.get(peer)
            if last is None and now - since >= FIRST_SECONDS:
                found[peer] = "silent"
            elif last is not None and now - last >= IDLE_SECONDS:
                found[peer] = "idle"
        if self.per_address:
            counts = Counter(peer.host for peer in present if peer not in found)
            for host, count in counts.items():
                if count > self.per_address:
                    own = [peer for peer in present if peer.host == host and peer not in found]
                    ranked = sorted(own, key=lambda peer: self._rank(peer, present[peer]))
                    excess = ranked[: count - self.per_address]
                    if len(present) <= self.most:  # who has only just come may be about to ask
                        excess = [peer for peer in excess if present[peer] < now]
                    found |= dict.fromkeys(excess, "address")
        over = len(present) - len(found) - self.most
        if over > 0:
            idle = [peer for peer in present if peer not in found and peer not in self.busy]
            ranked = sorted(idle, key=lambda peer: self._rank(peer, present[peer]))
            found |= dict.fromkeys(ranked[:over], "crowd")
        return found

    def _rank(self, peer: Peer, since: float) -> tuple[bool, bool, float]:
        """Sorts first who has asked for nothing yet, last who has a request under way; of those the newest first."""
        if peer in self.busy:
            return (True, True, -since)
        last = self.asked.get(peer)
        return (False, last is not None, since if last is None else last)

    def _present(self, now: float) -> dict[Peer, OpenSocket]:
        found: dict[int, int] = {}
        for file in files():
            with contextlib.suppress(OSError):
                about = os.fstat(file)
                if stat.S_ISSOCK(about.st_mode):
                    found[about.st_ino] = file
        if found.keys() - self._peers.keys():
            self._learn(found)
        self._peers = {inode: peer for inode, peer in self._peers.items() if inode in found}
        open_now = {peer: OpenSocket(found[inode], inode) for inode, peer in self._peers.items() if peer is not None}
        self._since = {one.inode: self._since.get(one.inode, now) for one in open_now.values()}
        return open_now

    def _learn(self, found: Mapping[int, int]) -> None:
        """What is connected to a port on which this process listens is a client's; all else is our own."""
        ports: set[int] = set()
        new: dict[int, tuple[int, Peer | None]] = {}
        for inode, file in found.items():
            if self._peers.get(inode) is None:
                with contextlib.suppress(OSError), _copy(file) as one:
                    if one.family not in (socket.AF_INET, socket.AF_INET6):
                        new[inode] = (0, None)
                    elif one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        ports.add(one.getsockname()[1])
                    else:
                        new[inode] = (one.getsockname()[1], peer_of(one.getpeername()))
        for inode, (port, peer) in new.items():
            self._peers[inode] = peer if port in ports else None


def _copy(file: int) -> socket.socket:
    return socket.socket(fileno=os.dup(file))


def _shut(file: int, peer: Peer) -> None:
    """The web server finds the connection ended. Its number may be another one's by now, so the copy is asked."""
    with contextlib.suppress(OSError), _copy(file) as one:
        if peer_of(one.getpeername()) == peer:
            one.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class ConnectionLooks:
    """Looks in a thread of its own, from `start` until `stop`."""

    connections: Connections
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name="connections", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self.connections.look(time.monotonic())
            except Exception:
                log.exception("a look at the connections failed")
                self._ended.wait(SAID_SECONDS)
