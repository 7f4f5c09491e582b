"""One node's samples, asked over an ssh connection that is opened again whenever it is lost.

One that only falls silent is kept while another is tried beside it. A machine that stood still goes on with the one
that it knows, seconds before it takes a login; one that was restarted knows a new one only, and so does one whose link
was down for long: its side gives a connection up (`LISTENER_SECONDS` in pgpool_lab/node/watch.py).
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from pgpool_lab.cluster.client import ssh_command
from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.observer.moments import Uptime
from pgpool_lab.harness.observer.reading import read_line
from pgpool_lab.harness.samples import NodeSample, unreachable

SILENT_SECONDS = 3.0
"""An answer takes milliseconds, on a starved emulated node up to two seconds: longer, and the node is not reached."""
PATIENCE_SECONDS = 12.0
"""After so long another connection is tried: a login on an emulated node takes up to five seconds."""
PAUSE_SECONDS = 1.0
"""Between two attempts to connect to a node that refuses."""
KEPT_SECONDS = 120
"""How long a silent connection is kept: longer than any fault lasts that is healed without a restart."""


class Connection:
    """The agent's `watch` on a node, over ssh: one question at a time, which waits for the login at first."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._received = b""
        self.asked = time.monotonic()

    def fileno(self) -> int:
        """Where answers come, for select."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def ask(self) -> bool:
        """Whether the question could be put."""
        assert self._process.stdin is not None
        self.asked, self._received = time.monotonic(), b""
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def read(self) -> str | None:
        """What has come of the answer; with the end of its line it is whole. None when the connection is lost."""
        said = os.read(self.fileno(), 65536)
        self._received += said
        return self._received.decode() if said else None

    def close(self) -> None:
        """The node's side ends when it reads the end of its input, or by itself when nothing reaches it any more."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        self._process.wait()


class NodeWatch(threading.Thread):
    """Asks one node every `interval` seconds until it is told to stop; every sample goes to `sink`."""

    def __init__(
        self, outputs: LabOutputs, node: NodeOutput, interval: float, sink: Callable[[NodeSample], None]
    ) -> None:
        super().__init__(name=f"watch-{node.name}", daemon=True)
        words = ssh_command(outputs, node, silent_seconds=KEPT_SECONDS)
        self._command = [*words, shlex.join([node.scripts.agent, "watch"])]
        self._node, self._interval, self._sink = node.name, interval, sink
        self._stopped = threading.Event()
        self._reported = 0.0
        self._connections: list[Connection] = []
        """The one that answers; while none does, the last that did and the one that is tried beside it."""
        self._next_attempt = 0.0
        self.uptime = Uptime()
        self.failure: LabError | None = None
        """Why it no longer watches, though nobody stopped it."""

    def stop(self) -> None:
        """Stop asking; the thread ends within SILENT_SECONDS."""
        self._stopped.set()

    def run(self) -> None:
        self._reported = time.monotonic()
        try:
            while not self._stopped.is_set():
                if found := self._answered():
                    self._take(*found)
        except (OSError, ValueError, KeyError) as error:
            self.failure = LabError(f"{self._node} is no longer watched: {error!r}", "./lab up")
        finally:
            self._keep_only(None)

    def _answered(self) -> tuple[Connection, str] | None:
        """The first whole line that comes on any connection, within SILENT_SECONDS; what is due is done meanwhile."""
        if time.monotonic() >= self._next_attempt:
            if not self._connections and self._next_attempt:
                self._silent()
            self._attempt()
        left = min(SILENT_SECONDS, max(0.0, self._next_attempt - time.monotonic()))
        if not self._connections:
            self._stopped.wait(left)
        else:
            for connection in select.select(self._connections, [], [], left)[0]:
                line = connection.read()
                if line is None:
                    self._lose(connection)
                elif line.endswith("\n"):
                    return connection, line
        if time.monotonic() - self._reported >= SILENT_SECONDS:
            self._silent()
        return None

    def _attempt(self) -> None:
        """Try another connection. Of those that are silent the oldest is kept: it alone was ever answered on."""
        for other in self._connections[1:]:
            self._lose(other)
        connection = Connection(self._command)
        self._connections.append(connection)
        self._next_attempt = time.monotonic() + PATIENCE_SECONDS
        if not connection.ask():
            self._lose(connection)

    def _lose(self, connection: Connection) -> None:
        """It has ended, or is given up; the next attempt comes soon, but not at once."""
        connection.close()
        self._connections.remove(connection)
        self._next_attempt = min(self._next_attempt, time.monotonic() + PAUSE_SECONDS)

    def _keep_only(self, kept: Connection | None) -> None:
        for connection in self._connections:
            if connection is not kept:
                connection.close()
        self._connections = [kept] if kept else []

    def _take(self, connection: Connection, line: str) -> None:
        """A sample from an answer, and the next question when it is due."""
        earliest, latest, wall = connection.asked, time.monotonic(), time.time()
        try:
            sample, uptime = read_line(self._node, line, earliest=earliest, latest=latest, wall=wall)
        except (ValueError, KeyError) as error:
            raise ValueError(f"no sample: {line.strip()}") from error
        if latest - earliest < SILENT_SECONDS:
            # What answers later may have stood still, and its uptime with it; or it was on its way before a link was
            # cut, and the connection is lost.
            self._keep_only(connection)
            self.uptime.learn(uptime, earliest=earliest, latest=latest)
        self._sink(sample)
        self._reported = latest
        self._stopped.wait(max(0.0, earliest + self._interval - time.monotonic()))
        self._next_attempt = time.monotonic() + PATIENCE_SECONDS
        if not connection.ask():
            self._lose(connection)

    def _silent(self) -> None:
        """Report that nothing was heard since the last report."""
        now = time.monotonic()
        self._sink(unreachable(self._node, earliest=self._reported, latest=now, wall=time.time()))
        self._reported = now
