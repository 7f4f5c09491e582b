"""PCP commands, as the version of pgpool takes them, and what pcp_watchdog_info prints."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

USER = "pcp"

NUMBERS = {"2": "STANDBY", "3": "LEADER"}
"""States of 3.3 and 3.4 that a later version has a word for (watchdog.h, WD_STATUS); the others are on their way."""

WORDS = {"MASTER": "LEADER"}
"""What the leader was called until 4.1."""

STATUS = {"0": "unused", "1": "waiting", "2": "up", "3": "down"}
"""States of a backend: PCP has numbers, `show pool_nodes` had them before 3.6."""


def command(
    pgpool: Mapping[str, Any], program: str, host: str, *, seconds: int, password: str, node: int | None = None
) -> list[str]:
    """The words of one command, about one backend if `node` is given.

    Until 3.4 everything has its place, and the password is one of the arguments: those versions have no other way, so
    it shows in the node's list of processes while the command runs. Since 3.5 a file holds it.
    """
    path, port = f"{pgpool['prefix']}/bin/{program}", str(pgpool["pcp_port"])
    if pgpool["pcp_syntax"] == "positional":
        words = [path, str(seconds), host, port, USER, password]
        return words if node is None else [*words, str(node)]
    words = [path, "-h", host, "-p", port, "-U", USER, "-w"]
    return words if node is None else [*words, "-n", str(node)]


def watchdog_role(text: str) -> str | None:
    """The local node's state from pcp_watchdog_info, in the words of 4.2: LEADER, STANDBY, JOINING, …"""
    return next(iter(watchdog_roles(text)), None)


def watchdog_roles(text: str) -> list[str | None]:
    """Every member's state, the local one's first; of a version before 3.5 the local one's alone."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) == 4:
        return [NUMBERS.get(lines[0][3], lines[0][3])]
    return [named_role(line) for line in lines[1:]]


def leader_host(text: str) -> str | None:
    """Host name of the member that leads, from pcp_watchdog_info; None when nobody does, or the version names none."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if named_role(words) == "LEADER":
            # Host, pgpool port, watchdog port, state number, state.
            state = next(place for place, word in enumerate(words) if WORDS.get(word, word) == "LEADER")
            return words[state - 4] if state >= 4 else None
    return None


def named_role(words: list[str]) -> str | None:
    """The state from a node's line, since 3.5: after a summary line comes one line a node, the local one first.

    Each ends with: host, pgpool port, watchdog port, state number, state name, since 4.3 membership number and its name
    (pgpool-II 4.3 manual, pcp_watchdog_info). Names of nodes can contain spaces, so the state is found by its number.
    """
    for before, word in pairwise(words):
        if word.isupper() and word.isalpha() and before.isdigit():
            return WORDS.get(word, word)
    return None


def backend(text: str) -> dict[str, str]:
    """Status and role from pcp_node_info: host, port, status number, weight, since 3.5 words, since 3.7 the role.

    Quarantine is a state of its own in words alone (pcp_frontend_client.c, backend_status_to_string).
    """
    words = text.split()
    status = "quarantine" if words[4:5] == ["quarantine"] else STATUS.get(words[2], words[2])
    return {"status": status, "role": "primary" if "primary" in words[4:] else "standby"}
