"""Connections that ask for nothing, or are too many of one client, take nobody's place."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.front import connections
from portal.front.connections import Connections, Peer

HOSTILE, TILL = "10.0.0.66", "10.0.0.7"


def peers(host: str, count: int) -> dict[Peer, float]:
    return {Peer(host, 1000 + n): float(n) for n in range(count)}


def test_who_has_asked_for_nothing_in_time_is_closed_and_who_asks_is_not() -> None:
    kept = Connections(per_address=0, most=100)
    silent, working, keeps_alive = Peer(HOSTILE, 1), Peer(TILL, 2), Peer(TILL, 3)
    kept.begins(working)
    kept.asked[keeps_alive] = 95.0
    present = dict.fromkeys([silent, working, keeps_alive], 0.0)
    assert kept.chosen(present, 9.0) == {}
    assert kept.chosen(present, 100.0) == {silent: "silent"}
    assert kept.chosen(present, 95.0 + connections.IDLE_SECONDS)[keeps_alive] == "idle"


def test_one_address_keeps_no_more_than_its_share_and_what_works_goes_last() -> None:
    kept = Connections(per_address=3, most=100)
    present = peers(HOSTILE, 6) | peers(TILL, 3)
    kept.begins(Peer(HOSTILE, 1000))
    kept.asked[Peer(HOSTILE, 1001)] = 4.0
    kept.asked[Peer(HOSTILE, 1002)] = 2.0
    chosen = kept.chosen(present, 6.0)
    assert chosen == dict.fromkeys((Peer(HOSTILE, 1000 + n) for n in (3, 4, 5)), "address")


def test_who_has_only_just_come_is_given_a_moment_to_ask_while_there_are_places() -> None:
    present = peers(HOSTILE, 6)
    assert len(Connections(per_address=3, most=100).chosen(present, 5.0)) == 3
    assert Peer(HOSTILE, 1005) not in Connections(per_address=0, most=100).chosen(present, 5.0)
    assert Connections(per_address=1, most=100).chosen({Peer(HOSTILE, n): 5.0 for n in range(9)}, 5.0) == {}
    assert len(Connections(per_address=1, most=5).chosen({Peer(HOSTILE, n): 5.0 for n in range(9)}, 5.0)) == 8


def test_of_too_many_requests_of_one_address_the_newest_are_closed() -> None:
    kept = Connections(per_address=2, most=100)
    present = peers(HOSTILE, 3)
    for peer in present:
        kept.begins(peer)
    assert kept.chosen(present, 5.0) == {Peer(HOSTILE, 1002): "address"}


def test_where_places_get_rare_those_that_do_nothing_make_room() -> None:
    kept = Connections(per_address=0, most=4)
    present = {Peer(f"10.0.1.{n}", 80 + n): float(n) for n in range(6)}
    kept.begins(Peer("10.0.1.0", 80))
    assert kept.chosen(present, 7.0) == {Peer("10.0.1.1", 81): "crowd", Peer("10.0.1.2", 82): "crowd"}


def test_a_connection_that_asks_again_and_again_is_forgotten_when_it_has_gone() -> None:
    kept = Connections()
    for _ in range(2):
        kept.begins(Peer(TILL, 2))
        kept.ends(Peer(TILL, 2))
    assert (dict(kept.busy), list(kept.asked)) == ({}, [Peer(TILL, 2)])
    kept.look(5.0)
    assert kept.asked == {}


@pytest.mark.parametrize("said", [None, ("/run/socket", None), ("", 0), "x"])
def test_a_client_without_an_address_is_not_counted(said: object) -> None:
    kept = Connections()
    kept.begins(connections.peer_of(said))
    kept.ends(connections.peer_of(said))
    assert (dict(kept.busy), kept.asked) == ({}, {})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=400) as made:
        yield made


def open_files(*sockets: socket.socket) -> list[int]:
    return [one.fileno() for one in sockets if one.fileno() != -1]


def test_hundreds_of_silent_connections_of_one_client_are_closed_but_for_its_share(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9,500 of them took every place of the process, and health was not answered any more."""
    clients, taken = [], []
    for _ in range(300):
        clients.append(socket.create_connection(listener.getsockname()))
        taken.append(listener.accept()[0])
    monkeypatch.setattr(connections, "files", lambda: open_files(listener, *clients, *taken))
    try:
        kept = Connections(per_address=20, most=100)
        worker = Peer(*clients[7].getsockname())
        kept.begins(worker)
        closed = kept.look(1.0)
        assert len(closed) == 280
        assert worker not in closed
        assert {one.recv(1) for one in clients if Peer(*one.getsockname()) in closed} == {b""}
    finally:
        for one in (*clients, *taken):
            one.close()


def test_connections_of_the_process_to_others_are_left_alone(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as database, socket.create_connection(database.getsockname()) as own:
        other_end = database.accept()[0]
        monkeypatch.setattr(connections, "files", lambda: open_files(listener, own))
        kept = Connections(per_address=1, most=1)
        assert (kept.look(1.0), kept.look(1000.0)) == ({}, {})
        own.send(b"x")
        assert other_end.recv(1) == b"x"
        other_end.close()


def test_the_limit_of_an_address_is_off_behind_a_proxy_unless_it_is_stated() -> None:
    assert connections.per_address_of("", proxies=0) == connections.PER_ADDRESS
    assert connections.per_address_of("", proxies=1) == 0
    assert connections.per_address_of("50", proxies=1) == 50
    with pytest.raises(ImproperlyConfigured, match="WEB_CONNECTIONS_PER_ADDRESS"):
        connections.per_address_of("many", proxies=0)
