"""pgpool's follow_primary_command: has one standby follow the new primary. Runs as the service account.

pgpool calls it once for every backend that it holds for down, the failed primary included (pgpool_main.c,
fork_follow_child); before, it has detached every backend but the new primary ("follow degeneration" in failover()), so
that none which follows nobody is read from. It does not look at the exit code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from .connections import drop_everywhere
from .script import CONFIGURATION, log, on_node, through

SECONDS = 1800
"""A base backup, emulated and starved, and the wait until pgpool has attached the node."""

LOGIN_SECONDS = 30
"""pgpool calls only once, and a standby that every pgpool's command enters at once took more than 2 s to answer."""


def words(failed_id: int, old_primary_id: int, names: Sequence[str], through: str = "") -> str | None:
    """The step to take on the backend that isn't attached; None for the failed primary, which is left alone.

    `names` are the nodes in backend order. Without a known old primary (id -1) only those are attached again that
    follow the new one already. `through` are the words that say which pgpool has to attach it.
    """
    if failed_id == old_primary_id:
        return None
    return succeeding(names[old_primary_id] if old_primary_id >= 0 else None, through)


def succeeding(old_primary: str | None, through: str) -> str:
    """The step with which a node follows whoever is primary after `old_primary` (None: nobody knows who was)."""
    return f"succeed{f' --old {old_primary}' if old_primary else ''}{through}"


def main(arguments: Sequence[str]) -> int:
    """Arguments: id of the detached backend, its host, old primary id, new primary id, new primary host.

    Whom the node follows it finds out itself: when a second failover overtakes this one, pgpool's new primary is no
    longer it. Exit code 0: the node streams and is attached, or is the failed primary; 1: neither.
    """
    with open(CONFIGURATION) as stream:  # noqa: PTH123 -- pathlib costs start-up time
        config = json.load(stream)
    log(f"follow called: {' '.join(arguments)}")
    nodes = config["nodes"]
    node = nodes[int(arguments[0])]
    step = words(int(arguments[0]), int(arguments[2]), [entry["name"] for entry in nodes], through(config))
    if step is None:
        log(f"{node['name']} is the failed primary: left alone, ./lab rejoin brings it back")
        # The failover script has dropped them where it ran, and nowhere else: clients waited for it.
        drop_everywhere(config, node)
        return 0
    failure = on_node(node, step, SECONDS, login_seconds=LOGIN_SECONDS)
    log(f"{node['name']}: {failure.splitlines()[-1] if failure else 'streams and is attached'}")
    return 1 if failure else 0
