"""Holds this node's watchdog back in an election that it is to win, until the others can answer it.

When the leader's host has died, its peers stand for leader within milliseconds of each other, whichever of them noticed
first: each one's process sleeps for a second after a packet, and the last packet is the one by which the later one says
that it has noticed (watchdog.c, watchdog_main() and set_state()). One that has not stood yet does not answer one that
has, which waits four to five seconds for the answer (watchdog_state_machine_initializing(),
MAX_SECS_WAIT_FOR_REPLY_FROM_NODE). So the one with the highest wd_priority must be the later one. Whatever wakes its
process in that second has it sleep on until the request of the other comes. That one has stood by then, and answers at
once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

NOTICED_ROUNDS = 2
"""A peer that has missed so many rounds of the isolation service may have died; no watchdog has noticed by then."""
MARGIN_SECONDS = 2
"""From the moment when the last watchdog has noticed: a second of waiting, and the packets."""
PAUSE_SECONDS = 0.7
"""Between two questions, which take 0.1 s: at least one is asked in every second."""


def to_be_won(config: Mapping[str, Any], missed: Mapping[str, int]) -> bool:
    """Whether a member has just fallen silent, and this node has the highest wd_priority of those that are heard.

    `missed` has the rounds that every other member was silent in, nodes and witness. The priorities follow the order of
    the nodes; a witness has the lowest. Where nobody is heard there is no election.
    """
    if config["pgpool"]["election"] != "vote" or NOTICED_ROUNDS not in missed.values():
        return False
    heard = {address for address, rounds in missed.items() if rounds < NOTICED_ROUNDS}
    ahead = takewhile(lambda node: node["name"] != config["name"], config["nodes"])
    return bool(heard) and heard.isdisjoint(node["ip"] for node in ahead)


def hold_back(config: Mapping[str, Any]) -> None:
    """Wake the watchdog now and then until the election is over; returns at once.

    It is asked about its members: a question that changes nothing.
    """
    seconds = config["pgpool"]["peer_lost_seconds"] + MARGIN_SECONDS
    threading.Thread(target=keep_asking, args=(config, seconds), daemon=True).start()


def keep_asking(config: Mapping[str, Any], seconds: float) -> None:
    """Ask again and again for so long."""
    from .pgpool import watchdog_info

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        watchdog_info(dict(config))
        time.sleep(PAUSE_SECONDS)
