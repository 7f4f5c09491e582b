"""`lab-node isolation`: a primary that is cut off stops taking writes before its peers promote another. One that was
away meanwhile stops when it is told, and a holder of the virtual IP gives that up (`replacement`).

It is also the first to notice that a member of the watchdog has fallen silent (`election`, `silence`).

Runs as long as PostgreSQL or pgpool does. pgpool alone would leave two primaries: the peers cannot stop one that they
do not reach, and the pgpool beside it takes the peers for dead. That one must not wait for answers from before the cut,
or it takes the peers for dead once more when they are heard again.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import election, overtaken, replacement, silence
from .address import has_address, remove_address
from .connections import drop_connections
from .echo import ROUNDS, Listener, silent
from .role import standby_file
from .script import FENCE

SURE_ROUNDS = 1
"""How much longer a peer is silent than a watchdog needs to lose one that died. Another's that then still holds it for
the leader hears it: that is asked twice. And this node's own has no majority any more that it could act with."""
GONE_ROUNDS = ROUNDS + 2
"""A host that has missed so many is gone, or PostgreSQL there has stopped, if it was cut off and can tell: its rounds
may be one behind, and to stop takes less than another."""
TOLD_ROUNDS = 60
"""How long a node that was silent is told of primary and holder: it may be heard again before there are others, and
needs to be told once."""
AGAIN_ROUNDS = 10
"""How often something is done about a peer that stays silent: to ask takes an emulated processor a session of PCP."""


def cut_off(members: int, reachable: int, *, gateway: bool) -> bool:
    """Whether others may promote somebody without this node's knowledge.

    `reachable` counts the peers that answer. More than half of all members cannot be overruled. Of two, the one that
    hears nobody asks the gateway: a node that is alone because its peer died still reaches that.
    """
    if members == 2:
        return reachable == 0 and not gateway
    return 2 * (reachable + 1) <= members


def due(missed: int, lost_after: int) -> bool:
    """Whether something is done about a peer in the round in which it has missed so many: in two at a time."""
    return missed >= lost_after and (missed - lost_after) % AGAIN_ROUNDS < 2


def overruled(leaders: Collection[str | None], away: Collection[str]) -> bool:
    """Whether one that is heard follows a leader that is not: with its vote, that may promote another.

    `leaders` are the addresses of whom the ones that are heard say that it leads.
    """
    return any(leader in away for leader in leaders)


def forsaken(config: Mapping[str, Any], missed: Mapping[str, int], *, gateway: bool) -> list[str]:
    """The silent peers to which connections are dropped in this round; none while this node is not in the minority.

    A pgpool that reads from one waits until its kernel repeats what it has sent, and has the peer detached when that
    has given the connection up meanwhile (pool_stream.c, notice_backend_error(), as failover_on_backend_error says).
    Where the read ends while the watchdog has no majority, the request comes to nothing.
    """
    lost_after = config["pgpool"]["peer_lost_seconds"]
    if lost_after is None:
        return []
    peers = peers_of(config)
    lost = [address for address in peers if missed[address] >= lost_after + SURE_ROUNDS]
    if not cut_off(len(peers) + 1, len(peers) - len(lost), gateway=gateway):
        return []
    return [address for address in lost if due(missed[address], lost_after + SURE_ROUNDS)]


def listening(addresses: Sequence[str], listener: Listener) -> Listener:
    """The listener there is, or a new one when others are to be asked than before: nobody counts as silent then."""
    return listener if list(listener.missed) == list(addresses) else Listener(addresses)


def peers_of(config: Mapping[str, Any]) -> list[str]:
    """Addresses of the other members: nodes, and the witness, which has a vote as well."""
    nodes = [node["ip"] for node in config["nodes"] if node["name"] != config["name"]]
    return [*nodes, *([config["witness"]["ip"]] if "witness" in config else [])]


def main() -> int:
    """Watch, and stop a primary that is cut off or was replaced, until this service is ended."""
    from .configuration import load
    from .pgpool import secrets

    key = secrets()["watchdog"]
    listener = Listener([])
    stopped = suspected = False
    held = 0

    def told(source: str, payload: bytes) -> None:
        nonlocal stopped
        claim = replacement.claimed(config, key, payload)
        replaced = is_primary(config) and claim.timeline > replacement.own_timeline(config)
        # Of two holders it is the one that was away if it has not missed the other. Those that were cut from each
        # other both have: then it is the one whose primary was replaced.
        away = replaced or source not in listener.lately_silent(TOLD_ROUNDS)
        # Who has just taken it was asked to, and may have it for a moment beside the one that gives it up.
        if claim.holder and away and held > ROUNDS and remove_address(config["vip"]):
            overtaken.say()
            note(f"told that {source} holds the virtual IP; gave it up")
        # Several claims may have waited, and PostgreSQL takes a moment to end.
        if replaced and not stopped:
            stopped = stop("told of a primary on a newer timeline")

    while True:
        # Every time: a witness can come or go while PostgreSQL runs.
        config = load()
        stopped = False
        peers = peers_of(config)
        listener = listening([*peers, config["gateway"]], listener)
        held = held + 1 if has_address(config["vip"]) else 0
        lately = listener.lately_silent(TOLD_ROUNDS)
        listener.ask(replacement.claims(config, key, own_claim(config), lately) if lately else {}, told)
        silence.say([address for address in peers if listener.missed[address] >= GONE_ROUNDS])
        if election.to_be_won(config, {address: listener.missed[address] for address in peers}):
            election.hold_back(config)
        reachable = len(peers) - len(silent(listener.missed, peers))
        gateway = not silent(listener.missed, [config["gateway"]])
        if cut_off(len(peers) + 1, reachable, gateway=gateway) and is_primary(config):
            stop(f"cut off: {reachable} of {len(peers)} peers and {'the' if gateway else 'no'} gateway answer")
        for address in forsaken(config, listener.missed, gateway=gateway):
            note(f"in the minority, and {address} is silent; dropping connections to its PostgreSQL")
            drop_connections(address, config["postgresql"]["port"])
        suspects, suspected = suspected, bool(away := followed_elsewhere(config, listener.missed))
        # Once may be a moment of an election.
        if suspects and suspected and is_primary(config):
            stop(f"cut off: {' and '.join(away)} leads for others and does not answer")


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
    """Whether PostgreSQL runs here and its data are no standby's; a promoted one removes the file."""
    data_directory = Path(config["postgresql"]["data_directory"])
    return runs(data_directory) and not standby_file(dict(config), data_directory).exists()


def runs(data_directory: Path) -> bool:
    """Whether the server of a data directory is there; one that was killed leaves its file behind."""
    try:
        # Line 1 of postmaster.pid (src/include/utils/pidfile.h).
        return Path("/proc", (data_directory / "postmaster.pid").read_text().splitlines()[0]).exists()
    except (OSError, IndexError):
        return False


def own_claim(config: Mapping[str, Any]) -> replacement.Claim:
    """What this node is."""
    return replacement.Claim(
        timeline=replacement.own_timeline(config) if is_primary(config) else 0, holder=has_address(config["vip"])
    )


def note(why: str) -> None:
    """One line with the time, in the service's log; a full disk has no room for it."""
    with suppress(OSError):
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {why}", flush=True)


def stop(why: str) -> bool:
    """Stop PostgreSQL at once: a clean stop would wait for standbys that it cannot reach. Gives whether it was done."""
    note(f"{why}; stopping PostgreSQL")
    return subprocess.run([FENCE], check=False).returncode == 0
