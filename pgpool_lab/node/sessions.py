"""A psql session that is asked the same question over and over and is never waited for."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence


class Session:
    """psql as a coprocess: `ask` writes the question, `read` takes what came, neither waits.

    At most one question is open. psql must end by itself on an error (`ON_ERROR_STOP`): then the next `ask` starts
    another, and what was open is forgotten. Times are seconds of any clock, the same in every call.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        question: str,
        lines: int,
        restart_seconds: float,
        greeting: str = "",
        **environment: str,
    ) -> None:
        """`lines` is how many lines answer the `question`; the `greeting` is said once and answered by nothing.

        psql is started at most once in `restart_seconds`.
        """
        self._command = command
        self._environment: Mapping[str, str] = {**os.environ, **environment}
        self._greeting, self._question, self._lines = greeting, question, lines
        self._restart_seconds = restart_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._started: float | None = None
        self._received = b""
        self.asked_at: float | None = None
        """When the open question was asked; None when none is open."""

    def fileno(self) -> int | None:
        """What to select on; None while there is no psql."""
        if self._process is None or self._process.stdout is None:
            return None
        return self._process.stdout.fileno()

    def ask(self, now: float) -> None:
        """Ask, unless a question is open or psql has just been started and ended."""
        if self.asked_at is not None:
            return
        if self._process is None:
            if self._started is not None and now - self._started < self._restart_seconds:
                return
            self._start(now)
        self._say(self._question)
        if self._process is not None:
            self.asked_at = now

    def read(self) -> str | None:
        """Take what psql has said; the answer when it is complete. To be called when `fileno` is readable."""
        number = self.fileno()
        if number is None:
            return None
        said = os.read(number, 65536)
        if not said:
            self.close()
            return None
        self._received += said
        if self._received.count(b"\n") < self._lines:
            return None
        answer, self._received, self.asked_at = self._received.decode(), b"", None
        return answer

    def close(self) -> None:
        """End psql, whatever it is doing."""
        process, self._process = self._process, None
        self._received, self.asked_at = b"", None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            # What is still unsaid goes with the one who should have heard it.
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        process.wait()

    def _start(self, now: float) -> None:
        self._started = now
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # The service account may not enter root's home.
            cwd="/",
            env=self._environment,
        )
        self._say(self._greeting)

    def _say(self, text: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except OSError:
            self.close()
