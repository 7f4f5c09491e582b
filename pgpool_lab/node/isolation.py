"""`lab-node isolation`: a primary that is cut off stops taking writes before its peers promote another, and one that
was away meanwhile stops when it is told (`replacement`).

Runs as long as PostgreSQL does. pgpool alone would leave two primaries: the peers cannot stop one that they do not
reach, and the pgpool beside it takes the peers for dead.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import replacement
from .facts import last_timeline, wal_folder
from .role import standby_file
from .script import FENCE

PERIOD_SECONDS = 1.0
"""Between two rounds of questions."""
ROUNDS = 4
"""A host counts as silent after so many rounds without an answer. Ways to another primary are longer: in the preset
`fast` a health check with its retry takes 7 s to 9 s; a client's new connection may fail after 3 s (arp(7),
mcast_solicit), and then the node is fenced in vain before another one is promoted."""

SURE_ROUNDS = 1
"""How much longer a peer is silent than the others' watchdogs need to lose one that died: who then still holds it for
the leader hears it. It is asked twice."""
AGAIN_ROUNDS = 10
"""How often the others are asked while a peer stays silent: it takes an emulated processor a session of PCP."""

VIRTUAL_IP = "/usr/local/sbin/lab-vip"
"""The script that adds and removes the virtual IP."""

ECHO_REQUEST, ECHO_REPLY = 8, 0


def cut_off(members: int, reachable: int, *, gateway: bool) -> bool:
    """Whether others may promote somebody without this node's knowledge.

    `reachable` counts the peers that answer. More than half of all members cannot be overruled. Of two, the one that
    hears nobody asks the gateway: a node that is alone because its peer died still reaches that.
    """
    if members == 2:
        return reachable == 0 and not gateway
    return 2 * (reachable + 1) <= members


def due(missed: int, lost_after: int) -> bool:
    """Whether the others are asked about a peer in the round in which it has missed so many: in two at a time."""
    return missed >= lost_after and (missed - lost_after) % AGAIN_ROUNDS < 2


def overruled(leaders: Collection[str | None], away: Collection[str]) -> bool:
    """Whether one that is heard follows a leader that is not: with its vote, that may promote another.

    `leaders` are the addresses of whom the ones that are heard say that it leads.
    """
    return any(leader in away for leader in leaders)


def checksum(packet: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    words = struct.unpack(f"!{len(packet) // 2}H", packet)
    total: int = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(identifier: int, number: int, payload: bytes = b"") -> bytes:
    """An ICMP echo request (RFC 792); the payload's length is even."""
    unsummed = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, number) + payload
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(unsummed), identifier, number) + payload


class Echo(NamedTuple):
    """An echo packet that came in."""

    kind: int
    identifier: int
    payload: bytes


def echo(packet: bytes) -> Echo | None:
    """What came in (an IP packet with its header); None when it is too short for an echo."""
    start = (packet[0] & 0x0F) * 4
    if len(packet) < start + 8:
        return None
    kind, _, _, identifier, _ = struct.unpack("!BBHHH", packet[start : start + 8])
    return Echo(kind, identifier, packet[start + 8 :])


