"""When a primary must assume that its peers promote another, and the echo packets that tell it."""

from __future__ import annotations

import os
import struct
from typing import Any

import pytest

from pgpool_lab.node import isolation, pgpool, replacement
from pgpool_lab.node.isolation import (
    ECHO_REPLY,
    ECHO_REQUEST,
    ROUNDS,
    Echo,
    checksum,
    cut_off,
    echo,
    echo_request,
    silent,
)

CASES: dict[str, tuple[int, int, bool, bool]] = {
    "two, all well": (2, 1, True, False),
    "two, the peer died": (2, 0, True, False),
    "two, alone in the world": (2, 0, False, True),
    "two, only the gateway died": (2, 1, False, False),
    "three, all well": (3, 2, True, False),
    "three, one died": (3, 1, True, False),
    "three, a minority, though the gateway answers": (3, 0, True, True),
    "four, half is not enough": (4, 1, True, True),
    "four, three of them": (4, 2, False, False),
}
"""Members, peers that answer, whether the gateway does, and the verdict."""


@pytest.mark.parametrize(("members", "reachable", "gateway", "expected"), CASES.values(), ids=CASES.keys())
def test_a_primary_is_cut_off_when_others_may_decide_without_it(
    members: int, reachable: int, gateway: bool, expected: bool
) -> None:
    assert cut_off(members, reachable, gateway=gateway) is expected


def test_others_are_asked_about_a_silent_peer_now_and_then() -> None:
    asked = [missed for missed in range(40) if isolation.due(missed, 8)]
    assert asked == [8, 9, 18, 19, 28, 29, 38, 39]


HEARD: dict[str, tuple[str, bool]] = {
    "the witness follows the node that is silent": ("node4", True),
    "the witness follows this one": ("node0", False),
    "the silent one is dead, and the witness leads": ("witness", False),
    "nobody leads yet": ("", False),
}


@pytest.mark.parametrize(("leader", "expected"), HEARD.values(), ids=HEARD.keys())
def test_a_primary_is_overruled_by_a_leader_that_others_hear(
    leader: str, expected: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["3 3 YES node4:9999 Linux node4 node4", ""]
    for name in ("node0", "node4", "witness"):
        state = "4 LEADER" if name == leader else "7 STANDBY"
        lines.append(f"{name}:9999 Linux {name} {name} 9999 9000 {state} 0 MEMBER")
    asked: list[str] = []

    def said(config: Any, host: str) -> str:
        asked.append(host)
        return "\n".join(lines)

    monkeypatch.setattr(pgpool, "watchdog_info", said)
    nodes = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]
    own = config(tmp_path) | {"name": "node0", "nodes": nodes, "witness": {"name": "witness", "ip": "10.9.0.3"}}
    own |= {"pgpool": {"peer_lost_seconds": 5}}
    found = isolation.followed_elsewhere(own, {"10.9.0.2": 6, "10.9.0.3": 0, "10.9.0.254": 0})
    assert (found == ["10.9.0.2"]) is expected
    assert asked == ["10.9.0.3"]
    assert isolation.followed_elsewhere(own, {"10.9.0.2": 5, "10.9.0.3": 0}) == [], "it may have died"
    assert isolation.followed_elsewhere(own, {"10.9.0.2": 6, "10.9.0.3": 6}) == [], "nobody is heard"


def test_a_host_is_silent_only_after_several_rounds() -> None:
    assert silent({"a": ROUNDS - 1, "b": ROUNDS, "c": 0}, ["a", "b"]) == ["b"]


def in_ip(message: bytes) -> bytes:
    """With the shortest IP header."""
    return bytes([0x45]) + bytes(19) + message


@pytest.mark.parametrize("payload", [b"", b"word"])
def test_echo_packets_are_read_as_they_are_written(payload: bytes) -> None:
    request = echo_request(7, 1, payload)
    assert checksum(request) == 0
    assert echo(in_ip(request)) == Echo(ECHO_REQUEST, 7, payload)
    assert echo(in_ip(b"\0" + request[1:])) == Echo(ECHO_REPLY, 7, payload)
    assert echo(in_ip(request)[:24]) is None


class FakeSocket:
    """Replies from whoever is alive; everybody else's network is unreachable."""

    def __init__(self, alive: list[str]) -> None:
        self.alive = alive
        self.replies: list[tuple[bytes, tuple[str, int]]] = []
        self.sent: list[tuple[bytes, str]] = []

    def sendto(self, packet: bytes, where: tuple[str, int]) -> None:
        self.sent.append((packet, where[0]))
        if where[0] not in self.alive:
            raise OSError("Network is unreachable")
        self.replies.append((in_ip(b"\0" + packet[1:]), where))

    def settimeout(self, seconds: float) -> None:
        pass

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if not self.replies:
            raise TimeoutError
        return self.replies.pop()


def test_rounds_without_an_answer_are_counted_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSocket(["10.9.0.1"])
    monkeypatch.setattr("pgpool_lab.node.isolation.socket.socket", lambda *words: fake)
    monkeypatch.setattr(isolation, "PERIOD_SECONDS", 0.01)
    listener = isolation.Listener(["10.9.0.1", "10.9.0.2"])
    told: list[bytes] = []
    listener.ask({}, told.append)
    listener.ask({}, told.append)
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 2}
    # Somebody else's reply is no answer to this process.
    fake.replies.append((in_ip(b"\0" + echo_request(os.getpid() + 1 & 0xFFFF, 1)[1:]), ("10.9.0.2", 0)))
    listener.ask({}, told.append)
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 3}
    fake.alive.append("10.9.0.2")
    listener.ask({}, told.append)
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 0}
    assert not told


