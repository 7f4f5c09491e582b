"""ICMP echo (RFC 792): asks hosts whether they are there, and tells them something with it. Needs root."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

PERIOD_SECONDS = 1.0
"""Between two rounds of questions."""
ROUNDS = 4
"""A host counts as silent after so many rounds without an answer. Ways to another primary are longer: in the preset
`fast` a health check with its retry takes 7 s to 9 s; a client's new connection may fail after 3 s (arp(7),
mcast_solicit), and then the node is fenced in vain before another one is promoted."""

REQUEST, REPLY = 8, 0


def checksum(packet: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    words = struct.unpack(f"!{len(packet) // 2}H", packet)
    total: int = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def request(identifier: int, number: int, payload: bytes = b"") -> bytes:
    """An ICMP echo request (RFC 792); the payload's length is even."""
    unsummed = struct.pack("!BBHHH", REQUEST, 0, 0, identifier, number) + payload
    return struct.pack("!BBHHH", REQUEST, 0, checksum(unsummed), identifier, number) + payload


class Echo(NamedTuple):
    """An echo packet that came in."""

    kind: int
    identifier: int
    payload: bytes


def read(packet: bytes) -> Echo | None:
    """What came in (an IP packet with its header); None when it is too short for an echo."""
    start = (packet[0] & 0x0F) * 4
    if len(packet) < start + 8:
        return None
    kind, _, _, identifier, _ = struct.unpack("!BBHHH", packet[start : start + 8])
    return Echo(kind, identifier, packet[start + 8 :])


class Listener:
    """Asks hosts for an echo and counts the rounds in which each was silent."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._identifier = os.getpid() & 0xFFFF
        self._round = 0
        self.missed = dict.fromkeys(addresses, 0)
        self._silent_in: dict[str, int] = {}

    def ask(self, words: Mapping[str, bytes], told: Callable[[str, bytes], None]) -> None:
        """One round, which takes PERIOD_SECONDS.

        `words` go to their addresses; `told` gets who has sent one, and what.
        """
        self._round += 1
        for address in self.missed:
            self.missed[address] += 1
            packet = request(self._identifier, self._round & 0xFFFF, words.get(address, b""))
            try:
                self._socket.sendto(packet, (address, 0))
            except OSError:
                continue  # Without a carrier there is no route: no answer either.
        deadline = time.monotonic() + PERIOD_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                packet_in, (source, *_) = self._socket.recvfrom(1500)
            except OSError:
                continue
            heard = read(packet_in)
            if heard is None:
                continue
            if heard.kind == REQUEST and heard.payload:
                told(source, heard.payload)
            elif heard.kind == REPLY and heard.identifier == self._identifier and source in self.missed:
                self.missed[source] = 0
        self._silent_in |= dict.fromkeys(silent(self.missed, self.missed), self._round)

    def lately_silent(self, rounds: int) -> list[str]:
        """The hosts that are silent or were so within the latest rounds."""
        return [address for address, last in self._silent_in.items() if self._round - last <= rounds]


def silent(missed: Mapping[str, int], addresses: Collection[str]) -> list[str]:
    """The hosts that have not answered for ROUNDS."""
    return [address for address in addresses if missed[address] >= ROUNDS]
