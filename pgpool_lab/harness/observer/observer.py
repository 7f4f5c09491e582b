"""All watches of one lab, and their samples in the order in which they came."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from pgpool_lab.cluster.outputs import LabOutputs
from pgpool_lab.errors import LabError
from pgpool_lab.harness.control import Moment
from pgpool_lab.harness.observer.node_watch import NodeWatch
from pgpool_lab.harness.observer.vip_watch import VipWatch
from pgpool_lab.harness.samples import NodeSample, Sample, VipSample
from pgpool_lab.waiting import bounded

NODE_INTERVAL = 0.4
"""Seconds from one question to a node to the next: a sample costs an emulated node some ten milliseconds."""
VIP_INTERVAL = 0.25
FIRST_SECONDS = 30


class Observer:
    """Watches a lab while it is entered as a context."""

    def __init__(self, outputs: LabOutputs) -> None:
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._latest: dict[str, NodeSample] = {}
        self._nodes = {node.name: NodeWatch(outputs, node, NODE_INTERVAL, self._take) for node in outputs.nodes}
        self._vip = VipWatch(outputs, VIP_INTERVAL, self._take)

    def __enter__(self) -> Self:
        """Start watching; returns when every node has answered. Raises LabError that names those that have not."""
        for watch in self._watches():
            watch.start()
        try:
            self._vip.await_first()
            self._await_first()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop watching; the samples stay."""
        for watch in self._watches():
            watch.stop()
        for watch in self._watches():
            watch.join()

    def samples(self) -> list[Sample]:
        """Everything seen so far."""
        with self._lock:
            return list(self._samples)

    def check(self) -> None:
        """Raise the LabError for which something is no longer watched: what was seen before is no longer so."""
        for watch in self._watches():
            if watch.failure is not None:
                raise watch.failure

    def latest(self) -> dict[str, NodeSample]:
        """Every node's newest sample."""
        with self._lock:
            return dict(self._latest)

    def latest_vip(self) -> VipSample | None:
        """Who answered for the virtual IP last."""
        with self._lock:
            return next((sample for sample in reversed(self._samples) if isinstance(sample, VipSample)), None)

    def place(self, node: str, moment: Moment) -> tuple[float, float]:
        """Between which times of this machine's monotonic clock something was done on a node."""
        placed = self._nodes[node].uptime.place(moment.uptime) if moment.uptime is not None else None
        if placed is None:
            return moment.before, moment.after
        # Both hold; rounding of the uptime (10 ms) may let them miss each other.
        earliest, latest = max(placed[0], moment.before), min(placed[1], moment.after)
        return (earliest, latest) if earliest <= latest else (moment.before, moment.after)

    def _watches(self) -> list[VipWatch | NodeWatch]:
        return [self._vip, *self._nodes.values()]

    def _take(self, sample: Sample) -> None:
        with self._lock:
            self._samples.append(sample)
            if isinstance(sample, NodeSample):
                self._latest[sample.node] = sample

    def _await_first(self) -> None:
        deadline = time.monotonic() + bounded(FIRST_SECONDS)
        while missing := [name for name in self._nodes if not self._answered(name)]:
            self.check()
            if time.monotonic() > deadline:
                raise LabError(f"no sample from {', '.join(missing)}", "./lab status; ./lab ssh NODE -- lab-node watch")
            time.sleep(0.1)

    def _answered(self, name: str) -> bool:
        """A server that runs has said what it is: its session takes a moment to open."""
        sample = self.latest().get(name)
        if sample is None or sample.postgres is None:
            return False
        return sample.postgres.in_recovery is not None or not sample.postgres.running
