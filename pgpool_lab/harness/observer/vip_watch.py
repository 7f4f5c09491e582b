"""Asks the network, as a client outside the nodes would, who has the virtual IP."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pgpool_lab.cluster.client import network_prefix
from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.observer.arp import PROTOCOL, answerer, request
from pgpool_lab.harness.samples import VipSample

REPLY_SECONDS = 1.0
"""An answer takes a millisecond, on a starved emulated node some hundred: after so long without one nobody has the
address."""
SHORTEST_SECONDS = 0.001
"""To wait on a socket: with none it would not wait at all."""

CLONE_NEWNET = 0x40000000


def open_socket(outputs: LabOutputs) -> socket.socket:
    """A socket for ARP on the lab's bridge. To be called in a thread of its own: it moves that into the lab's network.

    Raises LabError without the right to do so or without the bridge.
    """
    try:
        if network_prefix(outputs.network.namespace):
            enter(Path("/run/netns") / str(outputs.network.namespace))
        arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(PROTOCOL))
        arp.bind((outputs.network.bridge, 0))
    except OSError as error:
        raise LabError(
            f"cannot ask by ARP on {outputs.network.bridge}: {error.strerror}", "root is needed; is the lab up?"
        ) from error
    return arp


def enter(namespace: Path) -> None:
    """Move the calling thread into a network namespace (setns(2)). Raises OSError."""
    with namespace.open() as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


class VipWatch(threading.Thread):
    """Asks every `interval` seconds until it is told to stop; every answer is a sample, and so is none."""

    def __init__(self, outputs: LabOutputs, interval: float, sink: Callable[[VipSample], None]) -> None:
        super().__init__(name="watch-vip", daemon=True)
        self._outputs, self._interval, self._sink = outputs, interval, sink
        self._stopped = threading.Event()
        self._opened = threading.Event()
        self.failure: LabError | None = None
        """Why it no longer watches, though nobody stopped it."""

    def stop(self) -> None:
        """Stop asking; the thread ends within REPLY_SECONDS."""
        self._stopped.set()

    def await_first(self) -> None:
        """Wait until it asks. Raises the LabError for which it cannot."""
        self._opened.wait()
        if self.failure is not None:
            raise self.failure

    def run(self) -> None:
        try:
            arp = open_socket(self._outputs)
        except LabError as error:
            self.failure = error
            return
        finally:
            self._opened.set()
        with arp:
            try:
                while not self._stopped.is_set():
                    began = time.monotonic()
                    self._probe(arp)
                    self._stopped.wait(began + self._interval - time.monotonic())
            except OSError as error:
                self.failure = LabError(f"the virtual IP is no longer asked for: {error}", "./lab status")

    def _probe(self, arp: socket.socket) -> None:
        """One question, repeated until somebody answers: who takes the address meanwhile has not heard it before.

        Two machines may answer it: the time for another answer is given after the first, too.
        """
        drain(arp)
        vip = self._outputs.vip
        question = request(mac=arp.getsockname()[4], ip=self._outputs.network.gateway, wanted=vip)
        asked = due = time.monotonic()
        deadline, answers = asked + REPLY_SECONDS, 0
        # Also when told to stop: a question that is not waited for would pass for one that nobody answered.
        while (now := time.monotonic()) < deadline:
            if not answers and now >= due:
                arp.send(question)
                due += self._interval
            arp.settimeout(max((deadline if answers else min(due, deadline)) - now, SHORTEST_SECONDS))
            try:
                mac = answerer(arp.recv(2048), vip)
            except TimeoutError:
                continue
            if mac is None:
                continue
            answers += 1
            deadline = min(deadline, time.monotonic() + self._interval / 2)
            self._report(asked, mac)
        if answers == 0:
            self._report(asked, None)

    def _report(self, asked: float, mac: str | None) -> None:
        self._sink(VipSample(earliest=asked, latest=time.monotonic(), wall=time.time(), mac=mac))


def drain(arp: socket.socket) -> None:
    """Forget what came before the question: the answers of an earlier one."""
    arp.settimeout(0)
    try:
        while arp.recv(2048):
            pass
    except BlockingIOError:
        return
