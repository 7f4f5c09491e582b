"""One node's samples, asked over one ssh connection that is opened again whenever it is lost."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pgpool_lab.cluster.client import ssh_command
from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.observer.moments import Uptime
from pgpool_lab.harness.observer.reading import read_line
from pgpool_lab.harness.samples import NodeSample, unreachable

SILENT_SECONDS = 3.0
"""An answer takes milliseconds, on a starved emulated node up to two seconds: longer, and the node is not reached."""
PATIENCE_SECONDS = 12.0
"""After so long the connection is given up: a login on an emulated node takes up to five seconds."""
PAUSE_SECONDS = 1.0
"""Between two attempts to connect to a node that refuses."""


class NodeWatch(threading.Thread):
    """Asks one node every `interval` seconds until it is told to stop; every sample goes to `sink`."""

    def __init__(
        self, outputs: LabOutputs, node: NodeOutput, interval: float, sink: Callable[[NodeSample], None]
    ) -> None:
        super().__init__(name=f"watch-{node.name}", daemon=True)
        self._command = [*ssh_command(outputs, node), shlex.join([node.scripts.agent, "watch"])]
        self._node, self._interval, self._sink = node.name, interval, sink
        self._stopped = threading.Event()
        self._reported = 0.0
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
                with self._connected() as process:
                    self._converse(process)
                if not self._stopped.is_set():
                    self._stopped.wait(PAUSE_SECONDS)
                    self._silent()
        except (OSError, ValueError, KeyError) as error:
            self.failure = LabError(f"{self._node} is no longer watched: {error!r}", "./lab up")

    def _converse(self, process: subprocess.Popen[bytes]) -> None:
        """Ask and take answers until the connection is lost; the first question waits for the login."""
        due = asked = time.monotonic()
        while not self._stopped.is_set() and self._ask(process):
            line = self._answer(process, asked)
            if line is None:
                return
            latest, wall = time.monotonic(), time.time()
            try:
                sample, uptime = read_line(self._node, line, earliest=asked, latest=latest, wall=wall)
            except (ValueError, KeyError) as error:
                raise ValueError(f"no sample: {line.strip()}") from error
            self.uptime.learn(uptime, earliest=sample.earliest, latest=sample.latest)
            self._sink(sample)
            self._reported = sample.latest
            due = max(due + self._interval, time.monotonic())
            self._stopped.wait(due - time.monotonic())
            asked = time.monotonic()

    def _ask(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.stdin is not None
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
        except OSError:
            return False
        return True

    def _answer(self, process: subprocess.Popen[bytes], asked: float) -> str | None:
        """The line that answers; None when the connection is lost or too long silent. Silence is reported meanwhile."""
        assert process.stdout is not None
        number = process.stdout.fileno()
        received = b""
        while not self._stopped.is_set() and time.monotonic() - asked < PATIENCE_SECONDS:
            if not select.select([number], [], [], SILENT_SECONDS)[0]:
                self._silent()
                continue
            said = os.read(number, 65536)
            if not said:
                return None
            received += said
            if received.endswith(b"\n"):
                return received.decode()
        return None

    def _silent(self) -> None:
        """Report that nothing was heard since the last report."""
        now = time.monotonic()
        self._sink(unreachable(self._node, earliest=self._reported, latest=now, wall=time.time()))
        self._reported = now

    @contextmanager
    def _connected(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            # The node's side ends when it reads the end of its input, or by itself when nothing reaches it any more.
            process.kill()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
            process.wait()