def test_words_go_with_the_requests_and_are_heard_from_those_of_the_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSocket([])
    monkeypatch.setattr("pgpool_lab.node.isolation.socket.socket", lambda *words: fake)
    monkeypatch.setattr(isolation, "PERIOD_SECONDS", 0.01)
    listener = isolation.Listener(["10.9.0.1", "10.9.0.2"])
    told: list[bytes] = []
    for where in ("10.9.0.2", "10.9.0.9"):
        fake.replies.append((in_ip(echo_request(7, 1, where.encode())), (where, 0)))
    fake.replies.append((in_ip(echo_request(7, 1)), ("10.9.0.1", 0)))
    listener.ask({"10.9.0.1": b"word"}, told.append)
    assert told == [b"10.9.0.2"]
    payloads = {where: heard.payload for packet, where in fake.sent if (heard := echo(in_ip(packet)))}
    assert payloads == {"10.9.0.1": b"word", "10.9.0.2": b""}


def test_other_peers_are_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgpool_lab.node.isolation.socket.socket", lambda *words: FakeSocket([]))
    first = isolation.listening(["10.9.0.1", "10.9.0.2"], None)
    first.missed["10.9.0.1"] = ROUNDS
    assert isolation.listening(["10.9.0.1", "10.9.0.2"], first) is first
    assert isolation.listening(["10.9.0.1"], first).missed == {"10.9.0.1": 0}


def config(tmp_path: Any) -> dict[str, Any]:
    dialect = {"standby_file": "standby.signal", "wal_folder": "pg_wal"}
    return {"postgresql": {"data_directory": str(tmp_path), "dialect": dialect}}


def on_timeline(tmp_path: Any, timeline: int) -> dict[str, Any]:
    """The configuration of node0, whose primary writes a timeline."""
    folder = tmp_path / "pg_wal"
    folder.mkdir(exist_ok=True)
    for number in range(1, timeline + 1):
        (folder / f"{number:08X}0000000000000007").touch()
        if number > 1:
            (folder / f"{number:08X}.history").touch()
    nodes = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]
    return config(tmp_path) | {"lab": "lab-1", "name": "node0", "nodes": nodes}


def test_a_primary_tells_the_nodes_that_are_silent_of_itself(tmp_path: Any) -> None:
    own = on_timeline(tmp_path, 3)
    missed = {"10.9.0.2": ROUNDS, "10.9.0.3": ROUNDS, "10.9.0.254": ROUNDS}
    said = isolation.words_of(own, "key", missed)
    assert said == {"10.9.0.2": replacement.word("key", "lab-1", "node4", 3)}, "neither a witness nor the gateway"
    assert len(said["10.9.0.2"]) % 2 == 0
    assert isolation.words_of(own, "key", missed | {"10.9.0.2": ROUNDS - 1}) == {}
    (tmp_path / "standby.signal").touch()
    assert isolation.words_of(own, "key", missed) == {}, "a standby has nothing to say"


WORDS: dict[str, tuple[bytes, bool]] = {
    "a newer timeline": (replacement.word("key", "lab-1", "node0", 3), True),
    "its own": (replacement.word("key", "lab-1", "node0", 2), False),
    "an older one": (replacement.word("key", "lab-1", "node0", 1), False),
    "another node": (replacement.word("key", "lab-1", "node4", 3), False),
    "another lab": (replacement.word("key", "lab-2", "node0", 3), False),
    "a stranger's key": (replacement.word("other", "lab-1", "node0", 3), False),
    "another timeline put in": (
        replacement.word("key", "lab-1", "node0", 3)[:4]
        + b"\0\0\0\x09"
        + replacement.word("key", "lab-1", "node0", 3)[8:],
        False,
    ),
    "cut short": (replacement.word("key", "lab-1", "node0", 3)[:-1], False),
    "what ping(8) sends": (bytes(range(56)), False),
    "next to nothing": (b"abc", False),
}


@pytest.mark.parametrize(("payload", "expected"), WORDS.values(), ids=WORDS.keys())
def test_a_primary_was_replaced_only_by_the_word_of_its_lab(payload: bytes, expected: bool, tmp_path: Any) -> None:
    own = on_timeline(tmp_path, 2)
    assert replacement.replaced(own, "key", payload, isolation.own_timeline(own)) is expected


def test_a_primary_of_the_first_timeline_has_no_history(tmp_path: Any) -> None:
    assert isolation.own_timeline(on_timeline(tmp_path, 1)) == 1


def test_a_node_with_the_file_of_a_standby_is_no_primary(tmp_path: Any) -> None:
    assert isolation.is_primary(config(tmp_path))
    (tmp_path / "standby.signal").touch()
    assert not isolation.is_primary(config(tmp_path))


def test_a_witness_is_a_peer_with_a_vote() -> None:
    nodes = [{"name": "node0", "ip": "10.9.0.1"}, {"name": "node4", "ip": "10.9.0.2"}]
    known: dict[str, Any] = {"name": "node0", "nodes": nodes}
    assert isolation.peers_of(known) == ["10.9.0.2"]
    assert isolation.peers_of(known | {"witness": {"name": "witness", "ip": "10.9.0.3"}}) == ["10.9.0.2", "10.9.0.3"]


def test_the_header_is_an_echo_request() -> None:
    kind, code, _, identifier, number = struct.unpack("!BBHHH", echo_request(300, 65535))
    assert (kind, code, identifier, number) == (8, 0, 300, 65535)
