"""Has pgpool use this node's backend again, once it is primary or streams from it (rules of join, 6)."""

from __future__ import annotations

import time

from . import facts, pgpool
from .configuration import Config, StepFailed, log, node

SECONDS = 180
"""A failover ends every PCP connection (failover() restarts that process), and makes a request wait or lets it go
(send_failback_request); nobody answers while the virtual IP moves: all of it together, emulated and starved."""
PAUSE_SECONDS = 1


def step(status: str | None, *, ready: bool) -> str:
    """`done`, `attach`, or `wait`, from what the leading pgpool believes of the backend (None: it does not answer)."""
    if status in ("up", "waiting"):
        return "done"
    return "attach" if status == "down" and ready else "wait"


def admit(config: Config, primary: str | None = None, through: str | None = None) -> None:
    """Attach this node through the pgpool of the node `through`, until that one uses it; None: the one which leads.

    pcp_attach_node only hands a request in: what counts is what pgpool says afterwards, which it is asked by PCP as
    well. A session would cost it a login among those of the clients that come back. Raises StepFailed.
    """
    own = node(config, config["name"])
    host = node(config, through)["ip"] if through else config["vip"]
    deadline = time.monotonic() + SECONDS
    while True:
        backend = pgpool.backend_by_pcp(config, host, own)
        status = backend["status"] if backend else None
        match step(status, ready=status == "down" and is_ready(config, primary)):
            case "done":
                log(f"pgpool {f'on {through} ' if through else ''}uses {config['name']}")
                return
            case "attach":
                log(f"attaching {config['name']}: {pgpool.attach(config, host, own['backend_id'])}")
        if time.monotonic() > deadline:
            raise StepFailed(f"pgpool holds {config['name']} for {status or 'unknown'} after {SECONDS} s")
        time.sleep(PAUSE_SECONDS)


def is_ready(config: Config, primary: str | None) -> bool:
    """Whether this node is primary, or streams from `primary`."""
    try:
        state = facts.asked(config)
    except StepFailed:
        return False
    return state["in_recovery"] is False or (primary is not None and state["streaming_from"] == primary)
