"""One process at a time makes what is in the cache."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgpool_lab.progress import step


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """Be the only one that makes `name` in the folder `root`; the lock goes with the process that holds it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"another process is making {name}: waiting for it"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
