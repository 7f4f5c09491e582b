"""What everybody on this machine can read of a program that runs: its command line."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PROCESSES = ("ps", "-eww", "-o", "args")
PAUSE_SECONDS = 0.3


@contextmanager
def watched() -> Iterator[set[str]]:
    """Every command line that there is on this machine while the block runs, complete when it has ended."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(PAUSE_SECONDS):
            seen.update(subprocess.run(PROCESSES, capture_output=True, text=True, check=True).stdout.splitlines())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
