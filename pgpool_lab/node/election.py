"""Holds this node's watchdog back in an election that it is to win, until the others can answer it.

When the leader's host has died, its peers stand for leader within milliseconds of each other, whichever of them noticed
first: each one's process sleeps for a second after a packet, and the last packet is the one by which the later one says
that it has noticed (watchdog.c, watchdog_main() and set_state()). One that has not stood yet does not answer one that
has, which waits four to five seconds for the answer (watchdog_state_machine_initializing(),
MAX_SECS_WAIT_FOR_REPLY_FROM_NODE). So the one with the highest wd_priority must be the later one. A question wakes its
process. One that comes when all have noticed, and its own second is not over, has it sleep on until the request of the
other comes, which has stood by then, and answers at once. One that comes when its second is over makes it stand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

NOTICED_ROUNDS = 2
"""A peer that has missed so many rounds of the isolation service may have died. No watchdog has noticed by then,
with the presets."""
PAUSE_SECONDS = 0.2
"""Between two questions, which take 0.1 s."""
SAFE_SECONDS = 0.6
"""For so long after the first answer that this node waits for its second to end, that is not over at the next question.
Once all have noticed, one question is not enough: a moment after this node's own last packet, by which the others
sleep, it has it sleep no longer than they do."""


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
    """Ask this node's watchdog about its members until it sleeps as it should; returns at once."""
    threading.Thread(target=keep_asking, args=(config,), daemon=True).start()


def keep_asking(config: Mapping[str, Any]) -> None:
    """Ask again and again, at most until every watchdog has lost a peer that died."""
    from .pgpool import watchdog_role

    until = time.monotonic() + config["pgpool"]["peer_lost_seconds"]
    while (asked := time.monotonic()) < until:
        own = watchdog_role(dict(config))
        if over(own):
            return
        if own == "INITIALIZING":
            until = min(until, asked + SAFE_SECONDS)
        time.sleep(PAUSE_SECONDS)


def over(own: str | None) -> bool:
    """Whether another question would do nothing for the election, by this node's own state; None: it is not known.

    While the node waits for its second to end each moves the end of its sleep; then it stands, or has made way.
    """
    return own not in {None, "STANDBY", "JOINING", "INITIALIZING"}
