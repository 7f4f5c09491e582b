"""When a primary must assume that its peers promote another, and the echo packets that tell it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from pgpool_lab.node import isolation, pgpool
from pgpool_lab.node.isolation import ROUNDS, answers, checksum, cut_off, echo_request, silent

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


def test_only_a_reply_to_the_own_request_is_an_answer() -> None:
    request = echo_request(7, 1)
    reply = b"\0" + request[1:]
    assert checksum(request) == 0
    assert answers(in_ip(reply), 7)
    assert not answers(in_ip(reply), 8)
    assert not answers(in_ip(request), 7)
    assert not answers(in_ip(reply)[:24], 7)


class FakeSocket:
    """Replies from whoever is alive; everybody else's network is unreachable."""

    def __init__(self, alive: list[str]) -> None:
        self.alive = alive
        self.replies: list[tuple[bytes, tuple[str, int]]] = []

    def sendto(self, packet: bytes, where: tuple[str, int]) -> None:
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
    listener.ask()
    listener.ask()
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 2}
    fake.alive.append("10.9.0.2")
    listener.ask()
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 0}


def test_other_peers_are_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgpool_lab.node.isolation.socket.socket", lambda *words: FakeSocket([]))
    first = isolation.listening(["10.9.0.1", "10.9.0.2"], None)
    first.missed["10.9.0.1"] = ROUNDS
    assert isolation.listening(["10.9.0.1", "10.9.0.2"], first) is first
    assert isolation.listening(["10.9.0.1"], first).missed == {"10.9.0.1": 0}


def config(tmp_path: Any) -> dict[str, Any]:
    return {
        "postgresql": {"data_directory": str(tmp_path), "dialect": {"standby_file": "standby.signal"}},
    }


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