class Listener:
    """Asks hosts for an echo and counts the rounds in which each was silent. Needs root."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._identifier = os.getpid() & 0xFFFF
        self._round = 0
        self.missed = dict.fromkeys(addresses, 0)

    def ask(self, words: Mapping[str, bytes], told: Callable[[bytes], None]) -> None:
        """One round, which takes PERIOD_SECONDS. `words` go to their addresses; `told` gets those of others."""
        self._round += 1
        for address in self.missed:
            self.missed[address] += 1
            packet = echo_request(self._identifier, self._round & 0xFFFF, words.get(address, b""))
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
            heard = echo(packet_in)
            if heard is None or source not in self.missed:
                continue
            if heard.kind == ECHO_REQUEST and heard.payload:
                told(heard.payload)
            elif heard.kind == ECHO_REPLY and heard.identifier == self._identifier:
                self.missed[source] = 0


def listening(addresses: Sequence[str], listener: Listener | None) -> Listener:
    """The listener there is, or a new one when others are to be asked than before: nobody counts as silent then."""
    return listener if listener is not None and list(listener.missed) == list(addresses) else Listener(addresses)


def silent(missed: Mapping[str, int], addresses: Collection[str]) -> list[str]:
    """The hosts that have not answered for ROUNDS."""
    return [address for address in addresses if missed[address] >= ROUNDS]


def peers_of(config: Mapping[str, Any]) -> list[str]:
    """Addresses of the other members: nodes, and the witness, which has a vote as well."""
    nodes = [node["ip"] for node in config["nodes"] if node["name"] != config["name"]]
    return [*nodes, *([config["witness"]["ip"]] if "witness" in config else [])]


def main() -> int:
    """Watch until this node is cut off or was replaced as primary; then PostgreSQL is stopped, and this service."""
    from .configuration import load
    from .pgpool import secrets

    key = secrets()["watchdog"]
    listener: Listener | None = None
    suspected = ended = False

    def told(payload: bytes) -> None:
        nonlocal ended
        # Several words may have waited, and this service lives for a moment yet.
        if not ended and is_primary(config) and replacement.replaced(config, key, payload, own_timeline(config)):
            ended = True
            # Whoever holds it by right answers for it. It outlives this service.
            subprocess.Popen([VIRTUAL_IP, "yield"], start_new_session=True)
            stop("told of a primary on a newer timeline; stopping PostgreSQL")

    while True:
        # Every time: a witness can come or go while PostgreSQL runs.
        config = load()
        peers = peers_of(config)
        listener = listening([*peers, config["gateway"]], listener)
        listener.ask(words_of(config, key, listener.missed), told)
        reachable = len(peers) - len(silent(listener.missed, peers))
        gateway = not silent(listener.missed, [config["gateway"]])
        if cut_off(len(peers) + 1, reachable, gateway=gateway) and is_primary(config):
            seen = f"{reachable} of {len(peers)} peers and {'the' if gateway else 'no'} gateway answer"
            stop(f"cut off: {seen}; stopping PostgreSQL, since another may be promoted")
        suspects, suspected = suspected, bool(away := followed_elsewhere(config, listener.missed))
        # Once may be a moment of an election.
        if suspects and suspected and is_primary(config):
            seen = f"{' and '.join(away)} leads for others and does not answer"
            stop(f"cut off: {seen}; stopping PostgreSQL, since another may be promoted")


def words_of(config: Mapping[str, Any], key: str, missed: Mapping[str, int]) -> dict[str, bytes]:
    """What a primary tells the nodes that are silent, by their addresses: that it is the primary."""
    away = {node["ip"]: node["name"] for node in config["nodes"] if missed.get(node["ip"], 0) >= ROUNDS}
    if not away or not is_primary(config):
        return {}
    timeline = own_timeline(config)
    return {address: replacement.word(key, config["lab"], name, timeline) for address, name in away.items()}


def own_timeline(config: Mapping[str, Any]) -> int:
    """The timeline that this primary writes: its first segment is there before the promotion ends."""
    folder = wal_folder(config, Path(config["postgresql"]["data_directory"]))
    return max(1, last_timeline({file.name for file in folder.iterdir()}))


def followed_elsewhere(config: Mapping[str, Any], missed: Mapping[str, int]) -> list[str]:
    """The silent nodes, if one of them leads by the word of those that are heard; empty where nobody is asked now."""
    lost_after = config["pgpool"]["peer_lost_seconds"]
    if lost_after is None or not is_primary(config):
        return []
    known = {node["name"]: node["ip"] for node in config["nodes"]}
    away = [address for address in known.values() if due(missed.get(address, 0), lost_after + SURE_ROUNDS)]
    heard = [address for address in peers_of(config) if missed[address] == 0]
    if not away or not heard:
        return []
    from . import pcp, pgpool

    named = [pcp.leader_host(pgpool.watchdog_info(dict(config), address)) for address in heard]
    leaders = [known.get(name, name) if name else None for name in named]
    return away if overruled(leaders, away) else []


def is_primary(config: Mapping[str, Any]) -> bool:
    """Whether this node's data are no standby's; a promoted one removes the file."""
    return not standby_file(dict(config), Path(config["postgresql"]["data_directory"])).exists()


def stop(why: str) -> None:
    """Stop PostgreSQL at once: a clean stop would wait for standbys that it cannot reach."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    print(f"{moment} {why}", flush=True)
    subprocess.run([FENCE], check=True)
