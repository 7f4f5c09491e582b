"""Where the clients put down what they do, while they do it."""

from __future__ import annotations

import threading
import time
from typing import Literal

from pgpool_lab.harness import ledger
from pgpool_lab.harness.ledger import Ledger, Read, Way, Write


class Recorder:
    """The ledger in the making; safe to use from all clients. Times are taken here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: list[Write] = []
        self._reads: list[Read] = []

    def begin_write(self, client: str, way: Way = "vip") -> Write:
        """A new row with the next number. Until its outcome is known it may be in the database."""
        with self._lock:
            write = Write(
                client=client,
                way=way,
                number=len(self._writes) + 1,
                sent=time.monotonic(),
                done=None,
                outcome="unknown",
                error=None,
            )
            self._writes.append(write)
        return write

    def end_write(
        self, begun: Write, outcome: Literal["acknowledged", "failed", "unknown"], error: str | None = None
    ) -> None:
        """What became of a row."""
        ended = begun.model_copy(update={"done": time.monotonic(), "outcome": outcome, "error": error})
        with self._lock:
            self._writes[begun.number - 1] = ended

    def add_read(self, read: Read) -> None:
        with self._lock:
            self._reads.append(read)

    def snapshot(self) -> Ledger:
        """Everything so far; what is still under way counts as unknown."""
        with self._lock:
            return ledger.of([*self._writes, *self._reads])
