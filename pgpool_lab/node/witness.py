"""`lab-node witness`: a witness that leads the watchdog cluster hands over as soon as a node's pgpool is back.

It leads when no node's pgpool takes part in an election: all of them are down, or one has taken itself for cut off
meanwhile. pgpool has no way to give the lead back but to end; the others then elect anew, and each has a higher
wd_priority (watchdog.c, WD_STAND_FOR_COORDINATOR_MESSAGE). Started again at once it gives them the vote that makes
their quorum.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from . import pcp, pgpool
from .configuration import Config, load

PERIOD_SECONDS = 2.0
"""Between two questions, each of which starts a process on an emulated processor."""
CALM_SECONDS = 10.0
"""The same while a node leads. A question wakes the watchdog's process, and may decide the next election so: it then
stands too early, or too late (election.py)."""
ELECTION_SECONDS = 20.0
"""How long the others have for an election before the lead is handed over again: JOINING 5 s, INITIALIZING 1 s, the
vote and the declaration 5 s each where somebody does not answer."""


class Step(NamedTuple):
    """What a witness does next, and how long it then waits (seconds)."""

    hand_over: bool
    pause: float


def decide(roles: Sequence[str | None]) -> Step:
    """From the states of all members, the witness's own first, as its pgpool knows them.

    A node that has joined as STANDBY can lead. Without one the witness goes on: an end would leave nobody to join.
    """
    leads, others = roles[:1] == ["LEADER"], roles[1:]
    if leads and "STANDBY" in others:
        return Step(hand_over=True, pause=ELECTION_SECONDS)
    return Step(hand_over=False, pause=CALM_SECONDS if "LEADER" in others else PERIOD_SECONDS)


def main() -> int:
    """Watch for as long as this machine runs; a pgpool that is stopped stays so."""
    config = load()
    while True:
        time.sleep(watch(config).pause)


def watch(config: Config) -> Step:
    """One look, and what follows from it."""
    roles = pcp.watchdog_roles(pgpool.watchdog_info(config)) if pgpool.is_running(config) else []
    step = decide(roles)
    if step.hand_over:
        say("this witness leads and a node's pgpool is back: restarting its own pgpool, so that a node leads")
        # Not one that was stopped meanwhile.
        code = pgpool.systemctl("try-restart", config["pgpool"]["service"])
        say("restarted" if code == 0 else f"the restart failed ({code}): see pgpool.log")
    return step


def say(message: str) -> None:
    """One line with the time for the service's log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {message}", flush=True)
