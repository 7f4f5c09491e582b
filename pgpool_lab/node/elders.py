"""The watchdog of pgpool before 3.5, whose next leader is whoever was started longest ago, by its own clock.

It knows neither a quorum nor a vote (3.2.9, watchdog/wd_packet.c, wd_am_I_oldest), so that starting order counts.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .configuration import Config

LOG = Path("/var/log/pgpool-lab/pgpool.log")

LIFECHECK = {
    "wd_init: start watchdog": "waiting",
    "watchdog started": "waiting",
    "watchdog: lifecheck started": "working",
    "watchdog status is DOWN": "down",
}
"""What 3.2 to 3.4 log at each change (watchdog/wd_init.c, wd_lifecheck.c), 3.4 its start in other words; nothing else
tells it.

`waiting`: peers are not checked until all of them have answered a query, tried every wd_interval * 10: the death of a
host passes unnoticed. `down`: it did not answer its own queries wd_life_point times, as during a long failover; it has
given the virtual IP up and takes part again only after a restart.
"""

OCCUPIED = "delegate_IP already exists"
"""Logged when no peer says that it leads and yet somebody answers at the virtual IP: then pgpool ends (wd_init.c)."""

START_SECONDS = 60
"""Pings of the virtual IP, the interface command, and a second's sleep before it listens; emulated and starved."""
TAKEOVER_SECONDS = 15
"""How long a peer may take to have the virtual IP after this pgpool has said that it ends."""
APART_SECONDS = 2
"""Between two starts: a machine's clock is set at boot from one that counts whole seconds."""


def state_of(log: str) -> str | None:
    """What the last of the LIFECHECK lines says; None without any."""
    last = max(LIFECHECK, key=log.rfind)
    return LIFECHECK[last] if last in log else None


def lifecheck(config: Config) -> str | None:
    """Where this node's lifecheck stands, see LIFECHECK; None where the version's log doesn't say."""
    if config["pgpool"]["lifecheck_seen_in"] != "log" or not LOG.is_file():
        return None
    return state_of(LOG.read_text(errors="replace"))


def await_takeover(config: Config) -> None:
    """After this node's pgpool was stopped: wait until a peer has the virtual IP, or none takes it.

    Started meanwhile, it would find neither a leader nor a free address, or no leader and take the address as well.
    """
    deadline = time.monotonic() + TAKEOVER_SECONDS
    command = ["ping", "-q", "-c", "1", "-W", "1", config["vip"]]
    while subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        if time.monotonic() > deadline:
            return
        time.sleep(0.5)
    time.sleep(APART_SECONDS)


def await_watchdog(config: Config, is_running: Callable[[], bool], logged: int) -> None:
    """After a start: wait until this node's watchdog answers its peers, so that the next one started finds it.

    It listens after it has looked for a leader and, without one, taken the virtual IP (watchdog/watchdog.c, wd_main).
    `logged` is the log's size before the start, in bytes. Raises RuntimeError when pgpool has ended instead.
    """
    deadline = time.monotonic() + START_SECONDS
    while not listens(config["pgpool"]["wd_port"]):
        if not is_running():
            raise RuntimeError(why_it_ended(config, LOG.read_bytes()[logged:].decode(errors="replace")))
        if time.monotonic() > deadline:
            raise RuntimeError(f"the watchdog does not listen after {START_SECONDS} s; see {LOG}")
        time.sleep(0.2)
    time.sleep(APART_SECONDS)


def why_it_ended(config: Config, log: str) -> str:
    """In one line, from what pgpool has logged since its start."""
    if OCCUPIED in log:
        return (
            f"pgpool does not start while something answers at the virtual IP {config['vip']} that no pgpool which "
            "leads holds: ./lab status names the holder, ./lab ssh NODE -- lab-vip down takes it off"
        )
    return f"pgpool has ended: {log.strip().splitlines()[-1] if log.strip() else f'see {LOG}'}"


def listens(port: int) -> bool:
    """Whether somebody listens on a TCP port of this node."""
    shown = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip())
