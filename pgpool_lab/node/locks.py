"""Keeps two joins of the lab, and two changes of one node's PostgreSQL, from running at the same time."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO

JOIN = Path("/run/lock/pgpool-lab-join")
"""Held on the node that applies the rules of join; the other nodes see it in its facts."""
CHANGE = Path("/run/lock/pgpool-lab-change")
"""Held on a node while its PostgreSQL is changed."""

WANTED = Path("/run/lock/pgpool-lab-promotion-wanted")
"""Held on a node while a promotion waits for another step there: a step that only waits itself gives way."""

STOP = Path("/run/lock/pgpool-lab-stop")
"""Held on a node while its PostgreSQL is stopped cleanly."""


def take(lock: IO[str]) -> None:
    """Wait for a lock; it ends with the process, however that ends."""
    fcntl.flock(lock, fcntl.LOCK_EX)


def try_take(lock: IO[str]) -> bool:
    """Take a lock unless somebody has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take_within(lock: IO[str], seconds: float) -> bool:
    """Wait a bounded time for a lock; whether it was taken."""
    deadline = time.monotonic() + seconds
    while not try_take(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def let_promotion_pass() -> None:
    """Wait until no promotion waits any more: who has just given way to one must not be faster than it."""
    while is_held(WANTED):
        time.sleep(0.1)


def release(lock: IO[str]) -> None:
    """Give a lock back before its file is closed."""
    fcntl.flock(lock, fcntl.LOCK_UN)


def is_held(path: Path) -> bool:
    """Whether somebody has a lock."""
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
