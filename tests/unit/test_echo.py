"""The echo packets by which nodes know of each other, and what is said with them."""

from __future__ import annotations

import os
import struct

import pytest

from pgpool_lab.node import echo
from pgpool_lab.node.echo import REPLY, REQUEST, ROUNDS, Echo, checksum, read, request, silent


def test_a_host_is_silent_only_after_several_rounds() -> None:
    assert silent({"a": ROUNDS - 1, "b": ROUNDS, "c": 0}, ["a", "b"]) == ["b"]


def in_ip(message: bytes) -> bytes:
    """With the shortest IP header."""
    return bytes([0x45]) + bytes(19) + message


@pytest.mark.parametrize("payload", [b"", b"word"])
def test_echo_packets_are_read_as_they_are_written(payload: bytes) -> None:
    asked = request(7, 1, payload)
    assert checksum(asked) == 0
    assert read(in_ip(asked)) == Echo(REQUEST, 7, payload)
    assert read(in_ip(b"\0" + asked[1:])) == Echo(REPLY, 7, payload)
    assert read(in_ip(asked)[:24]) is None


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
    monkeypatch.setattr("pgpool_lab.node.echo.socket.socket", lambda *words: fake)
    monkeypatch.setattr(echo, "PERIOD_SECONDS", 0.01)
    listener = echo.Listener(["10.9.0.1", "10.9.0.2"])
    told: list[tuple[str, bytes]] = []
    listener.ask({}, lambda *said: told.append(said))
    listener.ask({}, lambda *said: told.append(said))
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 2}
    # Somebody else's reply is no answer to this process.
    fake.replies.append((in_ip(b"\0" + request(os.getpid() + 1 & 0xFFFF, 1)[1:]), ("10.9.0.2", 0)))
    listener.ask({}, lambda *said: told.append(said))
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 3}
    fake.alive.append("10.9.0.2")
    listener.ask({}, lambda *said: told.append(said))
    assert listener.missed == {"10.9.0.1": 0, "10.9.0.2": 0}
    assert not told


def test_words_go_with_the_requests_and_are_heard_from_everybody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSocket([])
    monkeypatch.setattr("pgpool_lab.node.echo.socket.socket", lambda *words: fake)
    monkeypatch.setattr(echo, "PERIOD_SECONDS", 0.01)
    listener = echo.Listener(["10.9.0.1", "10.9.0.2"])
    told: list[tuple[str, bytes]] = []
    for where in ("10.9.0.2", "10.9.0.9"):
        fake.replies.append((in_ip(request(7, 1, where.encode())), (where, 0)))
    fake.replies.append((in_ip(request(7, 1)), ("10.9.0.1", 0)))
    listener.ask({"10.9.0.1": b"word"}, lambda *said: told.append(said))
    assert sorted(told) == [(where, where.encode()) for where in ("10.9.0.2", "10.9.0.9")]
    payloads = {where: heard.payload for packet, where in fake.sent if (heard := read(in_ip(packet)))}
    assert payloads == {"10.9.0.1": b"word", "10.9.0.2": b""}


def test_who_was_silent_lately_is_remembered_for_as_many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSocket([])
    monkeypatch.setattr("pgpool_lab.node.echo.socket.socket", lambda *words: fake)
    monkeypatch.setattr(echo, "PERIOD_SECONDS", 0.001)
    listener = echo.Listener(["10.9.0.1"])
    seen = []
    for number in range(ROUNDS + 3):
        if number == ROUNDS:
            fake.alive.append("10.9.0.1")
        listener.ask({}, lambda source, payload: None)
        seen.append(listener.lately_silent(1))
    assert seen == [[]] * (ROUNDS - 1) + [["10.9.0.1"]] * 2 + [[]] * 2


def test_the_header_is_that_of_an_echo_request() -> None:
    kind, code, _, identifier, number = struct.unpack("!BBHHH", request(300, 65535))
    assert (kind, code, identifier, number) == (8, 0, 300, 65535)
